"""Matching semantics, clause by clause (contract 6.5)."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from esm_emulator.errors import InvalidFilterPattern
from esm_emulator.mapping.filter import FilterPattern


def matches(pattern, event):
    return FilterPattern.parse(json.dumps(pattern)).matches(event)


def on_a(conditions, value):
    return matches({"a": conditions}, {"a": value})


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"a": "x", "b": "y", "c": 1}, True),
        ({"a": "x"}, False),
        ({"a": "x", "b": "z"}, False),
        ({}, False),
    ],
)
def test_every_field_that_is_named_must_be_there_and_match(event, expected):
    """FILT-20."""
    assert matches({"a": ["x"], "b": ["y"]}, event) is expected


@pytest.mark.parametrize("other", ["X", "x ", " x", "xx", "\u0065\u0301"])
def test_text_compares_character_by_character(other):
    """FILT-21: no folding, no trimming, no normalization."""
    assert on_a(["x", "\u00e9"], "x")
    assert not on_a(["x", "\u00e9"], other)


@pytest.mark.parametrize("value", [300, 300.0, Decimal("300.00"), Decimal("3e2")])
def test_equal_numbers_are_equal_however_they_are_written(value):
    """FILT-22."""
    assert on_a([300], value)
    assert FilterPattern.parse('{"a": [3.00e2]}').matches({"a": value})


@pytest.mark.parametrize("value", ["300", None, True, [], {}])
def test_numeric_matches_numbers_alone(value):
    """FILT-23."""
    assert not on_a([{"numeric": [">", 0]}], value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(2**53, True), (-(2**53), True), (2**53 + 1, False), (10**400, False), (2**60, False), (1e308, True)],
)
def test_numbers_are_doubles_and_exact(value, expected):
    """FILT-23: a number that is no double of its own is in no interval."""
    assert on_a([{"numeric": [">=", -1e300]}, {"numeric": [">=", 1e300]}], value) is expected


def test_a_number_beyond_all_doubles_equals_itself():
    """FILT-22, FILT-23."""
    assert on_a([10**400], 10**400)
    assert not on_a([10**400], 10**400 + 1)


@pytest.mark.parametrize(
    "numeric",
    [[">"], [">", 0, "<"], [">", 0, ">", 0], ["<", 5, ">", 1], ["=", 1, 2], ["!=", 1], [1, ">"], 5, ["=", True]],
)
def test_numeric_needs_pairs_of_operator_and_number(numeric):
    """FILT-24."""
    with pytest.raises(InvalidFilterPattern):
        on_a([{"numeric": numeric}], 1)


@pytest.mark.parametrize(
    ("conditions", "value", "expected"),
    [
        (["x", "y"], ["z", "y"], True),
        (["x", "y"], ["z"], False),
        ([None], [], False),
        ([{"exists": True}], [], False),
        ([{"exists": False}], [], True),
        ([{"anything-but": "x"}], ["x", "y"], True),
    ],
)
def test_a_list_matches_when_one_of_its_values_does(conditions, value, expected):
    """FILT-25."""
    assert on_a(conditions, value) is expected


def test_objects_in_a_list_are_searched():
    """FILT-26."""
    assert matches({"a": {"id": [{"exists": True}]}}, {"a": [{"x": 1}, {"id": None}]})


@pytest.mark.parametrize(
    ("event", "there"),
    [
        ({"a": {"b": 0}}, True),
        ({"a": {"b": None}}, True),
        ({"a": {"b": {"c": 1}}}, False),
        ({"a": 1}, False),
        ({}, False),
    ],
)
def test_exists_looks_at_leaves(event, there):
    """FILT-27: absence also holds when the parent is missing."""
    assert matches({"a": {"b": [{"exists": True}]}}, event) is there
    assert matches({"a": {"b": [{"exists": False}]}}, event) is not there


@pytest.mark.parametrize("but", ["x", ["x"], {"prefix": "x"}, {"suffix": ["x"]}, {"wildcard": "x*"}, 7, [7, 8]])
def test_anything_but_wants_a_value_of_any_kind(but):
    """FILT-28: null matches, an absent key does not; a number has no prefix."""
    assert on_a([{"anything-but": but}], None)
    assert on_a([{"anything-but": but}], 5)
    assert on_a([{"anything-but": but}], "other")
    assert not matches({"a": [{"anything-but": but}]}, {"b": "other"})


@pytest.mark.parametrize("but", [None, [None], ["x", 1], [], [True], {}, {"prefix": None}, {"prefix": {}}])
def test_anything_but_takes_one_kind(but):
    """FILT-28."""
    with pytest.raises(InvalidFilterPattern):
        on_a([{"anything-but": but}], "x")


def test_conditions_of_a_list_are_alternatives():
    """FILT-29."""
    conditions = [{"numeric": [">", 100]}, {"anything-but": "101"}]
    assert on_a(conditions, 101)
    assert on_a(conditions, "x")
    assert not on_a(conditions, "101")


@pytest.mark.parametrize("operator", ["prefix", "suffix"])
def test_an_empty_prefix_or_suffix_fits_every_string(operator):
    """FILT-30."""
    assert on_a([{operator: ""}], "x")
    assert on_a([{operator: ""}], "")
    assert not on_a([{operator: ""}], 1)
    for value in (["x"], 1, None):
        with pytest.raises(InvalidFilterPattern):
            on_a([{operator: value}], "x")


@pytest.mark.parametrize("value", [["x"], 1, None, {"a": "x"}])
@pytest.mark.parametrize("operator", ["equals-ignore-case", "wildcard", "cidr", "exists", "exactly"])
def test_operators_refuse_what_is_not_theirs(operator, value):
    """FILT-30."""
    with pytest.raises(InvalidFilterPattern):
        on_a([{operator: value}], "x")


@pytest.mark.parametrize("operator", ["prefix", "suffix"])
@pytest.mark.parametrize(
    "inner", [{}, {"equals-ignore-case": 1}, {"wildcard": "x"}, {"equals-ignore-case": "x", "b": 1}]
)
def test_a_prefix_takes_one_operator_alone(operator, inner):
    with pytest.raises(InvalidFilterPattern):
        on_a([{operator: inner}], "x")


def test_keys_and_operators_are_case_sensitive():
    """FILT-31."""
    assert not matches({"A": ["x"]}, {"a": "x"})
    with pytest.raises(InvalidFilterPattern, match="Unrecognized match type Prefix"):
        on_a([{"Prefix": "x"}], "x")


@pytest.mark.parametrize(
    ("pattern", "event"),
    [
        ({"a.b": ["x"]}, {"a": {"b": "x"}}),
        ({"a": {"b": ["x"]}}, {"a.b": "x"}),
        ({"a.b.c": ["x"]}, {"a": {"b.c": "x"}}),
        ({"a": {"b": {"c": ["x"]}}}, {"a.b": [{"c": "x"}]}),
    ],
)
def test_dots_are_nesting_in_both_directions(pattern, event):
    """FILT-32."""
    assert matches(pattern, event)


@pytest.mark.parametrize("leaf", ["x", 1, True, None, []])
def test_a_leaf_is_a_list_that_is_not_empty(leaf):
    """FILT-34."""
    with pytest.raises(InvalidFilterPattern):
        matches({"a": leaf}, {"a": "x"})


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("a*c", "abc", True),
        ("a*c", "ac", True),
        ("*a*b*", "xxaxxbxx", True),
        ("*a*b*", "ba", False),
        (r"a\*c", "a*c", True),
        (r"a\*c", "abc", False),
        (r"a\\c", "a\\c", True),
        ("", "", True),
        ("", "x", False),
    ],
)
def test_a_wildcard_is_any_run_of_characters(pattern, value, expected):
    """FILT-35."""
    assert on_a([{"wildcard": pattern}], value) is expected


def test_different_filters_on_one_queue_know_nothing_of_each_other():
    """FILT-7: each decides alone, and a mismatch deletes, also what the other one would have taken."""
    one, other = FilterPattern.parse('{"kind": ["order"]}'), FilterPattern.parse('{"kind": ["refund"]}')
    assert not one.matches({"kind": "refund"})
    assert other.matches({"kind": "refund"})
