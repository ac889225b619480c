"""YAML or JSON text as plain data, and where in the text each part of it stands.

Three things differ from PyYAML's own safe loading, each because a settings file must mean what it looks like:

* YAML 1.1's surprises are gone. ``on``, ``yes``, ``12:30``, ``010`` and ``2010-09-09`` are text; only
  ``true``/``false``, plain decimal numbers and ``null`` are anything else. Keys are always text, as written.
* A key that is there twice is refused, with both places.
* CloudFormation's short tags become their long forms: ``!GetAtt A.Arn`` is ``{"Fn::GetAtt": ["A", "Arn"]}``.

JSON goes through the same door. What is wrong with the text itself is a ``ConfigError``, all of it at once. This file
knows nothing of what the data means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any, NamedTuple, TypeAlias

import yaml

from esm_emulator.errors import ConfigError, Problem

__all__ = ["INTRINSICS", "Document", "Path", "Place", "dotted", "load_document", "load_file"]

Path: TypeAlias = tuple[str | int, ...]
"""The way from the top of a document to one value: keys and list positions."""


class Place(NamedTuple):
    """A line and a column, both counted from 1; ``(0, 0)`` when there is none."""

    line: int
    column: int


NOWHERE = Place(0, 0)

_MOST_VALUES = 1_000_000
"""Values after aliases are written out: far above any real file, far below what a few nested aliases can make."""

_MOST_LEVELS = 100
"""Levels of nesting: so deep that no file is, and so shallow that whoever walks the data may call itself."""

_PREFIX = "tag:yaml.org,2002:"
_NULL, _BOOL, _INT, _FLOAT, _STR = (_PREFIX + kind for kind in ("null", "bool", "int", "float", "str"))
_FUNCTIONS = (
    *("And", "Base64", "Cidr", "Equals", "FindInMap", "GetAtt", "GetAZs", "If", "ImportValue", "Join"),
    *("Length", "Not", "Or", "Select", "Split", "Sub", "ToJsonString", "Transform"),
)
INTRINSICS = ("Ref", "Condition", *(f"Fn::{name}" for name in _FUNCTIONS))
"""CloudFormation's intrinsic functions in their long form."""

_LONG_NAMES = {f"!{name.removeprefix('Fn::')}": name for name in INTRINSICS}


class _Loader(yaml.CSafeLoader):
    """The C parser with the scalars of YAML 1.2's core schema, without its octal and hexadecimal numbers."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as PyYAML declares it


_NUMBER_STARTS = list("-+.0123456789")
for _tag, _pattern, _starts in (
    (_NULL, r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    (_BOOL, r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    (_INT, r"^[-+]?(?:0|[1-9][0-9]*)$", _NUMBER_STARTS),
    (_FLOAT, r"^[-+]?(?:0|[1-9][0-9]*)?(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|(?<=[0-9])[eE][-+]?[0-9]+)$", _NUMBER_STARTS),
):
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), _starts)


class Document:
    """What a text holds (``data``: dicts, lists, text, numbers, booleans, None) and where each part stands.

    ``file`` is the name that problems carry; ``text`` is the text itself.
    """

    def __init__(self, data: Any, file: str, text: str, root: yaml.Node | None = None) -> None:
        self.data = data
        self.file = file
        self.text = text
        self._root = root
        self._composed = root is not None

    def __repr__(self) -> str:
        return f"Document({self.file!r})"

    def place(self, path: Path = (), *, key: bool = False) -> Place:
        """Where ``path`` stands: a single value at itself, a mapping or list at its key; with ``key`` always the key.

        Steps that are not in the text are passed over, so the path of something missing leads to what should hold
        it, and the labels that pydantic puts between keys do no harm.
        """
        node, key_node = self._nodes(), None
        if node is None:
            return Place(1, 1) if self.file and self.data is None else NOWHERE  # an empty file has a beginning
        for step in path:
            found = _step(node, step)
            if found is not None:
                key_node, node = found
        if key_node is not None and (key or not isinstance(node, yaml.ScalarNode)):
            node = key_node
        return _place(node)

    def problem(self, message: str, path: Path = (), *, key: bool = False, clause: str = "") -> Problem:
        """A problem at ``path`` of this document; its own path is ``path`` with dots."""
        line, column = self.place(path, key=key)
        return Problem(message, dotted(path), self.file, line, column, clause)

    def _nodes(self) -> yaml.Node | None:
        """The tree of nodes; JSON has none until somebody asks for a place."""
        if not self._composed:
            self._composed = True
            try:
                self._root = _compose(_json_for_yaml(self.text))
            except (yaml.YAMLError, RecursionError):  # JSON that YAML cannot read: data without places
                self._root = None
        return self._root


def dotted(path: Path) -> str:
    """``("Orders", "Filters", 0)`` as ``Orders.Filters.0``."""
    return ".".join(str(step) for step in path)


def load_file(path: FilePath | str, *, name: str = "") -> Document:
    """The document in a file, whose problems carry ``name`` (default: the path as given).

    Raises ``ConfigError`` when it cannot be read or is not YAML or JSON.
    """
    name = name or str(path)
    try:
        text = FilePath(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError([Problem("there is no such file", file=name)]) from None
    except IsADirectoryError:
        raise ConfigError([Problem("this is a folder, not a file", file=name)]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(f"this is not UTF-8 text ({error.reason})", file=name)]) from None
    except OSError as error:
        raise ConfigError([Problem(f"cannot be read: {error.strerror or error}", file=name)]) from None
    return load_document(text, name)


def load_document(text: str, file: str = "") -> Document:
    """The document in ``text``; ``file`` is the name that its problems carry. Raises ``ConfigError`` with them all."""
    readable = text
    if text.lstrip()[:1] == "{":
        try:
            data = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
            if _is_shallow(data):
                return Document(data, file, text)
        except json.JSONDecodeError as error:
            if file.endswith(".json"):
                problem = Problem(f"this is not JSON: {error.msg}", "", file, error.lineno, error.colno)
                raise ConfigError([problem]) from None
        except (ValueError, RecursionError):
            readable = _json_for_yaml(text)
    try:
        root = _compose(readable)
    except yaml.YAMLError as error:
        raise ConfigError([_syntax(error, file)]) from None
    builder = _Builder(file)
    data = builder.build(root) if root is not None else None
    if builder.problems:
        raise ConfigError(builder.problems)
    return Document(data, file, text, root)


def _compose(text: str) -> yaml.Node | None:
    """The one tree of nodes in ``text``, None when it is empty."""
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _is_shallow(data: Any) -> bool:
    level = [data]
    for _ in range(_MOST_LEVELS):
        level = [
            item
            for value in level
            for item in (value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
        ]
        if not level:
            return True
    return False


def _json_for_yaml(text: str) -> str:
    """JSON with what YAML cannot read (tabs, escaped surrogates) put out of its way, every place kept."""
    return re.sub(r"\\u[dD][89a-fA-F]..", r"\\u0041", text.replace("\t", " "))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key twice")
    return made


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _syntax(error: yaml.YAMLError, file: str) -> Problem:
    """What the parser says, at the place where it noticed."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return Problem(f"this is not YAML: {error}", file=file)
    said = ", ".join(part for part in (error.context, error.problem) if part)
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else NOWHERE
    return Problem(f"this is not YAML: {said}", "", file, line, column)


