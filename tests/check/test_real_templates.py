"""Templates as people write and generate them, with what is known to be wrong with each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from esm_emulator.cli import main

DATA = Path(__file__).parent / "data"

# file -> the codes of its findings, in the order of their places; the healthy one has none
KNOWN: dict[str, list[str]] = {
    "cdk-shop.template.json": ["W210", "W207", "W206", "W212", "W213", "W214"],
    "cfn-fifo.json": ["W201", "W227", "W207", "W211", "W212"],
    "cfn-filters.yaml": ["W222", "W221", "W220", "E307"],
    "cfn-permissions.yaml": ["E308", "W213"],
    "cfn-refused.yaml": ["E301", "E310", "E304", "W210", "W212", "E302", "E303", "E305", "W232"],
    "cfn-throttled.yaml": ["W201", "W208", "W217", "W209", "E306", "W213"],
    "cfn-unresolved.yaml": ["W207", "W212"],
    "sam-healthy.yaml": [],
    "sam-orders.yaml": ["W201", "W203", "W210", "W224", "W214"],
    "terraform-modules.json": ["W210", "W204"],
    "terraform-plan.json": ["E310"],
    "terraform-state.json": ["W207", "W202", "W205", "W212"],
}


def checked(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.chdir(DATA)
    return CliRunner().invoke(main, ["check", *arguments])


@pytest.mark.parametrize(("file", "codes"), KNOWN.items(), ids=KNOWN)
def test_the_known_findings_of_a_template_are_found_and_no_others(
    monkeypatch: pytest.MonkeyPatch, file: str, codes: list[str]
) -> None:
    result = checked(monkeypatch, file, "--format", "json")
    found = json.loads(result.stdout)["findings"]
    assert [item["code"].removeprefix("ESM-") for item in found if not item["accepted"]] == codes
    assert result.exit_code == bool(codes)


@pytest.mark.parametrize("file", KNOWN)
def test_the_text_about_a_template_reads_as_it_did(monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    """Golden files: to write them anew, esm check FILE --show I > FILE.txt in the folder."""
    result = checked(monkeypatch, file, "--show", "I")
    assert result.stdout == (DATA / f"{file}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", KNOWN)
def test_every_finding_has_a_place_in_a_file(monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    """The line is there, and what the finding is about stands on it, at its column."""
    found = json.loads(checked(monkeypatch, file, "--show", "I", "--format", "json").stdout)["findings"]
    for item in found:
        line = (DATA / item["file"]).read_text(encoding="utf-8").splitlines()[item["line"] - 1]
        assert 1 <= item["column"] <= len(line)
        assert not line[item["column"] - 1].isspace()


def test_a_property_is_told_at_its_own_value(monkeypatch: pytest.MonkeyPatch) -> None:
    found = json.loads(checked(monkeypatch, "sam-orders.yaml", "--format", "json").stdout)["findings"]
    visibility = next(item for item in found if item["code"] == "ESM-W201")
    assert (visibility["line"], visibility["column"]) == (15, 26)
    assert (DATA / "sam-orders.yaml").read_text(encoding="utf-8").splitlines()[14][25:] == "60"


def test_what_only_a_deployment_knows_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is checked: maxReceiveCount beside an imported dead-letter queue."""
    output = checked(monkeypatch, "cfn-unresolved.yaml").stdout
    assert "Not checked, since only a deployment knows:" in output
    assert "Consumer.Properties.Timeout: the parameter 'Timeout' has no default" in output
    assert "ESM-W201" not in output
    assert "ESM-W208" not in output


def test_a_parameter_that_is_given_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    output = checked(monkeypatch, "cfn-unresolved.yaml", "--parameter", "Timeout=10").stdout
    assert "VisibilityTimeout 20 < 6 x 10 = 60" in output


