"""The ways to reach the queues of one run through moto, for tests that are played on each of them."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any
from xml.etree import ElementTree as ET

import boto3

from esm_emulator.identifiers import Identifiers
from esm_emulator.journal import Fact, Journal
from esm_emulator.profiles import PROFILES
from esm_emulator.queues.embedded import EmbeddedSqs
from esm_emulator.queues.moto_backend import EmbeddedAws, hook
from esm_emulator.sqs import Engine

__all__ = ["WAYS", "HandClock", "QueryFault", "Run", "http_client", "new_client", "open_way", "query", "query_client"]

WAYS = ("hook", "moto", "http")
"""How a boto3 client comes to its answer: botocore's event, moto in this process, moto's server."""

_HEADERS = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=TEST/20260101/us-east-1/sqs/aws4_request, Signature=0",
    "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
}


class HandClock:
    """A clock that a test turns."""

    def __init__(self, now: int = 1_767_225_600_000) -> None:
        self.at = now

    def now(self) -> int:
        return self.at

    def pass_(self, ms: int) -> None:
        self.at += ms


@dataclass
class Run:
    """One run: its queues, its journal, and its AWS."""

    clock: Any = field(default_factory=HandClock)
    seed: int = 1
    journal: Journal = field(default_factory=Journal)
    before_call: Any = None
    account: str = "123456789012"

    def __post_init__(self) -> None:
        engine = Engine(
            identifiers=Identifiers(Random(self.seed)),
            profile=PROFILES["aws-2026"],
            account=self.account,
            random=Random(2),
        )
        self.sqs = EmbeddedSqs(engine, self.clock, self.journal)
        self.aws = EmbeddedAws(self.sqs, **({"before_call": self.before_call} if self.before_call else {}))

    def facts(self, kind: type[Fact]) -> list[Any]:
        return [fact for fact in self.journal if type(fact) is kind]


@contextmanager
def open_way(way: str, run: Run) -> Iterator[Any]:
    """A boto3 client that reaches the run's queues in the given way."""
    if way == "http":
        with run.aws.serve() as server, http_client(server.url) as client:
            yield client
        return
    with run.aws.patched():
        client = new_client("sqs")
        if way == "moto":
            client.meta.events.unregister("before-call.sqs", hook.answer)
        yield client
        client.close()


@contextmanager
def http_client(url: str, service: str = "sqs", region: str = "us-east-1") -> Iterator[Any]:
    """A client as any user would make it, which never takes the short way."""
    client = new_client(service, endpoint_url=url, region_name=region)
    client.meta.events.unregister("before-call.sqs", hook.answer)
    yield client
    client.close()


def new_client(service: str, *, region_name: str = "us-east-1", endpoint_url: str | None = None) -> Any:
    """A boto3 client that carries the hook, of a session that many tests share: making one costs more than a test."""
    return _session().client(
        service,
        endpoint_url=endpoint_url,
        region_name=region_name,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


@cache
def _session() -> Any:
    with Run().aws.patched():
        return boto3.session.Session()


class QueryFault(Exception):
    """A refusal over the query protocol."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code, message)
        self.status, self.code, self.message = status, code, message


def query(url: str, action: str, **parameters: str) -> ET.Element:
    """One operation over the query protocol: the answer's XML without namespaces."""
    data = urllib.parse.urlencode({"Action": action, "Version": "2012-11-05"} | parameters).encode()
    request = urllib.request.Request(url, data=data, headers=_HEADERS)
    try:
        with urllib.request.urlopen(request) as response:
            return _xml(response.read())
    except urllib.error.HTTPError as error:
        with error:
            fault = _xml(error.read())
        raise QueryFault(error.code, fault.findtext(".//Code", ""), fault.findtext(".//Message", "")) from None


def query_client(operation: str, parameters: Mapping[str, Any]) -> dict[str, str]:
    """A client's parameters as the query protocol writes them, for operations with text, numbers and flat lists."""
    names = {"AttributeNames": "AttributeName", "AWSAccountIds": "AWSAccountId", "Actions": "ActionName"}
    if operation.endswith("Batch"):
        names["Entries"] = f"{operation}RequestEntry"
    flat: dict[str, str] = {}
    for name, value in parameters.items():
        if isinstance(value, list):
            for index, item in enumerate(value, 1):
                prefix = f"{names.get(name, name)}.{index}"
                if isinstance(item, dict):
                    flat |= {f"{prefix}.{key}": str(entry) for key, entry in item.items()}
                else:
                    flat[prefix] = str(item)
        elif isinstance(value, dict):
            for index, (key, item) in enumerate(value.items(), 1):
                if isinstance(item, dict):
                    flat |= {f"{name[:-1]}.{index}.Name": key}
                    flat |= {f"{name[:-1]}.{index}.Value.{part}": str(text) for part, text in item.items()}
                else:
                    flat |= {f"Attribute.{index}.Name": key, f"Attribute.{index}.Value": str(item)}
        else:
            flat[name] = str(value)
    return flat


def _xml(data: bytes) -> ET.Element:
    root = ET.fromstring(data)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root
