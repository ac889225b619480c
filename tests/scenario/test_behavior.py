"""What a scenario's rules make of an invocation: every ``when``, ``takes`` and ``then``, played to the end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from esm_emulator.journal import Fact, InvocationEnded, InvocationStarted, ResponseJudged
from esm_emulator.scenario.file import load_cases
from esm_emulator.scenario.play import play
from tests.scenario.stories import result, written

STAGE = """\
version: 1
resources:
  Orders:
    Type: AWS::SQS::Queue
    Properties: {{VisibilityTimeout: 60, RedrivePolicy: {{deadLetterTargetArn: Dlq, maxReceiveCount: 4}}}}
  Dlq: {{Type: AWS::SQS::Queue}}
  Worker: {{Type: AWS::Lambda::Function, Properties: {{Timeout: 10}}}}
  Trigger:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      {{EventSourceArn: Orders, FunctionName: Worker, BatchSize: 10, FunctionResponseTypes: [ReportBatchItemFailures]}}
behavior: {{Worker: {rules}}}
send:
  - to: Orders
    messages: [{{label: a, body: {{order: A}}}}, {{label: b, body: {{order: B}}}}, {{label: c, body: text}}]
"""


def facts(folder: Path, rules: str, stage: str = STAGE, **options: int) -> list[Fact]:
    """The journal of three messages in one batch under these rules."""
    (case,) = load_cases(written(folder, stage.format(rules=rules)))
    return list(play(case, **options).journal)


def durations(journal: list[Fact]) -> list[float]:
    return [fact.duration_ms for fact in journal if isinstance(fact, InvocationEnded)]


def outcomes(journal: list[Fact]) -> list[str]:
    return [fact.outcome for fact in journal if isinstance(fact, InvocationEnded)]


# --- then ---------------------------------------------------------------------------------------------------

# one rule -> of the first invocation: how it ended, and whether the batch was done; and what no rule after it changes
RAISE = "[{then: {raise: {type: ValueError, message: no stock}}}]"
THEN: dict[str, tuple[str, int, int]] = {
    "[]": ("success", 3, 0),
    "[{then: succeed}]": ("success", 3, 0),
    RAISE: ("error", 0, 3),
    "[{then: {raise: {}}}]": ("error", 0, 3),
    "[{then: {return: null}}]": ("success", 3, 0),
    "[{then: {return: {batchItemFailures: []}}}]": ("success", 3, 0),
    "[{then: {return: {batchItemFailures: [{itemIdentifier: nobody}]}}}]": ("success", 0, 3),
    "[{then: {return: nonsense}}]": ("success", 0, 3),
    "[{then: {fail: all}}]": ("success", 0, 3),
    "[{then: {fail: []}}]": ("success", 3, 0),
    "[{then: {fail: [b]}}]": ("success", 2, 1),
    "[{then: {fail: [a, c]}}]": ("success", 1, 2),
    "[{then: {fail: matching}}]": ("success", 0, 3),
    "[{when: {body: {order: [A]}}, then: {fail: matching}}]": ("success", 2, 1),
    "[{when: {body: {order: [{exists: false}]}}, then: {fail: matching}}]": ("success", 3, 0),  # text has no keys
    "[{when: {body: [{prefix: '{'}]}, then: {fail: matching}}]": ("success", 3, 0),  # and JSON is no text
    "[{when: {body: [text]}, then: {fail: matching}}]": ("success", 2, 1),
    "[{then: timeout}]": ("timeout", 0, 3),
    "[{then: {exit: 137}}]": ("exit", 0, 3),
    "[{then: {exit: 0}}]": ("exit", 0, 3),
}


@pytest.mark.parametrize("rules", THEN)
def test_then_decides_how_an_invocation_ends(rules: str, tmp_path: Path) -> None:
    """What is returned or raised, and how much of the batch was done with it."""
    journal = facts(tmp_path, rules)
    judged = next(fact for fact in journal if isinstance(fact, ResponseJudged))
    assert (outcomes(journal)[0], len(judged.done), len(judged.kept)) == THEN[rules]


def test_what_is_raised_is_what_the_journal_tells(tmp_path: Path) -> None:
    """Type and message; a bare raise is an Exception without a message."""
    for rules, told in ((RAISE, ("ValueError", "no stock")), ("[{then: {raise: {}}}]", ("Exception", ""))):
        ended = next(fact for fact in facts(tmp_path, rules) if isinstance(fact, InvocationEnded))
        assert (ended.error_type, ended.error_message) == told


def test_an_environment_that_exits_is_not_used_again(tmp_path: Path) -> None:
    """The next invocation runs in another one (RUN-19); after an error it runs in the same."""

    def environments(rules: str) -> int:
        return len({fact.environment for fact in facts(tmp_path, rules) if isinstance(fact, InvocationEnded)})

    assert environments("[{then: {exit: 1}}]") == 4
    assert environments(RAISE) == 1


def test_call_runs_the_handler_and_so_does_a_rule_that_does_not_say(tmp_path: Path) -> None:
    """Both after what they take; a function without rules runs for as long as its handler sleeps."""
    (tmp_path / "shop.py").write_text("import time\ndef handler(event, context):\n    time.sleep(2)\n    return None\n")
    stage = STAGE.replace("Timeout: 10", "Timeout: 10, Handler: shop.handler")
    assert durations(facts(tmp_path, "[{then: call}]", stage)) == [2_000]
    assert durations(facts(tmp_path, "[{takes: 3s}]", stage)) == [5_000]
    assert durations(facts(tmp_path, "[{takes: 1s, then: succeed}]", stage)) == [1_000]
    assert durations(facts(tmp_path, "[]", stage)) == [2_000]


def test_what_the_rule_and_the_handler_take_together_ends_at_the_timeout(tmp_path: Path) -> None:
    """A sum past the function's Timeout is a timeout at Timeout."""
    (tmp_path / "shop.py").write_text("import time\ndef handler(event, context):\n    time.sleep(4)\n")
    stage = STAGE.replace("Timeout: 10", "Timeout: 10, Handler: shop.handler")
    for rules in ("[{takes: 7s, then: call}]", "[{takes: 11s, then: call}]"):
        journal = facts(tmp_path, rules, stage)
        assert (outcomes(journal)[0], durations(journal)[0]) == ("timeout", 10_000)


