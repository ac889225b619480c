"""The event as a handler sees it, from the send to the handler, in this process and in one of its own (section 3)."""

from __future__ import annotations

import json
import re
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

import pytest

from esm_emulator.clocks import virtual
from esm_emulator.emulation import Emulation, Plan
from esm_emulator.functions import Function
from esm_emulator.functions.inline import InlineFunction
from esm_emulator.functions.process import ProcessFunction
from esm_emulator.journal import LogLine
from esm_emulator.messages import MessageAttribute
from esm_emulator.resources import Function as FunctionResource
from esm_emulator.resources import Resources
from esm_emulator.sqs import NewMessage

Values = dict[str, Any]
Events = list[Values]

HANDLER = """\
import json

def handler(event, context):
    print("EVENT " + json.dumps(event))
    if event["Records"][0]["body"] == "bad" and event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1":
        raise ValueError("bad")
"""

QUEUE = "arn:aws:sqs:eu-central-1:111122223333:"
ATTRIBUTES = {
    "Title": MessageAttribute("String", "The Whistler"),
    "Author": MessageAttribute("String", "John Grisham"),
    "WeeksOn": MessageAttribute("Number", "6"),
}
UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")


def mapping(queue: str, **properties: Any) -> Values:
    return {
        "Type": "AWS::Lambda::EventSourceMapping",
        "Properties": {"EventSourceArn": queue, "FunctionName": "Worker"} | properties,
    }


def resources(folder: Path) -> Resources:
    """A standard queue, one with a window, and a FIFO queue whose dead letters the same function handles."""
    policy = {"deadLetterTargetArn": "Letters", "maxReceiveCount": 1}
    blocks = {
        "Plain": {"Type": "AWS::SQS::Queue"},
        "Windowed": {"Type": "AWS::SQS::Queue"},
        "Ordered": {
            "Type": "AWS::SQS::Queue",
            "Properties": {"FifoQueue": True, "ContentBasedDeduplication": True, "RedrivePolicy": policy},
        },
        "Letters": {"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": True}},
        "Worker": {
            "Type": "AWS::Lambda::Function",
            "Properties": {"Handler": "app.handler", "CodeUri": str(folder), "Timeout": 10},
        },
        "PlainTrigger": mapping("Plain", BatchSize=2),
        "WindowedTrigger": mapping("Windowed", MaximumBatchingWindowInSeconds=1),
        "OrderedTrigger": mapping("Ordered"),
        "LettersTrigger": mapping("Letters"),
    }
    return Resources.parse(blocks, region="eu-central-1", account="111122223333")


@pytest.fixture(params=[InlineFunction, ProcessFunction], ids=["inline", "process"])
def adapter(request: pytest.FixtureRequest) -> type[Function]:
    kind: type[Function] = request.param
    return kind


@pytest.fixture
def events_of(tmp_path: Path, adapter: type[Any]) -> Any:
    """Send to a queue, let everything settle, and give each event as the handler saw it, as text and in order."""
    (tmp_path / "app.py").write_text(HANDLER, encoding="utf-8")

    def adapt(resource: FunctionResource, emulation: Emulation) -> Function:
        made: Function = adapter(resource, emulation.clock, emulation.journal, emulation.identifiers)
        return made

    def events(to: str, *messages: NewMessage) -> Events:
        clock = virtual.VirtualClock()
        plan = Plan(resources=resources(tmp_path), adapt=adapt, embedded_aws=False)
        emulation = Emulation(plan, clock, clock_name="virtual")

        async def program() -> None:
            for message in messages:
                emulation.send(to, message)
            async with emulation.running():
                await emulation.until_idle()

        virtual.run(program, clock=clock)
        texts = [fact.text for fact in emulation.journal if isinstance(fact, LogLine)]
        return [json.loads(text[6:]) for text in texts if text.startswith("EVENT ")]

    return events


def test_a_message_of_a_standard_queue(events_of: Any) -> None:
    """Every key in AWS's order, with exactly the values that SQS gives (EVT-1, EVT-2, EVT-3, EVT-9, EVT-14)."""
    (event,) = events_of("Plain", NewMessage('grüße ✓\r\n{"a": 1} 🚚'))
    (record,) = event["Records"]
    times = record["attributes"]["SentTimestamp"], record["attributes"]["ApproximateFirstReceiveTimestamp"]
    assert UUID.match(record["messageId"])
    assert all(re.fullmatch(r"\d{13}", time) for time in times)
    body = 'grüße ✓\r\n{"a": 1} 🚚'
    expected = {
        "messageId": record["messageId"],
        "receiptHandle": record["receiptHandle"],
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": times[0],
            "SenderId": record["attributes"]["SenderId"],
            "ApproximateFirstReceiveTimestamp": times[1],
        },
        "messageAttributes": {},
        "md5OfBody": md5(body.encode()).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE + "Plain",
        "awsRegion": "eu-central-1",
    }
    assert json.dumps(event) == json.dumps({"Records": [expected]})
    assert re.fullmatch(r"A[IR][DO]A[A-Z0-9]{16,}(:.+)?", record["attributes"]["SenderId"])


