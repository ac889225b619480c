"""One message's life in lines."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from esm_emulator import journal as facts
from esm_emulator.report.messages import Messages
from esm_emulator.report.story import stories, story, told
from tests.report.history import History, T


def lines(history, message="a"):
    """The story without the widths of its columns."""
    found = Messages.of(history).get(message)
    assert found is not None
    return [" ".join(line.split()) for line in story(history, found)]


def last(history):
    return lines(history)[-1]


def received():
    return History().sent(0, "a", label="first").received(0, "a").batch(0, 1, "a").invoked(0, 1, "a")


def test_a_life_from_the_send_to_the_delete() -> None:
    """The outcome first, then a line for whatever happened, by the time since the run began."""
    history = received().ended(1_500, 1, "a").judged(1_500, 1, "a").deleted(90_000, "a")
    assert lines(history) == [
        "first: deleted",
        "0s sent to Orders",
        "0s receive 1 from Orders by Trigger/1, hidden until 30s",
        "0s Worker runs with it alone (invocation q-1, batch 1)",
        "1s500ms invocation q-1 returned",
        "1s500ms to be deleted (FAIL-1)",
        "1m30s deleted from Orders",
    ]


def test_times_stand_in_a_column() -> None:
    history = received().deleted(90_000, "a")
    title, *told_lines = story(history, next(iter(Messages.of(history))))
    assert not title.startswith(" ")
    assert {len(line) - len(line[2:].lstrip().partition("  ")[2]) for line in told_lines} == {16}


@pytest.mark.parametrize(
    ("body", "title"),
    [
        ("", "first: waiting"),
        ("first", "first: waiting"),
        ('{"id": 7}', "first '{\"id\": 7}': waiting"),
        ("a\nb", "first 'a\\nb': waiting"),
        ("x" * 60, f"first {'x' * 60!r}: waiting"),
        ("x" * 61, f"first {'x' * 59 + '…'!r}: waiting"),
    ],
)
def test_the_title_shows_as_much_of_the_body_as_a_line_bears(body: str, title: str) -> None:
    """On one line, and not again when it is the name."""
    assert lines(History().sent(0, "a", label="first", body=body))[0] == title


def test_a_group_and_a_delay_are_told_with_the_send() -> None:
    history = History().sent(0, "a", group="g", visible_at=T + 5_000)
    assert last(history) == "0s sent to Orders in group g, delayed until 5s"


def test_others_in_the_batch_are_counted() -> None:
    for count, said in ((2, "with it and 1 other"), (3, "with it and 2 others")):
        history = History().sent(0, "a").invoked(0, 1, *"abc"[:count])
        assert said in last(history)
        assert f"{said}s" not in last(history)


def test_throttles_in_a_row_are_one_line() -> None:
    """With how many, until when and why; after something else a new line begins."""
    history = History().sent(0, "a").throttled(0, 1, "a", reason="Full")
    assert last(history) == "0s throttled: Full (batch 1)"
    history.throttled(1_000, 1, "a", reason="Full").throttled(3_000, 1, "a", reason="Full")
    assert lines(history)[2:] == ["0s throttled 3 times until 3s: Full (batch 1)"]
    history.throttled(9_000, 2, "a", reason="Full")
    assert last(history) == "9s throttled: Full (batch 2)"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"error_type": "ValueError", "error_message": "no\nstock"}, "failed: ValueError: no"),
        ({"error_type": "ValueError", "error_message": "x" * 101}, f"failed: ValueError: {'x' * 99}…"),
        ({"error_type": "ValueError"}, "failed: ValueError"),
        ({"outcome": "timeout"}, "failed: timeout"),
    ],
)
def test_a_failure_is_told_with_its_first_line(changes, said) -> None:
    history = received().ended(0, 1, "a", outcome="error")
    history.facts[-1] = replace(history.facts[-1], **changes)
    assert last(history) == f"0s invocation q-1 {said}"


def test_nothing_in_a_story_commands_a_terminal() -> None:
    """Neither a name, nor an error, nor a group: what is not printable is an escape, on the same line."""
    history = History().sent(0, "a", label="x\x1b[2J\n\u202ey", group="g\r").invoked(0, 1, "a")
    history.ended(0, 1, "a", outcome="error")
    history.facts[-1] = replace(history.facts[-1], error_type="E", error_message="\x07ding, é 日本")
    title, sent, _, failed = lines(history)
    assert title == r"x\x1b[2J\n\u202ey: waiting"
    assert sent == r"0s sent to Orders in group g\r"
    assert failed == r"0s invocation q-1 failed: E: \x07ding, é 日本"


def test_a_message_is_followed_through_a_dead_letter_queue_and_a_redrive() -> None:
    """Under whichever of its ids it is asked for."""
    history = received().dead_lettered(60_000, "a").moved(120_000, "a", "b").received(120_000, "b")
    expected = [
        "1m moved to Dlq after 3 receives",
        "2m moved from Dlq to Orders under a new id",
        "2m receive 1 from Orders by Trigger/1, hidden until 2m30s",
    ]
    assert lines(history)[-3:] == lines(history, "b")[-3:] == expected


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        (facts.MessageDeadLettered(T, "Orders", "a", "Dlq", 1, T), "moved to Dlq after 1 receive"),
        (facts.MessageDeduplicated(T, "Orders", "a", "d", T), "sent again to Orders, not enqueued: deduplication id d"),
        (facts.VisibilityChanged(T, "Orders", "a", "r", T + 5_000), "visibility changed: hidden until 5s"),
        (facts.VisibilityChanged(T, "Orders", "a", "r", T), "visibility changed: visible at once"),
        (
            facts.MessageFiltered(T, "Trigger", "Orders", "a", "body"),
            "no filter of Trigger matches: body; deleted, never invoked",
        ),
        (
            facts.ResponseJudged(T, "Trigger", 1, "q", (), ("a",), "PBR-16", "an id twice"),
            "reported as failed, left to its visibility timeout (PBR-16): an id twice",
        ),
        (
            facts.ResponseJudged(T, "Trigger", 1, "q", (), ("a",), "FAIL-5"),
            "kept, left to its visibility timeout (FAIL-5)",
        ),
        (facts.BatchGivenUp(T, "Trigger", 1, ("a",), "Trigger/1", "too late"), "batch 1 given up: too late"),
        (facts.MessageHandedBack(T, "Trigger", "Orders", "a"), "handed back, visible at once"),
        (
            facts.DeleteIgnored(T, "Orders", "a", "r", "superseded"),
            "delete accepted, nothing deleted: a later receive has a newer handle",
        ),
        (
            facts.DeleteIgnored(T, "Orders", "a", "r", "gone"),
            "delete accepted, nothing deleted: it is no longer in Orders",
        ),
        (facts.DeleteFailed(T, "Orders", "a", "r", "refused\nlater"), "delete failed: refused"),
        (facts.MessageExpired(T, "Orders", "a", False), "expired in Orders"),
        (facts.MessageExpired(T, "Orders", "a", True), "expired in Orders while in flight"),
        (facts.MessageRedelivered(T, "Orders", "a"), "a replica of Orders delivers it once more"),
        (facts.QueuePurged(T, "Orders", ("a",)), "purged from Orders"),
        (facts.QueueRemoved(T, "Orders", ("a",)), "gone with its queue Orders"),
    ],
    ids=lambda value: value.event if isinstance(value, facts.Fact) else "",
)
def test_each_fact_of_a_message_has_its_sentence(fact, said) -> None:
    assert last([*History().sent(0, "a"), fact]) == f"0s {said}"


def test_every_fact_about_a_message_is_told_or_left_out_on_purpose() -> None:
    """A new kind of fact needs a sentence, or a word here why not."""
    silent = {facts.BatchClosed}  # a poller's business: the invocation names the batch
    shown = [getattr(facts, name) for name in facts.__all__]
    kinds = {
        kind: {field.name: str(field.type) for field in fields(kind)}
        for kind in shown
        if isinstance(kind, type) and issubclass(kind, facts.Fact) and kind is not facts.Fact
    }
    about = {kind for kind, names in kinds.items() if {"message", "messages", "done"} & names.keys()}
    assert len(about) > 15
    assert {kind for kind in about if not list(told([(_any(kind, kinds[kind]), "a")], T))} == silent


def _any(kind, types):
    """A fact of that kind, with values that do not matter."""
    values = {"int": T, "float": 1.0, "bool": False, "str": "x", "tuple[str, ...]": ("a",)}
    return kind(**{name: values.get(type_.removesuffix(" | None")) for name, type_ in types.items()})


def test_others_are_not_in_it() -> None:
    """Several stories in one walk, each with its own lines; asked for none, there is none."""
    history = History().sent(0, "a").sent(1_000, "b").deleted(2_000, "b")
    messages = Messages.of(history)
    found = stories(history, messages)
    assert {id: len(lines) for id, lines in found.items()} == {"a": 2, "b": 3}
    assert stories(history, []) == {}
