"""Reading a pattern, and what is said about one that is refused or does not match."""

from __future__ import annotations

import json

import pytest

from esm_emulator.errors import InvalidFilterPattern
from esm_emulator.mapping.filter import FilterPattern


def refusal(text):
    with pytest.raises(InvalidFilterPattern) as caught:
        FilterPattern.parse(text)
    return caught.value


def misfit(pattern, value):
    return str(FilterPattern.parse(json.dumps(pattern)).explain(value))


@pytest.mark.parametrize("text", ["null", '"a"', "[]", "7", "{", "", '{"a": [NaN]}', '{"a": ["x"]} x'])
def test_what_is_no_json_object_is_refused_with_the_sentence_of_aws(text):
    """FILT-5."""
    assert str(refusal(text)).startswith("Invalid filter pattern definition. (")


def test_a_refusal_names_the_place():
    """FILT-5: where it stands, by path."""
    error = refusal('{"body": {"status": [{"prefix": 5}]}}')
    assert error.path == "body.status"
    assert error.reason == "prefix match pattern must be a string"


def test_a_refusal_below_or_names_the_place_too():
    assert refusal('{"body": {"$or": [{"a": ["x"]}, {"b": []}]}}').path == "body.b"


def test_a_key_that_is_repeated_counts_the_last_time():
    """FILT-33."""
    pattern = FilterPattern.parse('{"a": ["x"], "a": ["y"]}')
    assert pattern.matches({"a": "y"})
    assert not pattern.matches({"a": "x"})


def test_the_fields_of_a_repeated_object_add_up():
    """FILT-33 is about leaves: {"a": {"b": …}, "a": {"c": …}} wants both."""
    pattern = FilterPattern.parse('{"a": {"b": ["x"]}, "a": {"c": ["y"]}}')
    assert pattern.matches({"a": {"b": "x", "c": "y"}})
    assert not pattern.matches({"a": {"c": "y"}})


def test_too_many_fields_are_refused():
    FilterPattern.parse(json.dumps({f"k{number}": [1] for number in range(256)}))
    assert "256" in refusal(json.dumps({f"k{number}": [1] for number in range(257)})).reason


def test_combinations_of_or_are_bounded():
    """A thousand combinations are the most, so a short text cannot use up the memory."""
    text = "{" + ", ".join(f'"$or": [{{"a{n}": [1]}}, {{"b{n}": [1]}}]' for n in range(40)) + "}"
    assert "combinations" in refusal(text).reason


def test_deep_nesting_is_refused_and_does_not_break():
    assert "deep" in refusal('{"a":' * 5000 + '["x"]' + "}" * 5000).reason


def test_an_exponent_beyond_all_numbers_is_refused():
    assert refusal('{"a": [1e99999999999999999999]}').path == "a"


def test_values_that_are_no_objects_do_not_match():
    pattern = FilterPattern.parse('{"a": [{"exists": false}]}')
    assert not pattern.matches([{}])
    assert not pattern.matches("x")
    assert pattern.matches({})
    assert str(pattern.explain("x")) == '"x" is no JSON object'


def test_a_deep_value_does_not_break():
    value: object = "x"
    for _ in range(20_000):
        value = [value]
    assert FilterPattern.parse('{"a": ["x"]}').matches({"a": value})


def test_many_independent_arrays_do_not_multiply():
    """Array elements that no later field passes through are forgotten, so fields stay linear."""
    names = [f"k{number:02}" for number in range(30)]
    pattern = FilterPattern.parse(json.dumps({name: {"v": [7]} for name in names}))
    assert pattern.matches({name: [{"v": item} for item in (5, 7, 7, 7, 7)] for name in names})


@pytest.mark.parametrize(
    ("condition", "named"),
    [
        ({"wildcard": "a*"}, "wildcard"),
        ({"cidr": "10.0.0.0/8"}, "cidr"),
        ({"prefix": {"equals-ignore-case": "a"}}, "prefix with equals-ignore-case"),
        ({"suffix": {"equals-ignore-case": "a"}}, "suffix with equals-ignore-case"),
        ({"anything-but": {"prefix": "a"}}, "anything-but with prefix"),
        ({"anything-but": {"wildcard": ["a"]}}, "anything-but with wildcard"),
        ({"exactly": "a"}, "exactly"),
    ],
)
def test_operators_that_lambda_does_not_list_are_told(condition, named):
    """FILT-35."""
    assert FilterPattern.parse(json.dumps({"a": [condition]})).unlisted_operators == (named,)


@pytest.mark.parametrize(
    "condition",
    [
        "x",
        1,
        None,
        True,
        {"prefix": "a"},
        {"suffix": "a"},
        {"equals-ignore-case": "a"},
        {"exists": False},
        {"numeric": ["=", 1]},
        {"anything-but": ["a"]},
    ],
)
def test_operators_that_lambda_lists_raise_no_doubt(condition):
    """6.4's table."""
    assert FilterPattern.parse(json.dumps({"a": [condition]})).unlisted_operators == ()


def test_a_missing_key_is_named():
    assert (
        misfit({"a": {"b": ["x"]}}, {"a": {}}) == 'a.b is missing (or has no value of its own); the filter wants ["x"]'
    )


def test_a_wrong_value_is_shown_with_what_is_wanted():
    said = misfit({"a": ["x", {"numeric": [">", 1.50]}]}, {"a": ["y", 1]})
    assert said == 'a is "y", 1; the filter wants ["x", {"numeric": [">", 1.5]}]'


def test_a_value_that_should_not_be_there_is_named():
    said = misfit({"a": [{"exists": False}]}, {"a": 7})
    assert said == "a is there (7), and the filter wants it not to be"


def test_values_of_different_elements_are_told_apart():
    """FILT-26."""
    said = misfit({"a": {"b": ["x"], "c": ["1"]}}, {"a": [{"b": "x", "c": "2"}, {"b": "y", "c": "1"}]})
    assert said == 'a.c fits ["1"] only in another element of the array than the fields before it'


def test_of_alternatives_the_nearest_is_explained():
    pattern = {"a": ["1"], "$or": [{"b": ["2"]}, {"0": ["3"]}]}
    assert FilterPattern.parse(json.dumps(pattern)).explain({"a": "1", "b": "x"}).key == "b"


def test_long_values_are_cut_short():
    assert len(misfit({"a": ["x"]}, {"a": "y" * 10_000})) < 150


def test_what_matches_has_no_explanation():
    assert FilterPattern.parse('{"a": ["x"]}').explain({"a": "x"}) is None
