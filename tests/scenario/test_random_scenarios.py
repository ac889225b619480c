"""Laws that hold of any scenario under any seed: nothing lost, order, limits, and the same seed the same journal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esm_emulator.report.messages import Messages
from esm_emulator.scenario.expect import Outcome, failures_of
from esm_emulator.scenario.file import Case, load_cases
from esm_emulator.scenario.play import Played, play

Data = dict[str, Any]
seconds = st.integers(0, 90).map(lambda number: f"{number}s")

TAKES = st.one_of(
    seconds,
    st.just({"each": "700ms"}),
    st.just({"uniform": ["0s", "9s"]}),
    st.just({"lognormal": {"median": "2s", "sigma": 1}}),
)
THEN = st.sampled_from(
    ["succeed", "timeout", {"raise": {"type": "ValueError"}}, {"exit": 1}, {"fail": "all"}, {"fail": "matching"},
     {"fail": ["m-1", "m-2"]}, {"return": {"batchItemFailures": [{"itemIdentifier": "x"}]}}, {"return": 3}]
)  # fmt: skip
WHEN = st.fixed_dictionaries(
    {},
    optional={
        "receive": st.sampled_from([1, "1-2", "3-"]),
        "invocation": st.sampled_from([1, "2-4", "9-"]),
        "body": st.sampled_from([{"n": [0]}, {"n": [{"exists": True}]}, {"n": [{"numeric": [">", 1]}]}]),
    },
)
RULES = st.lists(st.fixed_dictionaries({"when": WHEN, "takes": TAKES, "then": THEN}), max_size=3)
FILTERS = st.sampled_from([None, {"n": [0, 1]}, {"n": [{"anything-but": [2]}]}])


@st.composite
def scenarios(draw: st.DrawFn, *, fifo: bool = False, calm: bool = False) -> Data:
    """A scenario of one or two mappings, of one queue or two. ``calm``: no fault, no copy runs beside another."""
    resources: Data = {"Dlq": _queue(fifo)}
    names = ["Orders", "Others"][: draw(st.integers(1, 2))]
    visibility = draw(st.sampled_from([30, 60] if not calm else [900]))
    for name in names:
        redrive = {"deadLetterTargetArn": "Dlq", "maxReceiveCount": draw(st.integers(1, 4))}
        resources[name] = _queue(fifo, VisibilityTimeout=visibility, RedrivePolicy=redrive, MessageRetentionPeriod=7200)
    for number in range(draw(st.integers(1, 2)) if not calm else len(names)):
        resources[f"Worker{number}"] = {"Type": "AWS::Lambda::Function", "Properties": draw(_function())}
        queue = names[number % len(names)]
        resources[f"Trigger{number}"] = _mapping(queue, f"Worker{number}", draw(_polling(fifo, batches=not calm)))
    functions = [name for name in resources if name.startswith("Worker")]
    return {
        "version": 1,
        "seed": draw(st.integers(0, 2**32)),
        "resources": resources,
        "behavior": {name: draw(RULES) for name in functions},
        "send": [
            {"to": names[0], "messages": [{"body": {"n": 0}, "label": "m-1"}, {"body": {"n": 1}, "label": "m-2"}]}
            | ({"group": "g"} if fifo else {}),
            *draw(st.lists(_send(names, fifo), max_size=3)),
        ],
        "timeline": [] if calm else draw(st.lists(_step(names, functions, fifo), max_size=3, unique_by=_once)),
        "stop": {"after": "3h"},
    }


def _queue(fifo: bool, **properties: Any) -> Data:
    kind = {"FifoQueue": True, "ContentBasedDeduplication": True} if fifo else {}
    return {"Type": "AWS::SQS::Queue", "Properties": {**kind, **properties}}


def _function() -> st.SearchStrategy[Data]:
    limits = st.fixed_dictionaries({}, optional={"ReservedConcurrentExecutions": st.integers(1, 3)})
    return limits.map(lambda given: {"Timeout": 20, **given})


def _polling(fifo: bool, *, batches: bool) -> st.SearchStrategy[Data]:
    optional: Data = {
        "ScalingConfig": st.integers(2, 4).map(lambda most: {"MaximumConcurrency": most}),
        "FunctionResponseTypes": st.just(["ReportBatchItemFailures"]),
        "FilterCriteria": FILTERS.map(
            lambda body: {"Filters": [{"Pattern": json.dumps({"body": body})}] if body else []}
        ),
    }
    if not fifo and batches:
        optional["MaximumBatchingWindowInSeconds"] = st.integers(0, 5)
    return st.fixed_dictionaries({"BatchSize": st.integers(1, 10) if batches else st.just(1)}, optional=optional)


def _mapping(queue: str, function: str, polling: Data) -> Data:
    properties = {"EventSourceArn": queue, "FunctionName": function, **polling}
    return {"Type": "AWS::Lambda::EventSourceMapping", "Properties": properties}


def _send(names: list[str], fifo: bool) -> st.SearchStrategy[Data]:
    always: Data = {
        "to": st.sampled_from(names),
        "at": seconds,
        "count": st.integers(0, 25),
        "body": st.just({"n": "{{ index % 4 }}", "i": "{{ index }}"}),
    }
    if fifo:
        always["group"] = st.sampled_from(["g", "h", "g-{{ index % 3 }}"])
    spreads = st.sampled_from([{}, {"every": "1s"}, {"rate": "2/s"}, {"over": "1m"}])
    return st.builds(lambda entry, spread: entry | spread, st.fixed_dictionaries(always), spreads)


def _step(names: list[str], functions: list[str], fifo: bool) -> st.SearchStrategy[Data]:
    queues = ["unavailable", "delete_fails"] if fifo else ["unavailable", "delete_fails", "redeliver"]
    faults = st.one_of(
        st.sampled_from(functions).map(lambda name: {"throttle": name}),
        st.builds(lambda kind, name: {kind: name}, st.sampled_from(queues), st.sampled_from(names)),
    )
    fault = st.builds(
        lambda at, lasting, fault: {"at": at, "for": lasting, "fault": fault | _chance(fault)}, seconds, seconds, faults
    )
    others = st.sampled_from(
        [{"purge": names[0]}, {"redrive": {"from": "Dlq"}}, {"disable": "Trigger0"}, {"enable": "Trigger0"},
         {"set": {f"{functions[0]}.Timeout": 5}}, {"set": {"profile.account_concurrency": 4}}]
    )  # fmt: skip
    return st.one_of(fault, st.builds(lambda at, step: {"at": at, **step}, seconds, others))


def _once(step: Data) -> str:
    """SQS refuses a second purge within a minute, and a second move task beside the first."""
    return next((name for name in ("purge", "redrive") if name in step), json.dumps(step))


def _chance(fault: Data) -> Data:
    return {"chance": 0.3} if fault.keys() & {"redeliver", "delete_fails"} else {}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the scenarios of this module are written, one over the other."""
    return tmp_path_factory.mktemp("random")


