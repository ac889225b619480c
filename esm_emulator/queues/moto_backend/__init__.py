"""moto with our queues: the AWS that a handler's own calls reach. One account, one region.

Moto speaks AWS's protocols and plays every other service; SQS is ours. The ways in give the same answers:

    boto3 in this process, under EmbeddedAws.patched      hook ─▶ SqsApi      or   moto ─▶ seam ─▶ SqsApi
    any client over HTTP, while EmbeddedAws.serve         server ─▶ moto ─▶ seam ─▶ SqsApi
    moto's other services                                 seam ─▶ SqsApi

:mod:`seam` is the one place that knows moto's insides, and its docstring says which. :mod:`api` is SQS's API over the
engine and knows nothing of moto. Importing this package loads neither moto nor boto3; making an :class:`EmbeddedAws`
does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from esm_emulator.queues.embedded import EmbeddedSqs
from esm_emulator.queues.moto_backend.administration import queue_url
from esm_emulator.queues.moto_backend.api import SqsApi
from esm_emulator.sqs import Queue

if TYPE_CHECKING:
    from esm_emulator.queues.server import Server

__all__ = ["EmbeddedAws"]

_ACCESS_KEY = "AKIAESMEMULATOR00000"
_SECRET_KEY = "esm-emulator-needs-no-secret"  # noqa: S105 # nothing checks it


class EmbeddedAws:
    """The AWS of one run. ``before_call`` is called before each AWS call of a client of this process.

    Raises ``EsmError`` when the installed moto does not fit.
    """

    def __init__(self, sqs: EmbeddedSqs, *, before_call: Callable[[], None] = lambda: None) -> None:
        from esm_emulator.queues.moto_backend import seam  # noqa: PLC0415 # moto is loaded here and not before

        seam.check_seam()
        self.sqs = sqs
        self.api = SqsApi(sqs)
        self.before_call = before_call
        self._servers: list[str] = []

    @contextmanager
    def patched(self) -> Iterator[None]:
        """While open, boto3 clients in this process reach this AWS and no other.

        Which clients are caught is moto's rule for ``mock_aws``: those of a session that was made after moto was
        first imported, whenever they were made themselves; ``boto3.client`` and ``boto3.resource`` use a fresh session
        inside. The credentials are moto's, the region is ours unless one is set, and endpoints that the environment
        names do not apply; a client that is given an ``endpoint_url`` in code goes there.

        May be nested in a ``mock_aws`` or have one inside: other services' data are then one and the same, and the
        queues are ours for the time.
        """
        from esm_emulator.queues.moto_backend import hook, seam  # noqa: PLC0415

        engine = self.sqs.engine
        variables = {"AWS_DEFAULT_REGION": engine.region} | seam.account_variables(engine.account)
        with (
            _environment(variables, without=_names_an_endpoint),
            seam.installed(self),
            hook.answering(self),
            seam.mocked(engine.account),
            seam.intercepting(self.before_call),
        ):
            yield

    @contextmanager
    def serve(self, port: int = 0) -> Iterator[Server]:
        """While open, this AWS answers over HTTP on 127.0.0.1; port 0 is any free one.

        Every region and every credential is accepted and means the same queues. On the way out open long polls are
        answered with nothing, requests in work end, and connections are closed. Raises ``UsageError`` when the port is
        taken.
        """
        from esm_emulator.queues.moto_backend import seam  # noqa: PLC0415
        from esm_emulator.queues.server import serve  # noqa: PLC0415

        account = self.sqs.engine.account
        with (
            _environment(seam.account_variables(account)),
            seam.installed(self),
            serve(lambda: seam.serving(self), port, self.sqs.release) as server,
        ):
            seam.note_use(account)
            self._servers.append(server.url)
            try:
                yield server
            finally:
                self._servers.remove(server.url)

    def environment(self, url: str) -> dict[str, str]:
        """Environment variables with which any AWS SDK of another process reaches this AWS at ``url`` and no other."""
        region = self.sqs.engine.region
        return dict.fromkeys(filter(_names_an_endpoint, os.environ), url) | {
            "AWS_ENDPOINT_URL": url,
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
            "AWS_ACCESS_KEY_ID": _ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": _SECRET_KEY,
            "AWS_SESSION_TOKEN": "",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def queue_url(self, queue: Queue, url: str | None = None) -> str:
        """The queue's URL at our server's ``url``; without one as AWS has it, for clients inside :meth:`patched`."""
        return queue_url(self.sqs, queue.name, url or f"https://sqs.{self.sqs.engine.region}.amazonaws.com")

    def serves(self, url: str) -> bool:
        """Whether this is the address of a server of ours."""
        return url.rstrip("/") in self._servers

    def queue_named(self, name: str) -> Queue:
        """The queue of that name. Raises ``SqsError``."""
        return self.sqs.find(name)

    def all_queues(self) -> list[Queue]:
        """Every queue."""
        return list(self.sqs.queues.values())


@contextmanager
def _environment(defaults: Mapping[str, str], *, without: Callable[[str], bool] = lambda _: False) -> Iterator[None]:
    """Environment variables given for the time where they are missing, others taken away; the rest is untouched."""
    taken = {name: os.environ.pop(name) for name in list(os.environ) if without(name)}
    given = {name: value for name, value in defaults.items() if name not in os.environ}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in given.items():
            if os.environ.get(name) == value:
                del os.environ[name]
        for name, value in taken.items():
            os.environ.setdefault(name, value)


def _names_an_endpoint(variable: str) -> bool:
    return variable.startswith("AWS_ENDPOINT_URL")
