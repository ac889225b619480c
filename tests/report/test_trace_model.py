"""What the page of a trace is given: levels, lanes, lives and stories."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from esm_emulator.journal import RunStopped
from esm_emulator.report.messages import Messages
from esm_emulator.report.metrics import Metrics
from esm_emulator.report.story import stories
from esm_emulator.report.trace.model import model
from tests.report.history import DEPLOYED, History, T

DELAYED, WAITING, HIDDEN, GONE = range(4)


def eventful():
    """A delayed message, one that comes back and is dead-lettered, a redrive, and a delete."""
    history = History().pollers(0, 2).sent(0, "a").sent(0, "b", delay=5_000).received(1_000, "a", hidden=3_000)
    history.batch(1_000, 1, "a").invoked(1_000, 1, "a").ended(2_000, 1, "a", outcome="error").judged(2_000, 1, (), "a")
    history.received(6_000, "b").batch(6_000, 2, "b").invoked(6_000, 2, "b").ended(7_000, 2, "b")
    history.judged(7_000, 2, "b").deleted(7_000, "b").dead_lettered(9_000, "a").moved(20_000, "a", "a2")
    return history.received(21_000, "a2", hidden=10_000).visibility(22_000, "a2", 22_000).expired(60_000, "a2")


def level(data, queue, ms):
    columns = data["levels"]["queues"][queue]
    at = max(place for place, time in enumerate(columns[0]) if time <= ms)
    return tuple(column[at] for column in columns[1:])


def lines(data):
    return {row[0]: row[7] for row in data["messages"]}


@pytest.mark.parametrize(
    "ms", [0, 1, 999, 1_000, 3_999, 4_000, 4_999, 5_000, 6_500, 9_000, 20_000, 21_500, 22_000, 59_999]
)
def test_a_queue_is_as_deep_as_the_metrics_say(ms):
    """At every moment, also where no fact says that something came back."""
    history = eventful()
    metrics = Metrics.of(fact for fact in history if fact.at <= T + ms)
    metrics.advance(T + ms)
    data = model(history)
    for queue, depth in metrics.depths.queues.items():
        if queue in data["levels"]["queues"] and ms >= data["levels"]["queues"][queue][0][0]:
            assert level(data, queue, ms)[:3] == (depth.visible, depth.hidden, depth.delayed), queue


def test_the_oldest_message_is_named_by_its_arrival():
    """The page counts its age from there."""
    data = model(History().sent(0, "a").sent(500, "b").deleted(1_000, "a").deleted(2_000, "b"))
    assert [level(data, "Orders", ms)[3] for ms in (0, 999, 1_000, 2_000)] == [0, 0, 500, -1]


def test_a_life_shows_returns_that_no_fact_tells():
    """A delay that ends, and a visibility timeout."""
    data = model(eventful())
    assert lines(data)["b"][:6] == [0, DELAYED, "Orders", 5_000, WAITING, "Orders"]
    assert lines(data)["a"][3:9] == [1_000, HIDDEN, "Orders", 4_000, WAITING, "Orders"]


def test_a_life_goes_on_through_a_dead_letter_queue_and_a_redrive():
    """SQS-41: the id is another, the message the same."""
    data = model(eventful())
    line = lines(data)["a"]
    assert [line[9:12], line[12:15]] == [[9_000, WAITING, "Dlq"], [20_000, WAITING, "Orders"]]
    assert line[-3:] == [60_000, GONE, "Orders"]
    assert data["messages"][0][8] == "a2"


def test_a_message_still_hidden_when_the_run_ends_stays_so():
    """Nothing is known of later."""
    assert lines(model(History().sent(0, "a").received(10, "a").pollers(20, 1)))["a"][-3:] == [10, HIDDEN, "Orders"]


def test_a_run_that_goes_on_has_come_further_than_its_last_fact():
    """What was hidden is back by then; once it has stopped, its last fact is its end."""
    history = History().sent(0, "a").received(10, "a", hidden=1_000)
    data = model(history, until=T + 5_000)
    assert data["run"]["end"] == 5_000
    assert lines(data)["a"][-3:] == [1_010, WAITING, "Orders"]
    assert level(data, "Orders", 5_000)[:3] == (1, 0, 0)
    history.facts.append(RunStopped(T + 20, "interrupted"))
    assert model(history, until=T + 5_000)["run"]["end"] == 20


def test_the_stories_are_those_of_story():
    """One wording everywhere."""
    history = eventful()
    data = model(history)
    told = stories(history, Messages.of(history))
    for row, flat in zip(data["messages"], data["stories"], strict=True):
        said = [data["texts"][text] for text in flat[1::2]]
        assert [line[16:] for line in told[row[0]][1:]] == said


def test_a_batch_is_in_its_poller_s_lane_with_its_invocation():
    """Closed, run, ended."""
    data = model(eventful())
    mapping, number, poller, closed, *_, messages = data["batches"][1][:7]
    assert (mapping, number, data["pollers"][poller], closed, messages) == ("Trigger", 2, "Trigger/1", 6_000, [1])
    invocation = data["invocations"][data["batches"][1][11]]
    assert (invocation[3], invocation[5], invocation[6]) == (6_000, 7_000, "success")


def test_throttled_tries_and_giving_up_stand_in_the_batch():
    """CONC-11, FAIL-9."""
    history = History().sent(0, "a").received(0, "a").batch(0, 1, "a").throttled(0, 1, "a").throttled(900, 1, "a")
    row = model(history)["batches"][0]
    assert row[8] == [0, 900]
    assert row[10] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert row[11] is None


def test_when_messages_of_a_batch_came_is_kept_where_it_waited_for_them():
    """BATCH-5: a window."""
    history = History().sent(0, "a").sent(0, "b").received(100, "a").received(300, "b").batch(500, 1, "a", "b")
    assert model(history)["batches"][0][7] == [100, 300]


def test_invocations_that_overlap_get_lanes_of_their_own():
    """Functions inside this process share one environment."""
    history = History().batch(0, 1).batch(0, 2).batch(0, 3).invoked(0, 1).invoked(50, 2).ended(100, 1).ended(150, 2)
    data = model(history.invoked(200, 3).ended(300, 3))
    assert [data["environments"][row[4]][1] for row in data["invocations"]] == ["Worker", "Worker · 2", "Worker"]


def test_messages_that_were_kept_stand_with_the_invocation():
    """PBR: the page colors it as a partial failure."""
    history = History().sent(0, "a").sent(0, "b").batch(0, 1, "a", "b").invoked(0, 1, "a", "b").ended(9, 1, "a", "b")
    assert model(history.judged(9, 1, ("a",), ("b",)))["invocations"][0][8] == [1]


def test_a_diagnosis_leads_to_the_times_of_its_evidence():
    """And to its messages, whatever id they have now."""
    history = eventful()
    found = model(history, [Cause(("a2",), (3, 99_999))])["diagnoses"][0]
    assert found["messages"] == [0]
    assert found["evidence"] == [[0, "sent"]]


def test_environment_variables_are_not_in_it():
    """They may be secrets."""
    worker = {
        "Type": "AWS::Lambda::Function",
        "Properties": {"Timeout": 3, "Environment": {"Variables": {"K": "s3cr3t"}}},
    }
    data = model(History(**(DEPLOYED | {"Worker": worker})))
    assert "s3cr3t" not in json.dumps(data)
    assert data["resources"]["Worker"]["properties"] == {"Timeout": 3}


def test_nor_are_those_that_change_while_it_runs():
    """What changed is told, and the values of other properties."""
    history = History().set(5, "Worker.Environment", {"Variables": {"K": "s3cr3t"}}).set(6, "Worker.Timeout", 9)
    history.set(7, "Trigger.FilterCriteria", {"Filters": [{"Pattern": "x" * 99}]}).set(8, "Worker.Timeout", None)
    said = [text for _, text in model(history)["marks"]]
    assert [said[0], said[1], said[3]] == ["Worker.Environment changed", "Worker.Timeout = 9", "Worker.Timeout removed"]
    assert said[2].startswith('Trigger.FilterCriteria = {"Filters": [{"Pattern": "xx')
    assert said[2].endswith("x…")


def test_a_journal_that_was_cut_off_has_a_page_too():
    """It began before what is kept, and has not stopped."""
    data = model([fact for fact in eventful() if fact.at >= T + 6_000])
    assert data["run"]["stopped"] is None
    assert data["run"]["clock"] == "real"
    assert len(data["messages"]) == len(data["stories"]) == 2


def test_nothing_at_all_is_a_run_too():
    """An empty journal."""
    assert model([])["run"]["end"] == 0


class TestRedaction:
    SECRET = '{"card": "4111-1111"}'

    def journal(self):
        history = History().sent(0, "a", body=self.SECRET, label=self.SECRET).received(0, "a").filtered(1, "a")
        history.batch(1, 1, "a").invoked(1, 1, "a").ended(2, 1, "a", outcome="error")
        history.facts[-1] = replace(history.facts[-1], error_type="ValueError", error_message=f"bad {self.SECRET}")
        history.facts[-4] = replace(history.facts[-4], reason=f"{self.SECRET} does not match")
        return history

    def test_without_it_bodies_are_shown(self):
        assert "4111-1111" in json.dumps(model(self.journal()))

    def test_bodies_are_nowhere(self):
        """Nor in errors, labels, reasons and diagnoses that quote them."""
        cause = Cause(("a",), (2,), summary=f"the message {self.SECRET} is bad")
        data = model(self.journal(), [cause], redact=True)
        assert "4111-1111" not in json.dumps(data)
        assert data["diagnoses"][0]["summary"] == "the message [redacted] is bad"
        assert data["run"]["redacted"] is True

    def test_nor_is_an_error_a_reason_or_a_note_that_a_diagnosis_quotes(self):
        """Whole, or clipped to the start of its first line."""
        history = self.journal()
        message = f"card 4111-1111 {'is bad ' * 30}\nat line 4"
        history.facts[-1] = replace(history.facts[-1], error_message=message)
        history.facts[-4] = replace(history.facts[-4], reason='body.card is "4111-1111"')
        history.judged(2, 1, (), "a")
        note = "itemIdentifier '4111-1111' is none"
        history.facts[-1] = replace(history.facts[-1], note=note)
        summary = f'raised (ValueError: {message}) ({message[:99]}…) because body.card is "4111-1111". {note}'
        data = model(history, [Cause(("a",), (2,), summary=summary)], redact=True)
        hidden = "raised (ValueError: [redacted]) ([redacted]…) because [redacted]. [redacted]"
        assert data["diagnoses"][0]["summary"] == hidden

    def test_what_happened_stays(self):
        """Times, ids, types of errors."""
        row = model(self.journal(), redact=True)["invocations"][0]
        assert row[7] == "ValueError: [redacted]"


class Cause:
    """A diagnosis as the page wants it."""

    code, subject, fix, source = "ESM-D101", "Worker", "mend it", "https://docs.aws.amazon.com/"

    def __init__(self, messages, evidence, summary="so it is"):
        self.messages, self.evidence, self.summary = messages, evidence, summary