# --- takes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("takes", "took"),
    [("0", 0), ("1500ms", 1_500), ("2", 2_000), ("1.5", 1_500), ("{each: 200ms}", 600), ("10s", 10_000)],
)
def test_takes_is_charged_to_the_clock(takes: str, took: int, tmp_path: Path) -> None:
    """A duration, seconds as a bare number, or so much a record; exactly Timeout is still in time."""
    journal = facts(tmp_path, f"[{{takes: {takes}}}]")
    assert (outcomes(journal), durations(journal)) == (["success"], [took])
    started, ended = (
        next(fact.at for fact in journal if isinstance(fact, kind)) for kind in (InvocationStarted, InvocationEnded)
    )
    assert ended - started == took


@pytest.mark.parametrize("takes", ["10001ms", "{each: 4s}", "{uniform: [11s, 20s]}"])
def test_more_than_the_timeout_is_a_timeout_at_it(takes: str, tmp_path: Path) -> None:
    """Whatever would have come of it."""
    journal = facts(tmp_path, f"[{{takes: {takes}, then: succeed}}]")
    assert set(outcomes(journal)) == {"timeout"}
    assert set(durations(journal)) == {10_000}


@pytest.mark.parametrize(
    ("takes", "least", "most"),
    [("{uniform: [1s, 3s]}", 1_000, 3_000), ("{lognormal: {median: 100ms, sigma: 0.5}}", 10, 1_000)],
)
def test_what_is_drawn_comes_from_the_seed(takes: str, least: int, most: int, tmp_path: Path) -> None:
    """The same for one seed, another for the next, within its range."""
    rules = f"[{{takes: {takes}, then: {{raise: {{}}}}}}]"
    one, again, other = (durations(facts(tmp_path, rules, seed=seed)) for seed in (1, 1, 2))
    assert one == again != other
    assert len(set(one + other)) == 8
    assert all(least <= took <= most for took in one + other)


