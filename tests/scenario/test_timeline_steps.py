"""What the timeline does, step by step, and every kind of fault, with what exactly comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from esm_emulator.errors import ConfigError
from esm_emulator.journal import Fact, FaultEnded, FaultStarted
from esm_emulator.scenario.file import load_cases
from esm_emulator.scenario.play import Played, play
from tests.scenario.stories import BASE, DLQ, result, written

ONE = "send: [{to: Orders, at: 5s, label: m, body: x}]\n"


def played(folder: Path, text: str, seed: int | None = None) -> Played:
    (case,) = load_cases(written(folder, text))
    return play(case, seed=seed)


def times(came: Played, *kinds: type[Fact]) -> list[int]:
    """When facts of these kinds happened, in milliseconds after the start."""
    return [fact.at - came.journal[0].at for fact in came.journal if isinstance(fact, kinds)]


# what stands under timeline and expect -> nothing that fails
HOLDS: dict[str, str] = {
    "throttle: the function refuses every try, and the batch is tried again in place": """
timeline: [{at: 0s, for: 20s, fault: {throttle: Worker}}]
expect:
  functions: {Worker: {Invocations: 1, Throttles: {between: [4, 5]}}}
  mappings: {Trigger: {batches: 1, PolledEventCount: 1}}
  messages: [{every: {receives: 1, invocations: 1, outcome: deleted}}]
  timeline:
    - {at: 0s, event: fault-started, fault: throttle, target: Worker}
    - {at: 5s, event: throttled, message: m}
    - {at: 20s, event: fault-ended, fault: throttle, target: Worker}
    - {event: deleted, message: m}
  within: 31s
""",
    "unavailable: nothing is received while it lasts": """
timeline: [{at: 0s, for: 30s, fault: {unavailable: Orders}}]
expect:
  functions: {Worker: {Invocations: 1}}
  messages: [{every: {receives: 1, outcome: deleted}}]
  timeline:
    - {at: 5s, event: sent, message: m}
    - {at: 30s, event: fault-ended}
    - {event: received, message: m}
""",
    "unavailable: a delete that fails for long leaves the message to its visibility timeout": """
timeline: [{at: 5s, for: 50s, fault: {unavailable: Orders}}]
behavior: {Worker: [{takes: 1s}]}
expect:
  functions: {Worker: {Errors: 0}}
  messages: [{every: {outcome: deleted}}]
""",
    "redeliver: a delivered message comes once more": """
behavior: {Worker: [{takes: 10s}]}
timeline: [{at: 5s, for: 500ms, fault: {redeliver: Orders}}, {at: 4s, set: {Worker.Timeout: 20}}]
expect:
  messages: [{every: {receives: 6, successes: 6, overlap: 6, outcome: deleted}}]
  timeline: [{at: 5s, event: received}, {at: 5s, event: redelivered, message: m}, {at: 5s, event: received}]
""",
    "redeliver: never with a chance of nothing": """
behavior: {Worker: [{takes: 1s}]}
timeline: [{at: 0s, for: 10s, fault: {redeliver: Orders, chance: 0}}]
expect: {messages: [{every: {receives: 1}}]}
""",
    "delete_fails: what was done comes back after its visibility timeout": """
timeline: [{at: 0s, for: 10s, fault: {delete_fails: Orders}}]
expect:
  functions: {Worker: {Invocations: 2, Errors: 0}}
  messages: [{every: {receives: 2, successes: 2, failures: 0, outcome: deleted}}]
  timeline: [{at: 5s, event: delete-failed}, {at: 65s, event: received}, {at: 65s, event: deleted, message: m}]
""",
    "a fault without for lasts to the end": """
timeline: [{at: 0s, fault: {throttle: Worker}}]
stop: {after: 3m}
expect:
  stopped: after
  functions: {Worker: {Invocations: 0}}
  messages: [{every: {receives: 3, outcome: waiting}}]
""",
    "disable and enable: the mapping stops, and goes on": """
timeline: [{at: 1s, disable: Trigger}, {at: 1h, enable: Trigger}]
expect: {messages: [{every: {receives: 1}}], timeline: [{at: 1h, event: received, message: m}]}
""",
    "a disabled mapping's queue keeps nobody waiting": """
timeline: [{at: 1s, disable: Trigger}]
expect: {stopped: idle, within: 5s, messages: [{every: {receives: 0, outcome: waiting}}]}
""",
    "purge: what is in the queue is gone": """
timeline: [{at: 1s, disable: Trigger}, {at: 6s, purge: Orders}, {at: 7s, enable: Trigger}]
expect: {messages: [{every: {receives: 0, outcome: purged}}], queues: {Orders: {messages: 0}}, within: 7s}
""",
    "set: a property counts from its time on": """
timeline: [{at: 4s, set: {Orders.DelaySeconds: 30}}]
expect: {timeline: [{at: 4s, event: property-set, target: Orders.DelaySeconds}, {at: 35s, event: received}]}
""",
    "set: a field of the profile": """
timeline: [{at: 4s, set: {profile.account_concurrency: 0}}, {at: 8s, set: {profile.account_concurrency: 10}}]
expect: {functions: {Worker: {Throttles: ">= 2", Invocations: 1}}, messages: [{every: {outcome: deleted}}]}
""",
    "steps come before sends of the same time": """
timeline: [{at: 5s, disable: Trigger}]
expect: {messages: [{every: {receives: 0}}]}
""",
    "a fault of one kind that ends leaves another of that kind at work": """
