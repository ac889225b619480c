"""The pattern language at its edges, over texts as they stand in a template and in a message (contract 6.4, 6.5).

What the recorded cases of AWS's matcher do not hold: how numbers are written, the ends of ranges, letters of other
scripts, arrays of objects, branches of ``$or`` that say the same field again.
"""

from __future__ import annotations

import json

import pytest

from esm_emulator.errors import InvalidFilterPattern
from esm_emulator.mapping.filter import FilterPattern

BIG = 9_007_199_254_740_992  # 2^53


def matching(pattern, *events):
    """Which of the events (JSON texts) match the pattern (a JSON text)."""
    compiled = FilterPattern.parse(pattern)
    return [event for event in events if compiled.matches(json.loads(event))]


def values(condition, *texts):
    """Which values, as JSON texts, a field with this one condition accepts."""
    compiled = FilterPattern.parse(f'{{"a": [{condition}]}}')
    return [text for text in texts if compiled.matches(json.loads(f'{{"a": {text}}}'))]


@pytest.mark.parametrize("written", ["300", "300.0", "3e2", "3.0E+2", "30000e-2", "300.000000"])
def test_a_number_is_the_same_however_it_is_written(written):
    """FILT-22."""
    assert values(written, "300", "300.0", "3e2", '"300"', '"3e2"', "300.0000001", "[1, 300]") == [
        "300",
        "300.0",
        "3e2",
        "[1, 300]",
    ]


@pytest.mark.parametrize("zero", ["0", "-0", "0.0", "-0.0", "0e5"])
def test_there_is_one_zero(zero):
    """FILT-22: and it is neither false nor empty."""
    assert values(zero, "0", "-0", "-0.0", "false", "null", '""') == ["0", "-0", "-0.0"]
    assert values(f'{{"numeric": ["=", {zero}]}}', "0", "-0.0", "1e-300") == ["0", "-0.0"]


@pytest.mark.parametrize(
    ("numeric", "accepted"),
    [
        ('["<", 5]', ["-1e300", "-5", "0", "4.999999"]),
        ('["<=", 5]', ["-1e300", "-5", "0", "4.999999", "5"]),
        ('[">", 5]', ["5.000001", "1e300"]),
        ('[">=", 5]', ["5", "5.000001", "1e300"]),
        ('["=", 5]', ["5"]),
        ('[">", -5, "<", 5]', ["0", "4.999999"]),
        ('[">=", -5, "<=", 5]', ["-5", "0", "4.999999", "5"]),
        ('[">", -5, "<=", 5]', ["0", "4.999999", "5"]),
        ('[">=", -5, "<", 5]', ["-5", "0", "4.999999"]),
    ],
)
def test_the_ends_of_a_range(numeric, accepted):
    """FILT-24."""
    assert values(f'{{"numeric": {numeric}}}', "-1e300", "-5", "0", "4.999999", "5", "5.000001", "1e300") == accepted


def test_a_constant_that_no_double_is_exact_for_is_refused_in_numeric_and_equals_itself_as_a_value():
    """FILT-23: within 2^53 numbers are exact."""
    assert values(f'{{"numeric": ["<=", {BIG}]}}', str(BIG), str(BIG + 1)) == [str(BIG)]
    assert values(str(BIG + 1), str(BIG), str(BIG + 1), str(BIG + 2)) == [str(BIG + 1)]
    with pytest.raises(InvalidFilterPattern, match=f"Cannot compare number : {BIG + 1}"):
        values(f'{{"numeric": ["=", {BIG + 1}]}}')


def test_strings_of_digits_are_strings():
    """FILT-23: neither numeric nor a number looks at them, and prefixes look at nothing else."""
    assert values('"5"', "5", '"5"', '"5.0"') == ['"5"']
    assert values('{"prefix": "5"}', "5", "55", '"55"') == ['"55"']
    assert values('{"anything-but": ["5"]}', "5", '"5"', '"5.0"', "5.0") == ["5", '"5.0"', "5.0"]
    assert values('{"anything-but": [5]}', "5", '"5"', "5.0", "6", "null", "true") == ['"5"', "6", "null", "true"]


