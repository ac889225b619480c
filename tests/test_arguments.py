"""What a caller's code hands to the emulator: every form that resources take, and what is said of what is of no use."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esm_emulator.arguments import condition_of, handlers_of, message_of, ms_of, resources_of
from esm_emulator.emulator import RealEmulator, VirtualEmulator
from esm_emulator.errors import ConfigError, UsageError
from esm_emulator.mapping.filter import creation_rules
from esm_emulator.messages import MessageAttribute
from esm_emulator.profiles import PROFILES
from esm_emulator.resources import Resources

ALONE = {"Orders": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 7}}}
TEMPLATE = {
    "Parameters": {"Timeout": {"Type": "Number", "Default": 7}},
    "Resources": {"Orders": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": {"Ref": "Timeout"}}}},
}
RULES = creation_rules(PROFILES["aws-2026"])


def read(source: Any, parameters: dict[str, Any] | None = None, folder: Path | None = None) -> Resources:
    return resources_of(source, parameters, RULES, folder)


def message(body: Any = "a", **more: Any) -> Any:
    return message_of(body, **{**dict.fromkeys(("label", "group", "dedup", "delay", "attributes")), **more})


# --- resources ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [lambda data: data, json.dumps, lambda data: json.dumps(data, indent=1)])
@pytest.mark.parametrize("data", [ALONE, {"resources": ALONE}, {"version": 1, "resources": ALONE}, TEMPLATE])
def test_resources_are_read_in_every_form(data: dict[str, Any], write: Callable[[Any], Any]) -> None:
    """Alone, as an esm.yaml or as a template; as a mapping, or as text of one line or of several."""
    assert read(write(data)).queues["Orders"].VisibilityTimeout == 7


def test_a_line_of_yaml_is_text_and_not_a_path() -> None:
    assert read("Orders: {Type: AWS::SQS::Queue}").queues["Orders"].VisibilityTimeout == 30


@pytest.mark.parametrize("source", [TEMPLATE, json.dumps(TEMPLATE)])
def test_a_template_in_code_takes_parameters(source: Any) -> None:
    """They go before its defaults; one that it does not have is told."""
    assert read(source, {"Timeout": 9}).queues["Orders"].VisibilityTimeout == 9
    with pytest.raises(ConfigError, match="no parameter 'Timeuot'; did you mean 'Timeout'"):
        read(source, {"Timeuot": 9})


@pytest.mark.parametrize("source", [ALONE, json.dumps(ALONE)])
def test_parameters_are_not_passed_over_where_there_is_no_template(source: Any) -> None:
    with pytest.raises(UsageError, match="parameters are a template's"):
        read(source, {"Timeout": 9})


@pytest.mark.parametrize(
    "source",
    [
        "sub/esm.yaml",
        Path("sub/esm.yaml"),
        {"from": "sub/template.json"},
        "from: sub/template.json\n",
        {"resources": {"from": "sub/template.json"}},
    ],
)
def test_paths_are_relative_to_the_folder(source: Any, tmp_path: Path) -> None:
    """That of the resources' own file, and one that they name."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "esm.yaml").write_text(json.dumps({"resources": ALONE}))
    (tmp_path / "sub" / "template.json").write_text(json.dumps(TEMPLATE))
    assert read(source, folder=tmp_path).queues["Orders"].VisibilityTimeout == 7


def test_what_is_wrong_in_text_is_told_with_its_place() -> None:
    with pytest.raises(ConfigError, match=r"resources:3:16: Orders\.Properties\.Nope: unknown key 'Nope'"):
        read("Orders:\n  Type: AWS::SQS::Queue\n  Properties: {Nope: 1}\n")


@pytest.mark.parametrize("source", [3, None, [ALONE], b"Orders: {Type: AWS::SQS::Queue}"])
def test_what_holds_no_resources_is_told(source: Any) -> None:
    with pytest.raises(UsageError, match="resources are a path, YAML or JSON text, or a mapping, not"):
        read(source)