def test_a_median_is_the_middle_of_what_is_drawn(tmp_path: Path) -> None:
    """Of 4 receives each, under 60 seeds, half lie below it; without sigma all are the median itself."""
    rules = "[{{takes: {{lognormal: {{median: 1s, sigma: {}}}}}, then: {{raise: {{}}}}}}]"
    assert set(durations(facts(tmp_path, rules.format(0)))) == {1_000}
    drawn = [took for seed in range(60) for took in durations(facts(tmp_path, rules.format(0.5), seed=seed))]
    assert 0.4 < sum(took < 1_000 for took in drawn) / len(drawn) < 0.6


# --- when ---------------------------------------------------------------------------------------------------

# a condition -> which of the four invocations of a batch that always fails it fits
WHEN: dict[str, list[int]] = {
    "{}": [1, 2, 3, 4],
    "{receive: 1}": [1],
    '{receive: "2-3"}': [2, 3],
    '{receive: "3-"}': [3, 4],
    "{invocation: 2}": [2],
    '{invocation: "1-3"}': [1, 2, 3],
    '{invocation: "2-", receive: "1-3"}': [2, 3],
    "{body: {order: [A]}}": [1, 2, 3, 4],
    "{body: {order: [Z]}}": [],
    "{body: [text]}": [1, 2, 3, 4],
    "{body: {order: [{prefix: B}]}, receive: 4}": [4],
}


@pytest.mark.parametrize("when", WHEN)
def test_when_says_which_invocations_are_meant(when: str, tmp_path: Path) -> None:
    """Each condition alone and several together; the rule after it takes the others."""
    rules = f"[{{when: {when}, takes: 5s, then: {{raise: {{}}}}}}, {{takes: 1s, then: {{raise: {{}}}}}}]"
    came = [number for number, took in enumerate(durations(facts(tmp_path, rules)), start=1) if took == 5_000]
    assert came == WHEN[when]


def test_receive_and_body_are_about_one_record(tmp_path: Path) -> None:
    """Not the receive count of one and the body of another: a second receive of b is no first one of it."""
    rules = "[{when: {receive: 1, body: {order: [A]}}, then: {fail: [b, c]}}, {when: {receive: 1}, then: {raise: {}}}]"
    late = "  - {to: Orders, at: 60s, label: late, body: {order: late}}\n"
    journal = facts(tmp_path, rules, STAGE + late.replace("{", "{{").replace("}", "}}"))
    started = [len(fact.messages) for fact in journal if isinstance(fact, InvocationStarted)]
    assert started[0] == 3
    assert outcomes(journal)[0] == "success"
    assert outcomes(journal).count("error") == 1  # late's first receive fits the second rule only


def test_the_first_rule_that_fits_decides(tmp_path: Path) -> None:
    """What fits none of them succeeds at once."""
    rules = (
        "[{when: {receive: 1}, takes: 1s, then: {fail: [a]}}, "
        "{when: {receive: 1}, takes: 9s}, {when: {receive: 2}, takes: 2s, then: {fail: all}}]"
    )
    journal = facts(tmp_path, rules)
    assert durations(journal) == [1_000, 2_000, 0]
    assert outcomes(journal) == ["success"] * 3


def test_each_function_has_rules_of_its_own(tmp_path: Path) -> None:
    """Invocations are counted for each, and what is drawn for one does not move the other."""
    second = """\
  Other: {Type: AWS::SQS::Queue}
  Second: {Type: AWS::Lambda::Function}
  OtherTrigger:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: Other, FunctionName: Second, BatchSize: 1}
behavior:
  Second: [{when: {invocation: 1}, then: {raise: {}}}, {takes: 1s}]
"""
    text = STAGE.format(rules="[{when: {invocation: 2}, takes: 5s}, {then: {fail: [b]}}]")
    text = (
        text.replace("behavior: {", second + "  ")
        .replace("]}\nsend", "]\nsend")
        .replace("send:\n", "send:\n  - {to: Other, count: 2, label: 'n-{{ index }}', body: x}\n")
    )
    expect = """\
expect:
  functions:
    Worker: {Invocations: 2, Errors: 0, Duration: 5000}
    Second: {Invocations: 3, Errors: 1, Duration: 2000}
  messages:
    - {where: {label: b}, every: {receives: 2, failures: 1, successes: 1}}
    - {where: {label: n-1}, every: {failures: 1, successes: 1}}
    - {where: {label: n-2}, every: {failures: 0, successes: 1}}
"""
    assert [json.dumps(failure.to_json()) for failure in result(tmp_path, text + expect).failures] == []