@pytest.mark.parametrize(
    ("condition", "accepted"),
    [
        ("null", ["null", "[null]"]),
        ("true", ["true"]),
        ("false", ["false"]),
        ('""', ['""']),
        ('"null"', ['"null"']),
        ('{"exists": true}', ["null", '"null"', "true", "false", '""', "0", "[null]", "[[1]]"]),
        ('{"exists": false}', ["[]", "{}", "[{}]", "[[]]", '{"b": 1}']),
        ('{"anything-but": "x"}', ["null", '"null"', "true", "false", '""', "0", "[null]", "[[1]]"]),
        ('{"prefix": ""}', ['"null"', '""']),
        ('{"suffix": ""}', ['"null"', '""']),
        ('{"wildcard": "*"}', ['"null"', '""']),
        ('{"wildcard": ""}', ['""']),
        ('{"equals-ignore-case": ""}', ['""']),
        ('{"equals-ignore-case": "NULL"}', ['"null"']),
    ],
)
def test_what_is_nearly_nothing(condition, accepted):
    """FILT-25, FILT-27, FILT-28, FILT-30: null, empty text, empty lists and objects, lists in lists."""
    everything = ["null", '"null"', "true", "false", '""', "0", "[]", "{}", "[{}]", "[null]", "[[]]", "[[1]]"]
    assert values(condition, *everything, '{"b": 1}') == accepted


@pytest.mark.parametrize(
    ("condition", "accepted"),
    [
        ('{"equals-ignore-case": "ÉCLAIR"}', ['"éclair"', '"ÉCLAIR"']),
        ('{"equals-ignore-case": "жук"}', ['"ЖУК"']),
        ('{"prefix": {"equals-ignore-case": "éc"}}', ['"éclair"', '"ÉCLAIR"']),
        ('{"suffix": {"equals-ignore-case": "\\u0423\\u041a"}}', ['"ЖУК"']),
        ('"\\u00e9clair"', ['"éclair"']),
        ('"\\ud83d\\ude00"', ['"😀"']),
        ('{"suffix": "😀"}', ['"😀"']),
        ('{"wildcard": "é*r"}', ['"éclair"']),
        ('{"anything-but": {"equals-ignore-case": ["éclair", "жук"]}}', ['"e\\u0301clair"', '"😀"']),
    ],
)
def test_letters_of_any_script(condition, accepted):
    """FILT-21: compared as they are; case is folded letter by letter, and nothing is normalized."""
    everything = ['"éclair"', '"ÉCLAIR"', '"e\\u0301clair"', '"ЖУК"', '"😀"']
    assert values(condition, *everything) == accepted


@pytest.mark.parametrize(
    ("wildcard", "accepted"),
    [
        ("*", ["", "*", "a", "ab", "a*b", "a\\b", "aXbXb"]),
        ("a*", ["a", "ab", "a*b", "a\\b", "aXbXb"]),
        ("*b", ["ab", "a*b", "a\\b", "aXbXb"]),
        ("a*b", ["ab", "a*b", "a\\b", "aXbXb"]),
        ("a*b*b", ["aXbXb"]),
        ("a\\*b", ["a*b"]),
        ("a\\\\b", ["a\\b"]),
        ("\\**", ["*"]),
        ("*\\*", ["*"]),
        ("*\\**", ["*", "a*b"]),
    ],
)
def test_wildcards_and_their_escapes(wildcard, accepted):
    """FILT-35."""
    texts = ["", "*", "a", "ab", "a*b", "a\\b", "aXbXb"]
    pattern = FilterPattern.parse(json.dumps({"a": [{"wildcard": wildcard}]}))
    assert [text for text in texts if pattern.matches({"a": text})] == accepted


@pytest.mark.parametrize("wildcard", ["**", "a**", "**a", "a***b", "\\", "a\\", "\\a", "a\\nb", "\\***"])
@pytest.mark.parametrize("shape", ['{"wildcard": %s}', '{"anything-but": {"wildcard": [%s]}}'])
def test_wildcards_that_are_refused(wildcard, shape):
    """FILT-35: stars side by side, and a backslash before anything but a star or a backslash."""
    with pytest.raises(InvalidFilterPattern, match=r"Consecutive wildcard|Invalid escape"):
        values(shape % json.dumps(wildcard))


