"""The embedded AWS over HTTP: moto's server on a thread of this process, for clients on this machine only.

It listens on 127.0.0.1 and answers requests whose Host is this machine and whose Origin, when a browser sends one, is
too: a web page must not reach the queues by a name that it makes point here. Idle it waits in one ``select`` without
end.
"""

from __future__ import annotations

import io
import os
import re
import selectors
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import ThreadedWSGIServer

from esm_emulator.errors import UsageError

__all__ = ["Server", "serve"]

_PATIENCE_S = 5.0
_FORM = "application/x-www-form-urlencoded"
_QUEUE_PATH = re.compile(r"/[0-9]{12}/[A-Za-z0-9_-]{1,80}(\.fifo)?")
# moto reads the service from the signature
_SIGNED_FOR_SQS = "AWS4-HMAC-SHA256 Credential=unsigned/00000000/us-east-1/sqs/aws4_request, SignedHeaders=, Signature="


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs: where it is."""

    url: str
    port: int


@contextmanager
def serve(
    around: Callable[[], AbstractContextManager[None]], port: int, release: Callable[[], None]
) -> Iterator[Server]:
    """Serve moto on 127.0.0.1. ``around`` surrounds every request; ``release`` answers the open long polls at the end.

    Raises ``UsageError`` when the port is taken.
    """
    application = _Guarded(_Application(create_backend_app), around)
    with _listening(port) as listener:
        server = _HttpServer("127.0.0.1", port, application, handler=_Handler, fd=listener.fileno())
    stop, wake = socket.socketpair()
    thread = threading.Thread(target=_accept, args=(server, stop), name="esm-emulator http", daemon=True)
    thread.start()
    try:
        yield Server(f"http://127.0.0.1:{server.port}", server.port)
    finally:
        wake.close()
        thread.join()
        stop.close()
        server.server_close()
        server.drain(release)


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port), backlog=128)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else error
        raise UsageError(
            f"port {port} of 127.0.0.1 cannot be used: {why}; give another, or 0 for any free one"
        ) from None


def _accept(server: _HttpServer, stop: socket.socket) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(server, selectors.EVENT_READ)
        selector.register(stop, selectors.EVENT_READ)
        while not any(key.fileobj is stop for key, _ in selector.select()):
            server.handle_request()


class _HttpServer(ThreadedWSGIServer):
    """werkzeug's threaded server that knows its connections and which of them have a request in work."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._state = threading.Condition()
        self._connections: set[socket.socket] = set()
        self._busy = 0
        self.closing = False

    def process_request(self, request: Any, client_address: Any) -> None:
        """Note the connection; a thread of its own serves it."""
        with self._state:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        super().shutdown_request(request)
        with self._state:
            self._connections.discard(request)
            self._state.notify_all()

    @contextmanager
    def working(self) -> Iterator[None]:
        """While a request is in work."""
        with self._state:
            self._busy += 1
        try:
            yield
        finally:
            with self._state:
                self._busy -= 1
                self._state.notify_all()

    def drain(self, release: Callable[[], None]) -> None:
        """Let requests in work end, then close every connection and wait until its thread has let go of it."""
        self.closing = True
        release()
        with self._state:
            self._state.wait_for(lambda: not self._busy, _PATIENCE_S)
            for connection in self._connections:
                _hang_up(connection)
            self._state.wait_for(lambda: not self._connections, _PATIENCE_S)

    def log(self, type: str, message: str, *arguments: Any) -> None:  # noqa: A002 # werkzeug's name
        """Nothing on stderr: what happens to queues is in the journal."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone in the middle of an answer is nobody's fault."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the client was faster


class _Handler(MotoRequestHandler):
    """One connection, kept open for further requests; werkzeug's own would close it after one.

    For that every request is read to its end before it is answered, and every answer says how long it is. An answer
    leaves in one piece and at once: Nagle's algorithm would hold small ones for 40 ms.
    """

    server: _HttpServer
    wbufsize = 65_536
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        """One request; none any more once the server closes, however fast a client asks again."""
        if self.server.closing:
            self.close_connection = True
            return
        with self.server.working():
            status, headers, body = self._ask_application(self._read())
            self._answer(status, headers, body)

    def handle_expect_100(self) -> bool:
        """The client waits for this line before it sends a body: do not keep it in the buffer."""
        answered = super().handle_expect_100()
        self.wfile.flush()
        return answered

    def _read(self) -> dict[str, Any]:
        environ = self.make_environ()
        source = environ["wsgi.input"]
        chunked = "wsgi.input_terminated" in environ
        environ["wsgi.input"] = io.BytesIO(source.read() if chunked else source.read(int(self._length() or 0)))
        return environ

    def _length(self) -> str | None:
        return self.headers.get("Content-Length")

    def _ask_application(self, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
            started[:] = status, headers

        try:
            chunks = self.server.app(environ, start_response)  # type: ignore[arg-type] # nobody uses write
            body = b"".join(chunks)
            if hasattr(chunks, "close"):
                chunks.close()
        except Exception as error:  # noqa: BLE001 # whatever moto raises is an answer for the client, not our end
            return "500 Internal Server Error", [("Content-Type", "text/plain")], f"{error!r}\n".encode()
        status, headers = started
        return status, headers, body

    def _answer(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        bare = self.command == "HEAD" or code in ("204", "304")
        if not bare and not any(name.lower() == "content-length" for name, _ in headers):
            self.send_header("Content-Length", str(len(body)))
        if self.server.closing:
            self.send_header("Connection", "close")  # which also makes this handler do so
        self.end_headers()
        if not bare:
            self.wfile.write(body)
        self.wfile.flush()

    def log(self, type: str, message: str, *arguments: Any) -> None:  # noqa: A002
        """No request log."""


class _Application(DomainDispatcherApplication):
    """Moto's application, which need not list its own folders for every request."""

    def __init__(self, create_app: Any) -> None:
        super().__init__(create_app)
        self._backends: dict[str | None, Any] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        """The service of a host name, found once."""
        if host not in self._backends:
            self._backends[host] = super().get_backend_for_host(host)
        return self._backends[host]


