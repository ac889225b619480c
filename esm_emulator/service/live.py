"""The trace of a run while it goes on, on a port of this machine: a page that grows, with buttons that do something.

``GET /`` is the page, ``/data`` what it shows, ``/events`` says when there is more (server-sent events); ``POST
/send``, ``/redrive`` and ``/mapping`` take JSON. Other sites that the same browser shows must not reach it: the Host
has to be this machine by name, an Origin the page's own, and a body JSON, which no foreign form can send.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from anyio import from_thread
from anyio.lowlevel import EventLoopToken

from esm_emulator.diagnosis import diagnose
from esm_emulator.errors import EsmError, UsageError
from esm_emulator.report.trace import page
from esm_emulator.report.trace.model import model
from esm_emulator.service.service import Service
from esm_emulator.service.watch import facts_so_far
from esm_emulator.sqs import NewMessage

__all__ = ["serve_live"]

_HERE = ("127.0.0.1", "localhost", "::1")
_LOOK_S = 0.5  # between two looks whether there are new facts
_BEAT = 10  # looks without news after which it is told that time has passed: what was hidden may be back
_FRESH_MS = 1_000  # for so long what the page shows is not computed anew unless there are new facts
_MOST = 2_000_000  # bytes of a request's body

_GUARDS = {  # another site may neither show the page within its own, where clicks are led to, nor load any of it
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

Loop = Callable[[], EventLoopToken | None]


@contextmanager
def serve_live(service: Service, port: int, loop: Loop, *, redact: bool = False) -> Iterator[str]:
    """Serve the page while open; the result is its URL. Port 0: any free one. Raises ``UsageError`` if it is taken.

    ``loop`` gives the token of the loop on which the run goes on; None as long as it has not begun. ``redact`` leaves
    the bodies of messages out.
    """
    run = _Run(service, loop, redact=redact)
    closing = threading.Event()

    class Handler(_Handler):
        live, over = run, closing

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise UsageError(f"--web {port}: {error.strerror}; give another, or 0 for any free one") from None
    server.daemon_threads = True
    server.block_on_close = False
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 1}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        closing.set()
        server.shutdown()
        server.server_close()


class _Run:
    """What the page may ask of a run. Called from the server's threads."""

    def __init__(self, service: Service, loop: Loop, *, redact: bool) -> None:
        self._service = service
        self._redact = redact
        self._loop = loop
        self._lock = threading.Lock()
        self._latest: tuple[int, int, dict[str, Any]] = (-1, 0, {})

    @property
    def facts(self) -> int:
        """How many facts there have been."""
        return self._service.watch.facts

    def data(self) -> dict[str, Any]:
        """What the page shows now; computed once for any number of readers."""
        with self._lock:
            number, now = self.facts, self._service.clock.now()
            known, made, data = self._latest
            if known != number or now - made > _FRESH_MS:
                facts = facts_so_far(self._service.journal)
                data = model(facts, diagnose(facts), redact=self._redact, until=now)
                data["live"] = self._choices()
                self._latest = number, now, data
            return data

    def _choices(self) -> dict[str, list[str]]:
        if self._loop() is None:
            return {"queues": [], "dead": [], "mappings": []}
        resources = self._service.emulation.resources
        queues = [id for id in resources.queues if id in {queue.id for queue in self._stored()}]
        dead = [id for id in queues if resources.sources_of(resources.queues[id])]
        return {"queues": queues, "dead": dead, "mappings": list(resources.mappings)}

    def _stored(self) -> list[Any]:
        return list(self._service.emulation.sqs.queues.values())

    def send(self, asked: dict[str, Any]) -> str:
        """Send a message to an embedded queue."""
        queue, body = _text(asked, "queue"), _text(asked, "body")
        message = NewMessage(body)
        resource = self._service.emulation.resources.queues.get(queue)
        if resource is not None and resource.FifoQueue:
            message = NewMessage(body, group="page", dedup=f"page-{self.facts}")
        sent = self._do(lambda: self._service.emulation.send(queue, message))
        return f"Sent {sent.message_id} to {queue}."

    def redrive(self, asked: dict[str, Any]) -> str:
        """Move the messages of a dead-letter queue back."""
        queue = _text(asked, "queue")
        self._do(lambda: self._service.emulation.redrive(queue))
        return f"The messages of {queue} are moved back."

    def mapping(self, asked: dict[str, Any]) -> str:
        """Enable or disable a mapping."""
        id, enabled = _text(asked, "mapping"), asked.get("enabled")
        if not isinstance(enabled, bool):
            raise TypeError("enabled takes true or false")
        found = self._do(lambda: self._service.emulation.mapping(id))
        self._do(found.enable if enabled else found.disable)
        return f"{id} is {'enabled' if enabled else 'being disabled'}."

    def _do(self, act: Callable[[], Any]) -> Any:
        """The result of ``act``, called where the run goes on."""
        loop = self._loop()
        if loop is None:
            raise UsageError("the run has not begun")
        return from_thread.run_sync(act, token=loop)


