"""One run after another, beside a user's own moto, and which clients are caught."""

from __future__ import annotations

import os

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws
from moto.sqs import models

from esm_emulator.queues.moto_backend import hook
from esm_emulator.sqs import QueueSettings
from tests.queues.fronts import HandClock, Run, http_client, new_client

CREDENTIALS = {"region_name": "us-east-1", "aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


@pytest.fixture
def run():
    run = Run()
    run.sqs.create("ours", QueueSettings())
    return run


def _names():
    urls = new_client("sqs").list_queues().get("QueueUrls", [])
    return [url.rpartition("/")[2] for url in urls]


def _buckets():
    return [bucket["Name"] for bucket in new_client("s3").list_buckets()["Buckets"]]


# --- one after another ----------------------------------------------------------------------------------------------


def test_nothing_of_one_run_is_seen_in_the_next():
    """Queues and every other service's data end with their run."""
    first, second = Run(), Run()
    with first.aws.patched():
        boto3.client("sqs").create_queue(QueueName="q")
        boto3.client("s3").create_bucket(Bucket="bucket")
    with second.aws.patched():
        assert _names() == []
        assert _buckets() == []


def test_nothing_of_a_served_run_is_seen_in_the_next():
    """The same when it was only served over HTTP."""
    first, second = Run(), Run()
    with first.aws.serve() as server, http_client(server.url, "s3") as s3:
        s3.create_bucket(Bucket="bucket")
    with second.aws.patched():
        assert _buckets() == []


def test_patching_inside_a_served_run_forgets_nothing():
    """What came over HTTP is there inside :meth:`EmbeddedAws.patched`, and still is afterwards."""
    run = Run()
    with run.aws.serve() as server, http_client(server.url, "s3") as s3:
        s3.create_bucket(Bucket="over-http")
        with run.aws.patched():
            assert _buckets() == ["over-http"]
        assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["over-http"]


def test_a_client_of_one_run_serves_the_next():
    """A client that a handler's module keeps reaches whichever run is on."""
    first, second = Run(), Run()
    with first.aws.patched():
        kept = boto3.client("sqs")
        kept.create_queue(QueueName="first")
    with second.aws.patched():
        kept.create_queue(QueueName="second")
    assert list(first.sqs.queues) == ["first"]
    assert list(second.sqs.queues) == ["second"]


def test_an_inner_run_hides_the_outer_one():
    """Of two runs at once the one that came last answers in this process, each server for its own."""
    outer, inner = Run(), Run()
    outer.sqs.create("outer", QueueSettings())
    inner.sqs.create("inner", QueueSettings())
    with outer.aws.patched(), outer.aws.serve() as server, http_client(server.url) as client:
        with inner.aws.patched():
            assert _names() == ["inner"]
            assert client.get_queue_url(QueueName="outer")
        assert _names() == ["outer"]


# --- beside a user's mock_aws ---------------------------------------------------------------------------------------


def test_inside_a_users_mock_its_data_are_shared_and_stay(run):
    """Tables and buckets of an outer mock_aws are there for handlers, and stay when the run ends."""
    with mock_aws():
        new_client("s3").create_bucket(Bucket="theirs")
        with run.aws.patched():
            assert _buckets() == ["theirs"]
            boto3.client("s3").create_bucket(Bucket="made-inside")
        assert _buckets() == ["theirs", "made-inside"]


def test_inside_a_users_mock_its_queues_come_back(run):
    """The queues are ours for the time; the user's own come back with their messages."""
    with mock_aws():
        client = new_client("sqs")
        client.create_queue(QueueName="theirs")
        client.send_message(QueueUrl="theirs", MessageBody="kept")
        with run.aws.patched():
            assert _names() == ["ours"]
        assert _names() == ["theirs"]
        assert client.receive_message(QueueUrl="theirs")["Messages"][0]["Body"] == "kept"
    with mock_aws():
        assert _names() == []


def test_a_users_mock_inside_ends_nothing_of_ours(run):
    """A mock_aws inside sees our queues, and its end leaves them and every table."""
    with run.aws.patched():
        with mock_aws():
            assert _names() == ["ours"]
            new_client("s3").create_bucket(Bucket="bucket")
        assert _names() == ["ours"]
        assert _buckets() == ["bucket"]


def test_a_users_mock_may_end_before_the_run_that_it_was_around(run):
    """Fixtures that end in an odd order leave moto clean."""
    mock = mock_aws()
    mock.start()
    new_client("sqs").create_queue(QueueName="theirs")
    with run.aws.patched():
        mock.stop()
        assert _names() == ["ours"]
    assert models.sqs_backends.backend is models.SQSBackend
    with mock_aws():
        assert _names() == []


def test_a_users_mock_may_outlive_the_run_that_it_was_in(run):
    """The same the other way round."""
    mock = mock_aws()
    with run.aws.patched():
        mock.start()
        new_client("s3").create_bucket(Bucket="theirs")
    try:
        assert _buckets() == ["theirs"]
        assert _names() == []
    finally:
        mock.stop()


# --- which clients --------------------------------------------------------------------------------------------------


def test_a_client_that_was_made_before_is_caught(run):
    """Moto's rule: a client of a session that was made after moto's import is caught, and goes moto's way."""
    client = boto3.session.Session().client("sqs", **CREDENTIALS)
    with run.aws.patched():
        client.send_message(QueueUrl="ours", MessageBody="x")
    assert run.sqs.counts(run.sqs.find("ours")).visible == 1


def test_a_client_that_is_aimed_elsewhere_is_left_alone(run):
    """An endpoint that is given in code is the user's own affair."""
    other = Run()
    other.sqs.create("theirs", QueueSettings())
    with other.aws.serve() as server, run.aws.patched():
        client = boto3.client("sqs", endpoint_url=server.url)
        assert client.list_queues()["QueueUrls"] == [f"{server.url}/123456789012/theirs"]
        client.close()


def test_a_client_that_is_aimed_at_our_own_server_takes_the_short_way(run):
    """In this process nothing has to go over HTTP to reach our own server: so a handler cannot wait for itself."""
    with run.aws.patched(), run.aws.serve() as server:
        client = boto3.client("sqs", endpoint_url=server.url)
        answer = client.get_queue_url(QueueName="ours")
        assert answer["QueueUrl"] == f"{server.url}/123456789012/ours"
        assert answer["ResponseMetadata"]["RequestId"].startswith("00000000-")
        client.close()


def test_a_users_stubber_comes_first(run):
    """Botocore's own Stubber answers before we do."""
    with run.aws.patched():
        client = boto3.client("sqs")
        with Stubber(client) as stubber:
            stubber.add_response("list_queues", {"QueueUrls": ["https://stubbed"]})
            assert client.list_queues()["QueueUrls"] == ["https://stubbed"]


def test_after_the_run_a_client_reaches_nothing_of_ours(run):
    """The hook is inert afterwards: under a plain mock_aws the same client sees moto's own queues."""
    with run.aws.patched():
        client = boto3.client("sqs")
    with mock_aws():
        assert "QueueUrls" not in client.list_queues()


def test_the_short_way_and_motos_way_answer_the_same(run):
    """Apart from ids and headers a client cannot tell which way its call went."""
    with run.aws.patched():
        short, long = boto3.client("sqs"), boto3.client("sqs")
        long.meta.events.unregister("before-call.sqs", hook.answer)
        answers = []
        for client in (short, long):
            answer = client.get_queue_attributes(QueueUrl="ours", AttributeNames=["All"])
            answer["ResponseMetadata"].pop("RequestId")
            answer["ResponseMetadata"].pop("HTTPHeaders")
            with pytest.raises(ClientError) as caught:
                client.delete_message(QueueUrl="ours", ReceiptHandle="garbage")
            refusal = caught.value.response
            refusal["ResponseMetadata"] = refusal["ResponseMetadata"]["HTTPStatusCode"]
            answers.append((answer, type(caught.value).__name__, refusal))
    assert answers[0] == answers[1]


# --- surroundings ---------------------------------------------------------------------------------------------------


def test_endpoints_of_the_environment_do_not_apply_inside(run, monkeypatch):
    """An AWS_ENDPOINT_URL that is set for something else does not lead calls away from the embedded AWS."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:1")
    with run.aws.patched():
        assert _names() == ["ours"]
    assert os.environ["AWS_ENDPOINT_URL_SQS"] == "http://127.0.0.1:1"


def test_a_region_is_there_when_none_is_set(run, monkeypatch):
    """boto3 asks for a region; ours is there unless another is set."""
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with run.aws.patched():
        assert boto3.client("sqs").meta.region_name == "us-east-1"
    assert "AWS_DEFAULT_REGION" not in os.environ


def test_other_variables_are_not_touched(run, monkeypatch):
    """What a test or a handler sets inside stays set: only what was put in is taken out."""
    with run.aws.patched():
        monkeypatch.setenv("MADE_INSIDE", "1")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert (os.environ["MADE_INSIDE"], os.environ["AWS_DEFAULT_REGION"]) == ("1", "eu-central-1")


def test_moto_plays_the_account_of_the_resources():
    """Queues and every other service are in one account, also when it is not moto's own."""
    run = Run(account="111122223333")
    run.sqs.create("q", QueueSettings())
    with run.aws.patched():
        assert new_client("sqs").get_queue_url(QueueName="q")["QueueUrl"].endswith("/111122223333/q")
        topic = new_client("sns").create_topic(Name="news")["TopicArn"]
        new_client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:111122223333:q")
        new_client("sns").publish(TopicArn=topic, Message="hello")
    assert topic == "arn:aws:sns:us-east-1:111122223333:news"
    assert run.sqs.counts(run.sqs.find("q")).visible == 1
    assert "MOTO_ACCOUNT_ID" not in os.environ


def test_the_environment_of_a_process_leads_to_the_server_and_nowhere_else(run, monkeypatch):
    """Safety: dummy credentials, and every endpoint of another process is ours, also one set for a single service."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://s3.example.com")
    environment = run.aws.environment("http://127.0.0.1:7")
    assert environment["AWS_ENDPOINT_URL"] == environment["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:7"
    assert environment["AWS_DEFAULT_REGION"] == environment["AWS_REGION"] == "us-east-1"
    assert environment["AWS_ACCESS_KEY_ID"].startswith("AKIA")
    assert environment["AWS_EC2_METADATA_DISABLED"] == "true"


def test_each_call_is_announced():
    """``before_call`` runs before every AWS call of this process, SQS's and others', in either way."""
    calls = []
    run = Run(clock=HandClock(), before_call=lambda: calls.append(None))
    with run.aws.patched():
        client = boto3.client("sqs")
        client.create_queue(QueueName="q")
        client.meta.events.unregister("before-call.sqs", hook.answer)
        client.list_queues()
        boto3.client("s3").list_buckets()
    assert len(calls) == 3
