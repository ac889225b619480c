"""Laws of the pattern language over random patterns and events."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from esm_emulator.errors import InvalidFilterPattern
from esm_emulator.mapping.filter import FilterPattern

KEYS = st.sampled_from(["a", "b", "c", "a.b"])
SCALARS = st.sampled_from(["x", "y", "10.0.0.1", "", 1, 1.0, 2.5, True, None])
EVENTS = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
    ),
    max_size=4,
)
CONDITIONS = SCALARS | st.sampled_from(
    [
        {"prefix": "x"},
        {"suffix": "y"},
        {"anything-but": "x"},
        {"anything-but": [1, 2]},
        {"numeric": [">", 1]},
        {"exists": True},
        {"exists": False},
        {"cidr": "10.0.0.0/8"},
        {"equals-ignore-case": "X"},
        {"wildcard": "*"},
    ]
)
LISTS = st.lists(CONDITIONS, min_size=1, max_size=3)
PATTERNS = st.recursive(
    st.dictionaries(KEYS, LISTS, min_size=1, max_size=3),
    lambda inner: st.dictionaries(KEYS, LISTS | inner, min_size=1, max_size=3),
    max_leaves=4,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["a", "$or", "prefix", "numeric", "anything-but", "cidr", "exists", ""]), inner, max_size=3
        )
    ),
    max_leaves=12,
)


def compiled(pattern):
    return FilterPattern.parse(json.dumps(pattern))


@given(PATTERNS, EVENTS)
def test_an_explanation_is_there_exactly_when_there_is_no_match(pattern, event):
    assert (compiled(pattern).explain(event) is None) == compiled(pattern).matches(event)


@given(PATTERNS, EVENTS)
def test_the_short_way_through_an_event_finds_what_the_long_one_finds(pattern, event):
    for rule in compiled(pattern).rules:
        assert rule.matches(event) == rule._matches_many(event)


@given(PATTERNS, PATTERNS, EVENTS)
def test_or_matches_when_a_branch_does(one, other, event):
    """But where addresses stand in one branch and other texts in the other, which then share an automaton."""
    if "10.0.0.1" in json.dumps([one, other, event]) or "cidr" in json.dumps([one, other]):
        return
    either = compiled({"$or": [one, other]}).matches(event)
    assert either == (compiled(one).matches(event) or compiled(other).matches(event))


@given(PATTERNS, EVENTS)
def test_keys_that_the_pattern_does_not_name_do_not_matter(pattern, event):
    assert compiled(pattern).matches(event) == compiled(pattern).matches({**event, "other": {"a": "x"}})


@given(KEYS, LISTS, CONDITIONS, EVENTS)
def test_a_further_condition_takes_nothing_away(key, conditions, further, event):
    """FILT-29, but for the automaton's one look at addresses and numbers."""
    if "10.0.0.1" in json.dumps([conditions, further, event]) or "cidr" in json.dumps([conditions, further]):
        return
    if compiled({key: conditions}).matches(event):
        assert compiled({key: [*conditions, further]}).matches(event)


@given(JSON, JSON)
def test_any_json_is_a_pattern_or_is_refused_and_matching_never_raises(pattern, event):
    try:
        accepted = compiled(pattern)
    except InvalidFilterPattern:
        return
    assert accepted.matches(event) in (True, False)
