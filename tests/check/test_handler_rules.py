"""Rules that read a handler's source, each with the least that shows it and what it must be silent about."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from esm_emulator.check import Finding, Setup, check
from esm_emulator.resources import Resources

LOOP = """
def handler(event, context):
    failed = []
    for record in event["Records"]:
        try:
            work(record)
        except ValueError:
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
"""
QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/123456789012/Orders"


def findings(
    folder: Path,
    source: str,
    *,
    partial: bool = True,
    fifo: bool = False,
    handler: str = "app.handler",
    **function: Any,
) -> list[Finding]:
    (folder / "app.py").write_text(dedent(source), encoding="utf-8")
    more = {"FunctionResponseTypes": ["ReportBatchItemFailures"]} if partial else {}
    resources = {
        "Orders": {"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": fifo}},
        "Worker": {"Type": "AWS::Lambda::Function", "Properties": {"Handler": handler, **function}},
        "Trigger": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {"EventSourceArn": "Orders", "FunctionName": "Worker", **more},
        },
    }
    return check(Setup(Resources.parse(resources, base_folder=folder)))


def codes(folder: Path, source: str, **more: Any) -> set[str]:
    return {finding.code for finding in findings(folder, source, **more)}


def body(text: str) -> str:
    return "def handler(event, context):\n" + indent(dedent(text).strip("\n"), "    ") + "\n"


def loop(text: str) -> str:
    return body(
        'failed = []\nfor record in event["Records"]:\n'
        + indent(dedent(text).strip("\n"), "    ")
        + '\nreturn {"batchItemFailures": failed}'
    )


NEVER = [
    body("work(event)"),
    body("return None"),
    body('return {"statusCode": 200, "body": "ok"}'),
    body("return 'done'"),
]
UNSURE = [
    LOOP,
    body("return respond(event)"),
    body("result = work(event)\nreturn result"),
    "@wrapped\n" + body("return None"),
    body('return {"batch" + "ItemFailures": []}'),
    body("return {**answer(event)}"),
    "from shared import *\n" + body("return process_partial_response(event, one, processor, context)"),
    'KEY = "batchItemFailures"\n' + body("return {KEY: []}"),
    "handler = make_handler()\n",
]


@pytest.mark.parametrize("source", NEVER)
def test_a_handler_that_never_reports_is_told_when_the_feature_is_on(tmp_path: Path, source: str) -> None:
    """DOC-14."""
    assert "ESM-W213" in codes(tmp_path, source)
    assert "ESM-W213" not in codes(tmp_path, source, partial=False)


@pytest.mark.parametrize("source", UNSURE)
def test_a_handler_that_may_report_is_left_in_peace(tmp_path: Path, source: str) -> None:
    """When unsure, silent."""
    assert "ESM-W213" not in codes(tmp_path, source)


@pytest.mark.parametrize(
    "source",
    [
        LOOP,
        body('return {"batchItemFailures": []}'),
        body('answer = {"batchItemFailures": []}\nreturn answer'),
        body("return process_partial_response(event, one, processor, context)"),
        body("return batch.process_partial_response(event=event)"),
    ],
)
def test_a_report_that_nobody_asked_for_is_told(tmp_path: Path, source: str) -> None:
    """DOC-14, PBR-31: without the feature the response is ignored."""
    assert "ESM-W213" in codes(tmp_path, source, partial=False)


@pytest.mark.parametrize(
    "source",
    [
        body("return None"),
        body('def inner():\n    return {"batchItemFailures": []}\nreturn None'),
        body("answer = {}\nanswer = work(answer)\nreturn answer"),
    ],
)
def test_what_is_not_certainly_returned_is_no_report(tmp_path: Path, source: str) -> None:
    """When unsure, silent."""
    assert "ESM-W213" not in codes(tmp_path, source, partial=False)


@pytest.mark.parametrize("wrong", ["BatchItemFailures", "batchitemfailures", "batch_item_failures"])
def test_a_top_key_in_other_letters_is_told(tmp_path: Path, wrong: str) -> None:
    """DOC-15, PBR-3."""
    assert "ESM-W214" in codes(tmp_path, LOOP.replace("batchItemFailures", wrong))


@pytest.mark.parametrize("wrong", ["ItemIdentifier", "itemidentifier", "item_identifier"])
def test_an_inner_key_in_other_letters_is_told_at_its_place(tmp_path: Path, wrong: str) -> None:
    """DOC-15."""
    found = [item for item in findings(tmp_path, LOOP.replace("itemIdentifier", wrong)) if item.code == "ESM-W214"]
    assert [(Path(item.file).name, item.line, item.column) for item in found] == [("app.py", 8, 28)]


@pytest.mark.parametrize("wrong", ["itemIdentifer", "itemIdentifiers", "itemIdentifyer", "itmIdentifer"])
def test_an_inner_key_with_a_letter_wrong_is_told(tmp_path: Path, wrong: str) -> None:
    """DOC-15: beside the right top key, when the right inner key stands nowhere."""
    assert "ESM-W214" in codes(tmp_path, LOOP.replace("itemIdentifier", wrong))
    assert "ESM-W214" not in codes(tmp_path, f"{LOOP}\nNAMES = {{{wrong!r}: 1}}\n")


def test_keys_as_aws_spells_them_and_names_of_variables_are_no_misspelling(tmp_path: Path) -> None:
    """Only keys count."""
    assert "ESM-W214" not in codes(tmp_path, LOOP)
    assert "ESM-W214" not in codes(tmp_path, LOOP.replace("failed", "batch_item_failures"))


@pytest.mark.parametrize(
    "identifier",
    [
        'record["receiptHandle"]',
        'record["body"]',
        'json.loads(record["body"])["id"]',
        'record["attributes"]["SenderId"]',
        "handle",
        'order["id"]',
    ],
)
def test_another_identifier_than_the_message_id_is_told(tmp_path: Path, identifier: str) -> None:
    """DOC-16, PBR-21."""
    named = 'handle = record["receiptHandle"]\n        order = json.loads(record["body"])\n        try:'
    source = LOOP.replace('record["messageId"]', identifier).replace("try:", named)
    assert "ESM-W215" in codes(tmp_path, source)


def test_another_identifier_in_a_comprehension_is_told_at_its_place(tmp_path: Path) -> None:
    """DOC-16: the usual short form."""
    each = '{"itemIdentifier": record["receiptHandle"]} for record in event["Records"] if not work(record)'
    found = findings(tmp_path, body(f'return {{"batchItemFailures": [{each}]}}'))
    assert [(item.line, item.column) for item in found if item.code == "ESM-W215"] == [(2, 54)]


@pytest.mark.parametrize(
    "identifier",
    ['record["messageId"]', "record[key]", "id_of(record)", "record.message_id", "id", "own", "either", "itself"],
)
def test_an_identifier_that_may_be_right_is_left_in_peace(tmp_path: Path, identifier: str) -> None:
    """When unsure, silent."""
    named = (
        'own = record["messageId"]\n        either = record["body"]\n        either = work(either)\n'
        "        itself = itself[0]\n        try:"
    )
    source = LOOP.replace('record["messageId"]', identifier).replace("try:", named)
    assert "ESM-W215" not in codes(tmp_path, source)


def test_going_on_after_a_failure_is_told_on_fifo_alone(tmp_path: Path) -> None:
    """DOC-17, PBR-40."""
    assert "ESM-W216" in codes(tmp_path, LOOP, fifo=True)
    assert "ESM-W216" not in codes(tmp_path, LOOP)
    assert "ESM-W216" not in codes(tmp_path, LOOP, fifo=True, partial=False)


TRY = "    try:\n        work(record)\n    except ValueError:\n        failed.append(1)"


@pytest.mark.parametrize(
    "within",
    [
        "try:\n    work(record)\nexcept ValueError:\n    failed.append(1)\n    break",
        "if failed:\n    continue\ntry:\n    work(record)\nexcept ValueError:\n    failed.append(1)",
        "try:\n    work(record)\nexcept ValueError:\n    log(1)",
        f"if failed:\n    failed.append(0)\nelse:\n{TRY}",
        f"if stop:\n    failed.append(0)\nelse:\n{TRY}\n        stop = True",
        "try:\n    work(record, failed)\nexcept ValueError:\n    failed.append(1)",
        'group = record["MessageGroupId"]\ntry:\n    work(group)\nexcept ValueError:\n    failed.append(1)',
    ],
)
def test_a_fifo_handler_that_stops_or_looks_at_groups_is_left_in_peace(tmp_path: Path, within: str) -> None:
    """When unsure, silent."""
    assert "ESM-W216" not in codes(tmp_path, loop(within), fifo=True)


POWERTOOLS = """
processor = %s(event_type=EventType.SQS)
def handler(event, context):
    return process_partial_response(event=event, record_handler=work, processor=processor, context=context)