@pytest.mark.parametrize(
    ("pattern", "event", "expected"),
    [
        ({"a": {"b": ["x"], "c": ["y"]}}, {"a": [{"b": "x"}, {"c": "y"}]}, False),
        ({"a": {"b": ["x"], "c": ["y"]}}, {"a": [{"b": "x"}, {"b": "x", "c": "y"}]}, True),
        ({"a": {"b": ["x"]}, "d": ["1"]}, {"a": [{"b": "x"}], "d": ["2", "1"]}, True),
        ({"a": {"b": {"c": ["x"], "d": ["y"]}}}, {"a": [{"b": [{"c": "x"}]}, {"b": [{"d": "y"}]}]}, False),
        ({"a": {"b": {"c": ["x"], "d": ["y"]}}}, {"a": [{"b": [{"c": "x", "d": "z"}, {"c": "x", "d": "y"}]}]}, True),
        ({"a": {"b": ["x", "y"]}}, {"a": [{"b": ["z", "y"]}, {"b": 1}]}, True),
        ({"a": {"b": ["x"]}}, {"a": [[{"b": "x"}]]}, True),
        ({"a": {"b": ["x"]}}, {"a": ["b", "x", {"c": "x"}]}, False),
        ({"a": {"b": [{"exists": False}]}}, {"a": [{"c": 1}, {"c": 2}]}, True),
        ({"a": {"b": [{"exists": False}]}}, {"a": [{"c": 1}, {"b": 2}]}, False),
        ({"a": {"b": [{"anything-but": "x"}]}}, {"a": [{"b": "x"}, {"b": "y"}]}, True),
        ({"a": {"b": [{"anything-but": "x"}]}}, {"a": [{"b": "x"}, {"c": "y"}]}, False),
    ],
)
def test_fields_of_objects_in_arrays_belong_together(pattern, event, expected):
    """FILT-25, FILT-26: fields that share an array are looked for in one element of it."""
    assert FilterPattern.parse(json.dumps(pattern)).matches(event) is expected


@pytest.mark.parametrize(
    ("pattern", "accepted"),
    [
        ('{"$or": [{"a": [1]}, {"b": [1]}]}', ["a", "b", "ab", "abc"]),
        ('{"c": [1], "$or": [{"a": [1]}, {"b": [1]}]}', ["abc"]),
        ('{"$or": [{"a": [1], "b": [1]}, {"c": [1]}]}', ["ab", "c", "abc"]),
        ('{"$or": [{"$or": [{"a": [1]}, {"b": [1]}], "c": [1]}, {"b": [1]}]}', ["b", "ab", "abc"]),
        ('{"$or": [{"a": [1]}, {"b": [1]}], "$or": [{"b": [1]}, {"c": [1]}]}', ["b", "ab", "abc"]),
        ('{"a": [2], "$or": [{"a": [1]}, {"c": [1]}]}', ["a", "ab", "abc"]),
    ],
)
def test_branches_multiply_and_the_last_word_on_a_field_counts(pattern, accepted):
    """6.4's $or, with FILT-33: what a branch says of a field replaces what stands before it."""
    everything = [dict.fromkeys(keys, 1) for keys in ("a", "b", "c", "ab", "abc")]
    compiled = FilterPattern.parse(pattern)
    assert ["".join(event) for event in everything if compiled.matches(event)] == sorted(
        accepted, key=["a", "b", "c", "ab", "abc"].index
    )


@pytest.mark.parametrize(
    ("block", "accepted"),
    [
        ("10.0.0.0/8", ["10.0.0.0", "10.255.255.255"]),
        ("10.255.255.254/31", ["10.255.255.255"]),
        ("0.0.0.0/0", ["10.0.0.0", "10.255.255.255", "11.0.0.0"]),
        ("2001:db8::/32", ["2001:db8::1", "2001:0DB8:0:0::1"]),
    ],
)
def test_ranges_of_addresses(block, accepted):
    """6.4's cidr: every spelling of an address in the range, and nothing that is none."""
    texts = ["10.0.0.0", "10.255.255.255", "11.0.0.0", "10.0.0", "10.0.0.256", "2001:db8::1", "2001:0DB8:0:0::1", "x"]
    pattern = FilterPattern.parse(json.dumps({"a": [{"cidr": block}]}))
    matched = [text for text in texts if pattern.matches({"a": text})]
    assert [text for text in matched if (":" in text) == (":" in block)] == accepted


