"""The seam with moto: what is relied on is there, does what it is for, and is left as it was found.

When a new moto breaks one of these, ``esm_emulator/queues/moto_backend/seam.py`` says at its top what is used and why.
"""

from __future__ import annotations

import boto3
import moto
import pytest
from botocore.handlers import BUILTIN_HANDLERS
from moto.core.base_backend import BackendDict
from moto.core.models import botocore_stubber
from moto.core.responses import BaseResponse
from moto.core.utils import get_service_model
from moto.sqs import models
from moto.sqs.exceptions import QueueDoesNotExist

from esm_emulator.errors import EsmError
from esm_emulator.journal import QueueCreated, QueueRemoved
from esm_emulator.queues.moto_backend import hook, seam
from esm_emulator.sqs import QueueSettings
from tests.queues.fronts import Run

ACCOUNT, REGION = "123456789012", "us-east-1"
ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:"


@pytest.fixture
def run():
    run = Run()
    run.sqs.create("orders", QueueSettings(), tags={"a": "b"})
    return run


@pytest.fixture
def backend(run):
    with run.aws.patched():
        yield models.sqs_backends[ACCOUNT][REGION]


def test_this_moto_fits():
    """Everything that the seam uses is in the moto that is installed."""
    seam.check_seam()


def test_a_moto_that_does_not_fit_is_told_in_one_sentence():
    """The sentence names moto's version, what is missing, and what to install."""
    with pytest.raises(EsmError) as caught:
        seam.check_seam(((models.SQSBackend, "gone_in_the_next_release"),))
    told = str(caught.value)
    assert told.startswith(f"moto {moto.__version__} does not fit: SQSBackend.gone_in_the_next_release is not there")
    assert "install moto>=5.2,<5.3" in told
    assert "\n" not in told


def test_a_changed_way_to_send_does_not_fit(monkeypatch):
    """Other services call ``send_message`` by its parameters' names, so a new one must be seen."""
    monkeypatch.setattr(models.SQSBackend, "send_message", lambda self, queue_name, fairness: None)  # noqa: ARG005
    with pytest.raises(EsmError, match=r"SQSBackend\.send_message as it was"):
        seam.check_seam()


def test_every_operation_of_sqs_is_ours(run):
    """No operation of SQS falls through to moto's own storage."""
    assert set(run.aws.api.operations) == set(get_service_model("sqs").operation_names)
    for name in get_service_model("sqs").operation_names:
        method = seam.camelcase_to_underscores(name)
        assert getattr(seam._Responses, method).__module__ == seam.__name__


def test_moto_calls_our_responses_for_every_address_of_sqs(backend):
    """Moto asks the backend which addresses are its own and who answers there."""
    handlers = set(backend.urls.values()) | set(backend.flask_paths.values())
    assert handlers == {seam._Responses.dispatch}
    assert issubclass(seam._Responses, BaseResponse)


def test_moto_is_left_as_it_was_found(run):
    """The class of SQS's backends, the stubber and botocore's handlers come back."""
    before = (models.sqs_backends.backend, list(BUILTIN_HANDLERS), dict(botocore_stubber.__dict__))
    with run.aws.patched(), run.aws.serve():
        assert models.sqs_backends.backend is seam._Backend
        assert ("before-call.sqs", hook.answer) in BUILTIN_HANDLERS
    assert (models.sqs_backends.backend, list(BUILTIN_HANDLERS), dict(botocore_stubber.__dict__)) == before
    assert not models.sqs_backends


def test_moto_is_left_as_it_was_found_after_an_error(run):
    """The same when what is inside fails."""
    before = list(BUILTIN_HANDLERS)
    with pytest.raises(ZeroDivisionError), run.aws.patched():
        raise ZeroDivisionError
    assert models.sqs_backends.backend is models.SQSBackend
    assert list(BUILTIN_HANDLERS) == before


def test_a_backend_shows_our_queues(backend, run):
    """What moto's other services read of a queue."""
    (queue,) = backend.queues.values()
    assert isinstance(queue, models.Queue)
    assert (queue.name, queue.queue_arn, queue.fifo_queue, queue.tags) == ("orders", ARN + "orders", False, {"a": "b"})
    assert queue.physical_resource_id == f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/orders"
    assert backend.get_queue_attributes("orders", ["VisibilityTimeout"]) == {"VisibilityTimeout": "30"}
    backend.set_queue_attributes("orders", {"VisibilityTimeout": "3"})
    assert run.sqs.find("orders").settings.visibility_timeout == 3


def test_every_account_and_region_shows_the_same_queues(run):
    """One account, one region: whichever moto asks for."""
    with run.aws.patched():
        assert list(models.sqs_backends["999999999999"]["eu-west-1"].queues) == ["orders"]


def test_a_missing_queue_is_motos_own_exception(backend):
    """SNS catches ``QueueDoesNotExist`` when a subscription names a queue that is not there."""
    with pytest.raises(QueueDoesNotExist):
        backend.get_queue("nobody")


def test_a_service_sends_into_our_queue(backend, run):
    """EventBridge's and S3's way: ``send_message`` by name."""
    sent = backend.send_message(queue_name="orders", message_body="x", group_id=None)
    (message,) = run.sqs.messages(run.sqs.find("orders"))
    assert (message.id, message.body) == (sent.id, "x")


@pytest.mark.usefixtures("backend")
def test_a_stack_makes_changes_and_deletes_a_queue(run):
    """CloudFormation's way: class methods of moto's ``Queue``, with numbers, mappings and its own keys."""
    redrive = {"deadLetterTargetArn": ARN + "orders", "maxReceiveCount": 3}
    properties = {
        "QueueName": "made",
        "VisibilityTimeout": 7,
        "RedrivePolicy": redrive,
        "Tags": [{"Key": "k", "Value": "v"}],
    }
    made = models.Queue.create_from_cloudformation_json("made", {"Properties": properties}, ACCOUNT, REGION)
    queue = run.sqs.find("made")
    assert (queue.settings.visibility_timeout, queue.tags) == (7, {"k": "v"})
    assert queue.settings.redrive_policy.max_receive_count == 3
    changed = {"Properties": {"VisibilityTimeout": "8", "ReceiveMessageWaitTimeSeconds": "9"}}
    models.Queue.update_from_cloudformation_json(made, "made", changed, ACCOUNT, REGION)
    assert (queue.settings.visibility_timeout, queue.settings.receive_message_wait_time_seconds) == (8, 9)
    models.Queue.delete_from_cloudformation_json(made.physical_resource_id, {}, ACCOUNT, REGION)
    assert [fact.queue for fact in run.facts(QueueCreated)] == ["orders", "made"]
    assert [fact.queue for fact in run.facts(QueueRemoved)] == ["made"]


def test_looking_at_queues_leaves_nothing_behind(backend):
    """Moto keeps every model that is constructed; views are not among them."""
    before = len(models.Queue.instances_tracked)
    for _ in range(3):
        list(backend.queues.values())
    assert len(models.Queue.instances_tracked) == before


def test_a_reset_of_moto_leaves_our_queues(run):
    """What belongs to the engine is not moto's to forget."""
    with run.aws.patched():
        BackendDict.reset()
        assert boto3.client("sqs").list_queues()["QueueUrls"]
