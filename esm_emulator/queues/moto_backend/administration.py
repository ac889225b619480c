"""SQS's operations on queues: create, list, attributes, tags, permissions, purge, delete."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from esm_emulator.errors import SqsError
from esm_emulator.queues.embedded import EmbeddedSqs
from esm_emulator.queues.moto_backend.attributes import (
    NOTES,
    QUEUE_ATTRIBUTES,
    attribute_texts,
    check_names,
    settings_of,
)
from esm_emulator.queues.moto_backend.requests import Answer, Operation, Parameters, check_known, page, required
from esm_emulator.sqs import Queue

__all__ = ["Administration", "queue_of", "queue_url"]

_PERMITTED: Final = frozenset(
    {
        "*",
        "ChangeMessageVisibility",
        "DeleteMessage",
        "GetQueueAttributes",
        "GetQueueUrl",
        "ListDeadLetterSourceQueues",
        "PurgeQueue",
        "ReceiveMessage",
        "SendMessage",
    }
)


def queue_of(sqs: EmbeddedSqs, parameters: Parameters) -> Queue:
    """The queue that a request names by its URL or its name. Raises ``SqsError``."""
    url: str = required(parameters, "QueueUrl")
    return sqs.find(url.rstrip("/").rpartition("/")[2])


def queue_url(sqs: EmbeddedSqs, name: str, base_url: str) -> str:
    """The queue's URL for clients that reach SQS at ``base_url``."""
    return f"{base_url}/{sqs.engine.account}/{name}"


