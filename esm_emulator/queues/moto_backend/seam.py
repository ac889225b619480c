"""The seam: every place where our queues are put into moto, and everything of moto's that we rely on.

Moto takes a request apart, finds a backend by service, account and region, calls it, and puts the answer together in
the protocol of the request (JSON, or the old query protocol). For SQS classes of ours stand in that way:

    a request                       ─▶ _Responses ─▶ SqsApi ─▶ the engine     boto3 under mock_aws, and HTTP
    SNS, S3, EventBridge, CFN, tags ─▶ _Backend   ─▶ SqsApi ─▶ the engine     what moto's other services do with queues

    sqs_backends        moto's registry {account: {region: backend}}. Its ``backend`` is the class of which missing
                        entries are made: it is set to ours, and what was in there is put aside for the time
    _Backend            a subclass of ``SQSBackend``. Every account and every region gets one, all on the same queues.
                        Its ``_url_module`` names our responses where moto would look for its own
    _QueueView          a subclass of moto's ``Queue``, for services that look at one. It holds no message and
                        ``add_message`` is never called, so no mapping of moto's own ever fires
    _Responses          a subclass of ``SQSResponse``: moto parses and serializes, every operation is ours
    botocore_stubber    every request that moto catches in this process passes through its ``process_request``

Both model classes bear the name of moto's own module, from which moto reads the service. moto serves from many threads
and has no lock around its queues; here every step is one turn under the engine's lock, and none is held while waiting.

Nothing else of esm_emulator touches moto's insides. :func:`check_seam` looks for every name that is used here before
anything is put in, and ``tests/queues/test_moto_seam.py`` tries what it is for.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any, Protocol
from unittest.mock import patch
from urllib.parse import urlsplit

import moto
from botocore.model import OperationNotFoundError
from moto import mock_aws
from moto.core import base_backend, model_instances
from moto.core.base_backend import BackendDict
from moto.core.models import DEFAULT_ACCOUNT_ID, MockAWS, botocore_stubber
from moto.core.responses import ActionResult
from moto.core.serialize import get_serializer_class
from moto.core.utils import camelcase_to_underscores, get_service_model
from moto.sqs import models, responses, urls
from moto.sqs.exceptions import QueueDoesNotExist, SQSException

from esm_emulator.errors import EsmError, SqsError
from esm_emulator.queues.moto_backend.api import SqsApi
from esm_emulator.queues.moto_backend.messages import TRACE_HEADER, traced
from esm_emulator.sqs import Queue

__all__ = [
    "Served",
    "account_variables",
    "check_seam",
    "current",
    "error_response",
    "installed",
    "intercepting",
    "mocked",
    "note_use",
    "serving",
]


class Served(Protocol):
    """Whose queues moto shows."""

    api: SqsApi

    def queue_named(self, name: str) -> Queue:
        """The queue of that name. Raises ``SqsError``."""

    def all_queues(self) -> list[Queue]:
        """Every queue."""


_RELIED_ON: tuple[tuple[Any, str], ...] = (
    (models, "sqs_backends"),
    (models.sqs_backends, "backend"),
    (models.SQSBackend, "_url_module"),
    (models.SQSBackend, "get_queue"),
    (models.SQSBackend, "create_queue"),
    (models.SQSBackend, "delete_queue"),
    (models.SQSBackend, "get_queue_attributes"),
    (models.SQSBackend, "set_queue_attributes"),
    (models.Queue, "name"),
    (models.Queue, "get_cfn_attribute"),
    (models.Queue, "physical_resource_id"),
    (responses.SQSResponse, "_dispatch"),
    (responses.SQSResponse, "receive_message"),
    (responses.SQSResponse, "serialized"),
    (urls, "url_bases"),
    (urls, "url_paths"),
    (base_backend, "backend_lock"),
    (BackendDict, "_instances"),
    (BackendDict, "reset"),
    (MockAWS, "_nested_count"),
    (MockAWS, "start"),
    (MockAWS, "stop"),
    (botocore_stubber, "process_request"),
    (model_instances, "reset_model_data"),
)
_SEND_PARAMETERS = {
    "queue_name",
    "message_body",
    "message_attributes",
    "delay_seconds",
    "deduplication_id",
    "group_id",
    "system_attributes",
    "validate_group_id",
}


def check_seam(relied_on: tuple[tuple[Any, str], ...] = _RELIED_ON) -> None:
    """Raise ``EsmError`` with one sentence if this moto lacks something that is used here."""
    gone = [f"{_name_of(owner)}.{name}" for owner, name in relied_on if not hasattr(owner, name)]
    parameters = set(inspect.signature(models.SQSBackend.send_message).parameters) - {"self"}
    if parameters != _SEND_PARAMETERS:
        gone.append("SQSBackend.send_message as it was")
    if gone:
        raise EsmError(
            f"moto {moto.__version__} does not fit: {', '.join(gone)} is not there; install moto>=5.2,<5.3 "
            "(esm_emulator puts its queues into moto's SQS)"
        )


def _name_of(owner: Any) -> str:
    return str(getattr(owner, "__name__", type(owner).__name__))


# --- putting in and taking out ----------------------------------------------------------------------------------------

_installed: list[Served] = []  # the last one answers
_aside: list[_Aside] = []  # one while anything is put in
_serving: ContextVar[Served | None] = ContextVar("esm_emulator_serving", default=None)


def current() -> Served:
    """Whose queues are shown: those of the server that answers this request, else those put in last."""
    return _serving.get() or _installed[-1]


@contextmanager
def serving(served: Served) -> Iterator[None]:
    """What happens inside is about these queues, whoever else has put some in."""
    token = _serving.set(served)
    try:
        yield
    finally:
        _serving.reset(token)


@contextmanager
def installed(served: Served) -> Iterator[None]:
    """Moto shows these queues. The first to come puts aside what moto has, the last to go brings it back."""
    with base_backend.backend_lock:
        if not _installed:
            _aside.append(_Aside())
        _installed.append(served)
    try:
        yield
    finally:
        with base_backend.backend_lock:
            _installed.remove(served)
            if not _installed:
                _aside.pop().bring_back()


@contextmanager
def mocked(account: str) -> Iterator[None]:
    """As moto's ``mock_aws``, which forgets nothing of other services while more is put in than the caller's."""
    mock = mock_aws()
    mock.start(reset=len(_installed) == 1)
    try:
        note_use(account)
        yield
    finally:
        mock.stop(remove_data=len(_installed) == 1)


def note_use(account: str) -> None:
    """Have moto know that SQS is in use: its tagging service looks only at services that are."""
    models.sqs_backends[account]


def account_variables(account: str) -> dict[str, str]:
    """What tells moto's other services the account, where it is not the one that moto assumes."""
    return {} if account == DEFAULT_ACCOUNT_ID else {"MOTO_ACCOUNT_ID": account}


