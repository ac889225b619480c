"""The queue engine: standard and FIFO queues as SQS has them, without I/O and without a clock.

Every operation is told the time and returns what happened as facts. :class:`Engine` is the way in.
"""

from __future__ import annotations

from esm_emulator.sqs.engine import Engine
from esm_emulator.sqs.message import Deletion, NewMessage, Sent, State, StoredMessage
from esm_emulator.sqs.moves import MoveTask
from esm_emulator.sqs.queue import Counts, Queue
from esm_emulator.sqs.settings import QueueSettings, RedriveAllowPolicy, RedrivePolicy

__all__ = [
    "Counts",
    "Deletion",
    "Engine",
    "MoveTask",
    "NewMessage",
    "Queue",
    "QueueSettings",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "Sent",
    "State",
    "StoredMessage",
]
