"""YAML and JSON as plain data with places."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esm_emulator.errors import ConfigError
from esm_emulator.yaml_source import Place, dotted, load_document, load_file


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("No", "No"),
        ("12:30", "12:30"),
        ("010", "010"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("2010-09-09", "2010-09-09"),
        ("2026-11-21T10:00:00Z", "2026-11-21T10:00:00Z"),
        (".inf", ".inf"),
        ("1.", "1."),
        ("'5'", "5"),
        ("true", True),
        ("FALSE", False),
        ("0", 0),
        ("-12", -12),
        ("+5", 5),
        ("1.5", 1.5),
        ("-.5", -0.5),
        ("1e3", 1000.0),
        ("~", None),
        ("null", None),
        ("''", ""),
        ("!!str 5", "5"),
        ("!!int '7'", 7),
    ],
)
def test_a_scalar_means_what_it_looks_like(text, data):
    """YAML 1.1's surprises are text; only true/false, plain numbers and null are anything else."""
    assert load_document(f"key: {text}").data == {"key": data}
    assert type(load_document(f"key: {text}").data["key"]) is type(data)


@pytest.mark.parametrize(("text", "key"), [("on: 1", "on"), ("5: 1", "5"), ("true: 1", "true"), ("010: 1", "010")])
def test_a_key_is_text_as_written(text, key):
    assert load_document(text).data == {key: 1}


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("!Ref Orders", {"Ref": "Orders"}),
        ("!Condition Big", {"Condition": "Big"}),
        ("!GetAtt Orders.Arn", {"Fn::GetAtt": ["Orders", "Arn"]}),
        ("!GetAtt A.B.C", {"Fn::GetAtt": ["A", "B.C"]}),
        ("!GetAtt [A, Arn]", {"Fn::GetAtt": ["A", "Arn"]}),
        ('!Sub "${A}-b"', {"Fn::Sub": "${A}-b"}),
        ("!Sub ['${A}', {A: !Ref B}]", {"Fn::Sub": ["${A}", {"A": {"Ref": "B"}}]}),
        ("!If [C, 1, !Ref AWS::NoValue]", {"Fn::If": ["C", 1, {"Ref": "AWS::NoValue"}]}),
        ("!Ref 010", {"Ref": "010"}),
        ("!ToJsonString {a: 1}", {"Fn::ToJsonString": {"a": 1}}),
    ],
)
def test_a_short_tag_becomes_its_long_form(text, data):
    assert load_document(f"key: {text}").data == {"key": data}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3:1: the key 'a' is here twice; the first is on line 1"),
        ("a: {b: 1, b: 2}", "f:1:11: the key 'b' is here twice; the first is on line 1"),
        ('{"a": 1,\n "a": 2}', "f:2:2: the key 'a' is here twice; the first is on line 1"),
        ("a: [1\n", "f:2:1: this is not YAML: while parsing a flow sequence, did not find expected ',' or ']'"),
        ("a: !Foo x", "f:1:4: the tag !Foo is not one of CloudFormation's"),
        ("a: !!python/object:os.system x", "f:1:4: the tag !!python/object:os.system is not supported"),
        ("a: !!int x", "f:1:4: 'x' is not what its tag says"),
        ("a: &a [*a]", "f:1:4: an alias stands inside what it stands for"),
        ("? [1]\n: 2", "f:1:3: a key takes text, not a mapping or list"),
        ("<<: 5", "f:1:5: << takes a mapping, or a list of mappings"),
        ("1\n---\n2", "f:2:1: this is not YAML: expected a single document in the stream, but found another document"),
    ],
)
def test_what_is_wrong_with_the_text_is_told_at_its_place(text, said):
    with pytest.raises(ConfigError) as caught:
        load_document(text, "f")
    assert str(caught.value) == said


def test_everything_wrong_with_the_text_is_told_at_once():
    with pytest.raises(ConfigError) as caught:
        load_document("a: !Foo x\nb: 1\nb: 2\nc: !Bar y\n", "f")
    assert [problem.line for problem in caught.value.problems] == [1, 3, 4]


def test_aliases_that_stand_for_millions_of_values_are_refused(monkeypatch):
    monkeypatch.setattr("esm_emulator.yaml_source._MOST_VALUES", 1_000)
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 8)]
    with pytest.raises(ConfigError, match="stand for more than 1,000 values"):
        load_document("\n".join(lines))


def test_anchors_and_merge_keys_work():
    text = "base: &base {a: 1, b: 2}\none: {<<: *base, b: 3}\ntwo: {<<: [{b: 9}, *base]}\n'<<': text\n"
    assert load_document(text).data == {
        "base": {"a": 1, "b": 2},
        "one": {"b": 3, "a": 1},
        "two": {"b": 9, "a": 1},
        "<<": "text",
    }


