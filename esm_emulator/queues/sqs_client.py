"""The calls of one queue's server, through one boto3 client that everybody shares.

botocore's errors are translated here, once, into :class:`Failure`: a value, because a call that fails is an answer like
any other to whoever has to wait and try again. boto3 itself makes one attempt: its own back-off sleeps in the thread
that calls, where no stop can reach it.

boto3 blocks, so its calls run aside of the loop's tasks (:meth:`SqsClient.run`): in worker threads, or, over plain HTTP
on this machine, in greenlets on the loop's own thread (:mod:`esm_emulator.queues.wire`).

The client is tuned for many small calls. As boto3 makes it, one costs over 0.5 ms of Python under the interpreter's
lock: a third is urllib3's, a fifth goes into building the same User-Agent again for each call, a twentieth into
validating what was built here. That is also why threads beyond the first few gain nothing against a fast server: they
only wait for the lock. A poller has a thread for the sake of its open long poll, not of speed.

This file knows no journal and no mapping; importing it loads boto3.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict, TypeVar, cast

import anyio.to_thread
import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.parsers import ResponseParserError

from esm_emulator import __version__
from esm_emulator.errors import UsageError
from esm_emulator.queues.guard import Location
from esm_emulator.queues.wire import Wire

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import (
        ChangeMessageVisibilityBatchResultTypeDef,
        DeleteMessageBatchResultTypeDef,
        MessageTypeDef,
    )

__all__ = ["Failure", "SqsClient"]

R = TypeVar("R")

CONNECT_TIMEOUT_S = 10
# a long poll that is cut off may swallow the next message, so this is far from any wait
READ_TIMEOUT_MARGIN_S = 15

_MISSING = {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}
_CREDENTIALS = {
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_THROTTLED = {
    "BandwidthLimitExceeded",
    "KMS.ThrottlingException",
    "KmsThrottled",
    "OverLimit",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "Throttling",
    "ThrottledException",
    "ThrottlingException",
    "TooManyRequestsException",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that failed.

    ``code`` is the server's, or the class of what went wrong on the way; ``status`` is HTTP's, 0 without an answer.
    ``credentials`` when they are missing, refused or expired.
    """

    code: str
    text: str
    status: int = 0
    credentials: bool = False

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"

    @property
    def missing(self) -> bool:
        """There is no such queue."""
        return self.code.rpartition("#")[2] in _MISSING

    @property
    def throttled(self) -> bool:
        """SQS asks for fewer calls."""
        return self.status == 429 or self.code in _THROTTLED

    @property
    def passing(self) -> bool:
        """The same call may work later: the network, the server, its limits or the credentials, not the request."""
        return self.credentials or self.throttled or self.status in (0, 408) or self.status >= 500