class _Aside:
    """What moto held before us.

    Inside a user's own ``mock_aws`` only its queues are put aside: tables and buckets are shared with the user, and
    stay when we go. Without one, everything is put aside, and what was made meanwhile goes with us.
    """

    def __init__(self) -> None:
        self._alone = MockAWS._nested_count == 0  # noqa: SLF001 # the seam
        kept: list[BackendDict[Any]] = list(_in_use()) if self._alone else []
        if models.sqs_backends not in kept:
            kept.append(models.sqs_backends)
        self._kept = [(backends, dict(backends.items())) for backends in kept]
        self._backend = models.sqs_backends.backend
        for backends in kept:
            backends.clear()
        models.sqs_backends.backend = _Backend

    def bring_back(self) -> None:
        """Leave moto as it was."""
        nobody_mocks = MockAWS._nested_count == 0  # noqa: SLF001
        if nobody_mocks:
            BackendDict.reset()
            model_instances.reset_model_data()
        models.sqs_backends.clear()
        models.sqs_backends.backend = self._backend
        if nobody_mocks is not self._alone:
            return  # whoever's it was has started or ended a mock meanwhile
        for backends, accounts in self._kept:
            for account, regions in accounts.items():
                backends[account]  # moto notes that the service is in use
                backends[account] = regions


def _in_use() -> list[BackendDict[Any]]:
    in_use: list[BackendDict[Any]] = BackendDict._instances  # type: ignore[misc] # noqa: SLF001 # moto's class variable
    return in_use