class _Guarded:
    """Moto's application for this machine's clients only, each request inside ``around``."""

    def __init__(self, application: Any, around: Callable[[], AbstractContextManager[None]]) -> None:
        self._application = application
        self._around = around

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        host = environ.get("HTTP_HOST", "")
        origin = environ.get("HTTP_ORIGIN")
        if not _is_here(f"//{host}") or (origin is not None and not _is_here(origin)):
            start_response("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"This server answers clients on this machine only.\n"]
        if "HTTP_AUTHORIZATION" not in environ:
            _take_for_sqs(environ)
        with self._around():
            answer: Iterable[bytes] = self._application(environ, start_response)
            return answer


def _take_for_sqs(environ: dict[str, Any]) -> None:
    """Let a request that nobody signed be one to SQS when it says so: ``curl`` with a target, or at a queue's URL."""
    form = environ["wsgi.input"].getvalue() if environ.get("CONTENT_TYPE", "").startswith(_FORM) else b""
    asked = f"{environ.get('QUERY_STRING', '')}&{form[:10_000].decode('latin-1')}"
    if environ.get("HTTP_X_AMZ_TARGET", "").startswith("AmazonSQS."):
        environ["HTTP_AUTHORIZATION"] = _SIGNED_FOR_SQS
    elif _QUEUE_PATH.fullmatch(environ.get("PATH_INFO", "")) and "Action=" in asked:
        environ["HTTP_AUTHORIZATION"] = _SIGNED_FOR_SQS
        environ.setdefault("CONTENT_TYPE", _FORM)  # moto takes what has none for JSON


def _is_here(url: str) -> bool:
    try:
        name = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return name in ("127.0.0.1", "::1", "localhost") or name.endswith(".localhost")
