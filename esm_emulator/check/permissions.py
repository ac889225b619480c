"""Permissions: what Lambda needs of a function's execution role to poll a queue (DOC-33). When unsure, silent.

A role is looked at that stands in the template with all its policies, each written out. A statement counts as a grant
whatever it is limited to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from esm_emulator.check.setup import Hit, Rule, Setup
from esm_emulator.resources import Queue

__all__ = ["RULES"]

ACTIONS = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
POLLING = ("AWSLambdaSQSQueueExecutionRole",)
"""The managed policy that grants exactly what polling needs."""
BESIDE = ("AWSLambdaBasicExecutionRole", "AWSLambdaVPCAccessExecutionRole", "AWSXRayDaemonWriteAccess",
          "AWSXrayWriteOnlyAccess", "CloudWatchLambdaInsightsExecutionRolePolicy")  # fmt: skip
"""Managed policies that certainly grant nothing of SQS."""


def no_permission(setup: Setup) -> Iterator[Hit]:
    """E308: told where the role and all that it has stand in the template."""
    blocks = setup.blocks or {}
    for pair in setup.pairs:
        function = pair.function
        block = blocks.get(function.id) if function else None
        if function is None or not isinstance(block, Mapping) or block.get("Type") != "AWS::Lambda::Function":
            continue
        role = _named(_properties(block).get("Role"))
        granted = _granted(role, blocks) if role else None
        if granted is None:
            continue
        needed = [f"sqs:{action}" for action in ACTIONS]
        needed += ["kms:Decrypt"] if pair.queue and _is_locked(pair.queue, blocks) else []
        missing = [action for action in needed if not any(_grants(pattern, action) for pattern in granted)]
        if missing:
            yield Hit(
                function.id,
                (),
                f"The role {role} of {function.id} lacks {', '.join(missing)}: Lambda polls with it.",
            )


def _properties(block: Any) -> Mapping[str, Any]:
    """The properties of a template's block, none when they are not a plain mapping."""
    found = block.get("Properties") if isinstance(block, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _named(value: Any) -> str | None:
    """The resource that a reference names."""
    if isinstance(value, Mapping) and len(value) == 1:
        [(function, argument)] = value.items()
        if function == "Ref" and isinstance(argument, str):
            return argument
        if function == "Fn::GetAtt":
            return str(argument[0]) if isinstance(argument, list) and argument else str(argument).partition(".")[0]
    return None


def _granted(role: str, blocks: Mapping[str, Any]) -> list[str] | None:
    """The actions that the role's policies name, in lower case; None when they are not all known."""
    block = blocks.get(role)
    if not isinstance(block, Mapping) or block.get("Type") != "AWS::IAM::Role" or "Properties" not in block:
        return None
    inline, managed = (_properties(block).get(name) or [] for name in ("Policies", "ManagedPolicyArns"))
    if not isinstance(inline, list) or not isinstance(managed, list):
        return None
    if any(not any(name in json.dumps(item) for name in (*BESIDE, *POLLING)) for item in managed):
        return None
    documents = [_document(item) for item in inline]
    documents += [_document(_properties(item)) for item in blocks.values() if _attaches(item, role, blocks)]
    granted = [f"sqs:{action}" for action in ACTIONS if any(name in json.dumps(managed) for name in POLLING)]
    for document in documents:
        actions = _actions(document)
        if actions is None:
            return None
        granted += actions
    return [action.casefold() for action in granted]


def _document(policy: Any) -> Any:
    return policy.get("PolicyDocument") if isinstance(policy, Mapping) else None


def _attaches(block: Any, role: str, blocks: Mapping[str, Any]) -> bool:
    """Whether the block is a policy of that role, or of one that is not named as a resource of the template."""
    if not isinstance(block, Mapping) or not str(block.get("Type", "")).startswith("AWS::IAM::"):
        return False
    roles = _properties(block).get("Roles")
    given = [*(roles if isinstance(roles, list) else []), _properties(block).get("RoleName")]
    named = [_named(item) for item in given if item is not None]
    return block["Type"] != "AWS::IAM::Role" and any(item == role or item not in blocks for item in named)


def _actions(document: Any) -> list[str] | None:
    """The actions of a policy's statements; None when it is not all written out."""
    statements = document.get("Statement") if isinstance(document, Mapping) else None
    found: list[str] = []
    for statement in statements if isinstance(statements, list) else [statements]:
        actions = statement.get("Action") if isinstance(statement, Mapping) else None
        items = actions if isinstance(actions, list) else [actions]
        if not all(isinstance(item, str) for item in items):
            return None
        found += map(str, items)
    return found


def _grants(pattern: str, action: str) -> bool:
    return fnmatchcase(action.casefold(), pattern)


def _is_locked(queue: Queue, blocks: Mapping[str, Any]) -> bool:
    """Whether the queue's key is of this template and leaves it to policies of the account who may decrypt with it."""
    key = blocks.get(_named(_properties(blocks.get(queue.id)).get("KmsMasterKeyId")) or "")
    if not isinstance(key, Mapping) or key.get("Type") != "AWS::KMS::Key":
        return False
    policy = _properties(key).get("KeyPolicy")
    statements = policy.get("Statement") if isinstance(policy, Mapping) else None
    named = [item.get("Principal") if isinstance(item, Mapping) else None for item in statements or [None]]
    return all(isinstance(item, Mapping) and _is_root_or_service(item) for item in named)


def _is_root_or_service(principal: Mapping[str, Any]) -> bool:
    return set(principal) == {"Service"} or (set(principal) == {"AWS"} and ":root" in json.dumps(principal["AWS"]))


RULES = (Rule("ESM-E308", no_permission),)
