"""How long ``esm check`` takes for a template of 200 resources, the start of Python included.

Wanted: under 0.5 s. The template is 50 times a queue, its dead-letter queue, a function and a mapping, as YAML and as
the JSON that CDK writes; every mapping has findings, and every function a handler to read.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROUNDS = 5
GROUPS = 50
HANDLER = """
def handler(event, context):
    failed = []
    for record in event["Records"]:
        try:
            print(record["body"])
        except ValueError:
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
"""


def template() -> dict[str, Any]:
    resources: dict[str, Any] = {}
    for number in range(GROUPS):
        queue, dead, function = f"Orders{number}", f"Dead{number}", f"Worker{number}"
        policy = {"deadLetterTargetArn": {"Fn::GetAtt": [dead, "Arn"]}, "maxReceiveCount": 3}
        resources[queue] = {
            "Type": "AWS::SQS::Queue",
            "Properties": {"VisibilityTimeout": 60, "RedrivePolicy": policy},
        }
        resources[dead] = {"Type": "AWS::SQS::Queue"}
        resources[function] = {
            "Type": "AWS::Lambda::Function",
            "Properties": {"Handler": f"app{number}.handler", "Code": ".", "Runtime": "python3.12", "Timeout": 30},
        }
        resources[f"Trigger{number}"] = {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {"EventSourceArn": {"Fn::GetAtt": [queue, "Arn"]}, "FunctionName": {"Ref": function}},
        }
    return {"Resources": resources}


def as_yaml(value: Any, indent: int = 0) -> str:
    """The template as a person writes it: one key a line."""
    lines = []
    for key, item in value.items():
        below = isinstance(item, dict) and not any(str(name).startswith(("Fn::", "Ref")) for name in item)
        text = f"\n{as_yaml(item, indent + 2)}" if below else f" {json.dumps(item)}\n"
        lines.append(f"{' ' * indent}{key}:{text}")
    return "".join(lines)


def best(file: Path) -> tuple[float, int]:
    """The best of several rounds in seconds, and the number of findings."""
    seconds, findings = 1e9, 0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        command = [sys.executable, "-m", "esm_emulator", "check", str(file), "--format", "json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        seconds = min(seconds, time.perf_counter() - began)
        findings = len(json.loads(done.stdout)["findings"])
    return seconds, findings


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number in range(GROUPS):
            (Path(folder) / f"app{number}.py").write_text(HANDLER, encoding="utf-8")
        made = template()
        for name, text in {"template.yaml": as_yaml(made), "template.json": json.dumps(made, indent=1)}.items():
            file = Path(folder) / name
            file.write_text(text, encoding="utf-8")
            seconds, findings = best(file)
            print(f"{name:<16}{len(made['Resources'])} resources {findings:>5} findings {seconds:>7.3f} s")


if __name__ == "__main__":
    main()
