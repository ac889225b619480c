"""SQS's operations through moto, in every way in which a boto3 client can come."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from esm_emulator.journal import (
    DeleteFailed,
    EmptyReceives,
    MessageDeadLettered,
    MessageReceived,
    MessageSent,
    QueueCreated,
    QueueRemoved,
)
from esm_emulator.queues.moto_backend import EmbeddedAws
from esm_emulator.report.metrics import Metrics
from esm_emulator.sqs import NewMessage, QueueSettings
from tests.queues.fronts import WAYS, Run, http_client, new_client, open_way, query

ARN = "arn:aws:sqs:us-east-1:123456789012:"


@pytest.fixture
def run():
    return Run()


@pytest.fixture(params=WAYS)
def client(request, run):
    with open_way(request.param, run) as client:
        yield client


@pytest.fixture
def orders(client):
    return client.create_queue(QueueName="orders")["QueueUrl"]


# --- queues ---------------------------------------------------------------------------------------------------------


def test_a_queue_of_the_emulator_is_seen_by_clients(run, client):
    """A queue that was made from resources is there for every client, under its name."""
    run.sqs.create("payments", QueueSettings(), id="Payments")
    url = client.get_queue_url(QueueName="payments")["QueueUrl"]
    assert url.endswith("/123456789012/payments")
    assert client.list_queues()["QueueUrls"] == [url]


def test_a_queue_of_a_client_is_seen_by_the_engine(run, client):
    """A queue that a client makes is one of the engine's, and told as a fact."""
    client.create_queue(QueueName="audit", Attributes={"VisibilityTimeout": "7"}, tags={"team": "a"})
    assert run.sqs.find("audit").settings.visibility_timeout == 7
    assert run.facts(QueueCreated)[0].queue == "audit"
    assert client.list_queue_tags(QueueUrl="audit")["Tags"] == {"team": "a"}


def test_facts_name_the_queue_by_its_logical_id(run, client):
    """A client uses the name; facts use the logical id that the resources gave."""
    run.sqs.create("payments-queue", QueueSettings(), id="Payments")
    client.send_message(QueueUrl="payments-queue", MessageBody="x")
    assert run.facts(MessageSent)[0].queue == "Payments"


def test_creating_a_queue_again_is_the_same_queue(run, client):
    """CreateQueue for a queue that is there succeeds when the attributes that are given are the same."""
    first = client.create_queue(QueueName="q", Attributes={"DelaySeconds": "3", "Policy": '{"Statement": []}'})
    again = client.create_queue(QueueName="q", Attributes={"DelaySeconds": "3", "Policy": '{"Statement": []}'})
    assert again["QueueUrl"] == first["QueueUrl"] == client.create_queue(QueueName="q")["QueueUrl"]
    assert len(run.facts(QueueCreated)) == 1


def test_a_remembered_attribute_makes_a_queue_another_one(client):
    """Contract 11.3: a different value of any attribute refuses the creation, also of one that only is remembered."""
    client.create_queue(QueueName="q", Attributes={"SqsManagedSseEnabled": "false"})
    with pytest.raises(ClientError, match="different value for attribute SqsManagedSseEnabled"):
        client.create_queue(QueueName="q", Attributes={"SqsManagedSseEnabled": "true"})


def test_a_deleted_queue_is_gone(run, client, orders):
    """DeleteQueue takes the messages with it."""
    run.sqs.send(run.sqs.find("orders"), NewMessage("x"))
    client.delete_queue(QueueUrl=orders)
    assert "QueueUrls" not in client.list_queues()
    assert len(run.facts(QueueRemoved)[0].messages) == 1
    with pytest.raises(client.exceptions.QueueDoesNotExist):
        client.send_message(QueueUrl=orders, MessageBody="x")


def test_the_name_of_a_deleted_queue_rests(run, client, orders):
    """SQS-30: it can be used again after a minute."""
    client.delete_queue(QueueUrl=orders)
    with pytest.raises(client.exceptions.QueueDeletedRecently, match="You must wait 60 seconds"):
        client.create_queue(QueueName="orders")
    run.clock.pass_(60_000)
    client.create_queue(QueueName="orders")


