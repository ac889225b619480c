"""SQS's refusals through moto: the same code, text and HTTP status in every way and over both protocols."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.queues.fronts import WAYS, QueryFault, Run, http_client, open_way, query, query_client

INVALID = "InvalidParameterValue"
PREFIX = "AWS.SimpleQueueService."
ARN = "arn:aws:sqs:us-east-1:123456789012:"
TOO_MANY = [{"Id": f"id-{n}", "MessageBody": "x"} for n in range(20)]
BAD_ID = (
    "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
    "It can be at most 80 letters long."
)

# what is refused: operation, parameters (a queue URL is put in where none is named), code, text
REFUSALS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "SQS-6": (
        "ReceiveMessage",
        {"MaxNumberOfMessages": 11},
        INVALID,
        "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.",
    ),
    "SQS-6 none": (
        "ReceiveMessage",
        {"MaxNumberOfMessages": 0},
        INVALID,
        "Value 0 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.",
    ),
    "SQS-5": (
        "ReceiveMessage",
        {"WaitTimeSeconds": 21},
        INVALID,
        "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.",
    ),
    "SQS-2": (
        "ReceiveMessage",
        {"VisibilityTimeout": 43201},
        INVALID,
        "Value 43201 for parameter VisibilityTimeout is invalid. Reason: Must be >= 0 and <= 43200, if provided.",
    ),
    "receive: unknown attribute": (
        "ReceiveMessage",
        {"AttributeNames": ["Nonsense"]},
        "InvalidAttributeName",
        "Unknown Attribute Nonsense.",
    ),
    "SQS-7": (
        "SendMessage",
        {"MessageBody": "x" * 1_048_577},
        INVALID,
        "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.",
    ),
    "SQS-7 batch": (
        "SendMessageBatch",
        {"Entries": [{"Id": "a", "MessageBody": "x" * 1_048_576}, {"Id": "b", "MessageBody": "x"}]},
        PREFIX + "BatchRequestTooLong",
        "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.",
    ),
    "SQS-9 send": (
        "SendMessageBatch",
        {"Entries": TOO_MANY},
        PREFIX + "TooManyEntriesInBatchRequest",
        "Maximum number of entries per request are 10. You have sent 20.",
    ),
    "SQS-9 delete": (
        "DeleteMessageBatch",
        {"Entries": [{"Id": f"id-{n}", "ReceiptHandle": "x"} for n in range(11)]},
        PREFIX + "TooManyEntriesInBatchRequest",
        "Maximum number of entries per request are 10. You have sent 11.",
    ),
    "SQS-9 id": (
        "SendMessageBatch",
        {"Entries": [{"Id": "a:b", "MessageBody": "x"}]},
        PREFIX + "InvalidBatchEntryId",
        BAD_ID,
    ),
    "SQS-9 long id": (
        "DeleteMessageBatch",
        {"Entries": [{"Id": "x" * 81, "ReceiptHandle": "x"}]},
        PREFIX + "InvalidBatchEntryId",
        BAD_ID,
    ),
    "batch: id twice": (
        "ChangeMessageVisibilityBatch",
        {"Entries": [{"Id": "a", "ReceiptHandle": "x", "VisibilityTimeout": 1}] * 2},
        PREFIX + "BatchEntryIdsNotDistinct",
        "Id a repeated.",
    ),
    "batch: empty": (
        "SendMessageBatch",
        {"Entries": []},
        PREFIX + "EmptyBatchRequest",
        "There should be at least one SendMessageBatchRequestEntry in the request.",
    ),
    "MessageBody": (
        "SendMessage",
        {"MessageBody": ""},
        "MissingParameter",
        "The request must contain the parameter MessageBody.",
    ),
    "SQS-11": (
        "SendMessage",
        {"MessageBody": "a\x00b"},
        "InvalidMessageContents",
        (
            "Invalid characters found. Valid unicode characters are "
            "#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"
        ),
    ),
    "SQS-3": (
        "SendMessage",
        {"MessageBody": "x", "DelaySeconds": 901},
        INVALID,
        "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.",
    ),
    "SQS-14": (
        "SendMessage",
        {"MessageBody": "x", "MessageGroupId": ""},
        INVALID,
        (
            "Value  for parameter MessageGroupId is invalid. "
            "Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length."
        ),
    ),
    "empty attribute": (
        "SendMessage",
        {"MessageBody": "x", "MessageAttributes": {"ErrorDetails": {"DataType": "String", "StringValue": ""}}},
        INVALID,
        "Message (user) attribute 'ErrorDetails' must contain a non-empty value of type 'String'.",
    ),
    "FIFO-13": (
        "SendMessage",
        {"QueueUrl": "orders.fifo", "MessageBody": "x", "MessageDeduplicationId": "1"},
        "MissingParameter",
        "The request must contain the parameter MessageGroupId.",
    ),
    "FIFO-13 batch": (
        "SendMessageBatch",
        {"QueueUrl": "orders.fifo", "Entries": [{"Id": "a", "MessageBody": "x", "MessageDeduplicationId": "1"}]},
        INVALID,
        "The request must contain the parameter MessageGroupId.",
    ),
    "FIFO-14": (
        "SendMessage",
        {"QueueUrl": "orders.fifo", "MessageBody": "x", "MessageGroupId": "g"},
        INVALID,
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    ),
    "FIFO-14 batch": (
        "SendMessageBatch",
        {"QueueUrl": "orders.fifo", "Entries": [{"Id": "a", "MessageBody": "x", "MessageGroupId": "g"}]},
        INVALID,
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    ),
    "FIFO-16": (
        "SendMessage",
        {
            "QueueUrl": "orders.fifo",
            "MessageBody": "x",
            "MessageGroupId": "g",
            "MessageDeduplicationId": "1",
            "DelaySeconds": 2,
        },
        INVALID,
        (
            "Value 2 for parameter DelaySeconds is invalid. "
            "Reason: The request include parameter that is not valid for this queue type."
        ),
    ),
    "SQS-26 delete": (
        "DeleteMessage",
        {"ReceiptHandle": "garbage"},
        "ReceiptHandleIsInvalid",
        'The input receipt handle "garbage" is not a valid receipt handle.',
    ),
    "SQS-26 visibility": (
        "ChangeMessageVisibility",
        {"ReceiptHandle": "garbage", "VisibilityTimeout": 0},
        "ReceiptHandleIsInvalid",
        'The input receipt handle "garbage" is not a valid receipt handle.',
    ),
    "QueueAlreadyExists": (
        "CreateQueue",
        {"QueueName": "orders", "Attributes": {"DelaySeconds": "7"}},
        "QueueAlreadyExists",
        "A queue already exists with the same name and a different value for attribute DelaySeconds",
    ),
    "FIFO-22": (
        "CreateQueue",
        {"QueueName": "other.fifo"},
        INVALID,
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
    ),
    "FIFO attribute": (
        "CreateQueue",
        {"QueueName": "other", "Attributes": {"ContentBasedDeduplication": "true"}},
        "InvalidAttributeName",
        "Unknown Attribute ContentBasedDeduplication.",
    ),
    "FIFO scope": (
        "CreateQueue",
        {"QueueName": "other", "Attributes": {"DeduplicationScope": "queue"}},
        "InvalidAttributeName",
        "You can specify the DeduplicationScope only when FifoQueue is set to true.",
    ),
    "FIFO type": (
        "SetQueueAttributes",
        {"QueueUrl": "orders.fifo", "Attributes": {"FifoQueue": "false"}},
        "InvalidAttributeValue",
        "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.",
    ),
    "FIFO type of a standard queue": (
        "SetQueueAttributes",
        {"Attributes": {"FifoQueue": "true"}},
        "InvalidAttributeName",
        "Unknown Attribute FifoQueue.",
    ),
    "DLQ-12": (
        "SetQueueAttributes",
        {"Attributes": {"RedrivePolicy": '{"deadLetterTargetArn": "dummy", "maxReceiveCount": 42}'}},
        INVALID,
        (
            'Value {"deadLetterTargetArn": "dummy", "maxReceiveCount": 42} for parameter RedrivePolicy is invalid. '
            "Reason: Invalid value for deadLetterTargetArn."
        ),
    ),
    "DLQ-5 none": (
        "SetQueueAttributes",
        {"Attributes": {"RedrivePolicy": f'{{"deadLetterTargetArn": "{ARN}none", "maxReceiveCount": 3}}'}},
        INVALID,
        (
            f'Value {{"deadLetterTargetArn":"{ARN}none","maxReceiveCount":3}} for parameter RedrivePolicy is invalid. '
            "Reason: Dead letter target does not exist."
        ),
    ),
    "DLQ-5 none at creation": (
        "CreateQueue",
        {
            "QueueName": "other",
            "Attributes": {"RedrivePolicy": f'{{"deadLetterTargetArn": "{ARN}none", "maxReceiveCount": 3}}'},
        },
        INVALID,
        (
            f'Value {{"deadLetterTargetArn":"{ARN}none","maxReceiveCount":3}} for parameter RedrivePolicy is invalid. '
            "Reason: Dead letter target does not exist."
        ),
    ),
    "DLQ-5 type": (
        "SetQueueAttributes",
        {"Attributes": {"RedrivePolicy": f'{{"deadLetterTargetArn": "{ARN}orders.fifo", "maxReceiveCount": 3}}'}},
        INVALID,
        (
            f'Value {{"deadLetterTargetArn":"{ARN}orders.fifo","maxReceiveCount":3}} for parameter RedrivePolicy is '
            "invalid. Reason: Dead-letter queue must be same type of queue as the source.."
        ),
    ),
    "SSE": (
        "SetQueueAttributes",
        {"Attributes": {"KmsMasterKeyId": "key", "SqsManagedSseEnabled": "true"}},
        "InvalidAttributeName",
        "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.",
    ),
    "unknown attribute": (
        "GetQueueAttributes",
        {"AttributeNames": ["Nonsense"]},
        "InvalidAttributeName",
        "Unknown Attribute Nonsense.",
    ),
    "SQS-40 source": (
        "StartMessageMoveTask",
        {"SourceArn": "arn:aws:sqs:us-east-1:123456789012:orders"},
        INVALID,
        "Source queue must be configured as a Dead Letter Queue.",
    ),
    "SQS-40 handle": (
        "CancelMessageMoveTask",
        {"TaskHandle": "garbage"},
        INVALID,
        "Value for parameter TaskHandle is invalid.",
    ),
    "no attributes": (
        "SetQueueAttributes",
        {"Attributes": {}},
        "MissingParameter",
        "The request must contain the parameter Attributes.",
    ),
    "policy": (
        "SetQueueAttributes",
        {"Attributes": {"Policy": "[]"}},
        "InvalidAttributeValue",
        "Invalid value for the parameter Policy.",
    ),
    "SQS-18": (
        "SetQueueAttributes",
        {"Attributes": {"KmsDataKeyReusePeriodSeconds": "59"}},
        "InvalidAttributeValue",
        "Invalid value for the parameter KmsDataKeyReusePeriodSeconds.",
    ),
    "SQS-17": (
        "SetQueueAttributes",
        {"Attributes": {"SqsManagedSseEnabled": "perhaps"}},
        "InvalidAttributeValue",
        "Invalid value for the parameter SqsManagedSseEnabled.",
    ),
    "FIFO-20": (
        "SetQueueAttributes",
        {"QueueUrl": "orders.fifo", "Attributes": {"FifoThroughputLimit": "perMessageGroupId"}},
        "InvalidAttributeValue",
        "The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup.",
    ),
    "read-only attribute": (
        "SetQueueAttributes",
        {"Attributes": {"QueueArn": "arn:aws:sqs:us-east-1:123456789012:other"}},
        "InvalidAttributeName",
        "Unknown Attribute QueueArn.",
    ),
    "FIFO-22 false": (
        "CreateQueue",
        {"QueueName": "other", "Attributes": {"FifoQueue": "false"}},
        "InvalidAttributeName",
        "Unknown Attribute FifoQueue.",
    ),
    "page": (
        "ListQueues",
        {"MaxResults": 1001},
        INVALID,
        "Value 1001 for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and 1000.",
    ),
    "next page": (
        "ListQueues",
        {"MaxResults": 1, "NextToken": "garbage!"},
        INVALID,
        "Value garbage! for parameter NextToken is invalid. Reason: It is not a token of this operation.",
    ),
    "list values": (
        "SendMessage",
        {"MessageBody": "x", "MessageAttributes": {"a": {"DataType": "String", "StringListValues": ["x"]}}},
        PREFIX + "UnsupportedOperation",
        "Message attribute list values in SendMessage operation are not supported.",
    ),
    "attribute without a type": (
        "SendMessage",
        {"MessageBody": "x", "MessageAttributes": {"a": {"DataType": "", "StringValue": "x"}}},
        INVALID,
        "The message attribute 'a' must contain a non-empty attribute type.",
    ),
    "SQS-10 trace header": (
        "SendMessage",
        {"MessageBody": "x", "MessageSystemAttributes": {"AWSTraceHeader": {"DataType": "Number", "StringValue": "1"}}},
        INVALID,
        "Message system attribute 'AWSTraceHeader' must contain a non-empty value of type 'String'.",
    ),
    "SQS-10 system attribute": (
        "SendMessage",
        {"MessageBody": "x", "MessageSystemAttributes": {"Other": {"DataType": "String", "StringValue": "1"}}},
        INVALID,
        "Message system attribute name 'Other' is invalid. It must be AWSTraceHeader.",
    ),
    "SQS-40 page": (
        "ListMessageMoveTasks",
        {"SourceArn": "arn:aws:sqs:us-east-1:123456789012:orders", "MaxResults": 11},
        INVALID,
        "Value 11 for parameter MaxResults is invalid. Reason: You must provide a value that is between 1 and 10.",
    ),
    "tags": (
        "TagQueue",
        {"Tags": {f"tag-{n}": "x" for n in range(51)}},
        INVALID,
        "Too many tags added for queue orders.",
    ),
    "permission twice": (
        "AddPermission",
        {"Label": "taken", "AWSAccountIds": ["111111111111"], "Actions": ["SendMessage"]},
        INVALID,
        "Value taken for parameter Label is invalid. Reason: Already exists.",
    ),
    "permission of the owner": (
        "AddPermission",
        {"Label": "a", "AWSAccountIds": ["111111111111"], "Actions": ["DeleteQueue"]},
        INVALID,
        (
            "Value SQS:DeleteQueue for parameter ActionName is invalid. "
            "Reason: Only the queue owner is allowed to invoke this action."
        ),
    ),
    "permission": (
        "RemovePermission",
        {"Label": "nobody"},
        INVALID,
        "Value nobody for parameter Label is invalid. Reason: can't find label.",
    ),
}
STATUS: dict[str, tuple[str, dict[str, Any], int]] = {
    "purge twice (SQS-30)": ("PurgeQueue", {}, 403),
    "more than seven actions": (
        "AddPermission",
        {"Label": "b", "AWSAccountIds": ["111111111111"], "Actions": ["SendMessage"] * 8},
        403,
    ),
    "no such source (SQS-40)": ("StartMessageMoveTask", {"SourceArn": "arn:aws:sqs:us-east-1:123456789012:none"}, 404),
    "no such task (SQS-40)": ("CancelMessageMoveTask", {"TaskHandle": "00000000-0000-4000-8000-000000000000"}, 404),
    "no such queue": ("PurgeQueue", {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/none"}, 400),
}
WITHOUT_URL = (
    "CreateQueue",
    "StartMessageMoveTask",
    "CancelMessageMoveTask",
    "ListMessageMoveTasks",
    "ListQueues",
    "GetQueueUrl",
)
# what the query protocol cannot say, or this file's little writer of it
JSON_ONLY = ("SQS-11", "batch: empty", "no attributes", "list values", "tags")


def _whole(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return parameters if operation in WITHOUT_URL or "QueueUrl" in parameters else parameters | {"QueueUrl": "orders"}


def _prepare(client: Any) -> None:
    client.create_queue(QueueName="orders")
    client.create_queue(QueueName="orders.fifo", Attributes={"FifoQueue": "true"})
    client.purge_queue(QueueUrl="orders")
    client.add_permission(QueueUrl="orders", Label="taken", AWSAccountIds=["111111111111"], Actions=["SendMessage"])


@pytest.fixture(scope="module", params=WAYS)
def client(request):
    run = Run()
    with open_way(request.param, run) as client:
        _prepare(client)
        yield client


@pytest.fixture(scope="module")
def query_url():
    run = Run()
    with run.aws.serve() as server, http_client(server.url) as client:
        _prepare(client)
        yield server.url


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_has_sqs_own_code_and_text(client, case):
    """Contract 11.3: what SQS refuses is refused with its code and text, whichever way the client came."""
    operation, parameters, code, text = REFUSALS[case]
    with pytest.raises(ClientError) as caught:
        client._make_api_call(operation, _whole(operation, parameters))
    error = caught.value.response["Error"]
    assert (error["Code"], error["Message"], error["Type"]) == (code, text, "Sender")


@pytest.mark.parametrize("case", [case for case in REFUSALS if case not in JSON_ONLY])
def test_a_refusal_has_the_same_code_and_text_over_the_query_protocol(query_url, case):
    """SQS-1: the old query protocol is served too, with the same refusals."""
    operation, parameters, code, text = REFUSALS[case]
    with pytest.raises(QueryFault) as caught:
        query(query_url, operation, **query_client(operation, _whole(operation, parameters)))
    assert (caught.value.code, caught.value.message, caught.value.status) == (code, text, 400)


@pytest.mark.parametrize("case", STATUS)
def test_a_refusal_has_the_http_status_of_sqs(client, case):
    """Contract 11.3, SQS-30: most refusals are a 400, some a 403 or a 404."""
    operation, parameters, status = STATUS[case]
    with pytest.raises(ClientError) as caught:
        client._make_api_call(operation, _whole(operation, parameters))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


@pytest.mark.parametrize("case", STATUS)
def test_a_refusal_has_the_http_status_over_the_query_protocol(query_url, case):
    """SQS-1: and the same over the query protocol."""
    operation, parameters, status = STATUS[case]
    with pytest.raises(QueryFault) as caught:
        query(query_url, operation, **query_client(operation, _whole(operation, parameters)))
    assert caught.value.status == status


def test_a_missing_queue_is_told_with_boto3s_own_exception(client):
    """Contract 11.3: NonExistentQueue is boto3's ``QueueDoesNotExist``."""
    with pytest.raises(client.exceptions.QueueDoesNotExist, match=r"The specified queue does not exist\.$") as caught:
        client.get_queue_url(QueueName="none")
    assert caught.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"


