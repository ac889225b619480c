"""A scenario's behavior as the rules that a scripted function follows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from esm_emulator.functions import scripted
from esm_emulator.mapping.filter import Match, RecordFilter
from esm_emulator.messages import ReceivedMessage
from esm_emulator.profiles import PROFILES
from esm_emulator.scenario.schema import Action, Behavior, Distribution, RuleModel

__all__ = ["body_matcher", "rules_of"]

WORDS: dict[str, scripted.Action] = {
    "call": scripted.Call(),
    "succeed": scripted.Succeed(),
    "timeout": scripted.Timeout(),
}


def rules_of(behavior: Behavior) -> dict[str, tuple[scripted.Rule, ...]]:
    """The rules of every function that has a behavior. Raises ``InvalidFilterPattern`` for a pattern that is none."""
    return {function: tuple(map(_rule, rules)) for function, rules in behavior.items()}


def body_matcher(pattern: Any) -> Callable[[str], bool]:
    """Whether a message's body fits a pattern, by the very rules of a mapping's filter (FILT-13, 14).

    Raises ``InvalidFilterPattern``.
    """
    fitting = RecordFilter([json.dumps({"body": pattern})], PROFILES["aws-2026"])
    return lambda body: isinstance(fitting.decide(replace(_NO_MESSAGE, body=body)), Match)


_NO_MESSAGE = ReceivedMessage(
    message_id="",
    receipt_handle="",
    body="",
    md5_of_body="",
    attributes={},
    message_attributes={},
    md5_of_message_attributes=None,
    received_at=0,
    visible_at=0,
)


def _rule(model: RuleModel) -> scripted.Rule:
    when = scripted.When(
        model.when.receive,
        model.when.invocation,
        None if model.when.body is None else body_matcher(model.when.body),
    )
    return scripted.Rule(when, _takes(model.takes), _action(model.then))


def _takes(value: int | str | Distribution) -> scripted.Takes:
    if isinstance(value, int):
        return scripted.Fixed(value)
    if isinstance(value, str):
        return scripted.Measured()
    if value.each is not None:
        return scripted.Each(value.each)
    if value.uniform is not None:
        return scripted.Uniform(*value.uniform)
    assert value.lognormal is not None
    return scripted.LogNormal(value.lognormal.median, value.lognormal.sigma)


def _action(then: str | Action | None) -> scripted.Action | None:
    if then is None or isinstance(then, str):
        return None if then is None else WORDS[then]
    if then.raise_ is not None:
        return scripted.Raise(then.raise_.type, then.raise_.message)
    if then.fail is not None:
        records = then.fail
        return scripted.Fail(frozenset(records) if isinstance(records, list) else records)
    if then.exit is not None:
        return scripted.Exit(then.exit)
    return scripted.Return(then.return_)
