"""What a scenario sends, when and under which name; and what variants change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esm_emulator.errors import ConfigError
from esm_emulator.scenario.file import load_cases
from esm_emulator.scenario.placeholders import evaluate, fill
from esm_emulator.scenario.sends import Sending, sendings
from tests.scenario.stories import BASE, DLQ, results, written

FIFO = BASE.replace("{VisibilityTimeout: 60}", "{FifoQueue: true, ContentBasedDeduplication: true}")


def sent(folder: Path, entry: str, base: str = BASE) -> list[Sending]:
    (case,) = load_cases(written(folder, f"{base}send:\n{entry}\n"))
    return list(sendings(case.model, folder))


@pytest.mark.parametrize(
    ("spread", "times"),
    [
        ("", [0, 0, 0, 0]),
        ("at: 5s, ", [5000] * 4),
        ("every: 100ms, ", [0, 100, 200, 300]),
        ("at: 1s, rate: 20/s, ", [1000, 1050, 1100, 1150]),
        ("rate: 90/m, ", [0, 667, 1333, 2000]),
        ("over: 10s, ", [0, 2500, 5000, 7500]),
    ],
)
def test_spreads(tmp_path: Path, spread: str, times: list[int]) -> None:
    """All at once by default; every, rate and over spread them."""
    found = sent(tmp_path, f"  - {{to: Orders, count: 4, {spread}body: x}}")
    assert [sending.at for sending in found] == times


def test_placeholders_stand_everywhere(tmp_path: Path) -> None:
    """In the body at any depth, the label and the group; index counts from 1."""
    entry = '  - {to: Orders, count: 4, body: {o: ["{{ index }}"]}, label: "o-{{index}}", group: "g-{{ index % 3 }}"}'
    found = sent(tmp_path, entry, FIFO)
    assert [sending.message.body for sending in found] == [f'{{"o":["{number}"]}}' for number in (1, 2, 3, 4)]
    assert [sending.message.label for sending in found] == ["o-1", "o-2", "o-3", "o-4"]
    assert [sending.message.group for sending in found] == ["g-1", "g-2", "g-0", "g-1"]


def test_labels_are_short_bodies_else_numbers(tmp_path: Path) -> None:
    """A short body names its message once; what has no name is m and its place in the file."""
    found = sent(
        tmp_path,
        "  - {to: Orders, messages: [{body: hello}, {body: hello}, {label: mine, body: hello}]}\n"
        f"  - {{to: Orders, body: {'x' * 21}}}\n  - {{to: Orders, body: {{a: 1}}}}",
    )
    assert [sending.message.label for sending in found] == ["hello", "m2", "mine", "m4", '{"a":1}']


def test_attributes_are_typed(tmp_path: Path) -> None:
    """Text is a String, a number a Number, and a Binary is base64."""
    (only,) = sent(tmp_path, "  - {to: Orders, body: a, attributes: {T: x, N: 3, B: {Type: Binary, Value: aGk=}}}")
    found = {
        name: (item.data_type, item.string_value, item.binary_value) for name, item in only.message.attributes.items()
    }
    assert found == {"T": ("String", "x", None), "N": ("Number", "3", None), "B": ("Binary", None, b"hi")}


def test_an_event_of_sam_is_sent_as_it_stands(tmp_path: Path) -> None:
    """Bodies, attributes and groups of its records."""
    record = {
        "body": "one",
        "attributes": {"MessageGroupId": "g"},
        "messageAttributes": {"T": {"stringValue": "x", "dataType": "String"}},
    }
    (tmp_path / "event.json").write_text(
        json.dumps({"Records": [record, {"body": "two", "attributes": {"MessageGroupId": "h"}}]})
    )
    one, two = sent(tmp_path, "  - {to: Orders, file: event.json, every: 1s}", FIFO)
    assert (one.message.body, one.message.group, one.message.attributes["T"].string_value) == ("one", "g", "x")
    assert (two.at, two.message.body) == (1000, "two")


def test_placeholders_stand_in_attributes_too(tmp_path: Path) -> None:
    """In a text, and in the value of a typed one."""
    entry = (
        "  - {to: Orders, count: 2, body: x, attributes: {T: 'n-{{ index }}', N: {Type: Number, Value: '{{ index }}'}}}"
    )
    found = [sending.message.attributes for sending in sent(tmp_path, entry)]
    assert [(item["T"].string_value, item["N"].string_value) for item in found] == [("n-1", "1"), ("n-2", "2")]


def test_what_a_file_leaves_out_stands_on_its_entry(tmp_path: Path) -> None:
    """Label, group, deduplication id and attributes; what a record has itself stays."""
    records = [{"body": "one"}, {"body": "two", "attributes": {"MessageGroupId": "own"}}]
    (tmp_path / "event.json").write_text(json.dumps({"Records": records}))
    entry = (
        '{to: Orders, file: event.json, label: "f-{{ index }}", group: g, dedup: "d-{{ index }}", attributes: {T: x}}'
    )
    found = [sending.message for sending in sent(tmp_path, f"  - {entry}", FIFO)]
    assert [(item.label, item.group, item.dedup) for item in found] == [("f-1", "g", "d-1"), ("f-2", "own", "d-2")]
    assert {item.attributes["T"].string_value for item in found} == {"x"}


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"body": 3}, "a record of an SQS event has a body, which is text"),
        ({"body": "x", "attributes": 3}, "attributes of a record takes a mapping, not 3"),
        ({"body": "x", "messageAttributes": {"A": "b"}}, "attribute 'A' of a record takes a mapping, not 'b'"),
        (
            {"body": "x", "messageAttributes": {"A": {"dataType": "Binary", "binaryValue": "%"}}},
            "attribute 'A' of a record: binaryValue is base64 text",
        ),
    ],
)
def test_a_record_that_is_none_is_told(record: object, said: str, tmp_path: Path) -> None:
    """Whatever it holds instead."""
    (tmp_path / "event.json").write_text(json.dumps({"Records": [record]}))
    with pytest.raises(ConfigError, match=said):
        sent(tmp_path, "  - {to: Orders, file: event.json}")


def test_lines_of_json_are_sent(tmp_path: Path) -> None:
    """A JSON string is the body itself, anything else its text; empty lines are nothing."""
    (tmp_path / "lines.jsonl").write_text('"text"\n\n{"a": 1}\n3\n')
    found = sent(tmp_path, "  - {to: Orders, file: lines.jsonl}")
    assert [sending.message.body for sending in found] == ["text", '{"a": 1}', "3"]


def test_entries_are_sent_in_the_order_of_their_times(tmp_path: Path) -> None:
    """Times first, then the file's order."""
    found = sent(
        tmp_path, "  - {to: Orders, at: 1s, body: b}\n  - {to: Orders, body: a}\n  - {to: Orders, at: 1s, body: c}"
    )
    assert [sending.message.body for sending in found] == ["a", "b", "c"]


