"""Functions and where they stand: loops, permissions, Regions, durable ones (DOC-32 … 34, 42)."""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from esm_emulator.check.setup import Hit, Rule, Setup
from esm_emulator.check.source import Handler, handler_of
from esm_emulator.resources import Function

__all__ = ["RULES"]

SENDS = ("send_message", "send_message_batch")
ACTIONS = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
GRANTING = ("AWSLambdaSQSQueueExecutionRole", "AmazonSQSFullAccess", "AdministratorAccess", "PowerUserAccess")
BESIDE = ("AWSLambdaBasicExecutionRole", "AWSLambdaVPCAccessExecutionRole", "AWSXRayDaemonWriteAccess",
          "AWSXrayWriteOnlyAccess", "CloudWatchLambdaInsightsExecutionRolePolicy")  # fmt: skip
"""Managed policies that certainly grant nothing of SQS."""
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


# --- permissions


def no_permission(setup: Setup) -> Iterator[Hit]:
    """E308: told where the role and all that it has stand in the template."""
    for pair in setup.pairs:
        function = pair.function
        block = (setup.blocks or {}).get(function.id) if function else None
        if function is None or not isinstance(block, Mapping) or block.get("Type") != "AWS::Lambda::Function":
            continue
        properties = block.get("Properties")
        role = _named(properties.get("Role")) if isinstance(properties, Mapping) else None
        missing = _missing(role, setup.blocks or {}) if role else []
        if role and missing:
            yield Hit(
                function.id,
                (),
                f"The role {role} of {function.id} lacks {', '.join(f'sqs:{action}' for action in missing)}: Lambda "
                "polls with it.",
            )


def _named(value: Any) -> str | None:
    """The resource that a reference names."""
    if isinstance(value, Mapping) and len(value) == 1:
        [(function, argument)] = value.items()
        if function == "Ref" and isinstance(argument, str):
            return argument
        if function == "Fn::GetAtt":
            return str(argument[0]) if isinstance(argument, list) and argument else str(argument).partition(".")[0]
    return None


def _missing(role: str, blocks: Mapping[str, Any]) -> list[str]:
    """The actions that the role does not have; none when its policies are not all known."""
    block = blocks.get(role)
    if not isinstance(block, Mapping) or block.get("Type") != "AWS::IAM::Role":
        return []
    properties = block.get("Properties")
    if not isinstance(properties, Mapping):
        return []
    managed = properties.get("ManagedPolicyArns") or []
    if not isinstance(managed, list):
        return []
    attached = [item for item in blocks.values() if _attaches(item, role)]
    text = json.dumps([properties.get("Policies"), managed, attached])
    if any(name in text for name in GRANTING) or '"*"' in json.dumps(_actions([properties.get("Policies"), attached])):
        return []
    if any(not any(name in json.dumps(item) for name in BESIDE) for item in managed):
        return []
    granted = [action.casefold() for action in _actions([properties.get("Policies"), attached])]
    return [action for action in ACTIONS if not any(_grants(pattern, f"sqs:{action}") for pattern in granted)]


def _attaches(block: Any, role: str) -> bool:
    """Whether the block is a policy of that role."""
    if not isinstance(block, Mapping) or not str(block.get("Type", "")).startswith("AWS::IAM::"):
        return False
    properties = block.get("Properties")
    roles = properties.get("Roles") if isinstance(properties, Mapping) else None
    return isinstance(roles, list) and any(_named(item) == role or item == role for item in roles)


def _actions(value: Any) -> list[str]:
    """Every action that is named anywhere in policies."""
    if isinstance(value, Mapping):
        found = value.get("Action", [])
        items = found if isinstance(found, list) else [found]
        own = [item for item in items if isinstance(item, str)]
        return own + [action for item in value.values() for action in _actions(item)]
    return [action for item in value for action in _actions(item)] if isinstance(value, list) else []


def _grants(pattern: str, action: str) -> bool:
    start, star, _ = pattern.partition("*")
    return action.casefold().startswith(start) if star else pattern == action.casefold()


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
    Rule("ESM-E308", no_permission),
    Rule("ESM-E309", other_region),
    Rule("ESM-W224", leads_back),
    Rule("ESM-W229", durable),
)
