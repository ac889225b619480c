"""The frames between the emulator and a worker process: a kind, a length, and as many bytes.

emulator                     worker
   │ ◀──────────── HELLO        │   the interpreter is up, nothing of the handler's is loaded
   │ INIT ────────────────▶     │   JSON: handler, folder, variables …
   │ ◀──── READY | BROKEN       │   JSON: how long it took | the error payload (RUN-16)
   │ INVOKE ──────────────▶     │   a line of JSON, then the event's text
   │ ◀───────────── DONE        │   RESULT, then the response's or the error payload's text
   │ INVOKE …                   │
"""

from __future__ import annotations

import struct

from esm_emulator.functions.runtime.call import ERROR, MARSHAL, RETURNED, TOO_LARGE

__all__ = ["BROKEN", "DONE", "HEADER", "HELLO", "INIT", "INVOKE", "KINDS", "READY", "RESULT", "frame"]

HELLO, INIT, READY, BROKEN, INVOKE, DONE = range(1, 7)

HEADER = struct.Struct(">BI")  # kind, length of what follows
RESULT = struct.Struct(">BQI?")  # index in KINDS, duration in ns, peak memory in kB, whether something was left running
KINDS = (RETURNED, ERROR, MARSHAL, TOO_LARGE)


def frame(kind: int, *parts: bytes) -> bytes:
    """One frame of the given kind with ``parts`` as its body."""
    return b"".join((HEADER.pack(kind, sum(map(len, parts))), *parts))