def test_a_missing_queue_is_told_with_its_suffix_over_the_query_protocol(query_url):
    """Contract 11.3: the query protocol adds a few words."""
    with pytest.raises(QueryFault, match="NonExistentQueue") as caught:
        query(query_url, "GetQueueUrl", QueueName="none")
    assert caught.value.message == "The specified queue does not exist for this wsdl version."


def test_an_unknown_action_is_refused(query_url):
    """SQS-1: an action that SQS does not have is a 400, not a fault of the server."""
    with pytest.raises(QueryFault) as caught:
        query(query_url, "MakeCoffee")
    assert (caught.value.status, caught.value.code) == (400, PREFIX + "UnsupportedOperation")


def test_a_number_that_is_none_is_refused(query_url):
    """SQS-1: text where the query protocol wants a number is a 400, not a fault of the server."""
    with pytest.raises(QueryFault) as caught:
        query(query_url, "ReceiveMessage", QueueUrl="orders", MaxNumberOfMessages="many")
    assert (caught.value.status, caught.value.code) == (400, INVALID)


def test_a_missing_number_is_told(query_url):
    """Contract 11.3: over the query protocol a parameter that boto3 always sends may be missing."""
    with pytest.raises(QueryFault) as caught:
        query(query_url, "ChangeMessageVisibility", QueueUrl="orders", ReceiptHandle="x")
    told = caught.value
    assert (told.code, told.message) == (
        "MissingParameter",
        "The request must contain the parameter VisibilityTimeout.",
    )


def test_bytes_that_are_none_are_refused(query_url):
    """EVT-8: a binary value that is not base64."""
    value = {"DataType": "Binary", "BinaryValue": "?"}
    body = {"QueueUrl": "orders", "MessageBody": "x", "MessageAttributes": {"a": value}}
    headers = {"X-Amz-Target": "AmazonSQS.SendMessage", "Content-Type": "application/x-amz-json-1.0"}
    request = urllib.request.Request(query_url, data=json.dumps(body).encode(), headers=headers)
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request)


def test_a_batch_tells_each_failed_entry(client):
    """Contract 11.3: an entry that fails is told by its id, and the others succeed."""
    answer = client.delete_message_batch(QueueUrl="orders", Entries=[{"Id": "bad", "ReceiptHandle": "garbage"}])
    assert answer["Failed"] == [
        {
            "Id": "bad",
            "SenderFault": True,
            "Code": "ReceiptHandleIsInvalid",
            "Message": 'The input receipt handle "garbage" is not a valid receipt handle.',
        }
    ]
    assert "Successful" not in answer