def test_queues_are_listed_by_prefix_and_in_pages(client):
    """ListQueues: by prefix, and with MaxResults in pages."""
    for name in ("b1", "a1", "a2", "a3"):
        client.create_queue(QueueName=name)
    page = client.list_queues(QueueNamePrefix="a", MaxResults=2)
    rest = client.list_queues(QueueNamePrefix="a", MaxResults=2, NextToken=page["NextToken"])
    names = [url.rpartition("/")[2] for url in page["QueueUrls"] + rest["QueueUrls"]]
    assert names == ["a1", "a2", "a3"]
    assert "NextToken" not in rest


def test_a_queue_answers_to_its_url_from_anywhere(run, client, orders):
    """One account and one region: only the end of a queue URL counts."""
    for url in (
        "orders",
        orders,
        "http://localhost:4566/000000000000/orders",
        "https://eu-west-1.queue.amazonaws.com/1/orders",
    ):
        client.send_message(QueueUrl=url, MessageBody="x")
    assert run.sqs.counts(run.sqs.find("orders")).visible == 4


# --- attributes -----------------------------------------------------------------------------------------------------


def test_a_new_queue_has_every_attribute(client, orders, run):
    """SQS-2 … 8, SQS-17: defaults, counts, times and ARN."""
    now = str(run.clock.now() // 1000)
    assert client.get_queue_attributes(QueueUrl=orders, AttributeNames=["All"])["Attributes"] == {
        "QueueArn": ARN + "orders",
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "CreatedTimestamp": now,
        "LastModifiedTimestamp": now,
        "VisibilityTimeout": "30",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "DelaySeconds": "0",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
    }


def test_a_fifo_queue_has_its_own_attributes_too(client):
    """FIFO-14, FIFO-15: the four attributes of FIFO queues."""
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    url = client.create_queue(QueueName="q.fifo", Attributes=attributes)["QueueUrl"]
    names = ["FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"]
    assert client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"] == {
        "FifoQueue": "true",
        "ContentBasedDeduplication": "true",
        "DeduplicationScope": "queue",
        "FifoThroughputLimit": "perQueue",
    }


def test_counts_are_exact(client, orders):
    """FIFO-12, SQS-31: visible, in flight and delayed messages are told apart."""
    for delay in (0, 0, 0, 5):
        client.send_message(QueueUrl=orders, MessageBody="x", DelaySeconds=delay)
    client.receive_message(QueueUrl=orders)
    names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
    counts = client.get_queue_attributes(QueueUrl=orders, AttributeNames=names)["Attributes"]
    assert [counts[name] for name in names] == ["2", "1", "1"]


def test_set_attributes_are_in_force(client, orders, run):
    """SetQueueAttributes reaches the engine and moves LastModifiedTimestamp."""
    run.clock.pass_(5_000)
    client.set_queue_attributes(QueueUrl=orders, Attributes={"VisibilityTimeout": "9", "DelaySeconds": "4"})
    settings = run.sqs.find("orders").settings
    assert (settings.visibility_timeout, settings.delay_seconds) == (9, 4)
    attributes = client.get_queue_attributes(QueueUrl=orders, AttributeNames=["All"])["Attributes"]
    assert int(attributes["LastModifiedTimestamp"]) == int(attributes["CreatedTimestamp"]) + 5


def test_a_refused_change_changes_nothing(client, orders, run):
    """SetQueueAttributes is all or nothing."""
    with pytest.raises(ClientError):
        client.set_queue_attributes(QueueUrl=orders, Attributes={"VisibilityTimeout": "9", "Policy": "no JSON"})
    assert run.sqs.find("orders").settings.visibility_timeout == 30


