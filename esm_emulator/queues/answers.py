"""What a server says of a queue and its messages, as values of ours.

Lesser servers leave things out; what can be known otherwise is filled in here, so that nobody else has to ask.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast

from esm_emulator.messages import MessageAttribute, ReceivedMessage
from esm_emulator.queues.guard import Location, QueueDescription

if TYPE_CHECKING:
    from types_boto3_sqs.type_defs import BatchResultErrorEntryTypeDef, MessageTypeDef

__all__ = ["description", "entry_errors", "message"]


def description(location: Location, attributes: Mapping[str, str]) -> QueueDescription:
    """GetQueueAttributes' answer. A missing ARN is made from the URL, other gaps are AWS's defaults."""
    region, account = location.region or "us-east-1", location.account or "000000000000"
    redrive = json.loads(attributes.get("RedrivePolicy") or "{}")
    receives = redrive.get("maxReceiveCount")
    return QueueDescription(
        url=location.url,
        arn=attributes.get("QueueArn", f"arn:aws:sqs:{region}:{account}:{location.name}"),
        fifo=location.name.endswith(".fifo"),
        visibility_ms=int(attributes.get("VisibilityTimeout", 30)) * 1000,
        visible=int(attributes.get("ApproximateNumberOfMessages", 0)),
        in_flight=int(attributes.get("ApproximateNumberOfMessagesNotVisible", 0)),
        delayed=int(attributes.get("ApproximateNumberOfMessagesDelayed", 0)),
        dead_letter_arn=redrive.get("deadLetterTargetArn"),
        max_receive_count=None if receives is None else int(receives),
    )


def message(item: MessageTypeDef, received_at: int, visible_at: int) -> ReceivedMessage:
    """One message of ReceiveMessage's answer. A server that does not count receives is taken to deliver once."""
    attributes = item.get("MessageAttributes")
    return ReceivedMessage(
        message_id=item["MessageId"],
        receipt_handle=item["ReceiptHandle"],
        body=item["Body"],
        md5_of_body=item["MD5OfBody"],
        attributes=cast("Mapping[str, str]", item.get("Attributes") or {"ApproximateReceiveCount": "1"}),
        message_attributes={
            name: MessageAttribute(value["DataType"], value.get("StringValue"), value.get("BinaryValue"))
            for name, value in attributes.items()
        }
        if attributes
        else {},
        md5_of_message_attributes=item.get("MD5OfMessageAttributes"),
        received_at=received_at,
        visible_at=visible_at,
    )


def entry_errors(entries: Iterable[BatchResultErrorEntryTypeDef]) -> dict[str, tuple[str, bool]]:
    """The failed entries of a batch by id: the error's text, and whether it is the server's own and may pass."""
    return {
        entry["Id"]: (f"{entry['Code']}: {entry.get('Message', '')}", not entry.get("SenderFault")) for entry in entries
    }
