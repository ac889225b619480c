"""What runs beside a handler: finding it, calling it, and saying what came of it, as Lambda's Python runtime does.

This package imports nothing of the emulator but itself: only the standard library and simplejson, which Lambda's own
runtime uses too. It lives in two places: in the emulator's process, for handlers that run inline, and in worker
processes, where nothing else of the emulator is loaded (see ``__main__``).

    handler.py   a/b.module.function -> the callable, or why not (RUN-15, RUN-16)
    marshal.py   the JSON round trip of event and response (RUN-30 … 34)
    faults.py    the error payload of whatever went wrong (RUN-17, RUN-18)
    context.py   the handler's second argument (RUN-13, RUN-14)
    logs.py      how ``logging`` is set up before the handler is imported (RUN-41, RUN-42)
    call.py      one invocation of the handler, from event text to outcome
    wire.py      the frames between the emulator and a worker process
    worker.py    the worker process itself
"""

from __future__ import annotations

__all__: list[str] = []
