"""What a result means for the messages (contract sections 4.1, 4.2 and 5)."""

from __future__ import annotations

import json

import pytest

from esm_emulator.functions import Failed, FailureKind, Returned
from esm_emulator.mapping.response import judge

IDS = ("id1", "id2", "id3")
ALL, NONE = IDS, ()


def failures(*identifiers) -> str:
    return json.dumps({"batchItemFailures": [{"itemIdentifier": item} for item in identifiers]})


ROWS = [
    ("PBR-11", "null", ALL),
    ("PBR-12", "{}", ALL),
    ("PBR-13", failures(), ALL),
    ("PBR-14", '{"batchItemFailures": null}', ALL),
    ("PBR-15", '{"statusCode": 200}', ALL),
    ("PBR-15", '{"BatchItemFailures": [{"itemIdentifier": "id1"}]}', ALL),
    ("PBR-16", failures("id2"), ("id1", "id3")),
    ("PBR-16", failures("id2", "id2"), ("id1", "id3")),
    ("PBR-17", failures("id3", "id1", "id2"), NONE),
    ("PBR-18", failures(""), NONE),
    ("PBR-19", failures(None), NONE),
    ("PBR-20", '{"batchItemFailures": [{"foo": "id1"}]}', NONE),
    ("PBR-20", '{"batchItemFailures": [{"ItemIdentifier": "id1"}]}', NONE),
    ("PBR-20", '{"batchItemFailures": [{}]}', NONE),
    ("PBR-21", failures("id9"), NONE),
    ("PBR-22", '{"batchItemFailures": [NaN]}', NONE),
    ("PBR-22", "not json", NONE),
    ("PBR-22", '{"batchItemFailures": [], "more": Infinity}', NONE),
    ("PBR-22", " ", NONE),
    ("PBR-22", "\ufeff{}", NONE),
    ("PBR-22", "[" * 100_000, NONE),
    ("PBR-23", failures("id1", "id9"), NONE),
    ("PBR-23", failures("id9", "id1"), NONE),
    ("PBR-18", failures("id1", ""), NONE),
    ("PBR-26", '{"batchItemFailures": ["id2"]}', NONE),
    ("PBR-26", '{"batchItemFailures": [null]}', NONE),
    ("PBR-26", '{"batchItemFailures": [[{"itemIdentifier": "id2"}]]}', NONE),
    ("PBR-27", '{"batchItemFailures": {"itemIdentifier": "id2"}}', NONE),
    ("PBR-27", '{"batchItemFailures": "id2"}', NONE),
    ("PBR-27", '{"batchItemFailures": 1}', NONE),
    ("PBR-27", '{"batchItemFailures": {}}', NONE),
    ("PBR-27", '{"batchItemFailures": ""}', NONE),
    ("PBR-27", '{"batchItemFailures": false}', NONE),
    ("PBR-28", "[]", NONE),
    ("PBR-28", '[{"itemIdentifier": "id2"}]', NONE),
    ("PBR-28", '""', NONE),
    ("PBR-28", "9" * 5_000, NONE),
    ("PBR-28", '"ok"', NONE),
    ("PBR-28", "1", NONE),
    ("PBR-28", "true", NONE),
    ("PBR-29", "", ALL),
    ("PBR-30", failures(7), NONE),
    ("PBR-30", failures(1.5), NONE),
    ("PBR-30", failures(False), NONE),
    ("PBR-30", failures({"id": "id2"}), NONE),
]


@pytest.mark.parametrize(("rule", "payload", "done"), ROWS, ids=lambda value: str(value)[:50])
def test_response_table(rule, payload, done):
    """Each row of the response table, with partial responses switched on (PBR-11 … 30)."""
    verdict = judge(Returned(payload), IDS, partial=True)
    assert (verdict.rule, verdict.done) == (rule, done)
    assert sorted(verdict.done + verdict.kept) == sorted(IDS)


@pytest.mark.parametrize(
    "payload", [row[1] for row in ROWS if row[2] == NONE and row[0] != "PBR-17"], ids=lambda text: text[:50]
)
def test_a_spoiled_batch_says_why(payload):
    """Whenever a response spoils the whole batch, a sentence says what is wrong with it."""
    note = judge(Returned(payload), IDS, partial=True).note
    assert note is not None
    assert note.endswith("the whole batch fails.")


@pytest.mark.parametrize("more", ["1", "9" * 5_000, '{"batchItemFailures": null}'], ids=["one", "long", "nested"])
def test_extra_keys_do_not_matter(more):
    """Other keys beside itemIdentifier and at the top are ignored, whatever their values (PBR-24)."""
    payload = f'{{"batchItemFailures": [{{"itemIdentifier": "id1", "why": "x"}}], "more": {more}}}'
    assert judge(Returned(payload), IDS, partial=True).kept == ("id1",)


def test_a_twice_reported_message_is_kept_once():
    """The same id twice counts once, and what is kept stands in the batch's order (PBR-25)."""
    verdict = judge(Returned(failures("id3", "id1", "id3")), IDS, partial=True)
    assert (verdict.done, verdict.kept, verdict.reported) == (("id2",), ("id1", "id3"), ("id3", "id1"))


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("kind", list(FailureKind))
def test_function_error_keeps_everything(partial, kind):
    """A function error of any kind keeps the whole batch, with partial responses on too (FAIL-5, FAIL-17, PBR-10)."""
    verdict = judge(Failed(kind, "ValueError", "x", "{}"), IDS, partial=partial)
    assert (verdict.done, verdict.kept) == (NONE, ALL)


@pytest.mark.parametrize(
    "payload", ["null", '"ok"', "[1]", "not json", "", "{}", '{"batchItemFailures": []}', '["batchItemFailures"]']
)
def test_without_the_flag_any_value_is_a_success(payload):
    """Without ReportBatchItemFailures the value is irrelevant (FAIL-1)."""
    verdict = judge(Returned(payload), IDS, partial=False)
    assert (verdict.done, verdict.rule, verdict.note) == (ALL, "FAIL-1", None)


def test_ignored_failures_are_told():
    """Failures that are returned without the flag are deleted with the rest, and a sentence says so (PBR-31)."""
    verdict = judge(Returned(failures("id2")), IDS, partial=False)
    assert (verdict.done, verdict.rule, verdict.reported) == (ALL, "PBR-31", ("id2",))
    assert "1 failure," in verdict.note
    assert "2 failures," in judge(Returned(failures("id2", "id1")), IDS, partial=False).note


def test_without_the_flag_nobody_minds_what_cannot_be_read():
    """What cannot be read is ignored like any value, and what can be read of a report is told (FAIL-1, PBR-31)."""
    unreadable = '{"batchItemFailures": ' + "[" * 100_000
    assert judge(Returned(unreadable), IDS, partial=False).rule == "FAIL-1"
    assert (
        judge(Returned('{"score": NaN, "batchItemFailures": [{"itemIdentifier": "id2"}]}'), IDS, partial=False).rule
        == "PBR-31"
    )


def test_fifo_successes_behind_a_failure_are_done_all_the_same():
    """Lambda does not enforce order: what is not listed is deleted, even behind a failure (PBR-41)."""
    assert judge(Returned(failures("id1")), IDS, partial=True).done == ("id2", "id3")