def test_a_redrive_policy_is_kept_and_shown(client, orders, run):
    """DLQ-12: the policy's text; an empty one removes it; digits are a number."""
    client.create_queue(QueueName="dead")
    policy = json.dumps({"deadLetterTargetArn": ARN + "dead", "maxReceiveCount": "3"})
    client.set_queue_attributes(QueueUrl=orders, Attributes={"RedrivePolicy": policy})
    shown = client.get_queue_attributes(QueueUrl=orders, AttributeNames=["RedrivePolicy"])["Attributes"]
    assert json.loads(shown["RedrivePolicy"]) == {"deadLetterTargetArn": ARN + "dead", "maxReceiveCount": 3}
    assert [url.rpartition("/")[2] for url in client.list_dead_letter_source_queues(QueueUrl="dead")["queueUrls"]] == [
        "orders"
    ]
    client.set_queue_attributes(QueueUrl=orders, Attributes={"RedrivePolicy": ""})
    assert run.sqs.find("orders").settings.redrive_policy is None
    assert client.list_dead_letter_source_queues(QueueUrl="dead")["queueUrls"] == []


def test_a_redrive_allow_policy_is_kept_and_shown(client):
    """DLQ-11: RedriveAllowPolicy by queue."""
    policy = {"redrivePermission": "byQueue", "sourceQueueArns": [ARN + "orders"]}
    url = client.create_queue(QueueName="dead", Attributes={"RedriveAllowPolicy": json.dumps(policy)})["QueueUrl"]
    shown = client.get_queue_attributes(QueueUrl=url, AttributeNames=["RedriveAllowPolicy"])["Attributes"]
    assert json.loads(shown["RedriveAllowPolicy"]) == policy


def test_one_kind_of_encryption_switches_the_other_off(client, orders):
    """SQS-17, SQS-18: a KMS key ends SQS's own encryption, and its reuse period is shown with it."""
    client.set_queue_attributes(QueueUrl=orders, Attributes={"KmsMasterKeyId": "alias/k"})
    names = ["KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled"]
    assert client.get_queue_attributes(QueueUrl=orders, AttributeNames=names)["Attributes"] == {
        "KmsMasterKeyId": "alias/k",
        "KmsDataKeyReusePeriodSeconds": "300",
        "SqsManagedSseEnabled": "false",
    }


def test_tags_come_and_go(client, orders):
    """TagQueue, UntagQueue, ListQueueTags."""
    client.tag_queue(QueueUrl=orders, Tags={"a": "1", "b": "2"})
    client.tag_queue(QueueUrl=orders, Tags={"b": "3", "c": ""})
    client.untag_queue(QueueUrl=orders, TagKeys=["a", "nothing"])
    assert client.list_queue_tags(QueueUrl=orders)["Tags"] == {"b": "3", "c": ""}


def test_permissions_are_kept_in_the_policy(client, orders):
    """AddPermission writes a statement, RemovePermission takes it out again."""
    client.add_permission(QueueUrl=orders, Label="a", AWSAccountIds=["111111111111"], Actions=["SendMessage"])
    shown = client.get_queue_attributes(QueueUrl=orders, AttributeNames=["Policy"])["Attributes"]
    assert json.loads(shown["Policy"])["Statement"] == [
        {
            "Sid": "a",
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
            "Action": "SQS:SendMessage",
            "Resource": ARN + "orders",
        }
    ]
    client.remove_permission(QueueUrl=orders, Label="a")
    assert "Attributes" not in client.get_queue_attributes(QueueUrl=orders, AttributeNames=["Policy"])


# --- messages -------------------------------------------------------------------------------------------------------


