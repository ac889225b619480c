"""The emulator in your own code: resources in, messages sent, time moved, and everything there to look at.

    with VirtualEmulator("template.yaml") as emulator:
        emulator.send("Orders", {"id": 7})
        emulator.run_until_idle()
        assert emulator.queue("OrdersDlq").bodies == [{"id": 7}]

:class:`Emulator` is what both kinds share. :class:`VirtualEmulator` runs on time that skips: nothing happens between
two calls, and each call lets happen what it says. :class:`RealEmulator` runs on the real clock, on a thread of its own,
and goes on between calls; what only virtual time can do, such as ``advance``, does not exist on it.

Every method that waits has an ``a…`` twin for async callers (``await emulator.arun_until_idle()``).
"""

from __future__ import annotations

from esm_emulator.arguments import Handler, Source
from esm_emulator.emulator.real import RealEmulator
from esm_emulator.emulator.shared import Emulator
from esm_emulator.emulator.virtual import VirtualEmulator
from esm_emulator.views import MessageView, QueueView

__all__ = ["Emulator", "Handler", "MessageView", "QueueView", "RealEmulator", "Source", "VirtualEmulator"]
