"""The system attributes of a received message: which, in what order, as text."""

from __future__ import annotations

NAMES = ["ApproximateReceiveCount", "SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"]


def test_standard(desk):
    """A standard queue's message has the four that are always there, all text, times in ms (EVT-3)."""
    queue = desk.create("q")
    desk.send(queue, "a")
    sent_at = desk.now
    (message,) = desk.at(1.5).receive(queue)
    assert message.attributes == {
        "ApproximateReceiveCount": "1",
        "SentTimestamp": str(sent_at),
        "SenderId": message.attributes["SenderId"],
        "ApproximateFirstReceiveTimestamp": str(desk.now),
    }
    assert list(message.attributes) == NAMES
    assert message.received_at == desk.now


def test_fifo(desk):
    """A FIFO queue's message has three more, in the documented order (EVT-4)."""
    queue = desk.create("q.fifo")
    desk.send(queue, "a", group="g", dedup="d")
    (message,) = desk.receive(queue)
    assert list(message.attributes) == [
        "ApproximateReceiveCount",
        "SentTimestamp",
        "SequenceNumber",
        "MessageGroupId",
        "SenderId",
        "MessageDeduplicationId",
        "ApproximateFirstReceiveTimestamp",
    ]
    assert (message.group, message.attributes["MessageDeduplicationId"]) == ("g", "d")


def test_trace_header(desk):
    """AWSTraceHeader is there when the message carries one (EVT-5)."""
    queue = desk.create("q")
    desk.send(queue, "a", trace_header="Root=1-5e3d83c1-e6a0db584850d61342823d4c")
    (message,) = desk.receive(queue)
    assert message.attributes["AWSTraceHeader"] == "Root=1-5e3d83c1-e6a0db584850d61342823d4c"


def test_sender(desk):
    """SenderId looks like an IAM user's id, or is what the sender says (EVT-14)."""
    queue = desk.create("q")
    desk.send(queue, "a")
    desk.send(queue, "b", sender_id="AROAEXAMPLE:session")
    first, second = desk.receive(queue)
    assert first.attributes["SenderId"].startswith("AIDA")
    assert second.attributes["SenderId"] == "AROAEXAMPLE:session"


def test_dead_letter_source_comes_last(desk):
    """DeadLetterQueueSourceArn is there after a move by SQS (EVT-6)."""
    queue, letters = desk.with_letters("q", 1)
    desk.send(queue, "a")
    desk.receive(queue, visibility=0)
    desk.receive(queue)
    (letter,) = desk.receive(letters)
    assert list(letter.attributes) == [*NAMES, "DeadLetterQueueSourceArn"]
    assert letter.attributes["DeadLetterQueueSourceArn"] == queue.arn