"""


@pytest.mark.parametrize("processor", ["BatchProcessor", "batch.AsyncBatchProcessor"])
def test_a_processor_of_powertools_that_goes_on_is_told_on_fifo_alone(tmp_path: Path, processor: str) -> None:
    """DOC-17: BatchProcessor is for standard queues."""
    source = POWERTOOLS % processor
    assert "ESM-W216" in codes(tmp_path, source, fifo=True)
    assert "ESM-W216" not in codes(tmp_path, source)


@pytest.mark.parametrize("processor", ["SqsFifoPartialProcessor", "batch.SqsFifoPartialProcessor", "made_elsewhere"])
def test_a_processor_that_keeps_the_order_or_is_not_known_is_left_in_peace(tmp_path: Path, processor: str) -> None:
    """When unsure, silent."""
    assert "ESM-W216" not in codes(tmp_path, POWERTOOLS % processor, fifo=True)


@pytest.mark.parametrize(
    "value",
    [
        "{1, 2}",
        "set()",
        'b"done"',
        '{"done": {1}}',
        "[set(ids)]",
        "datetime.now()",
        "{id for id in ids}",
        "(i for i in x)",
    ],
)
def test_a_result_that_is_not_json_is_told(tmp_path: Path, value: str) -> None:
    """DOC-47, RUN-31."""
    assert "ESM-W231" in codes(tmp_path, body(f"return {value}"))


@pytest.mark.parametrize("value", ["{}", "None", "[1]", "sorted({1})", "{'a': (1, 2)}", "work({1})"])
def test_a_result_that_may_be_json_is_left_in_peace(tmp_path: Path, value: str) -> None:
    """When unsure, silent."""
    assert "ESM-W231" not in codes(tmp_path, body(f"return {value}"))


def test_an_exception_that_escapes_the_loop_is_worth_advice(tmp_path: Path) -> None:
    """DOC-46, FAIL-17."""
    assert "ESM-I408" in codes(tmp_path, loop("work(record)"))
    assert "ESM-I408" not in codes(tmp_path, LOOP)
    assert "ESM-I408" not in codes(tmp_path, loop("work(record)"), partial=False)
    assert "ESM-I408" not in codes(tmp_path, loop("with suppress(ValueError):\n    work(record)"))


def test_a_sign_of_idempotency_silences_the_advice(tmp_path: Path) -> None:
    """DOC-35, POLL-2."""
    assert "ESM-I403" in codes(tmp_path, LOOP)
    assert "ESM-I403" not in codes(tmp_path, "from aws_lambda_powertools.utilities import idempotency\n" + LOOP)


SEND = 'import os\nURL = os.environ["OUT"]\n' + body('sqs.send_message(QueueUrl=URL, MessageBody="x")')


@pytest.mark.parametrize(
    "source",
    [
        SEND,
        SEND.replace('os.environ["OUT"]', 'os.environ.get("OUT")'),
        SEND.replace('os.environ["OUT"]', 'os.getenv("OUT", "")'),
        body('sqs.send_message_batch(QueueUrl=os.environ["OUT"], Entries=[])'),
    ],
)
@pytest.mark.parametrize("value", [QUEUE_URL, "Orders"])
def test_sending_to_the_own_queue_is_told(tmp_path: Path, source: str, value: str) -> None:
    """DOC-32, FAIL-16."""
    assert "ESM-W224" in codes(tmp_path, source, Environment={"Variables": {"OUT": value}})


@pytest.mark.parametrize(
    ("source", "more"),
    [
        (SEND, {"Environment": {"Variables": {"OUT": QUEUE_URL + "Done"}}}),
        (SEND, {"Environment": {"Variables": {"OUT": QUEUE_URL}}, "RecursiveLoop": "Allow"}),
        (SEND.replace("send_message", "change_visibility"), {"Environment": {"Variables": {"OUT": QUEUE_URL}}}),
        (SEND.replace("QueueUrl=URL", "QueueUrl=url_of(URL)"), {"Environment": {"Variables": {"OUT": QUEUE_URL}}}),
        (SEND, {}),
    ],
)
def test_sending_elsewhere_or_on_purpose_is_left_in_peace(tmp_path: Path, source: str, more: dict[str, Any]) -> None:
    """When unsure, silent."""
    assert "ESM-W224" not in codes(tmp_path, source, **more)


def test_a_chain_that_leads_back_over_another_function_is_told(tmp_path: Path) -> None:
    """DOC-32: the loop is written out."""
    (tmp_path / "app.py").write_text(SEND, encoding="utf-8")
    resources: dict[str, Any] = {}
    for here, there in (("A", "B"), ("B", "A")):
        variables = {"Variables": {"OUT": f"Queue{there}"}}
        resources[f"Queue{here}"] = {"Type": "AWS::SQS::Queue"}
        resources[here] = {
            "Type": "AWS::Lambda::Function",
            "Properties": {"Handler": "app.handler", "Environment": variables},
        }
        resources[f"Map{here}"] = {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {"EventSourceArn": f"Queue{here}", "FunctionName": here},
        }
    found = check(Setup(Resources.parse(resources, base_folder=tmp_path)))
    said = [item.summary for item in found if item.code == "ESM-W224"]
    assert len(said) == 2
    assert "A -> QueueB -> B -> QueueA -> A" in said[0]


@pytest.mark.parametrize(
    ("source", "more"),
    [
        ("def handler(", {}),
        (LOOP, {"handler": "missing.handler"}),
        (LOOP, {"handler": "app.other"}),
        (LOOP, {"Runtime": "nodejs22.x"}),
        ("\0", {}),
        ("x = " + "(" * 400 + ")" * 400, {}),
    ],
)
def test_a_handler_that_cannot_be_read_is_left_in_peace(tmp_path: Path, source: str, more: dict[str, Any]) -> None:
    """No file, no Python, no such function: nothing is said of any handler."""
    assert not codes(tmp_path, source, **more) & {"ESM-W213", "ESM-W214", "ESM-W215", "ESM-I403"}
