"""Which queue a URL names, where requests for it really go, and whether that is allowed.

A queue off this machine belongs to somebody, and a mapping deletes what it handles: so it takes a flag, and before
anything is received the user is shown whose queue it is. A host is judged by the addresses that it stands for, not by
how it looks: ``http://127.0.0.1@example.com``, ``http://2130706433`` and a name that resolves elsewhere are seen for
what they are. Requests go to a URL that is built from the parts judged here, so no other parser has a say.

This file reads no queue and sends nothing but the name lookup.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from esm_emulator.errors import RemoteRefused, UsageError

__all__ = ["Location", "QueueDescription", "allow", "banner", "locate"]

Resolve = Callable[[str], Collection[str]]

# every DNS suffix of botocore's partitions.json
_AWS_SUFFIXES = (
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "amazonwebservices.com.cn",
    "amazonwebservices.eu",
    "api.aws",
    "c2s.ic.gov",
    "sc2s.sgov.gov",
    "cloud.adc-e.uk",
    "csp.hci.ic.gov",
    "api.aws.ic.gov",
    "api.aws.scloud",
    "api.cloud-aws.adc-e.uk",
    "api.aws.hci.ic.gov",
)
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d{1,2}")
_AUTHORITY = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")


@dataclass(frozen=True, slots=True)
class Location:
    """What a queue's URL says. ``endpoint`` is where requests go, ``host`` its host; ``region`` None when unsaid.

    ``account`` is None when the URL has none. ``aws`` tells an endpoint of AWS, ``loopback`` one on this machine.
    """

    url: str
    endpoint: str
    host: str
    name: str
    account: str | None
    region: str | None
    aws: bool
    loopback: bool


@dataclass(frozen=True, slots=True)
class QueueDescription:
    """A queue as its server describes it now; ``visibility_ms`` is its visibility timeout in milliseconds."""

    url: str
    arn: str
    fifo: bool
    visibility_ms: int
    visible: int
    in_flight: int
    delayed: int
    dead_letter_arn: str | None = None
    max_receive_count: int | None = None

    @property
    def account(self) -> str:
        """The account that owns it."""
        return self.arn.split(":")[4]

    @property
    def region(self) -> str:
        """The region that it is in."""
        return self.arn.split(":")[3]

    @property
    def name(self) -> str:
        """Its name, with ``.fifo`` where it is FIFO."""
        return self.arn.split(":")[5]


def locate(queue_url: str, endpoint_url: str | None = None, *, resolve: Resolve | None = None) -> Location:
    """Read a queue's URL; ``endpoint_url`` overrides where requests go. Raises ``UsageError`` for any other URL."""
    scheme, authority, path = _split(queue_url, "queue URL")
    parts = [unquote(part) for part in path.split("/") if part]
    if not parts:
        raise UsageError(f"{queue_url!r} names no queue; a queue URL is http://HOST[:PORT]/ACCOUNT/QUEUE")
    if endpoint_url is not None:
        scheme, authority, _ = _split(endpoint_url, "endpoint URL")
    host = _host(authority)
    aws = _is_aws(host)
    return Location(
        url=queue_url,
        endpoint=_today(scheme, host) or f"{scheme}://{authority}",
        host=host,
        name=parts[-1],
        account=parts[-2] if len(parts) > 1 and re.fullmatch(r"\d{12}", parts[-2]) else None,
        region=_region(queue_url),
        aws=aws,
        loopback=not aws and _is_loopback(host, resolve or _addresses),
    )


def allow(location: Location, *, allow_aws: bool = False, allow_hosts: Iterable[str] = ()) -> None:
    """Raises ``RemoteRefused``, naming the flag that would allow it, unless the queue is on a loopback address."""
    if location.loopback:
        return
    if location.aws:
        if not allow_aws:
            raise RemoteRefused(
                f"{location.url} is a real queue of AWS ({location.host}): messages that the function handles would be "
                "deleted from it. Give --allow-aws if that is what you want."
            )
        return
    if location.host not in {_host(host.strip()) for host in allow_hosts}:
        raise RemoteRefused(
            f"{location.host} is not this machine: messages that the function handles would be deleted from the queue "
            f"there. Give --allow-host {location.host} if that is what you want."
        )