# --- messages -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "text"),
    [("plain", "plain"), ({"id": 7, "ü": [None]}, '{"id":7,"ü":[null]}'), (None, "null"), (7, "7"), ([], "[]")],
)
def test_a_body_that_is_not_text_becomes_json(body: Any, text: str) -> None:
    assert message(body).body == text


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    "body",
    [object(), b"a", {1}, {"at": dt.date(2026, 1, 1)}, decimal.Decimal(1), {(1, 2): 3}, float("nan"), LOOP],
    ids=lambda body: type(body).__name__,
)
def test_a_body_that_json_cannot_hold_is_told(body: Any) -> None:
    """With what JSON has against it, and what to do."""
    with pytest.raises(UsageError, match=rf"this {type(body).__name__} cannot be: .+ Turn it into text first"):
        message(body)


@pytest.mark.parametrize(
    ("value", "attribute"),
    [
        ("a", MessageAttribute("String", "a")),
        (7, MessageAttribute("Number", "7")),
        (0.5, MessageAttribute("Number", "0.5")),
        (b"a", MessageAttribute("Binary", None, b"a")),
        (MessageAttribute("String.x", "a"), MessageAttribute("String.x", "a")),
    ],
)
def test_attributes_have_the_type_of_their_value(value: Any, attribute: MessageAttribute) -> None:
    assert message(attributes={"x": value}).attributes == {"x": attribute}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"attributes": {"x": [1]}}, "attribute 'x' takes text, a number, bytes or a MessageAttribute, not \\[1\\]"),
        ({"attributes": {"x": True}}, "attribute 'x' takes .*, not True"),
        ({"attributes": {1: "a"}}, "an attribute's name takes text, not 1"),
        ({"group": 7}, "group takes text, not 7"),
        ({"dedup": 7}, "dedup takes text, not 7"),
        ({"label": 7}, "label takes text, not 7"),
        ({"delay": "soon"}, "delay takes a duration such as 250ms, .* not 'soon'"),
    ],
)
def test_what_belongs_to_a_message_is_told_by_name(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        message(**wrong)


# --- the rest -----------------------------------------------------------------------------------------------


def test_a_duration_is_told_with_who_takes_it() -> None:
    assert ms_of("1m30s", "advance") == 90_000
    with pytest.raises(UsageError, match=r"^advance takes a duration such as 250ms, 30s, .* not '-3s'$"):
        ms_of("-3s", "advance")


async def later() -> bool:
    return False


@pytest.mark.parametrize(("condition", "said"), [(True, "not True"), (later, "not a coroutine function")])
def test_a_condition_answers_at_once(condition: Any, said: str) -> None:
    """What a coroutine function returns is true, whatever would come of it."""
    with pytest.raises(UsageError, match=f"run_until takes a function .*{said}"):
        condition_of(condition)


@pytest.mark.parametrize(
    ("handlers", "said"),
    [
        ([print], "handlers takes a mapping from a function's id to a callable"),
        (print, "handlers takes a mapping"),
        ({"Worker": "app.handler"}, "handlers\\['Worker'\\] takes a callable, not 'app.handler'"),
        ({"Worker": None}, "handlers\\['Worker'\\] takes a callable, not None"),
    ],
)
def test_handlers_are_callables_by_id(handlers: Any, said: str) -> None:
    assert handlers_of(None) == {}
    with pytest.raises(UsageError, match=said):
        handlers_of(handlers)


@pytest.mark.parametrize("kind", [VirtualEmulator, RealEmulator])
@pytest.mark.parametrize(
    ("options", "said"),
    [({"seed": "x"}, "seed takes a whole number"), ({"profile": "aws-2019"}, "did you mean 'aws-2018'")],
)
def test_an_emulator_is_told_of_its_own_options_at_once(kind: Any, options: dict[str, Any], said: str) -> None:
    """Before anything is deployed."""
    with pytest.raises(UsageError, match=said):
        kind(**options)
