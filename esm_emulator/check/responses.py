"""What handlers return, beside what their mappings expect (DOC-14 … 17, 46, 47). When unsure, silent."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher

from esm_emulator.check.setup import Hit, Rule, Setup
from esm_emulator.check.source import Handler, handler_of
from esm_emulator.resources import EventSourceMapping, Function

__all__ = ["RULES"]

TOP = "batchItemFailures"
INNER = "itemIdentifier"
NEAR = 0.85
"""From which likeness on (``difflib``'s ratio) a key is a misspelling of another: a letter or two of a long one."""
SIGNS = ("idempoten", "dedup", "conditionexpression", "on conflict", "already", "processed", "seen", "if_not_exists")
"""Words that somebody uses who thought of doing a message twice."""
UNORDERED = ("BatchProcessor", "AsyncBatchProcessor")
"""Powertools' processors that go on after a failure."""
KEEPS = ("add", "append", "extend", "insert", "setdefault", "update")
NOT_JSON = {"set": "a set", "frozenset": "a set", "bytes": "bytes", "bytearray": "bytes"}


@dataclass(frozen=True, slots=True)
class _Mapped:
    """A mapping, its function, and the handler's source."""

    mapping: EventSourceMapping
    function: Function
    handler: Handler
    known: bool  # whether FunctionResponseTypes has the value that the mapping says

    @property
    def partial(self) -> bool:
        """Whether ReportBatchItemFailures is certainly on."""
        return self.known and self.mapping.reports_item_failures


def _mapped(setup: Setup) -> Iterator[_Mapped]:
    for pair in setup.pairs:
        if pair.function is None or not setup.knows(pair.function.id, "Handler", "CodeUri", "Code"):
            continue
        handler = handler_of(pair.function)
        if handler is not None:
            known = setup.knows(pair.mapping.id, "FunctionResponseTypes")
            yield _Mapped(pair.mapping, pair.function, handler, known)


def _handlers(setup: Setup) -> Iterator[_Mapped]:
    """Each handler once, with the first of its mappings."""
    yield from {item.function.id: item for item in reversed(list(_mapped(setup)))}.values()


def disagreement(setup: Setup) -> Iterator[Hit]:
    """W213: the switch and the response belong together (PBR-31)."""
    for item in _mapped(setup):
        if item.partial and item.handler.never_reports():
            yield Hit(
                item.function.id,
                ("Handler",),
                f"{item.mapping.id} has ReportBatchItemFailures, and {item.function.Handler} never returns {TOP}: "
                "whatever it returns counts as success of all.",
                spot=item.handler.spot(item.handler.function),
            )
        report = item.handler.reports()
        if item.known and not item.partial and report is not None:
            yield Hit(
                item.mapping.id,
                ("FunctionResponseTypes",),
                f"{item.function.Handler} returns {TOP} (line {report.lineno}) and {item.mapping.id} does not have "
                "ReportBatchItemFailures: the response is ignored and failed messages are deleted.",
            )


def spelling(setup: Setup) -> Iterator[Hit]:
    """W214: the keys are case-sensitive (PBR-3)."""
    for item in _handlers(setup):
        for key in item.handler.text_keys():
            for right in (TOP, INNER):
                if key.value != right and _folded(key) == right.casefold():
                    yield Hit(
                        item.function.id,
                        ("Handler",),
                        f"{key.value!r} is not {right!r}, and the keys are case-sensitive.",
                        f"Write {right}.",
                        item.handler.spot(key),
                    )
        for key in _nearly_identifiers(item.handler):
            yield Hit(
                item.function.id,
                ("Handler",),
                f"{key.value!r} is not {INNER!r}: a failure without that key fails the whole batch.",
                f"Write {INNER}.",
                item.handler.spot(key),
            )


def _nearly_identifiers(handler: Handler) -> Iterator[ast.Constant]:
    """Keys a letter or two from the inner key, where the top key is right and the inner one stands nowhere."""
    keys = list(handler.text_keys())
    if any(key.value == TOP for key in keys) and all(_folded(key) != INNER.casefold() for key in keys):
        yield from (key for key in keys if SequenceMatcher(None, _folded(key), INNER.casefold()).ratio() >= NEAR)


def _folded(key: ast.Constant) -> str:
    return str(key.value).replace("_", "").casefold()


def other_identifier(setup: Setup) -> Iterator[Hit]:
    """W215: an identifier that no record of the batch has fails the whole batch (PBR-21)."""
    for item in _handlers(setup):
        for scope, record in item.handler.each_record():
            known = _assigned_once(scope)
            for node in ast.walk(scope):
                for value in _identifiers(node):
                    taken = _taken(value, record, known)
                    if taken is not None and taken != "messageId":
                        yield Hit(
                            item.function.id,
                            ("Handler",),
                            f"{INNER} is {ast.unparse(value)}; Lambda knows records by messageId, and an unknown "
                            "identifier makes the whole batch fail.",
                            f"Report {record}['messageId'].",
                            item.handler.spot(value),
                        )


def _identifiers(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == INNER:
                yield value


def _assigned_once(scope: ast.AST) -> dict[str, ast.expr]:
    """What the names mean that are given a value once, and only once, for each record."""
    stored = [node.id for node in ast.walk(scope) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    return {
        target.id: node.value
        for node in ast.walk(scope)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and stored.count(target.id) == 1
    }


def _taken(value: ast.expr, record: str, known: Mapping[str, ast.expr]) -> str | None:
    """Which key of the record the value is, or was made from; None when that is not certain."""
    if isinstance(value, ast.Subscript):
        if isinstance(value.value, ast.Name) and value.value.id == record:
            return str(value.slice.value) if isinstance(value.slice, ast.Constant) else None
        return _taken(value.value, record, known)
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "json.loads" and len(value.args) == 1:
        return _taken(value.args[0], record, known)
    if isinstance(value, ast.Name) and value.id in known:
        rest = {name: meant for name, meant in known.items() if name != value.id}
        return _taken(known[value.id], record, rest)
    return None


def goes_on(setup: Setup) -> Iterator[Hit]:
    """W216: on FIFO, what is done after a failure is deleted, before the failed one comes back (PBR-40)."""
    for item in _mapped(setup):
        if not item.partial or not item.mapping.fifo:
            continue
        told = f"{item.function.Handler} goes on with later messages of the FIFO queue after one has failed: "
        after = "they are deleted before it comes back."
        for loop, _ in item.handler.loops() if "MessageGroupId" not in item.handler.text else ():
            if _certainly_goes_on(loop):
                spot = item.handler.spot(loop)
                yield Hit(item.function.id, ("Handler",), f"{told}{after}", spot=spot)
        for call, processor in item.handler.processors():
            if processor in UNORDERED:
                yield Hit(
                    item.function.id,
                    ("Handler",),
                    f"{told}{processor} does not stop, so that {after}",
                    "Use SqsFifoPartialProcessor, which stops at the first failure and reports the rest.",
                    item.handler.spot(call),
                )


def _certainly_goes_on(loop: ast.For) -> bool:
    """Whether failures are noted, nothing in the loop ends a round early, and nothing outside looks at the notes."""
    parts = [part for node in ast.walk(loop) if isinstance(node, ast.Try) for part in node.handlers]
    noted = {name for part in parts for name in _notes(part)}
    inside = {node for part in parts for node in ast.walk(part)}
    stops = (ast.Break, ast.Return, ast.Raise, ast.Continue)
    return any(_appends(part) for part in parts) and not any(
        isinstance(node, stops) or (isinstance(node, ast.Name) and node.id in noted and node not in inside)
        for node in ast.walk(loop)
    )


def _notes(part: ast.ExceptHandler) -> Iterator[str]:
    """The names in which a handler of an exception keeps something: ``failed.append(…)``, ``stop = True``."""
    for node in ast.walk(part):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Subscript(value=ast.Name(id=name), ctx=ast.Store()):
                yield name
            case ast.Attribute(value=ast.Name(id=name), attr=what, ctx=use) if what in KEEPS or type(use) is ast.Store:
                yield name


def _appends(part: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Attribute) and node.attr == "append" for node in ast.walk(part))


def escapes(setup: Setup) -> Iterator[Hit]:
    """I408: an exception that escapes fails the whole batch, reported or not (FAIL-17)."""
    for item in _mapped(setup):
        tries = any(isinstance(node, ast.Try | ast.TryStar | ast.With) for node in ast.walk(item.handler.function))
        for loop, _ in [] if tries or not item.partial else item.handler.loops():
            if any(isinstance(node, ast.Call) for node in ast.walk(loop)):
                yield Hit(
                    item.function.id,
                    ("Handler",),
                    f"An exception in this loop fails the whole batch, although {item.mapping.id} has "
                    "ReportBatchItemFailures.",
                    spot=item.handler.spot(loop),
                )


def not_json(setup: Setup) -> Iterator[Hit]:
    """W231: a result that cannot be JSON is a function error (RUN-31)."""
    for item in _handlers(setup):
        for node in item.handler.returns:
            kind = None if node.value is None or item.handler.function.decorator_list else _not_json(node.value)
            if kind is not None:
                yield Hit(
                    item.function.id,
                    ("Handler",),
                    f"{item.function.Handler} returns {kind}, which is not JSON: the whole batch fails although the "
                    "work is done.",
                    spot=item.handler.spot(node),
                )


def _not_json(value: ast.expr) -> str | None:
    match value:
        case ast.Set() | ast.SetComp():
            return "a set"
        case ast.GeneratorExp():
            return "a generator"
        case ast.Constant(value=bytes()):
            return "bytes"
        case ast.Call(func=ast.Name(id=name)):
            return NOT_JSON.get(name)
        case ast.Call(func=ast.Attribute()) if ast.unparse(value.func) in ("datetime.now", "datetime.datetime.now"):
            return "a datetime"
        case ast.Dict(values=items) | ast.List(elts=items) | ast.Tuple(elts=items):
            return next((kind for item in items if (kind := _not_json(item))), None)
    return None


def twice(setup: Setup) -> Iterator[Hit]:
    """I403: delivery is at least once (POLL-2)."""
    for item in _handlers(setup):
        text = item.handler.text.casefold()
        if not any(sign in text for sign in SIGNS):
            yield Hit(
                item.function.id,
                ("Handler",),
                f"{item.function.Handler} shows no sign of expecting a message twice, which may happen.",
                spot=item.handler.spot(item.handler.function),
            )


RULES = (
    Rule("ESM-W213", disagreement),
    Rule("ESM-W214", spelling),
    Rule("ESM-W215", other_identifier),
    Rule("ESM-W216", goes_on),
    Rule("ESM-W231", not_json),
    Rule("ESM-I403", twice),
    Rule("ESM-I408", escapes),
)
