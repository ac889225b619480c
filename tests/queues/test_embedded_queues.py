"""The queues of one run, which come and go while others look at them."""

from __future__ import annotations

from random import Random

from esm_emulator.clocks.virtual import VirtualClock
from esm_emulator.identifiers import Identifiers
from esm_emulator.journal import Journal
from esm_emulator.profiles import profile
from esm_emulator.queues.embedded import EmbeddedSqs
from esm_emulator.sqs import Engine, QueueSettings


def test_who_goes_through_the_queues_sees_those_that_there_were() -> None:
    """A handler, or a client on another thread, may make one meanwhile, and nobody's loop breaks."""
    engine = Engine(identifiers=Identifiers(Random(1)), profile=profile("aws-2026"))
    sqs = EmbeddedSqs(engine, VirtualClock(), Journal())
    for name in ("Orders", "OrdersDlq"):
        sqs.create(name, QueueSettings(), id=name.lower())
    for ids in (sqs.queues, sqs.by_id):
        seen = [(id, sqs.create(f"{id}-{len(sqs.queues)}", QueueSettings()).id) for id in ids]
        assert len(seen) == len(ids) < len(sqs.queues)
    assert set(sqs.by_id) >= {"orders", "ordersdlq"}