@contextmanager
def intercepting(before_call: Callable[[], None]) -> Iterator[None]:
    """``before_call`` is called before each request that moto catches in this process."""
    process = botocore_stubber.process_request

    def process_after(request: Any) -> Any:
        before_call()
        return process(request)

    with patch.object(botocore_stubber, "process_request", process_after):
        yield


# --- requests ---------------------------------------------------------------------------------------------------------


class _Refused(SQSException):
    """An ``SqsError`` as moto serializes it."""

    def __init__(self, error: SqsError, *, query: bool = False) -> None:
        told_by_query = " for this wsdl version." if query and error.code.endswith(".NonExistentQueue") else None
        super().__init__(error.code, error.message.rstrip(".") + told_by_query if told_by_query else error.message)
        self.status = error.status


class _Responses(responses.SQSResponse):
    """One request to SQS. moto finds an operation's method by its name in snake_case."""

    def _dispatch(self, *arguments: Any, **named: Any) -> Any:
        try:
            return super()._dispatch(*arguments, **named)
        except OperationNotFoundError:
            return self._refuse(
                "AWS.SimpleQueueService.UnsupportedOperation",
                f"The action {self._get_action()} is not valid for this endpoint.",
            )
        except (ValueError, TypeError) as error:
            return self._refuse("InvalidParameterValue", f"The request cannot be read: {error}")

    def _refuse(self, code: str, message: str) -> Any:
        status, headers, body = self.serialized(ActionResult(_Refused(SqsError(code, message))))
        return status, headers, body

    def _carry_out(self, operation: str) -> Any:
        try:
            parameters = traced(dict(self._parameters()), self.headers.get(TRACE_HEADER))
            return ActionResult(current().api.call(operation, parameters, self._base_url()))
        except SqsError as error:
            query = not self.headers.get("Content-Type", "").startswith("application/x-amz-json")
            raise _Refused(error, query=query) from error

    def _parameters(self) -> Mapping[str, Any]:
        """The request's parameters; one that is posted to a queue's own URL need not name the queue again."""
        parameters: dict[str, Any] = dict(self.params)
        if not parameters.get("QueueUrl") and self.path.count("/") > 1:
            parameters["QueueUrl"] = self.path
        return parameters

    def _base_url(self) -> str:
        url = urlsplit(self.uri)
        return f"{url.scheme}://{url.netloc}"

    def serialized(self, action_result: Any) -> Any:
        """Moto's serialization, with the HTTP status of the refusal."""
        status, headers, body = super().serialized(action_result)
        return getattr(action_result.result, "status", status), headers, body


def _method(operation: str) -> Callable[[_Responses], Any]:
    def carry_out(self: _Responses) -> Any:
        return self._carry_out(operation)

    return carry_out


for _operation in get_service_model("sqs").operation_names:  # every one, also those that moto lacks
    setattr(_Responses, camelcase_to_underscores(_operation), _method(_operation))


def error_response(operation: str, error: SqsError) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a refusal over the JSON protocol."""
    service = get_service_model("sqs")
    serializer = get_serializer_class("sqs", "json")(operation_model=service.operation_model(operation))
    response = serializer.serialize(_Refused(error))
    status = error.status if error.status != 400 else response["status_code"]
    body = response["body"]
    return status, dict(response["headers"]), body if isinstance(body, bytes) else body.encode()


# --- what other services of moto see ----------------------------------------------------------------------------------


class _QueueView(models.Queue):
    """One of our queues as moto's other services look at it: names, ARN, tags, settings; no messages."""

    __module__ = models.__name__

    @classmethod
    def of(cls, queue: Queue, region: str, account: str) -> _QueueView:
        """A view; made past moto's constructor, which would make a queue and keep it in moto's list of all models."""
        view: _QueueView = object.__new__(cls)
        view.__dict__.update(
            _name=queue.name,
            region=region,
            account_id=account,
            queue_arn=queue.arn,
            fifo_queue=queue.fifo,
            tags=queue.tags,
            lambda_event_source_mappings={},
        )
        return view

    @property
    def attributes(self) -> dict[str, str]:
        """As GetQueueAttributes gives them."""
        answer = current().api.call("GetQueueAttributes", {"QueueUrl": self.name, "AttributeNames": ["All"]}, "")
        attributes: dict[str, str] = answer["Attributes"]
        return attributes

    def _attribute(self, name: str) -> int:
        return int(self.attributes[name])

    def _set_attribute(self, name: str, value: int) -> None:
        current().api.call("SetQueueAttributes", {"QueueUrl": self.name, "Attributes": {name: str(value)}}, "")

    # CloudFormation's update sets these two
    visibility_timeout = property(
        lambda self: self._attribute("VisibilityTimeout"),
        lambda self, value: self._set_attribute("VisibilityTimeout", value),
    )
    receive_message_wait_time_seconds = property(
        lambda self: self._attribute("ReceiveMessageWaitTimeSeconds"),
        lambda self, value: self._set_attribute("ReceiveMessageWaitTimeSeconds", value),
    )