TEXT = """\
resources:
  Orders:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: !If [A, 30, 60]
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dlq.Arn, maxReceiveCount: 3}
      Tags:
        - Key: a
          Value: b
"""


@pytest.mark.parametrize(
    ("path", "key", "place"),
    [
        ((), False, (1, 1)),
        (("resources",), False, (1, 1)),
        (("resources", "Orders", "Type"), False, (3, 11)),
        (("resources", "Orders", "Type"), True, (3, 5)),
        (("resources", "Orders", "Properties", "VisibilityTimeout"), False, (5, 7)),
        (("resources", "Orders", "Properties", "VisibilityTimeout", "Fn::If", 2), False, (5, 38)),
        (("resources", "Orders", "Properties", "RedrivePolicy", "deadLetterTargetArn"), False, (6, 44)),
        (("resources", "Orders", "Properties", "RedrivePolicy", "maxReceiveCount"), False, (6, 78)),
        (("resources", "Orders", "Properties", "Tags", 0, "Value"), False, (9, 18)),
        (("resources", "Orders", "Properties", "Missing"), False, (4, 5)),
        (("resources", "Orders", "Properties", "a label", "RedrivePolicy", "maxReceiveCount"), False, (6, 78)),
        (("nothing",), False, (1, 1)),
    ],
)
def test_a_path_leads_to_a_place(path, key, place):
    """A value stands at itself, a mapping or list at its key, and what is missing at what should hold it."""
    assert load_document(TEXT).place(path, key=key) == place


def test_a_merged_key_stands_where_it_was_written():
    document = load_document("base: &base\n  a: 1\nother:\n  <<: *base\n")
    assert document.place(("other", "a")) == (2, 6)


def test_json_has_places_too_with_tabs_and_escaped_surrogates():
    text = '{\n\t"a": {\n\t\t"b": "\\ud83d\\ude00", "c": 3}}'
    document = load_document(text, "x.json")
    assert document.data == {"a": {"b": "😀", "c": 3}}
    assert document.place(("a", "c")) == (3, 29)


def test_json_that_is_not_json_is_told_in_its_own_words():
    with pytest.raises(ConfigError) as caught:
        load_document('{\n "a": ,}', "x.json")
    assert str(caught.value) == "x.json:2:7: this is not JSON: Expecting value"


def test_a_yaml_flow_mapping_that_looks_like_json_is_read_as_yaml():
    assert load_document("{a: 1, b: [x, on]}", "f.yaml").data == {"a": 1, "b": ["x", "on"]}


def test_an_empty_file_is_nothing_and_begins_at_its_beginning():
    document = load_document("# only a comment\n", "f")
    assert document.data is None
    assert document.place(("a",)) == Place(1, 1)
    assert str(document.problem("is missing", ("a", 0))) == "f:1:1: a.0: is missing"


def test_an_empty_text_of_no_file_has_no_place():
    assert load_document("").place(("a",)) == Place(0, 0)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("levels", [101, 400, 3_000])
def test_deep_nesting_is_told_and_not_a_crash(opening, levels):
    with pytest.raises(ConfigError, match=r"nested more than 100 levels|this is not YAML"):
        load_document(opening * levels + "1" + ("]" if opening == "[" else "}") * levels)


def test_a_hundred_levels_are_fine():
    assert load_document('{"a":' * 99 + "1" + "}" * 99).data
    assert load_document("[" * 99 + "x" + "]" * 99).data


def test_a_problem_carries_file_place_path_and_clause():
    problem = load_document("a:\n  b: 1\n", "f.yaml").problem("is wrong", ("a", "b"), clause="API-20")
    assert (str(problem), problem.clause) == ("f.yaml:2:6: a.b: is wrong", "API-20")
    assert dotted(("a", 0, "b")) == "a.0.b"


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "latin").write_bytes(b"a: \xe9")
    for path, said in (
        (tmp_path / "none", "there is no such file"),
        (tmp_path, "a folder"),
        (tmp_path / "latin", "UTF-8"),
    ):
        with pytest.raises(ConfigError, match=said) as caught:
            load_file(path)
        assert caught.value.problems[0].file == str(path)


def test_a_byte_order_mark_is_not_part_of_the_text(tmp_path):
    (tmp_path / "f.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert load_file(tmp_path / "f.yaml").data == {"a": 1}


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(plain)
def test_json_comes_back_as_it_was(data):
    """Whatever JSON says is what is loaded, and every part of it has a place or none, never a fault."""
    document = load_document(json.dumps({"top": data}), "f.json")
    assert document.data == {"top": data}
    assert document.place(("top",)).line in (0, 1)


@given(st.text())
def test_any_text_is_data_or_a_config_error(text):
    try:
        found = load_document(text, "f")
    except ConfigError as error:
        found = error
    assert not isinstance(found, ConfigError) or found.problems
