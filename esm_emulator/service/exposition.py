"""The metrics of a run over HTTP, for Prometheus on this machine: ``GET /metrics`` on 127.0.0.1."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from esm_emulator.errors import UsageError
from esm_emulator.report.prometheus import CONTENT_TYPE

__all__ = ["expose"]

_HERE = ("127.0.0.1", "localhost", "::1")


@contextmanager
def expose(page: Callable[[], str], port: int) -> Iterator[str]:
    """Serve ``page`` while open; the result is its URL. Port 0: any free one. Raises ``UsageError`` if it is taken."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            """One scrape. Only clients of this machine are answered, by whatever name they came here."""
            name = urlsplit(f"//{self.headers.get('Host', '')}").hostname
            if name not in _HERE:
                self._answer(403, "text/plain", "This server answers clients on this machine only.\n")
            elif urlsplit(self.path).path not in ("/", "/metrics"):
                self._answer(404, "text/plain", "The metrics are at /metrics.\n")
            else:
                self._answer(200, CONTENT_TYPE, page())

        def _answer(self, status: int, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """No request log."""

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise UsageError(f"--metrics-port {port}: {error.strerror}; give another, or 0 for any free one") from None
    server.daemon_threads = True
    # the pause in which a shutdown is noticed; a request wakes it at once
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 1}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/metrics"
    finally:
        server.shutdown()
        server.server_close()
