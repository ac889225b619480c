"""A handler's Python source, as far as it can be read without running it.

Whoever is unsure stays silent: a handler that is decorated, made by a call or kept in another module is read as far as
its own module goes, and questions about the rest are answered with None.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path as FilePath

from esm_emulator.check.setup import Spot
from esm_emulator.resources import Function

__all__ = ["Handler", "handler_of"]

KEY = "batchItemFailures"
POWERTOOLS = ("process_partial_response", "async_process_partial_response")

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Handler:
    """A handler: its module and its function."""

    file: str
    text: str
    tree: ast.Module
    function: FunctionNode

    def spot(self, node: ast.expr | ast.stmt) -> Spot:
        """Where a node stands."""
        return Spot(self.file, node.lineno, node.col_offset + 1)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the module."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def returns(self) -> tuple[ast.Return, ...]:
        """The handler's own returns, not those of functions inside it."""
        return tuple(node for node in _own(self.function) if isinstance(node, ast.Return))

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The names of its positional parameters: the event and the context."""
        arguments = self.function.args
        return tuple(item.arg for item in (*arguments.posonlyargs, *arguments.args))

    def text_keys(self) -> Iterator[ast.Constant]:
        """Every text that is a key of a dict or a subscript in the module."""
        for node in self.nodes:
            found = node.keys if isinstance(node, ast.Dict) else [node.slice] if isinstance(node, ast.Subscript) else []
            yield from (key for key in found if isinstance(key, ast.Constant) and isinstance(key.value, str))

    def reports(self) -> ast.stmt | None:
        """A return that certainly has ``batchItemFailures``, None when there is none or nobody knows."""
        for node in self.returns:
            if node.value is not None and self._is_report(node.value):
                return node
        return None

    def _is_report(self, value: ast.expr) -> bool:
        if isinstance(value, ast.Dict):
            return any(isinstance(key, ast.Constant) and key.value == KEY for key in value.keys)
        if isinstance(value, ast.Call):
            return _called(value) in POWERTOOLS
        if isinstance(value, ast.Name):
            made = [
                node.value
                for node in _own(self.function)
                if isinstance(node, ast.Assign)
                and any(isinstance(target, ast.Name) and target.id == value.id for target in node.targets)
            ]
            return bool(made) and all(isinstance(item, ast.Dict) and self._is_report(item) for item in made)
        return False

    def never_reports(self) -> bool:
        """Whether no return can have ``batchItemFailures``: all are read, and the word is nowhere in the module."""
        if self.function.decorator_list or KEY.casefold() in _plain(self.text):
            return False
        if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in _own(self.function)):
            return False
        return all(_has_plain_keys(node.value) for node in self.returns)

    def loops(self) -> Iterator[tuple[ast.For, str]]:
        """The handler's loops over the event's records, with the name of the record."""
        for node in _own(self.function):
            if isinstance(node, ast.For) and isinstance(node.target, ast.Name) and self._is_records(node.iter):
                yield node, node.target.id

    def each_record(self) -> Iterator[tuple[ast.AST, str]]:
        """What is done for each of the event's records, by a loop or a comprehension, with the name of the record."""
        yield from self.loops()
        for node in _own(self.function):
            if isinstance(node, ast.ListComp | ast.GeneratorExp | ast.SetComp) and len(node.generators) == 1:
                target, records = node.generators[0].target, node.generators[0].iter
                if isinstance(target, ast.Name) and self._is_records(records):
                    yield node.elt, target.id

    def processors(self) -> Iterator[tuple[ast.Call, str]]:
        """The calls that hand a batch to Powertools in the handler, and the class of the processor that gets it."""
        made = {
            target.id: _called(node.value)
            for node in self.tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        own = (node for node in ast.walk(self.function) if isinstance(node, ast.Call))
        for call in own:
            for keyword in call.keywords:
                if keyword.arg == "processor" and isinstance(keyword.value, ast.Name):
                    yield call, made.get(keyword.value.id, "")

    def _is_records(self, node: ast.expr) -> bool:
        """``event["Records"]``, or ``event.get("Records", …)``."""
        if isinstance(node, ast.Subscript):
            return _is(node.slice, "Records") and self._is_event(node.value)
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "get"
            and self._is_event(node.func.value)
            and bool(node.args)
            and _is(node.args[0], "Records")
        )

    def _is_event(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id in self.parameters[:1]


def handler_of(function: Function) -> Handler | None:
    """The handler of a function; None when it is not Python, not where it should be, or not a plain function."""
    if not function.Handler or "." not in function.Handler:
        return None
    if function.Runtime is not None and not function.Runtime.startswith("python"):
        return None
    module, _, name = function.Handler.rpartition(".")
    path = FilePath(function.CodeUri) / f"{module.replace('.', '/')}.py"
    try:
        status = path.stat()
    except OSError:
        return None
    return _read(path, name, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=256)
def _read(path: FilePath, name: str, _changed: int, _size: int) -> Handler | None:
    try:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
    except (OSError, ValueError, SyntaxError, RecursionError):
        return None
    found = [node for node in tree.body if isinstance(node, FunctionNode) and node.name == name]
    return Handler(_shown(path), text, tree, found[-1]) if found else None


def _shown(path: FilePath) -> str:
    """The path as short as it goes from here."""
    here = FilePath.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _own(function: FunctionNode) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions and classes inside it."""
    waiting: list[ast.AST] = list(reversed(function.body))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, FunctionNode | ast.Lambda | ast.ClassDef):
            waiting += reversed(list(ast.iter_child_nodes(node)))


def _called(value: ast.expr) -> str:
    """The name of what is called, without the module that it comes from; "" for anything else."""
    if not isinstance(value, ast.Call):
        return ""
    return value.func.id if isinstance(value.func, ast.Name) else getattr(value.func, "attr", "")


def _plain(text: str) -> str:
    return text.replace("_", "").casefold()


def _has_plain_keys(value: ast.expr | None) -> bool:
    """Whether it is a constant, or a dict with every key written out."""
    if isinstance(value, ast.Dict):
        return all(isinstance(key, ast.Constant) for key in value.keys)
    return value is None or isinstance(value, ast.Constant)


def _is(node: ast.expr, text: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == text
