"""Each kind of expectation, when it holds and when it does not, with the line where it stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from esm_emulator.errors import RefusedByAws
from esm_emulator.functions.limited import AccountConcurrency
from esm_emulator.scenario.file import load_cases
from esm_emulator.sqs import Engine
from tests.scenario.stories import DLQ, result

FIRST = 19  # the line of what stands under expect:

# what is expected -> None when it holds, else the failure's path and what came
EXPECTED: dict[str, tuple[str, object] | None] = {
    "stopped: idle": None,
    "stopped: after": ("stopped", "idle"),
    "queues: {OrdersDlq: {messages: 1}}": None,
    "queues: {OrdersDlq: {messages: 0}}": ("queues.OrdersDlq.messages", 1),
    'queues: {Orders: {NumberOfMessagesReceived: ">= 3"}}': None,
    'queues: {Orders: {NumberOfMessagesReceived: "> 3"}}': ("queues.Orders.NumberOfMessagesReceived", 3),
    'queues: {Orders: {NumberOfMessagesReceived: "!= 3"}}': ("queues.Orders.NumberOfMessagesReceived", 3),
    "queues: {Orders: {NumberOfMessagesReceived: {between: [3, 4]}}}": None,
    "queues: {Orders: {NumberOfMessagesReceived: {between: [4, 9]}}}": ("queues.Orders.NumberOfMessagesReceived", 3),
    'queues: {Orders: {ApproximateAgeOfOldestMessage: "<= 120"}}': None,
    "functions: {Worker: {Invocations: 3, Errors: 2, Throttles: 0, Timeouts: 0}}": None,
    "functions: {Worker: {Errors: 3}}": ("functions.Worker.Errors", 2),
    'functions: {Worker: {ConcurrentExecutions: "<= 2"}}': None,
    "mappings: {Trigger: {PolledEventCount: 3, DeletedEventCount: 1, batches: 3, FilteredOutEventCount: 0}}": None,
    "mappings: {Trigger: {batches: 1}}": ("mappings.Trigger.batches", 3),
    "messages: [{where: {label: bad}, every: {receives: 2, invocations: 2, outcome: dead-lettered}}]": None,
    "messages: [{where: {label: bad}, every: {receives: 1}}]": ("messages.0.every.receives", 2),
    "messages: [{every: {outcome: deleted}}]": ("messages.0.every.outcome", "dead-lettered"),
    "messages: [{some: {outcome: deleted}}]": None,
    "messages: [{some: {outcome: purged}}]": ("messages.0.some", "none of 2 is so"),
    "messages: [{none: {outcome: lost}}]": None,
    "messages: [{none: {outcome: deleted}}]": ("messages.0.none", "1 are so: good"),
    "messages: [{count: 2}, {where: {outcome: deleted}, count: 1}]": None,
    "messages: [{where: {outcome: deleted}, count: 2}]": ("messages.0.count", 1),
    "messages: [{where: {in: OrdersDlq}, count: 1, every: {failures: 2}}]": None,
    "messages: [{where: {in: Orders}, count: 0}]": None,
    "messages: [{where: {body: {id: [good]}}, every: {successes: 1, overlap: 1}}]": None,
    "messages: [{where: {body: {id: [good]}, outcome: dead-lettered}, count: 0}]": None,
    "messages: [{where: {group: none}, every: {receives: 1}}]": ("messages.0.where", "no message is meant by it"),
    "timeline: [{at: 1s, event: deleted, message: good}, {at: 2m, event: dead-lettered, message: bad}]": None,
    "timeline: [{event: received, message: bad, receive_count: 2}]": None,
    "timeline: [{at: 2m, event: dead-lettered, message: bad}, {event: deleted, message: good}]": (
        "timeline.1",
        "no such fact after the one at timeline.0",
    ),
    "timeline: [{at: 61s, event: received, message: bad}]": ("timeline.0", "no such fact"),
    "timeline: [{event: purged}]": ("timeline.0", "no such fact"),
    "timeline: [{at: 1s, event: received}]": ("timeline.0", "no such fact"),
    "timeline: [{event: received, receive_count: '> 2'}]": ("timeline.0", "no such fact"),
    "timeline: [{event: received, receive_count: {between: [2, 3]}}]": None,
    "timeline: [{event: received, receive_count: 2}, {event: received, receive_count: 1}]": (
        "timeline.1",
        "no such fact after the one at timeline.0",
    ),
    "invariants: [no_message_lost, fifo_order, no_overlap, max_concurrency]": None,
    "diagnoses: []": None,
    "diagnoses: [ESM-D101]": ("diagnoses", []),
    "diagnoses: {allow: [ESM-D101]}": None,
    "warnings: []": ("warnings", ["ESM-W204"]),
    "warnings: {allow: []}": ("warnings", ["ESM-W204"]),
    "within: 2m": None,
    "within: 119s": ("within", "2m"),
}


@pytest.mark.parametrize("expected", EXPECTED)
def test_an_expectation(expected: str, tmp_path: Path) -> None:
    """It holds, or says its path, what came and on which line it stands."""
    failures = result(tmp_path, f"{DLQ}expect:\n  {expected}\n").failures
    wanted = EXPECTED[expected]
    if expected.startswith("warnings"):
        assert [failure.path for failure in failures] == ["warnings"]
        return
    assert [(failure.path, failure.actual) for failure in failures] == ([] if wanted is None else [wanted])
    assert all(failure.line == FIRST for failure in failures)


def test_a_failed_expectation_tells_the_stories_of_its_messages(tmp_path: Path) -> None:
    """Of three at most, and how many more there are."""
    text = DLQ.replace("label: good, body: {id: good}", 'label: "b-{{ index }}", count: 6, body: {id: bad}')
    (failure,) = result(tmp_path, text + "expect:\n  queues: {OrdersDlq: {messages: 0}}\n").failures
    assert [story[0].split()[0] for story in failure.stories] == ["bad", "b-1", "b-2"]
    assert failure.stories_left_out == 4


def _overlapping(extra: str) -> str:
    return (
        DLQ.replace("VisibilityTimeout: 60", "VisibilityTimeout: 5").replace(
            "Worker: {Type: AWS::Lambda::Function}",
            "Worker: {Type: AWS::Lambda::Function, Properties: {Timeout: 30}}",
        )
    ).replace("takes: 1s", "takes: 8s") + extra


def test_no_overlap_names_the_message_that_ran_twice_at_once(tmp_path: Path) -> None:
    """Visibility shorter than the attempt: two copies run at one moment."""
    text = _overlapping("expect: {invariants: [no_overlap], messages: [{where: {label: good}, every: {overlap: 2}}]}\n")
    text = text.replace("maxReceiveCount: 2", "maxReceiveCount: 9")
    file = tmp_path / "story.esm.yaml"
    file.write_text(text)
    with pytest.raises(RefusedByAws):  # API-41: AWS refuses it at creation, so it can only come by a change
        load_cases(file)
    drifted = text.replace("VisibilityTimeout: 5,", "VisibilityTimeout: 30,") + (
        "timeline: [{at: 0s, set: {Orders.VisibilityTimeout: 5}}]\n"
    )
    came = result(tmp_path, drifted).failures
    assert [(failure.path, failure.actual) for failure in came] == [
        ("invariants.0", "2 copies of good ran at one moment")
    ]


def test_a_limit_that_was_raised_meanwhile_is_no_broken_limit(tmp_path: Path) -> None:
    """max_concurrency goes by the limit of the moment."""
    text = (
        DLQ.replace("BatchSize: 1}", "BatchSize: 1, ScalingConfig: {MaximumConcurrency: 2}}")
        + "  - {to: Orders, at: 10s, count: 20, body: x}\n"
        + "timeline: [{at: 5s, set: {Trigger.ScalingConfig.MaximumConcurrency: 5}}]\n"
        + 'expect: {invariants: [max_concurrency], functions: {Worker: {ConcurrentExecutions: ">= 3"}}}\n'
    )
    assert result(tmp_path, text).failures == ()


LIMITED = """\
version: 1
resources:
  Orders: {Type: AWS::SQS::Queue}
  Worker: {Type: AWS::Lambda::Function, Properties: {Timeout: 20, ReservedConcurrentExecutions: 2}}
  Other: {Type: AWS::Lambda::Function, Properties: {Timeout: 20}}
  Trigger:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: Orders, FunctionName: Worker, BatchSize: 1, ScalingConfig: {MaximumConcurrency: 3}}
  OtherTrigger:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: Orders, FunctionName: Other, BatchSize: 1}