def test_a_region_that_is_given_is_compared_with_arns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """DOC-34."""
    template = tmp_path / "template.yaml"
    template.write_text(
        "Resources:\n  F: {Type: AWS::Lambda::Function, Properties: {Timeout: 3}}\n"
        "  M: {Type: AWS::Lambda::EventSourceMapping, Properties: {FunctionName: !Ref F, BatchSize: 1,"
        " EventSourceArn: arn:aws:sqs:eu-west-1:123456789012:orders}}\n",
        encoding="utf-8",
    )
    assert "ESM-E309" not in checked(monkeypatch, str(template)).stdout
    for elsewhere in ("eu-central-1", "us-east-1"):
        assert "ESM-E309" in checked(monkeypatch, str(template), "--region", elsewhere).stdout
    assert "ESM-E309" not in checked(monkeypatch, str(template), "--region", "eu-west-1").stdout


def test_a_role_with_every_permission_is_left_in_peace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """DOC-33: by an action, by a pattern, by a managed policy; and silence about a policy that nobody knows."""
    text = (DATA / "cfn-permissions.yaml").read_text(encoding="utf-8")
    granted = "[sqs:ReceiveMessage, sqs:GetQueueAttributes]"
    basic = "service-role/AWSLambdaBasicExecutionRole"
    for old, new in (
        (granted, "[sqs:ReceiveMessage, sqs:GetQueueAttributes, sqs:DeleteMessage]"),
        (granted, "sqs:*"),
        (granted, "'*'"),
        (basic, "service-role/AWSLambdaSQSQueueExecutionRole"),
        (basic, "our-own-policy"),
    ):
        (tmp_path / "template.yaml").write_text(text.replace(old, new), encoding="utf-8")
        assert "ESM-E308" not in checked(monkeypatch, str(tmp_path / "template.yaml")).stdout
    (tmp_path / "template.yaml").write_text(text, encoding="utf-8")
    assert "ESM-E308" in checked(monkeypatch, str(tmp_path / "template.yaml")).stdout


def test_an_alarm_silences_the_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    """DOC-37."""
    assert "ESM-I404" not in checked(monkeypatch, "sam-healthy.yaml", "--show", "I").stdout
    assert "ESM-I404" in checked(monkeypatch, "sam-orders.yaml", "--show", "I").stdout


def test_properties_that_an_include_may_add_are_not_called_missing(tmp_path: Path) -> None:
    """No risk is concluded from a default that an include may change; what is written is checked."""
    path = tmp_path / "template.yaml"
    path.write_text(
        """\
Resources:
  Orders:
    Type: AWS::SQS::Queue
    Properties:
      Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://bucket/more.yaml}}
      VisibilityTimeout: 60
  Worker: {Type: AWS::Lambda::Function, Properties: {Timeout: 20}}
  Trigger:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !GetAtt Orders.Arn, FunctionName: !Ref Worker, BatchSize: 1}
""",
        encoding="utf-8",
    )
    result = CliRunner().invoke(main, ["check", str(path), "--show", "I", "--format", "json"])
    found = [(item["code"], item["line"], item["column"]) for item in json.loads(result.stdout)["findings"]]
    assert found == [("ESM-I409", 5, 7), ("ESM-W201", 6, 26), ("ESM-I407", 8, 3)]


def test_a_mapping_of_an_imported_queue_is_checked_as_far_as_possible(tmp_path: Path) -> None:
    """What stands on the mapping and on its function needs no queue."""
    path = tmp_path / "template.yaml"
    path.write_text(
        """\
Resources:
  Worker: {Type: AWS::Lambda::Function, Properties: {ReservedConcurrentExecutions: 1}}
  Trigger:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !ImportValue orders, FunctionName: !Ref Worker, BatchSize: 100}
""",
        encoding="utf-8",
    )
    result = CliRunner().invoke(main, ["check", str(path), "--format", "json"])
    assert [item["code"] for item in json.loads(result.stdout)["findings"]] == ["ESM-W217", "ESM-W212"]
