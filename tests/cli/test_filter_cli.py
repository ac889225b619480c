"""``esm filter``."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from esm_emulator.cli.filter import command
from esm_emulator.errors import InvalidFilterPattern, UsageError
from tests.cli.esm_command import invoke

NEW = '{"body": {"status": ["new"]}}'
EVENT = {
    "Records": [
        {
            "messageId": "m-1",
            "body": '{"status": "new"}',
            "attributes": {"ApproximateReceiveCount": "2"},
            "messageAttributes": {
                "kind": {"stringValue": "order", "dataType": "String", "stringListValues": []},
                "blob": {"binaryValue": "aGk=", "dataType": "Binary"},
            },
        },
        {"messageId": "m-2", "body": '{"status": "old"}'},
    ]
}


def run(*arguments, text=None):
    return invoke(command, arguments, text)


def test_lines_of_standard_input_are_messages():
    result = run(
        "--pattern", NEW, "-", text='{"status": "new"}\n\n{"status": "old"}\n"{\\"status\\": \\"new\\"}"\nplain\n'
    )
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        'delivered  -:1  {"status": "new"}',
        'deleted    -:2  {"status": "old"}',
        '           body.status is "old"; the filter wants ["new"]',
        'delivered  -:3  {"status": "new"}',
        "deleted    -:4  plain",
        "           body is plain text; the filter wants JSON (FILT-13)",
        "2 delivered, 2 deleted without an invocation",
    ]


def test_records_of_an_event_are_messages(tmp_path):
    file = tmp_path / "event.json"
    file.write_text(json.dumps(EVENT, indent=2))
    assert "1 delivered, 1 deleted" in run("--pattern", NEW, str(file)).stdout


def test_an_event_of_another_service_is_the_body_of_a_message() -> None:
    """S3 tells of an object in the shape of an event of its own."""
    told = json.dumps({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}]})
    pattern = '{"body": {"Records": {"eventSource": ["aws:s3"]}}}'
    assert "1 delivered, 0 deleted" in run("--pattern", pattern, "-", text=told).stdout


def test_attributes_of_an_event_can_be_asked_for(tmp_path):
    """FILT-12."""
    file = tmp_path / "event.json"
    file.write_text(json.dumps(EVENT))
    pattern = json.dumps({"messageAttributes": {"kind": {"stringValue": ["order"]}, "blob": {"binaryValue": ["aGk="]}}})
    result = run("--pattern", pattern, str(file))
    assert "1 delivered, 1 deleted" in result.stdout
    assert "only body can be filtered" in result.stderr


def test_a_json_document_of_several_lines_is_one_message(tmp_path):
    file = tmp_path / "order.json"
    file.write_text('{\n  "status": "new"\n}\n')
    assert "1 delivered, 0 deleted" in run("--pattern", NEW, str(file)).stdout


def test_a_separator_of_unicode_within_a_line_ends_no_message():
    """U+2028 may stand in JSON as it is."""
    result = run("--pattern", NEW, "-", text='{"status": "new", "note": "a\u2028b"}\n' * 2)
    assert (result.exit_code, result.stdout.split("\n")[-2]) == (0, "2 delivered, 0 deleted without an invocation")


def test_several_patterns_are_ored():
    """FILT-1."""
    result = run("--pattern", NEW, "--pattern", '{"body": ["plain"]}', "-", text='plain\n{"status": "new"}')
    assert "2 delivered" in result.stdout


def test_json_output_names_the_key():
    result = run("--pattern", NEW, "--json", "-", text='{"status": "old"}\n')
    assert json.loads(result.stdout) == {
        "version": 1,
        "delivered": 0,
        "deleted": 1,
        "warnings": [],
        "messages": [
            {
                "file": "-",
                "number": 1,
                "message_id": "message-1",
                "body": '{"status": "old"}',
                "delivered": False,
                "key": "body.status",
                "reason": 'is "old"; the filter wants ["new"]',
            }
        ],
    }


def test_an_operator_that_lambda_does_not_list_is_a_warning():
    """FILT-35."""
    result = run("--pattern", '{"body": [{"wildcard": "a*"}]}', "-", text="abc")
    assert "wildcard" in result.stderr
    assert result.exit_code == 0


CONFIG = """
resources:
  Orders: {Type: AWS::SQS::Queue}
  Worker: {Type: AWS::Lambda::Function, Properties: {Handler: app.handler}}
  Trigger:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: Orders
      FunctionName: Worker
      FilterCriteria: {Filters: [{Pattern: '{"body": {"status": ["new"]}}'}]}
"""


def test_the_filters_of_a_configured_mapping(tmp_path):
    file = tmp_path / "esm.yaml"
    file.write_text(CONFIG)
    for more in ((), ("--mapping", "Trigger")):
        result = run("--config", str(file), *more, "-", text='{"status": "new"}\n{"status": "old"}\n')
        assert "1 delivered, 1 deleted" in result.stdout


def test_of_several_mappings_with_filters_one_has_to_be_named(tmp_path):
    file = tmp_path / "esm.yaml"
    again = CONFIG[CONFIG.index("  Worker") :].replace("Worker", "Other").replace("Trigger", "Second")
    file.write_text(CONFIG + again)
    with pytest.raises(UsageError, match="one of Trigger, Second"):
        run("--config", str(file), "-", text="x")


def test_a_file_that_is_no_text_is_told(tmp_path):
    file = tmp_path / "binary"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8"):
        run("--pattern", NEW, str(file))


def test_a_configuration_without_filters_is_refused(tmp_path):
    file = tmp_path / "esm.yaml"
    file.write_text("\n".join(line for line in CONFIG.splitlines() if "Filter" not in line))
    with pytest.raises(UsageError, match="has FilterCriteria"):
        run("--config", str(file), "-", text="x")


@pytest.mark.parametrize(
    ("arguments", "text", "said"),
    [
        (("-",), "x", "either --pattern"),
        (("--pattern", NEW, "--mapping", "T", "-"), "x", "no --config"),
        (("--pattern", NEW, "-"), "\n", "no message"),
        (("--pattern", NEW, "-"), '{"Records": [{"messageId": "1"}]}', "record 1"),
        (("--pattern", NEW, "-"), '{"Records": [7]}', "record 1"),
        (("--pattern", NEW, "-"), '{"Records": [{"body": 7}]}', "no string"),
        (("--pattern", NEW, "/nowhere/at/all"), None, "cannot be read"),
    ],
)
def test_what_makes_no_sense_is_told(arguments, text, said):
    with pytest.raises(UsageError, match=said):
        run(*arguments, text=text)


def test_an_invalid_pattern_is_told_with_the_sentence_of_aws():
    """FILT-5."""
    with pytest.raises(InvalidFilterPattern, match="Invalid filter pattern definition"):
        run("--pattern", '{"body": "x"}', "-", text="x")


def test_it_loads_neither_moto_nor_boto3():
    code = (
        "import sys; from esm_emulator.cli.filter import command; "
        f"command.main(['--pattern', {NEW!r}, '-'], standalone_mode=False); "
        "sys.exit(bool({'moto', 'boto3', 'botocore'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], input="x", text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