profile: {extends: aws-2026, account_concurrency: 5}
behavior: {Worker: [{takes: 10s}], Other: [{takes: 10s}]}
send: [{to: Orders, count: 30, body: x}]
expect: {stopped: idle, invariants: [max_concurrency]}
"""


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("RESERVATION", "function Worker ran at one moment; the limit is 2"),
        ("ACCOUNT", "functions without a reservation ran at one moment; the limit is 3"),
    ],
)
def test_max_concurrency_finds_an_emulator_that_passes_a_limit(
    broken: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function's reservation, and what reservations leave of the account; as it is, neither is passed."""
    assert result(tmp_path, LIMITED).failures == ()
    limit = 10 if broken == "ACCOUNT" else 0
    monkeypatch.setattr(AccountConcurrency, "unreserved", property(lambda self: limit or self.limit))
    if broken == "RESERVATION":
        monkeypatch.setattr(AccountConcurrency, "reserve", lambda *_: None)
    failures = result(tmp_path, LIMITED).failures
    assert {failure.path for failure in failures} == {"invariants.0"}
    assert said in [str(failure.actual).partition(" invocations of ")[2] for failure in failures]


def test_a_message_that_is_nowhere_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the journal says waits, and no queue holds, makes no_message_lost fail."""
    monkeypatch.setattr(Engine, "messages", lambda *_: iter(()))
    (failure,) = result(tmp_path, DLQ + "expect:\n  invariants: [no_message_lost]\n").failures
    assert (failure.path, failure.line) == ("invariants.0", FIRST)
    assert failure.actual == "bad is nowhere and nothing says where it went"


def test_json_of_a_comparison_is_what_the_file_says(tmp_path: Path) -> None:
    """The text of the file, not an object of ours."""
    (failure,) = result(tmp_path, DLQ + "expect:\n  queues: {OrdersDlq: {messages: {between: [2, 3]}}}\n").failures
    assert json.dumps(failure.to_json()["expected"]) == '{"between": [2, 3]}'
