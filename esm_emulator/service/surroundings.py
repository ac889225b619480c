"""Which environment variables a handler gets, and through them whose AWS its own calls reach.

Beside an embedded queue it gets dummy credentials and an endpoint on this machine, so that no call of its reaches AWS
by accident. Beside a queue off this process it is the user's own: that queue's AWS is meant. A server on another
address than AWS's is then also where other calls go, unless the user's variables say otherwise.

What is on this machine is never asked for through a proxy: a company's proxy would look for it on its own machine.
"""

from __future__ import annotations

from collections.abc import Mapping

from esm_emulator.queues.guard import Location

__all__ = ["no_proxy_here", "users_own"]

_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_HERE = ("127.0.0.1", "localhost", "::1")
_DUMMIES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def users_own(location: Location, region: str, host: Mapping[str, str]) -> dict[str, str | None]:
    """Variables of a handler beside the queue at ``location``: those of ``host``; None takes a dummy away."""
    given: dict[str, str | None] = {
        name: value for name, value in host.items() if name.startswith("AWS_") and not name.startswith("AWS_LAMBDA_")
    }
    given.setdefault("AWS_REGION", host.get("AWS_DEFAULT_REGION", region))
    given.setdefault("AWS_DEFAULT_REGION", given["AWS_REGION"])
    own_keys = "AWS_ACCESS_KEY_ID" in host
    if own_keys or not location.loopback:
        given = dict.fromkeys(_DUMMIES) | given
    if not location.aws:
        given.setdefault("AWS_ENDPOINT_URL", location.endpoint)
    return given | no_proxy_here(host)


def no_proxy_here(host: Mapping[str, str]) -> dict[str, str]:
    """Variables with which this machine is reached directly although ``host`` names a proxy; none if it does not."""
    known = {name.lower() for name, value in host.items() if value}
    if known.isdisjoint(_PROXIES):
        return {}
    # of the two spellings the lower case one is the first that is looked at, in Python and in curl
    spared = host.get("no_proxy") or host.get("NO_PROXY") or ""
    names = [name for name in spared.split(",") if name.strip()]
    value = ",".join(dict.fromkeys([*names, *_HERE])) if "*" not in names else "*"
    return {"no_proxy": value, "NO_PROXY": value}