class SqsClient:
    """The server of one queue. The calls block: make them in :meth:`run`.

    ``connections`` is how many calls can be open at once without a connection being made anew for one of them;
    ``longest_wait_s`` the longest long poll that will be asked for. Connections are made when needed. The first call
    raises ``UsageError`` for an endpoint that boto3 refuses, such as a host name with an underscore.
    """

    def __init__(self, location: Location, *, region: str | None, connections: int, longest_wait_s: int) -> None:
        self.location = location
        self._region = region or location.region
        self._connections = connections
        self._lock = threading.Lock()
        self._client: SQSClient | None = None
        self._read_timeout_s = longest_wait_s + READ_TIMEOUT_MARGIN_S
        plain = location.loopback and location.endpoint.startswith("http://")
        self._wire = Wire(location.endpoint, CONNECT_TIMEOUT_S, self._read_timeout_s) if plain else None

    async def run(self, call: Callable[[], R], *, cut_off: bool = False) -> R:
        """Run code that makes calls; its result. Waited for even when cancelled, unless it may be ``cut_off``."""
        if self._wire is None:
            return await _in_thread(call, cut_off=cut_off)
        if self._client is None:
            await _in_thread(self._prepare, cut_off=cut_off)
        return await self._wire.run(call, cut_off=cut_off)

    def attributes(self) -> Mapping[str, str] | Failure:
        """GetQueueAttributes, all of them."""
        return self._try(self._attributes)

    def receive(self, maximum: int, wait_s: int) -> Sequence[MessageTypeDef] | Failure:
        """ReceiveMessage with every attribute, waiting up to ``wait_s`` whole seconds for the first message."""
        return self._try(
            lambda client: client.receive_message(
                QueueUrl=self.location.url,
                MaxNumberOfMessages=maximum,
                WaitTimeSeconds=wait_s,
                # older servers know the first name only, newer ones ask for the second
                AttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            ).get("Messages", ())
        )

    def delete(self, receipts: Mapping[str, str]) -> DeleteMessageBatchResultTypeDef | Failure:
        """DeleteMessageBatch of up to ten receipt handles, by entry id."""
        return self._try(
            lambda client: client.delete_message_batch(
                QueueUrl=self.location.url,
                Entries=[{"Id": id, "ReceiptHandle": receipt} for id, receipt in receipts.items()],
            )
        )

    def make_visible(self, receipts: Mapping[str, str]) -> ChangeMessageVisibilityBatchResultTypeDef | Failure:
        """ChangeMessageVisibilityBatch to 0 of up to ten receipt handles, by entry id."""
        return self._try(
            lambda client: client.change_message_visibility_batch(
                QueueUrl=self.location.url,
                Entries=[
                    {"Id": id, "ReceiptHandle": receipt, "VisibilityTimeout": 0} for id, receipt in receipts.items()
                ],
            )
        )

    async def close(self) -> None:
        """Close the connections; a later call opens one of its own."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()
        if self._wire is not None:
            await self._wire.close()

    def _attributes(self, client: SQSClient) -> Mapping[str, str]:
        answer = client.get_queue_attributes(QueueUrl=self.location.url, AttributeNames=["All"])
        return {str(name): value for name, value in answer["Attributes"].items()}

    # --- the client -------------------------------------------------------------------------------------------

    def _try(self, call: Callable[[SQSClient], R]) -> R | Failure:
        client = None
        try:
            client = self._current()
            return call(client)
        except ClientError as error:
            failure = _refused(error)
        except (BotoCoreError, ResponseParserError, OSError, KeyError) as error:
            failure = _broken(error)
        if failure.credentials:
            self._forget(client)
        return failure

    def _current(self) -> SQSClient:
        """The shared client, made by whoever comes first (56 ms and 8.6 MB)."""
        client = self._client
        if client is None:
            with self._lock:
                client = self._client = self._client or self._make()
        return client

    def _prepare(self) -> None:
        """Make the client, where that may take its time; if it cannot be made, the call that needs it says why."""
        with suppress(BotoCoreError):
            self._current()

    def _forget(self, client: SQSClient | None) -> None:
        """Have the next call read the credentials anew: files and environment may have changed by then."""
        with self._lock:
            if self._client is client:
                self._client = None

    def _make(self) -> SQSClient:
        location = self.location
        core = botocore.session.Session()
        if location.loopback:
            # never wait for the metadata service of a machine in the cloud because of a queue on this one
            core.get_component("credential_provider").remove("iam-role")
        session = boto3.session.Session(botocore_session=core)
        credentials = _local_credentials(core) if location.loopback else {}
        try:
            client: SQSClient = session.client(
                "sqs",
                endpoint_url=location.endpoint,
                region_name=self._region or session.region_name or "us-east-1",
                **credentials,
                config=Config(
                    connect_timeout=CONNECT_TIMEOUT_S,
                    read_timeout=self._read_timeout_s,
                    retries={"total_max_attempts": 1, "mode": "standard"},
                    max_pool_connections=self._connections,
                    tcp_keepalive=True,
                    parameter_validation=False,
                    user_agent=f"esm-emulator/{__version__} {core.user_agent()}",
                    proxies={} if location.loopback else None,
                ),
            )
        except ValueError as error:
            raise UsageError(f"boto3 cannot use {location.endpoint}: {error}") from None
        if self._wire is not None:
            # an answer of a handler counts, though the stubs know of none
            client.meta.events.register("before-send.sqs", cast("Callable[..., None]", self._wire.send))
        return client


class _Credentials(TypedDict, total=False):
    aws_access_key_id: str
    aws_secret_access_key: str
    aws_session_token: str


def _local_credentials(session: botocore.session.Session) -> _Credentials:
    """What the usual chain has, else dummies: an expired login keeps nobody from a queue on this machine.

    As they are now, so that no call has to stop and renew them.
    """
    try:
        credentials = session.get_credentials()
        frozen = credentials.get_frozen_credentials() if credentials else None
    except BotoCoreError:
        frozen = None
    if frozen is None or not frozen.access_key or not frozen.secret_key:
        return {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    found: _Credentials = {"aws_access_key_id": frozen.access_key, "aws_secret_access_key": frozen.secret_key}
    return found | {"aws_session_token": frozen.token} if frozen.token else found


async def _in_thread(call: Callable[[], R], *, cut_off: bool) -> R:
    """Run a blocking call in a worker thread, however many there are."""
    return await anyio.to_thread.run_sync(call, abandon_on_cancel=cut_off, limiter=anyio.CapacityLimiter(math.inf))


def _refused(error: Exception) -> Failure:
    """What the server itself said."""
    response = getattr(error, "response", {})
    said = response.get("Error", {})
    code = str(said.get("Code") or "Unknown")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return Failure(code, str(said.get("Message") or "no text"), status, credentials=code in _CREDENTIALS)


def _broken(error: Exception) -> Failure:
    """What happened before there was an answer that could be read: on the way, or on finding credentials."""
    local = isinstance(error, BotoCoreError) and not isinstance(error, HTTPClientError)
    return Failure(type(error).__name__, str(error), credentials=local)