class _Handler(BaseHTTPRequestHandler):
    """One request. Only the page itself is answered, and clients of this machine."""

    live: _Run
    over: threading.Event
    timeout = 30

    def do_GET(self) -> None:
        """The page, its data, or the stream of news."""
        path = urlsplit(self.path).path
        if not self._from_here():
            self._answer(403, "This server answers clients on this machine only.\n")
        elif path == "/":
            self._answer(200, page(self.live.data()), "text/html; charset=utf-8")
        elif path == "/data":
            self._answer(200, json.dumps(self.live.data()), "application/json")
        elif path == "/events":
            self._tell_news()
        else:
            self._answer(404, "There is nothing here; the page is at /.\n")

    def do_POST(self) -> None:
        """One of the buttons."""
        acts = {"/send": self.live.send, "/redrive": self.live.redrive, "/mapping": self.live.mapping}
        act = acts.get(urlsplit(self.path).path)
        if not self._from_here() or not self._from_the_page():
            self._answer(403, "Only the page itself may ask for this.\n")
        elif act is None:
            self._answer(404, "There is no such button.\n")
        else:
            self._act(act)

    def _act(self, act: Callable[[dict[str, Any]], str]) -> None:
        try:
            self._answer(200, act(self._asked()))
        except (EsmError, TypeError) as error:
            self._answer(400, str(error))
        except RuntimeError:
            self._answer(503, "The run has ended.")

    def _asked(self) -> dict[str, Any]:
        """The request's body. Raises ``TypeError`` for anything but a JSON object."""
        length = self.headers.get("Content-Length") or ""
        try:
            asked = json.loads(self.rfile.read(min(int(length), _MOST))) if length.isdecimal() else None
        except ValueError:
            asked = None
        if not isinstance(asked, dict):
            raise TypeError("the body takes a JSON object")
        return asked

    def _from_here(self) -> bool:
        try:
            return urlsplit(f"//{self.headers.get('Host', '')}").hostname in _HERE
        except ValueError:
            return False

    def _from_the_page(self) -> bool:
        origin = self.headers.get("Origin")
        kind = self.headers.get_content_type()
        return kind == "application/json" and origin in (None, f"http://{self.headers.get('Host')}")

    def _tell_news(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        seen, quiet = -1, 0
        try:
            while not self.over.wait(_LOOK_S):
                number, quiet = self.live.facts, quiet + 1
                if number != seen or quiet == _BEAT:
                    self.wfile.write(f"data: {number}\n\n".encode())
                    seen, quiet = number, 0
        except OSError:
            return  # the reader went away

    def _answer(self, status: int, text: str, kind: str = "text/plain; charset=utf-8") -> None:
        body = text.encode("utf-8", errors="replace")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        for name, value in _GUARDS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """No request log."""


def _text(asked: dict[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str):
        raise TypeError(f"{name} takes a text")
    return value
