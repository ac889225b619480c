"""moto's other services, and how they reach our queues."""

from __future__ import annotations

import io
import json
import zipfile

import boto3
import pytest

from esm_emulator.journal import QueueTrouble
from esm_emulator.sqs import QueueSettings
from tests.queues.fronts import Run, http_client, new_client

ARN = "arn:aws:sqs:us-east-1:123456789012:"


@pytest.fixture
def run():
    run = Run()
    run.sqs.create("orders", QueueSettings())
    run.sqs.create("orders.fifo", QueueSettings(fifo_queue=True))
    return run


@pytest.fixture
def patched(run):
    with run.aws.patched():
        yield


def _bodies(run, name="orders"):
    return [message.body for message in run.sqs.messages(run.sqs.find(name))]


@pytest.mark.usefixtures("patched")
def test_a_table_keeps_what_a_handler_puts_into_it():
    """DynamoDB, in this process."""
    table = _table(boto3.resource("dynamodb"))
    table.put_item(Item={"id": "1", "total": 3})
    assert table.get_item(Key={"id": "1"})["Item"] == {"id": "1", "total": 3}


def test_a_table_is_the_same_over_http(run):
    """DynamoDB over HTTP and in this process are one."""
    with run.aws.patched(), run.aws.serve() as server, http_client(server.url, "dynamodb") as client:
        _table(boto3.resource("dynamodb")).put_item(Item={"id": "1"})
        assert client.scan(TableName="orders")["Items"] == [{"id": {"S": "1"}}]


@pytest.mark.usefixtures("patched")
def test_a_topic_delivers_into_our_queue(run):
    """EVT-15: SNS → SQS, with SNS's envelope."""
    sns = new_client("sns")
    topic = sns.create_topic(Name="news")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=ARN + "orders")
    sns.publish(TopicArn=topic, Message="hello")
    (body,) = _bodies(run)
    assert (json.loads(body)["Message"], json.loads(body)["TopicArn"]) == ("hello", topic)


@pytest.mark.usefixtures("patched")
def test_a_topic_delivers_raw_with_attributes():
    """SNS → SQS with raw delivery keeps the message attributes, bytes included."""
    sns = new_client("sns")
    topic = sns.create_topic(Name="news")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=ARN + "orders", Attributes={"RawMessageDelivery": "true"})
    attributes = {
        "kind": {"DataType": "String", "StringValue": "a"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
    }
    sns.publish(TopicArn=topic, Message="hello", MessageAttributes=attributes)
    (message,) = new_client("sqs").receive_message(QueueUrl="orders", MessageAttributeNames=["All"])["Messages"]
    assert (message["Body"], message["MessageAttributes"]) == ("hello", attributes)


@pytest.mark.usefixtures("patched")
def test_a_queue_that_takes_no_message_does_not_fail_who_publishes(run):
    """SNS answers before it delivers: a queue that is gone costs its own delivery, which is told, and no other."""
    sns = new_client("sns")
    topic = sns.create_topic(Name="news")["TopicArn"]
    for queue in ("gone", "orders"):
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=ARN + queue)
    assert sns.publish(TopicArn=topic, Message="hello")["MessageId"]
    assert len(_bodies(run)) == 1
    (fact,) = run.facts(QueueTrouble)
    assert (fact.queue, fact.operation) == ("gone", "delivery by another service")
    assert "does not exist" in fact.error


@pytest.mark.usefixtures("patched")
def test_a_fifo_topic_delivers_into_a_fifo_queue(run):
    """SNS FIFO → SQS FIFO keeps group and deduplication id."""
    sns = new_client("sns")
    attributes = {"FifoTopic": "true", "ContentBasedDeduplication": "false"}
    topic = sns.create_topic(Name="news.fifo", Attributes=attributes)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=ARN + "orders.fifo")
    sns.publish(TopicArn=topic, Message="hello", MessageGroupId="g", MessageDeduplicationId="d")
    (message,) = run.sqs.messages(run.sqs.find("orders.fifo"))
    assert (message.group, message.dedup) == ("g", "d")


@pytest.mark.usefixtures("patched")
def test_a_topic_may_be_subscribed_by_a_queue_that_is_not_there():
    """SNS takes any queue's ARN, as AWS does."""
    sns = new_client("sns")
    topic = sns.create_topic(Name="news")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=ARN + "nobody")


@pytest.mark.usefixtures("patched")
def test_a_bucket_notifies_our_queue(run):
    """S3 → SQS: an object's event."""
    s3 = new_client("s3")
    s3.create_bucket(Bucket="uploads")
    s3.put_bucket_notification_configuration(
        Bucket="uploads",
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": ARN + "orders", "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    s3.put_object(Bucket="uploads", Key="a.txt", Body=b"x")
    events = [json.loads(body) for body in _bodies(run)]
    assert events[-1]["Records"][0]["s3"]["object"]["key"] == "a.txt"


@pytest.mark.usefixtures("patched")
def test_an_event_rule_sends_into_our_queue(run):
    """EventBridge → SQS."""
    events = new_client("events")
    events.put_rule(Name="all", EventPattern=json.dumps({"source": ["shop"]}))
    events.put_targets(Rule="all", Targets=[{"Id": "q", "Arn": ARN + "orders"}])
    events.put_events(Entries=[{"Source": "shop", "DetailType": "sold", "Detail": '{"id": 1}'}])
    (body,) = _bodies(run)
    assert json.loads(body)["detail"] == {"id": 1}


@pytest.mark.usefixtures("patched")
def test_tagged_queues_are_found(run):
    """The tagging API sees our queues and their tags."""
    run.sqs.create("tagged", QueueSettings(), tags={"team": "a"})
    answer = new_client("resourcegroupstaggingapi").get_resources(TagFilters=[{"Key": "team"}])
    assert [entry["ResourceARN"] for entry in answer["ResourceTagMappingList"]] == [ARN + "tagged"]


@pytest.mark.usefixtures("patched")
def test_a_mapping_of_motos_own_never_fires(run):
    """A Lambda mapping that somebody makes inside moto takes nothing out of our queue."""
    sqs, fired = new_client("sqs"), new_client("lambda")
    role = new_client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}", Path="/x/")["Role"]["Arn"]
    fired.create_function(
        FunctionName="f", Runtime="python3.12", Role=role, Handler="f.f", Code={"ZipFile": _zip()}, Publish=True
    )
    fired.create_event_source_mapping(EventSourceArn=ARN + "orders", FunctionName="f")
    sqs.send_message(QueueUrl="orders", MessageBody="x")
    assert run.sqs.counts(run.sqs.find("orders")).visible == 1


def _table(resource):
    return resource.create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def _zip():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("f.py", "def f(event, context): return 1")
    return data.getvalue()