def test_message_attributes(events_of: Any) -> None:
    """The recorded digest, the text of numbers, base64 of bytes, and both lists, empty (EVT-8, EVT-9, EVT-10)."""
    (event,) = events_of("Plain", NewMessage("x", ATTRIBUTES))
    (record,) = event["Records"]
    assert record["md5OfMessageAttributes"] == "d25a6aea97eb8f585bfa92d314504a92"
    assert list(record)[4:7] == ["messageAttributes", "md5OfMessageAttributes", "md5OfBody"]
    lists: Values = {"stringListValues": [], "binaryListValues": []}
    assert record["messageAttributes"] == {
        "Title": {"stringValue": "The Whistler", **lists, "dataType": "String"},
        "Author": {"stringValue": "John Grisham", **lists, "dataType": "String"},
        "WeeksOn": {"stringValue": "6", **lists, "dataType": "Number"},
    }


def test_binary_and_labelled_attributes(events_of: Any) -> None:
    """Bytes are base64 text, and no stringValue stands beside them; labels stay (EVT-8)."""
    attributes = {
        "Cover": MessageAttribute("Binary.png", None, bytes(range(256))),
        "Price": MessageAttribute("Number.eur", "012.50"),
    }
    (event,) = events_of("Plain", NewMessage("x", attributes))
    cover, price = event["Records"][0]["messageAttributes"].values()
    assert list(cover) == ["binaryValue", "stringListValues", "binaryListValues", "dataType"]
    assert cover["binaryValue"].startswith("AAECAwQF")
    assert (cover["dataType"], price["dataType"], price["stringValue"]) == ("Binary.png", "Number.eur", "012.50")


def test_a_window_shows_in_the_digest_of_no_attributes(events_of: Any) -> None:
    """With a window the key is there and null (EVT-9)."""
    (event,) = events_of("Windowed", NewMessage("x"))
    assert event["Records"][0]["md5OfMessageAttributes"] is None


def test_a_trace_header_and_a_group_on_a_standard_queue(events_of: Any) -> None:
    """Both are system attributes, and change no digest (EVT-5, EVT-7, EVT-11)."""
    header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    (event,) = events_of("Plain", NewMessage("x", ATTRIBUTES, group="tenant-7", trace_header=header))
    (record,) = event["Records"]
    assert record["attributes"]["AWSTraceHeader"] == header
    assert record["attributes"]["MessageGroupId"] == "tenant-7"
    assert "MessageDeduplicationId" not in record["attributes"]
    assert record["md5OfMessageAttributes"] == "d25a6aea97eb8f585bfa92d314504a92"


def test_a_message_of_a_fifo_queue_and_its_dead_letter(events_of: Any) -> None:
    """The attributes in the documented order; a dead letter keeps its id and names its source (EVT-4, EVT-6, DLQ-3)."""
    first, letter = (event["Records"][0] for event in events_of("Ordered", NewMessage("bad", group="g")))
    assert list(first["attributes"]) == [
        "ApproximateReceiveCount",
        "SentTimestamp",
        "SequenceNumber",
        "MessageGroupId",
        "SenderId",
        "MessageDeduplicationId",
        "ApproximateFirstReceiveTimestamp",
    ]
    assert re.fullmatch(r"\d{20}", first["attributes"]["SequenceNumber"])
    assert first["attributes"]["MessageDeduplicationId"] == sha256(b"bad").hexdigest()
    assert (first["eventSourceARN"], letter["eventSourceARN"]) == (QUEUE + "Ordered.fifo", QUEUE + "Letters.fifo")
    assert "DeadLetterQueueSourceArn" not in first["attributes"]
    assert letter["attributes"]["DeadLetterQueueSourceArn"] == QUEUE + "Ordered.fifo"
    assert letter["attributes"]["ApproximateReceiveCount"] == "2"
    assert letter["messageId"] == first["messageId"]


def test_a_redelivery(events_of: Any) -> None:
    """The same id, send time and first receive; another handle, a higher count (EVT-13)."""
    first, second = (event["Records"][0] for event in events_of("Plain", NewMessage("bad", ATTRIBUTES)))
    assert first.pop("receiptHandle") != second.pop("receiptHandle")
    counts = [record["attributes"].pop("ApproximateReceiveCount") for record in (first, second)]
    assert (counts, first) == (["1", "2"], second)


def test_records_stand_in_the_queues_order(events_of: Any) -> None:
    """Batches of two, in the order of the sends (BATCH-1, BATCH-18)."""
    events = events_of("Plain", *(NewMessage(text) for text in "abc"))
    assert sorted([record["body"] for record in event["Records"]] for event in events) == [["a", "b"], ["c"]]