def test_a_message_comes_as_it_was_sent(client, orders):
    """EVT-3 … 10: body, message attributes of every type and their MD5, system attributes."""
    attributes = {
        "text": {"DataType": "String", "StringValue": "grüße"},
        "number": {"DataType": "Number.int", "StringValue": "42"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    sent = client.send_message(
        QueueUrl=orders,
        MessageBody="tschüß 🎉",
        MessageAttributes=attributes,
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988"}},
    )
    (message,) = client.receive_message(
        QueueUrl=orders, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"]
    )["Messages"]
    assert message["Body"] == "tschüß 🎉"
    assert message["MessageAttributes"] == attributes
    assert message["MessageId"] == sent["MessageId"]
    assert message["MD5OfBody"] == sent["MD5OfMessageBody"]
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert message["Attributes"]["AWSTraceHeader"] == "Root=1-5759e988"
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


def test_only_the_attributes_that_are_asked_for_are_shown(client, orders):
    """EVT-10: names and prefixes choose; the MD5 is that of what is shown; without a choice there is neither."""
    values = {name: {"DataType": "String", "StringValue": name} for name in ("Hello", "Help.Me", "General")}
    client.send_message(QueueUrl=orders, MessageBody="x", MessageAttributes=values)
    run_again = {"QueueUrl": orders, "VisibilityTimeout": 0}
    (none,) = client.receive_message(**run_again)["Messages"]
    assert {"MessageAttributes", "MD5OfMessageAttributes", "Attributes"}.isdisjoint(none)
    (some,) = client.receive_message(**run_again, MessageAttributeNames=["Hel.*"])["Messages"]
    assert set(some["MessageAttributes"]) == {"Hello", "Help.Me"}
    (every,) = client.receive_message(**run_again, MessageAttributeNames=[".*"])["Messages"]
    assert len(every["MessageAttributes"]) == 3
    assert some["MD5OfMessageAttributes"] != every["MD5OfMessageAttributes"]
    (system,) = client.receive_message(**run_again, AttributeNames=["SentTimestamp", "SenderId"])["Messages"]
    assert set(system["Attributes"]) == {"SentTimestamp", "SenderId"}


def test_an_empty_receive_is_told(run, client, orders):
    """MET-9: NumberOfEmptyReceives counts whoever asks, also when all that there was has become a dead letter."""
    client.receive_message(QueueUrl=orders)
    client.send_message(QueueUrl=orders, MessageBody="x")
    client.receive_message(QueueUrl=orders)
    assert [(fact.queue, fact.count, fact.consumer) for fact in run.facts(EmptyReceives)] == [("orders", 1, None)]
    assert Metrics.of(run.journal).queues["orders"]["NumberOfEmptyReceives"] == 1


def test_a_sender_is_told_the_md5_of_a_trace_header(client, orders):
    """EVT-10: as the SDKs reckon it."""
    header = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
    sent = client.send_message(QueueUrl=orders, MessageBody="x", MessageSystemAttributes=header)
    assert sent["MD5OfMessageSystemAttributes"] == "62a56dd927315f2b2e12832b84617ea5"
    assert "MD5OfMessageAttributes" not in sent
    assert "MD5OfMessageSystemAttributes" not in client.send_message(QueueUrl=orders, MessageBody="x")


def test_an_empty_receive_has_no_messages(client, orders):
    """SQS-22: the member is absent."""
    assert "Messages" not in client.receive_message(QueueUrl=orders)


def test_a_batch_is_sent_received_and_deleted(client, orders, run):
    """Batches of ten in each direction."""
    entries = [{"Id": f"m{n}", "MessageBody": str(n)} for n in range(10)]
    sent = client.send_message_batch(QueueUrl=orders, Entries=entries)
    assert [entry["Id"] for entry in sent["Successful"]] == [f"m{n}" for n in range(10)]
    messages = client.receive_message(QueueUrl=orders, MaxNumberOfMessages=10)["Messages"]
    assert [message["Body"] for message in messages] == [str(n) for n in range(10)]
    deleted = client.delete_message_batch(
        QueueUrl=orders,
        Entries=[{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(messages)],
    )
    assert len(deleted["Successful"]) == 10
    assert run.sqs.counts(run.sqs.find("orders")).total == 0


def test_a_batch_entry_that_is_refused_leaves_the_others(client, orders, run):
    """Contract 11.3: an entry is refused by itself."""
    entries = [{"Id": "good", "MessageBody": "x"}, {"Id": "bad", "MessageBody": "x", "DelaySeconds": 901}]
    answer = client.send_message_batch(QueueUrl=orders, Entries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == ["good"]
    assert [(entry["Id"], entry["Code"]) for entry in answer["Failed"]] == [("bad", "InvalidParameterValue")]
    assert run.sqs.counts(run.sqs.find("orders")).visible == 1


def test_visibility_is_the_queues_or_the_calls(client, orders, run):
    """SQS-20: a receive hides for the queue's timeout, or for its own."""
    client.send_message(QueueUrl=orders, MessageBody="x")
    client.receive_message(QueueUrl=orders, VisibilityTimeout=5)
    run.clock.pass_(4_999)
    assert "Messages" not in client.receive_message(QueueUrl=orders)
    run.clock.pass_(1)
    assert len(client.receive_message(QueueUrl=orders)["Messages"]) == 1
    run.clock.pass_(29_999)
    assert "Messages" not in client.receive_message(QueueUrl=orders)


def test_visibility_is_changed(client, orders, run):
    """SQS-25: one by one and in a batch; 0 gives the message back at once."""
    for _ in range(2):
        client.send_message(QueueUrl=orders, MessageBody="x")
    handles = [m["ReceiptHandle"] for m in client.receive_message(QueueUrl=orders, MaxNumberOfMessages=2)["Messages"]]
    client.change_message_visibility(QueueUrl=orders, ReceiptHandle=handles[0], VisibilityTimeout=0)
    assert run.sqs.counts(run.sqs.find("orders")).visible == 1
    answer = client.change_message_visibility_batch(
        QueueUrl=orders, Entries=[{"Id": "a", "ReceiptHandle": handles[1], "VisibilityTimeout": 0}]
    )
    assert answer["Successful"] == [{"Id": "a"}]
    assert run.sqs.counts(run.sqs.find("orders")).visible == 2


def test_visibility_of_a_deleted_message_is_refused(client, orders):
    """SQS-26: with SQS's sentence."""
    client.send_message(QueueUrl=orders, MessageBody="x")
    handle = client.receive_message(QueueUrl=orders)["Messages"][0]["ReceiptHandle"]
    client.delete_message(QueueUrl=orders, ReceiptHandle=handle)
    client.delete_message(QueueUrl=orders, ReceiptHandle=handle)  # FAIL-4: again is fine
    with pytest.raises(ClientError) as caught:
        client.change_message_visibility(QueueUrl=orders, ReceiptHandle=handle, VisibilityTimeout=1)
    assert caught.value.response["Error"]["Message"] == (
        f"Value {handle} for parameter ReceiptHandle is invalid. "
        "Reason: Message does not exist or is not available for visibility timeout change."
    )


def test_an_expired_handle_of_a_fifo_queue_is_refused_and_told(client, run):
    """FAIL-20: the delete is an error, and a fact."""
    url = client.create_queue(QueueName="q.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    sent = client.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="g", MessageDeduplicationId="1")
    handle = client.receive_message(QueueUrl=url)["Messages"][0]["ReceiptHandle"]
    run.clock.pass_(30_000)
    with pytest.raises(ClientError, match=r"Reason: The receipt handle has expired\."):
        client.delete_message(QueueUrl=url, ReceiptHandle=handle)
    (fact,) = run.facts(DeleteFailed)
    assert (fact.queue, fact.message, fact.receipt) == ("q.fifo", sent["MessageId"], handle)


def test_a_fifo_queue_keeps_order_and_deduplicates(client):
    """FIFO-6, FIFO-15, FIFO-17: a group in order, a duplicate swallowed, sequence numbers rising."""
    url = client.create_queue(
        QueueName="q.fifo", Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    )["QueueUrl"]
    sent = [client.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="g") for body in ("a", "b", "a")]
    assert sent[0]["MessageId"] == sent[2]["MessageId"]
    assert int(sent[0]["SequenceNumber"]) < int(sent[1]["SequenceNumber"])
    messages = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"])["Messages"]
    assert [message["Body"] for message in messages] == ["a", "b"]
    assert messages[0]["Attributes"]["MessageGroupId"] == "g"
    assert "Messages" not in client.receive_message(QueueUrl=url)


def test_a_receive_attempt_can_be_repeated(client):
    """FIFO-18: the same attempt id brings the same messages."""
    url = client.create_queue(QueueName="q.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    client.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="g", MessageDeduplicationId="1")
    first, again = (client.receive_message(QueueUrl=url, ReceiveRequestAttemptId="try-1")["Messages"] for _ in range(2))
    assert first[0]["ReceiptHandle"] == again[0]["ReceiptHandle"]


def test_purge_takes_everything(client, orders, run):
    """SQS-30: visible, in flight and delayed."""
    for delay in (0, 0, 5):
        client.send_message(QueueUrl=orders, MessageBody="x", DelaySeconds=delay)
    client.receive_message(QueueUrl=orders)
    client.purge_queue(QueueUrl=orders)
    assert run.sqs.counts(run.sqs.find("orders")).total == 0


def test_a_client_dead_letters_by_receiving(client, orders, run):
    """DLQ-1, 2, 3: the receive after the last allowed one moves the message, which says where it comes from."""
    client.create_queue(QueueName="dead")
    policy = json.dumps({"deadLetterTargetArn": ARN + "dead", "maxReceiveCount": 1})
    client.set_queue_attributes(QueueUrl=orders, Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "0"})
    client.send_message(QueueUrl=orders, MessageBody="x")
    assert "Messages" in client.receive_message(QueueUrl=orders)
    assert "Messages" not in client.receive_message(QueueUrl=orders)
    (letter,) = client.receive_message(QueueUrl="dead", AttributeNames=["All"])["Messages"]
    assert letter["Attributes"]["DeadLetterQueueSourceArn"] == ARN + "orders"
    assert letter["Attributes"]["ApproximateReceiveCount"] == "2"
    assert run.facts(MessageDeadLettered)[0].to == "dead"


def test_dead_letters_go_back_by_a_move_task(client, orders, run):
    """SQS-40, SQS-41: start, list, and the messages are back in their queue."""
    dead = _dead_letters(client, orders, 2)
    handle = client.start_message_move_task(SourceArn=ARN + "dead")["TaskHandle"]
    (running,) = client.list_message_move_tasks(SourceArn=ARN + "dead")["Results"]
    assert (running["Status"], running["TaskHandle"], running["SourceArn"]) == ("RUNNING", handle, ARN + "dead")
    assert running["StartedTimestamp"] == run.clock.now()
    run.clock.pass_(1_000)
    assert "Messages" not in client.receive_message(QueueUrl=dead)
    assert len(client.receive_message(QueueUrl=orders, MaxNumberOfMessages=10)["Messages"]) == 2
    (done,) = client.list_message_move_tasks(SourceArn=ARN + "dead")["Results"]
    assert (done["Status"], done["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 2)
    assert "TaskHandle" not in done


def test_a_move_task_is_seen_to_end(client, orders, run):
    """SQS-40: whoever lists the tasks sees what has been moved by then, though nothing else happened meanwhile."""
    letters = client.create_queue(QueueName="letters")["QueueUrl"]
    policy = json.dumps({"deadLetterTargetArn": ARN + "letters", "maxReceiveCount": 1})
    client.set_queue_attributes(QueueUrl=orders, Attributes={"RedrivePolicy": policy})
    for _ in range(2):
        client.send_message(QueueUrl=letters, MessageBody="x")
    client.start_message_move_task(
        SourceArn=ARN + "letters", DestinationArn=ARN + "orders", MaxNumberOfMessagesPerSecond=1
    )
    seen = []
    for _ in range(3):
        (task,) = client.list_message_move_tasks(SourceArn=ARN + "letters")["Results"]
        seen.append((task["Status"], task["ApproximateNumberOfMessagesMoved"]))
        run.clock.pass_(1_000)
    assert seen == [("RUNNING", 0), ("RUNNING", 1), ("COMPLETED", 2)]


def test_a_move_task_is_cancelled(client, orders, run):
    """SQS-40: what was moved stays moved."""
    _dead_letters(client, orders, 3)
    task = client.start_message_move_task(
        SourceArn=ARN + "dead", DestinationArn=ARN + "orders", MaxNumberOfMessagesPerSecond=1
    )
    run.clock.pass_(1_500)
    assert client.cancel_message_move_task(TaskHandle=task["TaskHandle"])["ApproximateNumberOfMessagesMoved"] == 1
    run.clock.pass_(5_000)
    assert run.sqs.counts(run.sqs.find("orders")).visible == 1
    (ended,) = client.list_message_move_tasks(SourceArn=ARN + "dead", MaxResults=10)["Results"]
    assert (ended["Status"], ended["MaxNumberOfMessagesPerSecond"]) == ("CANCELLED", 1)
    assert ended["DestinationArn"] == ARN + "orders"


def _dead_letters(client, orders, count):
    dead = client.create_queue(QueueName="dead")["QueueUrl"]
    policy = json.dumps({"deadLetterTargetArn": ARN + "dead", "maxReceiveCount": 1})
    client.set_queue_attributes(QueueUrl=orders, Attributes={"RedrivePolicy": policy})
    for _ in range(count):
        client.send_message(QueueUrl=orders, MessageBody="x")
    for _ in range(2):
        client.receive_message(QueueUrl=orders, MaxNumberOfMessages=10, VisibilityTimeout=0)
    return dead


def test_the_receipt_of_a_client_is_the_facts(client, orders, run):
    """A receive by a client is told without a consumer."""
    client.send_message(QueueUrl=orders, MessageBody="x")
    (message,) = client.receive_message(QueueUrl=orders)["Messages"]
    (fact,) = run.facts(MessageReceived)
    assert (fact.receipt, fact.consumer) == (message["ReceiptHandle"], None)


# --- several ways at once -------------------------------------------------------------------------------------------


def test_every_way_leads_to_the_same_queue(run):
    """A message that is sent in one way is received in another."""
    with open_way("hook", run) as short, run.aws.serve() as server, http_client(server.url) as remote:
        url = short.create_queue(QueueName="q")["QueueUrl"]
        short.send_message(QueueUrl=url, MessageBody="by the hook")
        far = remote.get_queue_url(QueueName="q")["QueueUrl"]
        assert far.startswith(server.url)
        assert remote.receive_message(QueueUrl=far)["Messages"][0]["Body"] == "by the hook"
        query(far, "SendMessage", MessageBody="by query")
        assert short.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "by query"


def test_two_fronts_of_one_run_know_the_same(run):
    """A policy that was set over HTTP is seen by another front of the same queues."""
    run.sqs.create("q", QueueSettings())
    other = EmbeddedAws(run.sqs)
    with run.aws.serve() as server, http_client(server.url) as client, other.patched():
        client.set_queue_attributes(QueueUrl="q", Attributes={"KmsMasterKeyId": "k"})
        shown = new_client("sqs").get_queue_attributes(QueueUrl="q", AttributeNames=["KmsMasterKeyId"])
    assert shown["Attributes"] == {"KmsMasterKeyId": "k"}


def test_every_region_sees_the_same_queues(run):
    """One account, one region: a client of any region finds the queue."""
    run.sqs.create("q", QueueSettings())
    with run.aws.serve() as server, http_client(server.url, region="eu-west-1") as client:
        assert client.get_queue_attributes(QueueUrl="q", AttributeNames=["QueueArn"])["Attributes"] == {
            "QueueArn": ARN + "q"
        }


def test_the_query_protocol_is_served(run):
    """SQS-1: send, receive with attributes, and delete over the old protocol, posted to the queue's own URL."""
    queue = run.sqs.create("q", QueueSettings())
    with run.aws.serve() as server:
        url = run.aws.queue_url(queue, server.url)
        sent = query(url, "SendMessage", MessageBody="<a & b>")
        answer = query(url, "ReceiveMessage", **{"AttributeName.1": "All"})
        assert answer.findtext(".//Body") == "<a & b>"
        assert answer.findtext(".//MessageId") == sent.findtext(".//MessageId")
        attributes = {entry.findtext("Name"): entry.findtext("Value") for entry in answer.iter("Attribute")}
        assert attributes["ApproximateReceiveCount"] == "1"
        query(url, "DeleteMessage", ReceiptHandle=answer.findtext(".//ReceiptHandle", ""))
    assert run.sqs.counts(queue).total == 0
