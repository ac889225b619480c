"""SQS's API over the queues of this process: an operation's name and parameters in, its answer out.

One account and one region: a queue is found by the name at the end of its URL, whatever else the URL says. What the
engine checks by itself is not checked again here; here is what only a request can get wrong.
Nothing here knows moto, HTTP or botocore, so every way in gives the same answers and the same refusals.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from esm_emulator.errors import SqsError
from esm_emulator.journal import QueueTrouble
from esm_emulator.queues.embedded import EmbeddedSqs
from esm_emulator.queues.moto_backend.administration import Administration
from esm_emulator.queues.moto_backend.requests import Answer, Operation, Parameters
from esm_emulator.queues.moto_backend.traffic import Traffic

__all__ = ["SqsApi"]


class SqsApi:
    """Every operation of SQS. Safe for use by many threads."""

    def __init__(self, sqs: EmbeddedSqs) -> None:
        self._sqs = sqs
        self._operations: dict[str, Operation] = Administration(sqs).operations | Traffic(sqs).operations

    @property
    def operations(self) -> AbstractSet[str]:
        """The names of the operations."""
        return self._operations.keys()

    def call(self, operation: str, parameters: Parameters, base_url: str) -> Answer:
        """Carry out one operation; queue URLs in the answer begin with ``base_url``. Raises ``SqsError``."""
        return self._operations[operation](parameters, base_url)

    def deliver(self, parameters: Parameters) -> str:
        """What another service sends to a queue: the message's id, or "" when SQS refuses it.

        Such services deliver after they have answered: who published hears nothing of a refusal, and a fact tells it.
        """
        try:
            return str(self.call("SendMessage", parameters, "")["MessageId"])
        except SqsError as error:
            now, queue = self._sqs.clock.now(), parameters["QueueUrl"]
            self._sqs.journal.append(QueueTrouble(now, queue, "delivery by another service", str(error)))
            return ""