def loaded(folder: Path, data: Data, *invariants: str) -> Case:
    file = folder / "random.esm.yaml"
    file.write_text(json.dumps({**data, "expect": {"invariants": invariants}}))
    (case,) = load_cases(file)
    return case


def broken(case: Case) -> list[tuple[str, Any]]:
    """The invariants that do not hold, after a play that can be told from beginning to end."""
    played = play(case)
    _check_bookkeeping(played)
    return [(failure.expected, failure.actual) for failure in failures_of(Outcome.of(played))]


def _check_bookkeeping(played: Played) -> None:
    """What metrics and messages say of one run adds up."""
    outcome = Outcome.of(played)
    sent = sum(metrics["NumberOfMessagesSent"] for metrics in outcome.metrics.queues.values())
    left = sum(metrics["messages"] for metrics in outcome.metrics.queues.values())
    in_queues = [message for message in outcome.messages if message.outcome in ("waiting", "dead-lettered")]
    assert len(outcome.messages) == sent
    assert len(in_queues) == left == len(played.stored)
    if played.stopped == "idle":
        assert all(message.running == 0 for message in outcome.messages)


LAWS = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(scenarios())
@LAWS
def test_nothing_is_lost_and_no_limit_is_passed(folder: Path, data: Data) -> None:
    """Of standard queues, with faults, filters, several mappings, redrives, purges and changes."""
    assert broken(loaded(folder, data, "no_message_lost", "max_concurrency")) == []


@given(scenarios(fifo=True))
@LAWS
def test_nothing_is_lost_of_fifo_queues(folder: Path, data: Data) -> None:
    """The same of groups; no message runs twice at once while its group is held."""
    assert broken(loaded(folder, data, "no_message_lost", "max_concurrency")) == []


@given(scenarios(fifo=True, calm=True))
@LAWS
def test_groups_keep_their_order_message_by_message(folder: Path, data: Data) -> None:
    """With batches of one and without faults, successes of a group come in send order, and never two copies run."""
    assert broken(loaded(folder, data, "no_message_lost", "max_concurrency", "fifo_order", "no_overlap")) == []


@given(scenarios(calm=True))
@LAWS
def test_a_visibility_timeout_that_is_long_enough_keeps_copies_apart(folder: Path, data: Data) -> None:
    """Without faults, and with attempts far shorter than it, no message is in two running invocations."""
    assert broken(loaded(folder, data, "no_message_lost", "no_overlap")) == []


@given(st.one_of(scenarios(), scenarios(fifo=True)), st.integers(0, 9))
@settings(LAWS, max_examples=25)
def test_the_same_seed_gives_the_same_journal(folder: Path, data: Data, seed: int) -> None:
    """Line by line; and whatever the seed, the same messages were sent."""
    case = loaded(folder, data)
    one, again, other = (play(case, seed=number) for number in (seed, seed, seed + 1))
    assert list(one.journal.lines()) == list(again.journal.lines())
    if one.stopped == other.stopped == "idle":
        assert [message.label for message in Messages.of(one.journal)] == [
            message.label for message in Messages.of(other.journal)
        ]
