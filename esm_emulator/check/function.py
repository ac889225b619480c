"""Functions and where they stand: loops, Regions, durable ones (DOC-32, 34, 42)."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping

from esm_emulator.check.setup import Hit, Rule, Setup
from esm_emulator.check.source import Handler, handler_of
from esm_emulator.resources import Function

__all__ = ["RULES"]

SENDS = ("send_message", "send_message_batch")
LONGEST = 900  # seconds that an invocation by a mapping may take (RUN-1)


# --- loops


def leads_back(setup: Setup) -> Iterator[Hit]:
    """W224: told where a handler sends to the queue of an environment variable, and that leads back."""
    sends = {id_: dict(_sends(setup, function)) for id_, function in setup.resources.functions.items()}
    reads: dict[str, list[str]] = {}
    for pair in setup.pairs:
        if pair.queue and pair.function and pair.mapping.Enabled:
            reads.setdefault(pair.queue.id, []).append(pair.function.id)
    for id_, function in setup.resources.functions.items():
        if function.RecursiveLoop == "Allow":
            continue
        for queue, variable in sends[id_].items():
            way = _way(queue, id_, sends, reads)
            if way:
                loop = " -> ".join([id_, queue, *way])
                yield Hit(
                    id_,
                    ("Environment", "Variables", variable),
                    f"{function.Handler} sends to {queue} ({variable}), which leads back: {loop}. Lambda ends such a "
                    "chain after about 16 rounds.",
                )


def _way(queue: str, home: str, sends: Mapping[str, Mapping[str, str]], reads: Mapping[str, list[str]]) -> list[str]:
    """The functions and queues from ``queue`` back to the function ``home``; none when it does not lead there."""
    waiting: list[tuple[str, list[str]]] = [(queue, [])]
    seen = {queue}
    while waiting:
        at, way = waiting.pop(0)
        for function in reads.get(at, ()):
            if function == home:
                return [*way, function]
            for further in sends[function]:
                if further not in seen:
                    seen.add(further)
                    waiting.append((further, [*way, function, further]))
    return []


def _sends(setup: Setup, function: Function) -> Iterator[tuple[str, str]]:
    """The queues that a handler certainly sends to, and the environment variable that names each."""
    handler = handler_of(function) if function.Environment.Variables else None
    for name in _variables(handler) if handler else ():
        value = function.Environment.Variables.get(name, "")
        for queue in setup.resources.queues.values():
            if value == queue.QueueName or value == queue.arn or value.endswith(f"/{queue.QueueName}"):  # noqa: PLR1714
                yield queue.id, name


def _variables(handler: Handler) -> Iterator[str]:
    """The environment variables that are the QueueUrl of a send."""
    constants = {
        target.id: node.value
        for node in handler.tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in handler.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SENDS:
            for keyword in node.keywords:
                value = keyword.value
                if keyword.arg == "QueueUrl":
                    value = constants.get(value.id, value) if isinstance(value, ast.Name) else value
                    yield from _variable(value)


def _variable(value: ast.expr) -> Iterator[str]:
    """``os.environ["X"]``, ``os.environ.get("X")``, ``os.getenv("X")``."""
    if isinstance(value, ast.Subscript) and ast.unparse(value.value) in ("os.environ", "environ"):
        name: ast.expr | None = value.slice
    elif isinstance(value, ast.Call) and ast.unparse(value.func) in ("os.environ.get", "os.getenv", "environ.get"):
        name = value.args[0] if value.args else None
    else:
        return
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        yield name.value


# --- where they stand


def other_region(setup: Setup) -> Iterator[Hit]:
    """E309: told where two ARNs, or an ARN and a Region that somebody gave, contradict each other."""
    outside = {
        pair.mapping.id: pair.mapping.EventSourceArn.split(":")[3]
        for pair in setup.pairs
        if pair.queue is None and pair.mapping.EventSourceArn.count(":") >= 5
    }
    home = setup.region
    if home is None and len(set(outside.values())) > 1:
        home = Counter(outside.values()).most_common(1)[0][0]
    for id_, region in outside.items():
        if home is not None and region != home:
            yield Hit(id_, ("EventSourceArn",), f"The queue is in {region}, and the function in {home}.")


def durable(setup: Setup) -> Iterator[Hit]:
    """W229: durable functions are mapped by version or alias, and end within 15 minutes."""
    for pair in setup.pairs:
        function = pair.function
        if function is None or function.DurableConfig is None:
            continue
        if ":" not in pair.mapping.FunctionName and setup.knows(pair.mapping.id, "FunctionName"):
            yield Hit(
                pair.mapping.id,
                ("FunctionName",),
                f"{function.id} is a durable function, and {pair.mapping.id} names no version or alias of it.",
            )
        longest = function.DurableConfig.get("ExecutionTimeout")
        if str(longest).isdigit() and int(str(longest)) > LONGEST:
            yield Hit(
                function.id,
                ("DurableConfig", "ExecutionTimeout"),
                f"ExecutionTimeout {longest} is above {LONGEST} s, the most behind a mapping.",
            )


RULES = (
    Rule("ESM-E309", other_region),
    Rule("ESM-W224", leads_back),
    Rule("ESM-W229", durable),
)