@given(st.integers(1, 10**6), st.integers(1, 99), st.integers(-99, 99))
def test_placeholders_reckon_as_python_does(index: int, divisor: int, offset: int) -> None:
    """+, -, *, // and % over whole numbers."""
    assert evaluate(f" (index - {offset}) % {divisor} ", index) == (index - offset) % divisor
    assert fill(f"{{{{ index // {divisor} + 2 * index }}}}!", index) == f"{index // divisor + 2 * index}!"


@pytest.mark.parametrize("text", ["index.real", "__import__('os')", "index ** 99", "'a'", "True", "", "index[0]", "x"])
def test_nothing_else_is_evaluated(text: str) -> None:
    """Names, calls, powers and attributes are refused."""
    with pytest.raises(ValueError, match="is not an expression of index"):
        evaluate(text, 1)


# --- variants -----------------------------------------------------------------------------------------------

VARIANTS = """\
expect: {queues: {OrdersDlq: {messages: 1}}}
variants:
  patient:
    set: {Orders.RedrivePolicy.maxReceiveCount: 3, send.0.count: 2}
    expect: {queues: {OrdersDlq: {messages: 2}}, messages: [{where: {in: OrdersDlq}, every: {receives: 3}}]}
  forgiving:
    set: {behavior.Worker: [{takes: 1s}]}
    expect: {queues: {OrdersDlq: {messages: 0}}}
  endless:
    set: {Orders.RedrivePolicy: null, stop: {after: 10m}}
    expect: {stopped: after}
  silent:
    set: {send: []}
    expect: {}
"""