class Administration:
    """Operations on queues as a whole."""

    def __init__(self, sqs: EmbeddedSqs) -> None:
        self._sqs = sqs

    @property
    def operations(self) -> dict[str, Operation]:
        """The operations by SQS's names."""
        return {
            "AddPermission": self.add_permission,
            "CreateQueue": self.create,
            "DeleteQueue": self.delete,
            "GetQueueAttributes": self.get_attributes,
            "GetQueueUrl": self.get_url,
            "ListDeadLetterSourceQueues": self.list_sources,
            "ListQueueTags": self.list_tags,
            "ListQueues": self.list,
            "PurgeQueue": self.purge,
            "RemovePermission": self.remove_permission,
            "SetQueueAttributes": self.set_attributes,
            "TagQueue": self.tag,
            "UntagQueue": self.untag,
        }

    # --- queues -----------------------------------------------------------------------------------------------

    def create(self, parameters: Parameters, base_url: str) -> Answer:
        """CreateQueue: a new queue, or the one that is there if it has every attribute that is given."""
        name = required(parameters, "QueueName")
        attributes = parameters.get("Attributes") or {}
        with NOTES.lock:
            existing = self._sqs.queues.get(name)
            if existing is None:
                self._make(name, attributes, parameters.get("tags"))
            else:
                self._check_same(existing, attributes)
        return {"QueueUrl": queue_url(self._sqs, name, base_url)}

    def _make(self, name: str, attributes: Mapping[str, Any], tags: Mapping[str, str] | None) -> None:
        check_names(attributes, fifo=str(attributes.get("FifoQueue")).lower() == "true", creating=True)
        settings = settings_of(attributes)
        NOTES.check(attributes)
        self._sqs.engine.check_dead_letter_queue(name, settings)
        NOTES.take(self._sqs.create(name, settings, tags=tags), attributes)

    def _check_same(self, queue: Queue, attributes: Mapping[str, Any]) -> None:
        check_names(attributes, fifo=queue.fifo, creating=True)
        for name, value in attributes.items():
            same = settings_of({name: value}, queue.settings) == queue.settings
            if not (same and NOTES.same(queue, name, value)):
                raise SqsError(
                    "QueueAlreadyExists",
                    f"A queue already exists with the same name and a different value for attribute {name}",
                )

    def delete(self, parameters: Parameters, _: str) -> Answer:
        """DeleteQueue, with what is in it. The name can be used again after a minute (SQS-30)."""
        self._sqs.remove(queue_of(self._sqs, parameters))
        return {}

    def get_url(self, parameters: Parameters, base_url: str) -> Answer:
        """GetQueueUrl."""
        return {"QueueUrl": queue_url(self._sqs, self._sqs.find(required(parameters, "QueueName")).name, base_url)}

    def list(self, parameters: Parameters, base_url: str) -> Answer:
        """ListQueues, by name."""
        prefix = parameters.get("QueueNamePrefix") or ""
        shown, token = page(sorted(name for name in self._sqs.queues if name.startswith(prefix)), parameters)
        urls: Answer = {"QueueUrls": [queue_url(self._sqs, name, base_url) for name in shown]} if shown else {}
        return urls | token

    def list_sources(self, parameters: Parameters, base_url: str) -> Answer:
        """ListDeadLetterSourceQueues, by name."""
        queue = queue_of(self._sqs, parameters)
        sources = sorted(
            other.name
            for other in self._sqs.queues.values()
            if (policy := other.settings.redrive_policy) is not None and policy.dead_letter_target_arn == queue.arn
        )
        shown, token = page(sources, parameters)
        return {"queueUrls": [queue_url(self._sqs, name, base_url) for name in shown]} | token

    def purge(self, parameters: Parameters, _: str) -> Answer:
        """PurgeQueue (SQS-30)."""
        self._sqs.purge(queue_of(self._sqs, parameters))
        return {}

    # --- attributes and tags ------------------------------------------------------------------------------------

    def get_attributes(self, parameters: Parameters, _: str) -> Answer:
        """GetQueueAttributes; the approximate numbers are exact."""
        queue = queue_of(self._sqs, parameters)
        names = parameters.get("AttributeNames") or ()
        check_known(names, QUEUE_ATTRIBUTES)
        texts = attribute_texts(queue, NOTES.of(queue), self._sqs.counts(queue))
        asked = texts if "All" in names else {name: texts[name] for name in names if name in texts}
        return {"Attributes": asked} if asked else {}

    def set_attributes(self, parameters: Parameters, _: str) -> Answer:
        """SetQueueAttributes, in force at once (SQS-16 is not emulated). All or nothing."""
        queue = queue_of(self._sqs, parameters)
        attributes = required(parameters, "Attributes")
        with NOTES.lock:
            check_names(attributes, fifo=queue.fifo, creating=False)
            settings = settings_of(attributes, queue.settings)
            NOTES.check(attributes, queue)
            if "RedrivePolicy" in attributes:
                self._sqs.engine.check_dead_letter_queue(queue.name, settings)
            self._sqs.configure(queue, settings)
            NOTES.take(queue, attributes)
        return {}

    def tag(self, parameters: Parameters, _: str) -> Answer:
        """TagQueue: at most 50 tags in all."""
        queue = queue_of(self._sqs, parameters)
        tags = required(parameters, "Tags")
        with NOTES.lock:
            if len(queue.tags | tags) > 50:
                raise SqsError("InvalidParameterValue", f"Too many tags added for queue {queue.name}.")
            queue.tags.update(tags)
        return {}

    def untag(self, parameters: Parameters, _: str) -> Answer:
        """UntagQueue; keys that are not there do not matter."""
        queue = queue_of(self._sqs, parameters)
        keys = required(parameters, "TagKeys")
        with NOTES.lock:
            for key in keys:
                queue.tags.pop(key, None)
        return {}

    def list_tags(self, parameters: Parameters, _: str) -> Answer:
        """ListQueueTags."""
        tags = dict(queue_of(self._sqs, parameters).tags)
        return {"Tags": tags} if tags else {}

    # --- permissions ----------------------------------------------------------------------------------------------

    def add_permission(self, parameters: Parameters, _: str) -> Answer:
        """AddPermission: kept in the policy, never enforced."""
        queue = queue_of(self._sqs, parameters)
        label = required(parameters, "Label")
        actions = required(parameters, "Actions")
        accounts = required(parameters, "AWSAccountIds")
        _check_actions(actions)
        with NOTES.lock:
            policy = self._policy(queue)
            if any(statement.get("Sid") == label for statement in policy["Statement"]):
                raise _wrong_label(label, "Already exists.")
            policy["Statement"].append(_statement(queue, label, actions, accounts))
            NOTES.of(queue).policy = json.dumps(policy)
        return {}

    def remove_permission(self, parameters: Parameters, _: str) -> Answer:
        """RemovePermission."""
        queue = queue_of(self._sqs, parameters)
        label = required(parameters, "Label")
        with NOTES.lock:
            policy = self._policy(queue)
            left = [statement for statement in policy["Statement"] if statement.get("Sid") != label]
            if len(left) == len(policy["Statement"]):
                raise _wrong_label(label, "can't find label.")
            NOTES.of(queue).policy = json.dumps(policy | {"Statement": left}) if left else ""
        return {}

    def _policy(self, queue: Queue) -> dict[str, Any]:
        text = NOTES.of(queue).policy
        policy: dict[str, Any] = {"Version": "2008-10-17", "Id": f"{queue.arn}/SQSDefaultPolicy", "Statement": []}
        return policy | json.loads(text) if text else policy


def _check_actions(actions: Sequence[str]) -> None:
    if len(actions) > 7:
        raise SqsError("OverLimit", f"{len(actions)} Actions were found, maximum allowed is 7.", 403)
    for action in actions:
        if action not in _PERMITTED:
            raise SqsError(
                "InvalidParameterValue",
                f"Value SQS:{action} for parameter ActionName is invalid. "
                "Reason: Only the queue owner is allowed to invoke this action.",
            )


def _statement(queue: Queue, label: str, actions: Sequence[str], accounts: Sequence[str]) -> dict[str, Any]:
    principals = [f"arn:aws:iam::{account}:root" for account in accounts]
    permitted = [f"SQS:{action}" for action in actions]
    return {
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": principals[0] if len(principals) == 1 else principals},
        "Action": permitted[0] if len(permitted) == 1 else permitted,
        "Resource": queue.arn,
    }


def _wrong_label(label: str, reason: str) -> SqsError:
    return SqsError("InvalidParameterValue", f"Value {label} for parameter Label is invalid. Reason: {reason}")