class _Backend(models.SQSBackend):
    """SQS for moto's other services; the same queues from every account and region."""

    __module__ = models.__name__

    def __init__(self, region_name: str, account_id: str) -> None:
        super(models.SQSBackend, self).__init__(region_name, account_id)  # past moto's own queues

    @property
    def _url_module(self) -> Any:
        return SimpleNamespace(url_bases=urls.url_bases, url_paths=dict.fromkeys(urls.url_paths, _Responses.dispatch))

    @property
    def queues(self) -> dict[str, _QueueView]:  # type: ignore[override] # an attribute of moto's, which nobody sets
        """Views of all queues by name."""
        return {queue.name: self._view(queue) for queue in current().all_queues()}

    def get_queue(self, queue_name: str) -> _QueueView:
        """A view of the queue. Raises moto's ``QueueDoesNotExist``."""
        try:
            return self._view(current().queue_named(queue_name))
        except SqsError as error:
            raise QueueDoesNotExist from error

    def create_queue(self, name: str, tags: Mapping[str, str] | None = None, **properties: Any) -> _QueueView:
        """CloudFormation's way to make a queue."""
        attributes = {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in properties.items()
            if key not in ("region", "QueueName", "Tags")
        }
        self._call("CreateQueue", QueueName=name, Attributes=attributes, tags=tags)
        return self.get_queue(name)

    def delete_queue(self, queue_name: str) -> None:
        """Delete it with what is in it."""
        self._call("DeleteQueue", QueueUrl=queue_name)

    def get_queue_attributes(self, queue_name: str, attribute_names: list[str]) -> dict[str, Any]:
        """As SQS's operation."""
        answer = self._call("GetQueueAttributes", QueueUrl=queue_name, AttributeNames=attribute_names)
        attributes: dict[str, Any] = answer.get("Attributes", {})
        return attributes

    def set_queue_attributes(self, queue_name: str, attributes: dict[str, Any]) -> _QueueView:
        """As SQS's operation."""
        self._call("SetQueueAttributes", QueueUrl=queue_name, Attributes=attributes)
        return self.get_queue(queue_name)

    def send_message(  # noqa: PLR0917 # moto's signature
        self,
        queue_name: str,
        message_body: str,
        message_attributes: dict[str, Any] | None = None,
        delay_seconds: int | None = None,
        deduplication_id: str | None = None,
        group_id: str | None = None,
        system_attributes: dict[str, Any] | None = None,
        validate_group_id: bool = True,  # noqa: ARG002 # the engine knows what the queue needs
    ) -> models.Message:
        """The way of SNS, S3 notifications and EventBridge into a queue, whose refusals are not theirs."""
        message_id = current().api.deliver(
            {
                "QueueUrl": queue_name,
                "MessageBody": message_body,
                "MessageAttributes": message_attributes,
                "DelaySeconds": delay_seconds,
                "MessageDeduplicationId": deduplication_id,
                "MessageGroupId": group_id,
                "MessageSystemAttributes": system_attributes,
            }
        )
        message: models.Message = object.__new__(models.Message)  # past moto's list of all models
        message.__init__(message_id, message_body)  # type: ignore[misc]
        return message

    def _view(self, queue: Queue) -> _QueueView:
        return _QueueView.of(queue, self.region_name, self.account_id)

    def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        try:
            return current().api.call(operation, parameters, "")
        except SqsError as error:
            raise _Refused(error) from error