def banner(queue: QueueDescription, *, function: str, filtered: bool = False) -> Sequence[str]:
    """What the user is shown before the first receive from a queue off this machine."""
    depth = f"{queue.visible} visible, {queue.in_flight} in flight, {queue.delayed} delayed"
    deleted = f"every message that {function} handles without an error"
    if filtered:
        deleted += ", and every message that no filter pattern matches"
    if queue.dead_letter_arn:
        fate = f"go to {queue.dead_letter_arn} after {queue.max_receive_count} receives"
    else:
        fate = "come back until their retention ends: the queue has no dead-letter queue"
    return (
        f"account  {queue.account}",
        f"region   {queue.region}",
        f"queue    {queue.name} ({queue.url})",
        f"depth    {depth}",
        f"deleted  {deleted}",
        f"others   {fate}",
    )


# --- reading a URL ------------------------------------------------------------------------------------------


def _split(url: str, kind: str) -> tuple[str, str, str]:
    """Scheme, authority and path of an http(s) URL without anything in it that two parsers could read differently."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError(f"{url!r} is not a {kind}: only visible ASCII characters may be in one")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UsageError(f"{url!r} is not a {kind}: {error}") from None
    if parts.scheme not in ("http", "https"):
        raise UsageError(f"{url!r} is not a {kind}: it must start with http:// or https://")
    if "@" in parts.netloc:
        raise RemoteRefused(f"{url!r} has a user name before its host; leave out everything up to the @")
    if not _AUTHORITY.fullmatch(parts.netloc):
        raise UsageError(f"{url!r} is not a {kind}: {parts.netloc!r} is not a host, or a host and a port")
    port = re.search(r":(\d+)$", parts.netloc)
    if port and int(port[1]) > 65_535:
        raise UsageError(f"{url!r} is not a {kind}: there is no port {port[1]}")
    return parts.scheme, parts.netloc, parts.path


def _host(authority: str) -> str:
    """The host without port, brackets and final dot, in lower case."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0].lower()
    host = authority if authority.count(":") > 1 else authority.partition(":")[0]
    return host.rstrip(".").lower()


def _is_aws(host: str) -> bool:
    return any(host == suffix or host.endswith("." + suffix) for suffix in _AWS_SUFFIXES)


def _region(url: str) -> str | None:
    """The region in the host (``sqs.eu-west-1.amazonaws.com``), or in LocalStack's path (``/queue/eu-west-1/…``)."""
    parts = urlsplit(url)
    words = [*(parts.hostname or "").split("."), *parts.path.split("/")[:-1]]
    for word in words:
        if _REGION.fullmatch(word):
            return word
    # the oldest endpoint: https://queue.amazonaws.com
    return "us-east-1" if parts.hostname == "queue.amazonaws.com" else None


def _today(scheme: str, host: str) -> str | None:
    """The endpoint that replaced one of the first kind, ``eu-west-1.queue.amazonaws.com``, which old URLs have."""
    old = re.fullmatch(r"(?:(.+)\.)?queue\.(amazonaws\.com(?:\.cn)?)", host)
    return f"{scheme}://sqs.{old[1] or 'us-east-1'}.{old[2]}" if old else None


def _is_loopback(host: str, resolve: Resolve) -> bool:
    """Whether every address that the host stands for is a loopback address."""
    addresses = resolve(host)
    return bool(addresses) and all(_loopback_address(address) for address in addresses)


def _loopback_address(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _addresses(host: str) -> Collection[str]:
    """The addresses that a connection to the host would try (also for ``2130706433``, ``0x7f.1``); none if unknown."""
    try:
        return {str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        return ()
