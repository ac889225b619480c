"""A trace as text: the page itself, Chrome trace events, Mermaid."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from esm_emulator.report.mermaid import STEPS, mermaid
from esm_emulator.report.perfetto import perfetto
from esm_emulator.report.trace import trace
from tests.report.history import History

NASTY = '</script><script>alert(1)</script><!-- \u2028 & "quoted" \''


def one(body="", **more):
    history = History().pollers(0, 2).sent(0, "a", body=body, **more).received(0, "a").batch(0, 1, "a")
    history.throttled(0, 1, "a").invoked(1_000, 1, "a").ended(1_500, 1, "a").judged(1_500, 1, "a")
    return history.deleted(1_500, "a")


def data_of(page):
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(found[1])


class TestPage:
    def test_its_data_stand_in_it(self):
        assert data_of(trace(one()))["messages"][0][0] == "a"

    def test_no_text_of_a_run_can_leave_its_place(self):
        """Bodies, labels, errors: whatever they are."""
        page = trace(one(NASTY, label=NASTY))
        assert page.count("<script") == trace(one()).count("<script") == 2
        assert "alert(1)</script>" not in page
        assert data_of(page)["messages"][0][1:3] == [NASTY, NASTY]

    def test_a_text_that_looks_like_a_place_holder_is_left_alone(self):
        assert data_of(trace(one("/*script*/ /*data*/ /*style*/")))["messages"][0][2] == "/*script*/ /*data*/ /*style*/"

    def test_half_a_character_can_be_written(self):
        """JSON of a client may carry a lone surrogate."""
        assert data_of(trace(one("\ud83d")).encode().decode())["messages"][0][2] == "\ud83d"

    def test_it_is_one_file_that_asks_for_nothing(self):
        """No network, no library; under 300 kB."""
        page = trace(one())
        without = page.replace(json.dumps(data_of(page)), "")
        assert not re.search(r'(src|href)="(?!data:|#)', without)
        assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|innerHTML|eval\(", without)
        assert len(without.encode()) < 300_000

    def test_the_same_journal_gives_the_same_page(self):
        assert trace(one()) == trace(one())

    def test_how_long_it_took_outside_is_told(self):
        assert data_of(trace(one(), real_seconds=0.25))["run"]["real_seconds"] == 0.25


class TestPerfetto:
    def events(self, history):
        return json.loads(perfetto(history))["traceEvents"]

    def test_an_invocation_is_a_slice_in_microseconds(self):
        found = [event for event in self.events(one()) if event["ph"] == "X" and event["pid"] == 2]
        assert [(event["ts"], event["dur"], event["name"]) for event in found] == [
            (1_000_000, 500_000, "Worker: success")
        ]

    def test_a_throttled_batch_is_a_slice_of_its_poller(self):
        names = [event["name"] for event in self.events(one()) if event["ph"] == "X" and event["pid"] == 1]
        assert names == ["batch 1 throttled", "batch 1"]

    def test_every_asynchronous_slice_that_begins_ends(self):
        events = [event for event in self.events(one()) if event["ph"] in "be"]
        assert events
        assert sum(event["ph"] == "b" for event in events) * 2 == len(events)

    def test_lanes_have_names(self):
        names = {event["args"]["name"] for event in self.events(one()) if event["ph"] == "M"}
        assert {"pollers", "Trigger/1", "Worker"} <= names

    def test_half_a_character_can_be_written(self):
        text = perfetto(one(label="x\ud83d\\\ud83d"))
        assert "x\ud83d\\\ud83d" in {event["name"] for event in json.loads(text.encode())["traceEvents"]}

    def test_bodies_are_not_in_it(self):
        assert "s3cr3t" not in perfetto(one("s3cr3t"))


class TestMermaid:
    def test_a_small_run_is_a_sequence(self):
        assert mermaid(one()).splitlines() == [
            "sequenceDiagram",
            "  participant p0 as sender",
            "  participant p1 as Orders",
            "  participant p2 as Trigger/1",
            "  participant p3 as Worker",
            "  p0->>p1: 0s send a",
            "  p1->>p2: 0s receive a",
            "  p3-xp2: 0s throttled, batch 1, try 1: a",
            "  p2->>p3: 1s invoke, batch 1: a",
            "  p3->>p2: 1s500ms success, batch 1: a",
            "  p2->>p1: 1s500ms delete a",
        ]

    def test_sends_at_one_moment_are_one_arrow(self):
        history = History()
        for number in range(5):
            history.sent(0, f"m{number}")
        assert "0s send m0, m1, m2 and 2 more" in mermaid(history)

    def test_what_came_to_nothing_is_crossed(self):
        """A delete that deleted nothing above all: it is why a message came back."""
        history = History().sent(0, "a").received(0, "a").filtered(1, "a").delete_ignored(2, "a").dead_lettered(3, "a")
        history.facts[-1] = replace(history.facts[-1], receive_count=1)
        history.purged(4, "a", queue="Dlq").invoked(5, 1, "a").ended(6, 1, "a", outcome="exit")
        arrows = [line.strip() for line in mermaid(history).splitlines() if "participant" not in line]
        assert arrows[3:] == [
            "p1-xp3: 1ms filtered out a",
            "p2-xp1: 2ms delete ignored (gone): a",
            "p1->>p4: 3ms dead letter after 1 receive a",
            "p4-xp4: 4ms purged a",
            "p2->>p5: 5ms invoke, batch 1: a",
            "p5-xp2: 6ms exit, batch 1: a",
        ]

    def test_a_large_run_is_a_summary_that_says_so(self):
        history = History()
        for number in range(STEPS):
            history.sent(number, f"m{number}").batch(number, number, f"m{number}").invoked(number, number, f"m{number}")
            history.ended(number + 1, number, f"m{number}", outcome="error" if number % 2 else "success")
        text = mermaid(history)
        assert text.startswith("gantt\n  title A summary, too large for a sequence: 120 messages (120 waiting)\n")
        assert "120 invocations, 60 failed :0, 120" in text

    def test_redacted_it_calls_a_message_by_its_id_where_the_name_is_the_body(self):
        history = one("s3cr3t", label="s3cr3t")
        assert "send s3cr3t" in mermaid(history)
        assert "s3cr3t" not in mermaid(history, redact=True)
        assert "send a" in mermaid(history, redact=True)
        assert "send order" in mermaid(one("s3cr3t", label="order"), redact=True)

    def test_half_a_character_can_be_written(self):
        assert b"0s send x?\n" in mermaid(one(label="x\ud83d")).encode()

    def test_labels_cannot_end_a_statement(self):
        text = mermaid(one(label="x; end\n%% <b>"))
        assert "send x  End     b" in text
        assert len(text.splitlines()) == 11