class _Builder:
    """Turns nodes into data, and keeps what is wrong with them in ``problems``."""

    def __init__(self, file: str) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._open: set[int] = set()
        self._values = 0

    def build(self, node: yaml.Node) -> Any:
        self._values += 1
        if self._values > _MOST_VALUES:
            if self._values == _MOST_VALUES + 1:
                self._wrong(f"the aliases of this file stand for more than {_MOST_VALUES:,} values", node)
            return None
        if node.tag.startswith("!"):
            return self._tagged(node)
        return self._plain(node)

    def _plain(self, node: yaml.Node) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) in self._open:
            self._wrong("an alias stands inside what it stands for", node)
            return None
        if len(self._open) == _MOST_LEVELS:
            self._wrong(f"this is nested more than {_MOST_LEVELS} levels deep", node)
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node)
            return [self.build(item) for item in node.value]
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        value, tag = str(node.value), node.tag
        if tag in (_STR, _PREFIX + "value", _PREFIX + "merge"):
            return value
        if tag == _NULL:
            return None
        try:
            if tag == _INT:
                return int(value)
            if tag == _FLOAT:
                return float(value)
            if tag == _BOOL:
                return {"true": True, "false": False}[value.lower()]
        except (ValueError, KeyError):
            self._wrong(f"{value!r} is not what its tag says", node)
            return None
        self._wrong(f"the tag {tag.replace(_PREFIX, '!!')} is not supported", node)
        return None

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        made: dict[str, Any] = {}
        seen: dict[str, Place] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._wrong("a key takes text, not a mapping or list", key)
            elif _is_merge(key):
                continue
            elif key.value in seen:
                first = seen[key.value]
                self._wrong(f"the key {key.value!r} is here twice; the first is on line {first.line}", key)
            else:
                seen[key.value] = _place(key)
                made[key.value] = self.build(value)
        for value in _merged(node):
            self._merge(value, made)
        return made

    def _merge(self, node: yaml.Node, made: dict[str, Any]) -> None:
        data = self.build(node)
        if not isinstance(data, dict):
            self._wrong("<< takes a mapping, or a list of mappings", node)
            return
        for key, value in data.items():
            made.setdefault(key, value)

    def _tagged(self, node: yaml.Node) -> Any:
        name = _LONG_NAMES.get(node.tag)
        if name is None:
            self._wrong(f"the tag {node.tag} is not one of CloudFormation's", node)
            return None
        if not isinstance(node, yaml.ScalarNode):
            return {name: self._plain(node)}
        value = str(node.value)
        if name == "Fn::GetAtt":
            resource, _, attribute = value.partition(".")
            return {name: [resource, attribute]}
        return {name: value}

    def _wrong(self, message: str, node: yaml.Node) -> None:
        self.problems.append(Problem(message, "", self._file, *_place(node)))


def _is_merge(key: yaml.Node) -> bool:
    return key.value == "<<" and not getattr(key, "style", None)


def _merged(node: yaml.MappingNode) -> Iterator[yaml.Node]:
    """The nodes that ``<<`` brings in, the one that wins first."""
    for key, value in node.value:
        if _is_merge(key):
            yield from value.value if isinstance(value, yaml.SequenceNode) else [value]


def _step(node: yaml.Node, step: str | int) -> tuple[yaml.Node | None, yaml.Node] | None:
    """One step down: the key's node (none in a list) and the value's, or None when the step is not there."""
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        return (None, node.value[step]) if 0 <= step < len(node.value) else None
    if _LONG_NAMES.get(node.tag) == step:
        return None, node
    if not isinstance(node, yaml.MappingNode):
        return None
    for key, value in node.value:
        if key.value == step and isinstance(key, yaml.ScalarNode):
            return key, value
    for merged in _merged(node):
        found = _step(merged, step)
        if found is not None:
            return found
    return None


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)