timeline:
  - {at: 0s, for: 6s, fault: {throttle: Worker}}
  - {at: 1s, for: 29s, fault: {throttle: Worker}}
expect: {timeline: [{at: 30s, event: fault-ended}, {event: invoked, message: m}]}
""",
    "one that begins when another ends goes on, wherever it stands in the file": """
timeline:
  - {at: 6s, for: 24s, fault: {throttle: Worker}}
  - {at: 0s, for: 6s, fault: {throttle: Worker}}
expect: {timeline: [{at: 30s, event: fault-ended}, {event: invoked, message: m}]}
""",
}


@pytest.mark.parametrize("name", HOLDS)
def test_a_step(name: str, tmp_path: Path) -> None:
    """Each as its name says."""
    base = BASE if "\nbehavior" not in HOLDS[name] else BASE.partition("behavior")[0]
    came = result(tmp_path, base + ONE + HOLDS[name])
    assert [(failure.path, failure.expected, failure.actual, failure.note) for failure in came.failures] == []


def test_chance_is_drawn_from_the_seed(tmp_path: Path) -> None:
    """About as often as it says, the same for one seed and not for another."""
    text = BASE + "send: [{to: Orders, count: 200, body: x}]\n"
    text += "timeline: [{at: 0s, for: 30s, fault: {delete_fails: Orders, chance: 0.2}}]\n"

    def again(seed: int) -> list[str]:
        came = played(tmp_path, text, seed)
        return [line for line in came.journal.lines() if '"event":"delete-failed"' in line]

    one = again(1)
    assert one == again(1) != again(2)
    assert sum(len(again(seed)) for seed in range(5)) == pytest.approx(200, abs=80)


@pytest.mark.parametrize(
    "kind", ["throttle: Worker", "unavailable: Orders", "redeliver: Orders", "delete_fails: Orders"]
)
def test_a_fault_that_ends_later_keeps_an_idle_run_from_nothing(kind: str, tmp_path: Path) -> None:
    """Idle is idle: the hours that a fault would go on are not waited for."""
    text = BASE + ONE.replace("at: 5s", "at: 0s") + f"timeline: [{{at: 1s, for: 9h, fault: {{{kind}}}}}]\n"
    came = played(tmp_path, text)
    assert (came.stopped, came.virtual_ms) == ("idle", 1_000)
    assert (times(came, FaultStarted), times(came, FaultEnded)) == ([1_000], [])


def test_an_idle_run_waits_for_a_redrive(tmp_path: Path) -> None:
    """What is on its way back is work: the bad message fails twice more, the task as slow as it is told to be."""
    text = DLQ + "timeline: [{at: 10m, redrive: {from: OrdersDlq, rate: 1/s}}]\n"
    text += "expect: {stopped: idle, messages: [{where: {label: bad}, every: {receives: 4, outcome: dead-lettered}}]}\n"
    came = result(tmp_path, text)
    assert (came.failures, came.virtual_seconds) == ((), 721.0)


def test_a_redrive_to_a_queue_of_ones_choice(tmp_path: Path) -> None:
    """to: takes the dead letters there instead."""
    text = DLQ.replace("  OrdersDlq: {", "  Shelf: {Type: AWS::SQS::Queue}\n  OrdersDlq: {")
    text += "timeline: [{at: 10m, redrive: {from: OrdersDlq, to: Shelf}}]\n"
    assert (
        result(tmp_path, text + "expect: {queues: {Shelf: {messages: 1}, OrdersDlq: {messages: 0}}}\n").failures == ()
    )


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("{at: 10m, redrive: {from: Orders}}", "Source queue must be configured as a Dead Letter Queue."),
        ("{at: 1m, purge: Orders}, {at: 90s, purge: Orders}", "Only one PurgeQueue operation on Orders is allowed"),
    ],
)
def test_what_sqs_refuses_on_the_timeline_is_told_at_its_step(step: str, said: str, tmp_path: Path) -> None:
    """With file, line and the step's path."""
    text = DLQ + f"timeline:\n  - {step.replace('}, {', '}' + chr(10) + '  - {')}\n"
    with pytest.raises(ConfigError, match=said) as raised:
        played(tmp_path, text)
    (problem,) = raised.value.problems
    number = text.count("  - {at") - 1
    assert (problem.path, problem.line) == (f"timeline.{number}", 19 + number)


# --- stop ---------------------------------------------------------------------------------------------------

FAILING = BASE.replace("then: succeed", "takes: 1s, then: {raise: {}}") + "send: [{to: Orders, body: x}]\n"


@pytest.mark.parametrize(
    ("stop", "stopped", "seconds"),
    [
        ("{}", "idle", 345_600),  # when the message expires
        ("{when: idle, after: 30m}", "after", 1_800),
        ("{when: drained}", "drained", 1),  # in flight after its first failure
        ("{when: drained, after: 500ms}", "after", 0.5),
        ("{when: never, after: 1d}", "after", 86_400),
    ],
)
def test_stop(stop: str, stopped: str, seconds: float, tmp_path: Path) -> None:
    """Idle waits for what is in flight, drained does not, never and after go by the clock."""
    came = result(tmp_path, FAILING + f"stop: {stop}\n")
    assert (came.stopped, came.virtual_seconds) == (stopped, seconds)


def test_after_is_fifteen_days_by_default(tmp_path: Path) -> None:
    """A run that never becomes idle ends there; nothing fails by that alone."""
    came = result(tmp_path, BASE + "stop: {when: never}\n")
    assert (came.stopped, came.virtual_seconds, came.passed) == ("after", 15 * 86_400, True)
