"""The pattern language agrees with AWS's own matcher (FILT-36)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from esm_emulator.errors import InvalidFilterPattern
from esm_emulator.mapping.filter import FilterPattern

CASES = json.loads((Path(__file__).parent / "data" / "filter-cases.json").read_text(encoding="utf-8"))


def verdict(pattern, event):
    try:
        compiled = FilterPattern.parse(json.dumps(pattern))
    except InvalidFilterPattern:
        return "invalid"
    return str(compiled.matches(event)).lower()


@pytest.mark.parametrize("case", CASES, ids=[f"{number} {case['tag']}" for number, case in enumerate(CASES)])
def test_agrees_with_the_matcher_of_aws(case):
    assert verdict(case["pattern"], case["event"]) == case["verdict"]


def leaf(condition):
    return {"a": [condition]}


# What the source of AWS's matcher says beyond the recorded cases: pattern, event, verdict.
TABLE = {
    "a number that no double holds equals itself": ({"a": [2**53 + 1]}, {"a": 2**53 + 1}, "true"),
    "and not its neighbor": ({"a": [2**53 + 1]}, {"a": 2**53}, "false"),
    "it is in no interval": (leaf({"numeric": [">", 0]}), {"a": 2**53 + 1}, "false"),
    "it cannot bound one": (leaf({"numeric": [">", 2**53 + 1]}), {"a": 1}, "invalid"),
    "it cannot be refused": (leaf({"anything-but": 2**53 + 1}), {"a": 1}, "invalid"),
    "it is anything but one": (leaf({"anything-but": 1}), {"a": 2**53 + 1}, "true"),
    "minus zero is zero": ({"a": [0]}, {"a": -0.0}, "true"),
    "the bounds of an interval differ": (leaf({"numeric": [">=", 1, "<=", 1]}), {"a": 1}, "invalid"),
    "an interval's inside": (leaf({"numeric": [">", 0, "<=", 5]}), {"a": 5}, "true"),
    "an interval's open end": (leaf({"numeric": [">", 0, "<=", 5]}), {"a": 0}, "false"),
    "an operand is missing": (leaf({"numeric": [">", 0, "<"]}), {"a": 1}, "invalid"),
    "an operator twice": (leaf({"numeric": [">", 0, ">", 0]}), {"a": 1}, "invalid"),
    "a bare number for numeric": (leaf({"numeric": 5}), {"a": 5}, "invalid"),
    "numeric of nothing": (leaf({"numeric": []}), {"a": 5}, "invalid"),
    "numeric of text": (leaf({"numeric": ["=", "5"]}), {"a": 5}, "invalid"),
    "exactly": (leaf({"exactly": "x"}), {"a": "x"}, "true"),
    "exactly takes strings": (leaf({"exactly": 5}), {"a": 5}, "invalid"),
    "operators are case-sensitive (FILT-31)": (leaf({"EXISTS": True}), {"a": 1}, "invalid"),
    "exists takes booleans": (leaf({"exists": "true"}), {"a": 1}, "invalid"),
    "a key named as an operator": ({"exists": ["x"]}, {"exists": "x"}, "true"),
    "a list in a list": ({"a": [["x"]]}, {"a": "x"}, "invalid"),
    "an empty condition": ({"a": [{}]}, {"a": "x"}, "invalid"),
    "a scalar (FILT-34)": ({"a": "x"}, {"a": "x"}, "invalid"),
    "an empty pattern": ({}, {}, "invalid"),
    "an empty branch": ({"$or": [{"a": ["x"]}, {}]}, {"a": "x"}, "invalid"),
    "$or of an object": ({"$or": {"a": ["x"], "b": ["y"]}}, {"a": "x"}, "invalid"),
    "$or of operators": ({"$or": [{"prefix": ["x"]}, {"a": ["y"]}]}, {"a": "y"}, "invalid"),
    "and deep below it": ({"$or": [{"a": {"suffix": ["x"]}}, {"b": ["y"]}]}, {"b": "y"}, "invalid"),
    "a branch replaces what stands before": (
        {"a": ["x"], "$or": [{"a": ["y"]}, {"b": ["z"]}]},
        {"a": "y"},
        "true",
    ),
    "what comes after $or replaces branches": (
        {"$or": [{"a": ["y"]}, {"b": ["z"]}], "a": ["x"]},
        {"a": "y"},
        "false",
    ),
    "two $or multiply": (
        {"c": {"$or": [{"a": ["1"]}, {"b": ["1"]}]}, "$or": [{"d": ["1"]}, {"e": ["1"]}]},
        {"c": {"b": "1"}, "e": "1"},
        "true",
    ),
    "a dotted key of the pattern (FILT-32)": ({"a.b": ["x"]}, {"a": {"b": "x"}}, "true"),
    "dots in several ways": ({"a": {"b.c": ["x"]}}, {"a.b": {"c": "x"}}, "true"),
    "an empty key": ({"": ["x"]}, {"": "x"}, "true"),
    "an empty key below": ({"a": {"": ["x"]}}, {"a": {"": "x"}}, "false"),
    "an empty key above": ({"": {"a": ["x"]}}, {"a": "x"}, "true"),
    "a dot as a key": ({".": ["x"]}, {".": "x"}, "true"),
    "lists of lists": ({"a": ["x"]}, {"a": [["y"], [["x"]]]}, "true"),
    "lists of lists of objects": ({"a": {"b": ["x"]}}, {"a": [[{"b": "x"}]]}, "true"),
    "one element has both": ({"a": {"b": ["x"], "c": ["1"]}}, {"a": [{"b": "y"}, {"b": "x", "c": "1"}]}, "true"),
    "scalars of one list go together": ({"a": {"b": ["x"]}, "c": ["1"]}, {"a": {"b": ["x"]}, "c": ["0", "1"]}, "true"),
    "an inner element belongs to its outer one": (
        {"a": {"b": {"c": ["x"]}, "d": ["1"]}},
        {"a": [{"b": [{"c": "x"}], "d": "2"}, {"b": [{"c": "y"}], "d": "1"}]},
        "false",
    ),
    "absent beside the chosen element": (
        {"a": {"b": ["x"], "c": [{"exists": False}]}},
        {"a": [{"b": "x"}, {"c": 1}]},
        "true",
    ),
    "absent is asked before an element is chosen": (
        {"a": {"b": [{"exists": False}], "c": ["x"]}},
        {"a": [{"b": 1}, {"c": "x"}]},
        "false",
    ),
    "absent or a value": ({"a": [{"exists": False}, {"prefix": "x"}]}, {"a": "y"}, "false"),
    "an empty object is no leaf": (leaf({"exists": True}), {"a": {}}, "false"),
    "and absent": (leaf({"exists": False}), {"a": {}}, "true"),
    "null in a list": ({"a": [None]}, {"a": [1, None]}, "true"),
    "false is not 0": ({"a": [0, ""]}, {"a": False}, "false"),
    "an address in another spelling": ({"a": ["2001:db8::1"]}, {"a": "2001:0DB8:0:0::1"}, "true"),
    "an address with zeros": ({"a": ["10.0.0.1"]}, {"a": "010.000.0.1"}, "true"),
    "a mapped address": ({"a": ["::ffff:a00:1"]}, {"a": "10.0.0.1"}, "true"),
    "what only looks like one": ({"a": ["08:23"]}, {"a": "08:23"}, "true"),
    "an octet too large": ({"a": ["300.1.1.1"]}, {"a": "300.1.1.1"}, "true"),
    "a block's bottom is rounded down": (leaf({"cidr": "10.0.0.7/24"}), {"a": "10.0.0.1"}, "true"),
    "beyond a block": (leaf({"cidr": "10.0.0.0/24"}), {"a": "10.0.1.0"}, "false"),
    "below a block": (leaf({"cidr": "10.0.1.0/24"}), {"a": "10.0.0.255"}, "false"),
    "a block of six": (leaf({"cidr": "2001:db8::/33"}), {"a": "2001:db8:8000::"}, "false"),
    "a block of one address": (leaf({"cidr": "10.0.0.1/32"}), {"a": "10.0.0.1"}, "invalid"),
    "a block of one long address": (leaf({"cidr": "::1/128"}), {"a": "::1"}, "invalid"),
    "no mask": (leaf({"cidr": "10.0.0.1"}), {"a": "10.0.0.1"}, "invalid"),
    "a mask that is none": (leaf({"cidr": "10.0.0.1/x"}), {"a": "10.0.0.1"}, "invalid"),
    "a negative mask": (leaf({"cidr": "10.0.0.1/-1"}), {"a": "10.0.0.1"}, "invalid"),
    "a name is no address": (leaf({"cidr": "host/8"}), {"a": "host"}, "invalid"),
    "a slash too many at the end": (leaf({"cidr": "10.0.0.0/24/"}), {"a": "10.0.0.9"}, "true"),
    "beside a block an address is no text": (
        {"a": [{"cidr": "10.0.0.0/8"}, {"prefix": "192."}]},
        {"a": "192.168.0.1"},
        "false",
    ),
    "nor in an alternative": (
        {"$or": [{"a": [{"cidr": "10.0.0.0/8"}]}, {"a": [{"prefix": "192."}]}]},
        {"a": "192.168.0.1"},
        "false",
    ),
    "other texts stay texts": ({"a": [{"cidr": "10.0.0.0/8"}, {"prefix": "192"}]}, {"a": "192-x"}, "true"),
    "beside a number a block matches nothing": ({"a": [{"cidr": "10.0.0.0/8"}, 5]}, {"a": "10.0.0.1"}, "false"),
    "an address is anything but a text": (
        {"a": [{"cidr": "10.0.0.0/8"}, {"anything-but": "1.1.1.1"}]},
        {"a": "1.1.1.1"},
        "true",
    ),
    "digits inside a block": (leaf({"cidr": "16.0.0.0/8"}), {"a": 105}, "true"),
    "an address of the other family": (leaf({"cidr": "0.0.0.0/0"}), {"a": "2001:db8::1"}, "true"),
    "a wildcard's end": (leaf({"wildcard": "*c"}), {"a": "abcab"}, "false"),
    "a wildcard's pieces do not overlap": (leaf({"wildcard": "ab*ba"}), {"a": "aba"}, "false"),
    "an escape of something else": (leaf({"wildcard": "a\\b"}), {"a": "ab"}, "invalid"),
    "a backslash at the end": (leaf({"wildcard": "ab\\"}), {"a": "ab"}, "invalid"),
    "an escaped backslash": (leaf({"wildcard": "a\\\\*"}), {"a": "a\\b"}, "true"),
    "an empty wildcard": (leaf({"wildcard": ""}), {"a": ""}, "true"),
    "and a text": (leaf({"wildcard": ""}), {"a": "x"}, "false"),
    "a wildcard that is a list": (leaf({"wildcard": ["a*"]}), {"a": "ab"}, "invalid"),
    "a prefix up to the quotation mark": (leaf({"prefix": 'abc"'}), {"a": "abc"}, "true"),
    "and not further": (leaf({"prefix": 'abc"'}), {"a": "abcd"}, "false"),
    "a suffix from the quotation mark on": (leaf({"suffix": '"abc'}), {"a": "abc"}, "true"),
    "a prefix that is a list": (leaf({"prefix": ["ab"]}), {"a": "ab"}, "invalid"),
    "sharp s in two letters": (leaf({"equals-ignore-case": "straße"}), {"a": "STRASSE"}, "true"),
    "and not the other way": (leaf({"equals-ignore-case": "strasse"}), {"a": "straße"}, "false"),
    "the sign for kelvin is no k": (leaf({"equals-ignore-case": "k"}), {"a": "\u212a"}, "false"),
    "letters beyond ascii": (leaf({"equals-ignore-case": "ÄÖ"}), {"a": "äÖ"}, "true"),
    "a prefix without case": (leaf({"prefix": {"equals-ignore-case": "ÄB"}}), {"a": "äbc"}, "true"),
    "a suffix without case": (leaf({"suffix": {"equals-ignore-case": ".PnG"}}), {"a": "a.png"}, "true"),
    "a suffix in two letters": (leaf({"suffix": {"equals-ignore-case": "ß"}}), {"a": "GROSS"}, "true"),
    "another operator in a prefix": (leaf({"prefix": {"suffix": "x"}}), {"a": "x"}, "invalid"),
    "astral characters where case counts": (leaf({"prefix": "😀"}), {"a": "😀!"}, "true"),
    "and where it does not": (leaf({"equals-ignore-case": "😀"}), {"a": "😀"}, "false"),
    "the empty string is refused (FILT-30)": (leaf({"anything-but": {"prefix": ""}}), {"a": "x"}, "invalid"),
    "also in a list": (leaf({"anything-but": {"suffix": ["x", ""]}}), {"a": "x"}, "invalid"),
    "anything but nothing": (leaf({"anything-but": []}), {"a": "x"}, "invalid"),
    "anything but true": (leaf({"anything-but": True}), {"a": "x"}, "invalid"),
    "anything but an unknown operator": (leaf({"anything-but": {"cidr": "10.0.0.0/8"}}), {"a": "x"}, "invalid"),
    "anything but two operators": (leaf({"anything-but": {"prefix": "a", "suffix": "b"}}), {"a": "x"}, "invalid"),
    "one of two anything-buts (FILT-29)": ({"a": [{"anything-but": "x"}, {"anything-but": "y"}]}, {"a": "x"}, "true"),
    "a number is anything but a text": ({"a": [{"anything-but": "1"}, {"numeric": [">", 5]}]}, {"a": 1}, "true"),
    "absent is not anything (FILT-28)": (leaf({"anything-but": "x"}), {"b": 1}, "false"),
}


@pytest.mark.parametrize(("pattern", "event", "expected"), TABLE.values(), ids=TABLE)
def test_agrees_with_the_source_of_the_matcher(pattern, event, expected):
    assert verdict(pattern, event) == expected