def test_each_variant_is_the_base_with_its_changes(tmp_path: Path) -> None:
    """Properties, whole sections, entries of lists, and null, which removes; expectations are the variant's own."""
    found = results(tmp_path, DLQ + VARIANTS)
    assert [(case.id, case.failures) for case in found] == [
        ("story", ()), ("story[patient]", ()), ("story[forgiving]", ()), ("story[endless]", ()), ("story[silent]", ()),
    ]  # fmt: skip
    assert [case.line for case in found] == [1, 20, 23, 26, 29]


@pytest.mark.parametrize("skip", ["base: skip\n", "  base: skip\n"])
def test_the_base_can_be_dropped(tmp_path: Path, skip: str) -> None:
    """Only the variants are cases then."""
    cases = load_cases(written(tmp_path, DLQ + VARIANTS + skip))
    assert [case.variant for case in cases] == ["patient", "forgiving", "endless", "silent"]


def test_a_variant_without_expectations_keeps_those_of_the_base(tmp_path: Path) -> None:
    """They fail where they stand; and one of them can be set like anything else."""
    text = DLQ + "expect: {queues: {OrdersDlq: {messages: 1}}}\nvariants:\n"
    text += "  none: {set: {send: []}}\n  one: {set: {send: [], expect.queues.OrdersDlq.messages: 0}}\n"
    found = results(tmp_path, text)
    assert [[(failure.path, failure.line) for failure in case.failures] for case in found] == [
        [], [("queues.OrdersDlq.messages", 18)], [],
    ]  # fmt: skip


@pytest.mark.parametrize("profile", ["", "profile: aws-2018\n", "profile: {extends: aws-2018}\n"])
def test_a_variant_sets_a_field_of_the_profile(profile: str, tmp_path: Path) -> None:
    """Of none, of a name, and of one with fields already."""
    text = f"{BASE}{profile}variants: {{a: {{set: {{profile.account_concurrency: 5}}}}}}\n"
    base, variant = load_cases(written(tmp_path, text))
    assert variant.profile == base.profile.with_(account_concurrency=5)


def test_a_variant_takes_a_resource_away(tmp_path: Path) -> None:
    """Its id alone with null removes it."""
    _, variant = load_cases(written(tmp_path, BASE + "variants: {a: {set: {Trigger: null}}}\n"))
    assert (list(variant.resources.mappings), list(variant.resources.queues)) == ([], ["Orders"])


def test_a_variant_changes_what_a_template_says(tmp_path: Path) -> None:
    """Resources that come from a file are overridden, and null takes away."""
    (tmp_path / "template.yaml").write_text(
        "Resources:\n  Orders:\n    Type: AWS::SQS::Queue\n    Properties: {DelaySeconds: 7, VisibilityTimeout: 50}\n"
    )
    text = (
        "version: 1\nresources: {from: template.yaml}\nvariants:\n"
        "  none: {set: {Orders.DelaySeconds: null}}\n  other: {set: {Orders.DelaySeconds: 9}}\n"
    )
    cases = load_cases(written(tmp_path, text))
    assert [case.resources.queues["Orders"].DelaySeconds for case in cases] == [7, 0, 9]
    assert {case.resources.queues["Orders"].VisibilityTimeout for case in cases} == {50}


def test_an_expectation_of_a_variant_fails_at_its_own_line(tmp_path: Path) -> None:
    """Not at the base's."""
    text = DLQ + "variants:\n  a:\n    expect:\n      stopped: after\n"
    assert [failure.line for failure in results(tmp_path, text)[1].failures] == [21]
