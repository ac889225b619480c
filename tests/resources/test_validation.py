"""pydantic's findings in plain sentences and at their places."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from esm_emulator.validation import did_you_mean, faults_of, known_keys, problems_of, shown
from esm_emulator.yaml_source import load_document


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Raise(Strict):
    type: str = "Exception"
    message: str = ""


class Raising(Strict):
    error: Raise = Field(alias="raise")


class Returning(Strict):
    returned: int = Field(alias="return")


class Everything(Strict):
    delay: int = Field(30, ge=0, le=900, strict=True)
    most: Annotated[int, Field(le=5)] | None = None
    above: float = Field(1.0, gt=0)
    name: str = Field("", max_length=3, pattern="^[a-z]*$")
    flag: bool = True
    items: list[int] = Field(default_factory=list, max_length=2)
    by_name: dict[str, Raise] = Field(default_factory=dict)
    scope: Literal["queue", "messageGroup"] = "queue"
    then: Raising | Returning | Literal["call", "succeed"] = "call"
    either: int | str = 0
    odd: int = 1

    @field_validator("odd")
    @classmethod
    def _odd(cls, value):
        if value % 2 == 0:
            raise ValueError(f"takes an odd number, not {value}")
        return value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("delay: x", "1:8: delay: takes a whole number from 0 to 900, not 'x'"),
        ("delay: 901", "1:8: delay: takes a whole number from 0 to 900, not 901"),
        ("delay: 1.5", "1:8: delay: takes a whole number from 0 to 900, not 1.5"),
        ("delay: true", "1:8: delay: takes a whole number from 0 to 900, not true"),
        ("delay:", "1:7: delay: takes a whole number from 0 to 900, not nothing"),
        ("most: 6", "1:7: most: takes a whole number of at most 5, not 6"),
        ("above: 0", "1:8: above: takes a number above 0.0, not 0"),
        ("name: 5", "1:7: name: takes text, not 5"),
        ("name: abcd", "1:7: name: takes at most 3 characters, not 'abcd'"),
        ("name: A", "1:7: name: takes text of the form ^[a-z]*$, not 'A'"),
        ("flag: perhaps", "1:7: flag: takes true or false, not 'perhaps'"),
        ("items: 5", "1:8: items: takes a list, not 5"),
        ("items: [1, 2, 3]", "1:1: items: takes at most 2 items, not [1, 2, 3]"),
        ("items: [1, b]", "1:12: items.1: takes a whole number, not 'b'"),
        ("by_name: []", "1:1: by_name: takes a mapping, not []"),
        ("by_name: {a: 1}", "1:14: by_name.a: takes a mapping, not 1"),
        ("by_name: {a: {typ: x}}", "1:15: by_name.a.typ: unknown key 'typ'; did you mean 'type'?"),
        (
            "scope: messagegroup",
            "1:8: scope: takes 'queue' or 'messageGroup', not 'messagegroup'; did you mean 'messageGroup'?",
        ),
        ("dely: 5", "1:1: dely: unknown key 'dely'; did you mean 'delay'?"),
        ("zzz: 5", "1:1: zzz: unknown key 'zzz'"),
        ("odd: 2", "1:6: odd: takes an odd number, not 2"),
        ("either: []", "1:1: either: takes a whole number or text, not []"),
        ("then: cal", "1:7: then: takes a mapping or 'call' or 'succeed', not 'cal'; did you mean 'call'?"),
        ("then: {raise: {typ: x}}", "1:16: then.raise.typ: unknown key 'typ'; did you mean 'type'?"),
        ("then: {raize: {}}", "1:8: then.raize: unknown key 'raize'; did you mean 'raise'?"),
        ("then: {return: x}", "1:16: then.return: takes a whole number, not 'x'"),
    ],
)
def test_a_fault_is_a_plain_sentence_at_its_place(text, said):
    document = load_document(text)
    with pytest.raises(ValidationError) as caught:
        Everything.model_validate(document.data)
    problems = [str(problem) for problem in problems_of(caught.value, Everything, document, data=document.data)]
    assert problems == [said]


def test_something_missing_stands_where_it_should_be():
    document = load_document("a:\n  then:\n    other: {}\n")

    class Needs(Strict):
        name: str

    with pytest.raises(ValidationError) as caught:
        Needs.model_validate({})
    [problem] = problems_of(caught.value, Needs, document, prefix=("a", "then"))
    assert str(problem) == "2:3: a.then.name: 'name' is missing"


def test_every_fault_is_told():
    with pytest.raises(ValidationError) as caught:
        Everything.model_validate({"delay": -1, "flag": 5, "unknown": 1})
    assert [fault.path for fault in faults_of(caught.value, Everything)] == [("delay",), ("flag",), ("unknown",)]


def test_without_the_data_paths_are_pydantics_own():
    with pytest.raises(ValidationError) as caught:
        Everything.model_validate({"then": {"raise": {"typ": 1}}})
    assert ("then", "Raising", "raise", "typ") in [fault.path for fault in faults_of(caught.value, Everything)]


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        (("by_name", "a"), ["type", "message"]),
        (("then",), ["raise", "return"]),
        (("then", "Raising"), ["raise"]),
        (("then", "raise"), ["type", "message"]),
        (("delay",), []),
    ],
)
def test_the_keys_that_a_model_takes_are_known(path, keys):
    assert known_keys(Everything, path) == keys


@pytest.mark.parametrize(
    ("name", "said"),
    [("ordrs", "; did you mean 'Orders'?"), ("ORDERS", "; did you mean 'Orders'?"), ("x", "")],
)
def test_a_near_name_is_suggested_whatever_its_case(name, said):
    assert did_you_mean(name, ["Orders", "Worker"]) == said


def test_a_long_value_is_cut():
    assert shown("x" * 100) == "'" + "x" * 56 + "…"
    assert shown({"a": [1, None]}) == '{"a": [1, null]}'
    assert shown({1, 2}.__class__) == "<class 'set'>"