REFUSED = {
    "{}": ("Empty objects are not allowed", ""),
    '{"a": {}}': ("Empty objects are not allowed", "a"),
    '{"a": {"b": []}}': ("Empty arrays are not allowed", "a.b"),
    '{"a": "x"}': ('"a" must be an object or an array', "a"),
    '{"a": {"exists": true}}': ('"exists" must be an object or an array', "a.exists"),
    '{"a": [["x"]]}': ("Match value must be String, number, true, false, or null", "a"),
    '{"a": [{}]}': ("Match expression name not found", "a"),
    '{"a": [{"Exists": true}]}': ("Unrecognized match type Exists", "a"),
    '{"a": [{"exists": 1}]}': ("exists match pattern must be either true or false.", "a"),
    '{"a": [{"prefix": "a", "suffix": "b"}]}': ("Only one key allowed in match expression", "a"),
    '{"a": [{"prefix": {"wildcard": "a"}}]}': ("Unsupported prefix pattern: wildcard", "a"),
    '{"a": [{"numeric": 5}]}': ("Value of numeric must be an array.", "a"),
    '{"a": [{"numeric": [5]}]}': ("Invalid member in numeric match: 5", "a"),
    '{"a": [{"numeric": ["=", "5"]}]}': ("Value of equals must be numeric", "a"),
    '{"a": [{"numeric": [">=", null]}]}': ("Value of >= must be numeric", "a"),
    '{"a": [{"numeric": ["=", 5, 6]}]}': ("Too many elements in numeric expression", "a"),
    '{"a": [{"numeric": [">", 1, 5]}]}': ("Bad value in numeric range: 5", "a"),
    '{"a": [{"numeric": [">", 1, ">", 5]}]}': ("Bad numeric range operator: >", "a"),
    '{"a": [{"numeric": [">", 5, "<", 5]}]}': ("Bottom must be less than top", "a"),
    '{"a": [{"numeric": [">", 1, "<", 5, "<", 9]}]}': ("Too many terms in numeric range expression", "a"),
    '{"a": [{"numeric": ["<>", 1]}]}': ("Unrecognized numeric range operator: <>", "a"),
    '{"a": [{"numeric": ["=", 1], "x": 1}]}': ("Too many elements in numeric expression", "a"),
    '{"a": [{"anything-but": true}]}': (
        "Value of anything-but must be an array or single string/number value.",
        "a",
    ),
    '{"a": [{"anything-but": ["x", 1]}]}': (
        "Inside anything but list, either all values are number or string, mixed type is not supported",
        "a",
    ),
    '{"a": [{"anything-but": {"numeric": ["=", 1]}}]}': ("Unsupported anything-but pattern: numeric", "a"),
    '{"a": [{"anything-but": {"prefix": ""}}]}': ("Null prefix/suffix not allowed", "a"),
    '{"a": [{"anything-but": {"suffix": 1}}]}': ("prefix/suffix match pattern must be a string", "a"),
    '{"a": [{"anything-but": {"wildcard": [1]}}]}': ("wildcard match pattern must be a string", "a"),
    '{"a": [{"anything-but": {"equals-ignore-case": [1]}}]}': (
        "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.",
        "a",
    ),
    '{"a": [{"cidr": "10.0.0.0/32"}]}': ("IPv4 mask bits must be < 32", "a"),
    '{"$or": []}': ("There must have at least 2 Objects in $or relationship.", "$or"),
    '{"b": {"$or": {"a": [1]}}}': ("It must be an Array followed with $or.", "b.$or"),
    '{"$or": [{"a": [1]}, {}]}': ("Empty objects are not allowed", "$or"),
    '{"$or": [{"a": [1]}, 5]}': ("Only JSON object is allowed in array of $or relationship.", "$or"),
    '{"$or": [{"a": [1]}, {"prefix": [1]}]}': (
        "prefix is Ruler reserved fieldName which cannot be used inside $or.",
        "prefix",
    ),
}


@pytest.mark.parametrize("pattern", REFUSED)
def test_a_refusal_has_the_words_of_awss_matcher_and_the_place(pattern):
    """FILT-5, FILT-36."""
    with pytest.raises(InvalidFilterPattern) as caught:
        FilterPattern.parse(pattern)
    assert (caught.value.reason, caught.value.path or "") == REFUSED[pattern]
