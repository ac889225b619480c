"""Messages between SQS's requests and the engine: what a sender's parameters mean, what a receiver asked to see."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

from esm_emulator.errors import SqsError
from esm_emulator.messages import MessageAttribute, ReceivedMessage
from esm_emulator.sqs import NewMessage
from esm_emulator.sqs.message import NO_ATTRIBUTES, md5_of_attributes

__all__ = ["SYSTEM_ATTRIBUTES", "TRACE_HEADER", "md5_of_system_attributes", "new_message", "received_message", "traced"]

TRACE_HEADER: Final = "X-Amzn-Trace-Id"
TRACE_ATTRIBUTE: Final = "AWSTraceHeader"

SYSTEM_ATTRIBUTES: Final = frozenset(
    {
        "All",
        "SenderId",
        "SentTimestamp",
        "ApproximateReceiveCount",
        "ApproximateFirstReceiveTimestamp",
        "SequenceNumber",
        "MessageDeduplicationId",
        "MessageGroupId",
        "AWSTraceHeader",
        "DeadLetterQueueSourceArn",
    }
)


def new_message(parameters: Mapping[str, Any]) -> NewMessage:
    """The message of SendMessage's parameters or of one entry of a batch. Raises ``SqsError``."""
    delay = parameters.get("DelaySeconds")
    given = parameters.get("MessageAttributes")
    system = parameters.get("MessageSystemAttributes")
    return NewMessage(
        parameters.get("MessageBody") or "",
        {name: _attribute(name, value) for name, value in given.items()} if given else NO_ATTRIBUTES,
        group=parameters.get("MessageGroupId"),
        dedup=parameters.get("MessageDeduplicationId"),
        delay_ms=None if delay is None else delay * 1000,
        trace_header=_trace_header(system) if system else None,
    )


def traced(parameters: dict[str, Any], header: str | None) -> dict[str, Any]:
    """The parameters of a send with the request's trace header on each message that has none of its own (FAIL-16).

    SDKs that support it put the header of the running invocation on every request; other operations do not use it.
    """
    if not header:
        return parameters
    attribute = {TRACE_ATTRIBUTE: {"DataType": "String", "StringValue": unquote(header)}}
    if "Entries" in parameters:
        return parameters | {"Entries": [_traced(entry, attribute) for entry in parameters["Entries"]]}
    return _traced(parameters, attribute)


def _traced(message: dict[str, Any], attribute: dict[str, Any]) -> dict[str, Any]:
    if "MessageBody" not in message:
        return message
    return message | {"MessageSystemAttributes": attribute | (message.get("MessageSystemAttributes") or {})}


def md5_of_system_attributes(trace_header: str) -> str | None:
    """What a sender is told about its message system attributes, of which there is only this one."""
    return md5_of_attributes({TRACE_ATTRIBUTE: MessageAttribute("String", string_value=trace_header)})


def received_message(
    message: ReceivedMessage, attribute_names: Sequence[str], system_names: Collection[str]
) -> dict[str, Any]:
    """The message as ReceiveMessage answers it, with the attributes that were asked for and no others.

    The MD5 of the message attributes is that of those that are shown, as AWS has it.
    """
    answer: dict[str, Any] = {
        "MessageId": message.message_id,
        "ReceiptHandle": message.receipt_handle,
        "MD5OfBody": message.md5_of_body,
        "Body": message.body,
    }
    if system_names:
        every = "All" in system_names
        attributes = {name: value for name, value in message.attributes.items() if every or name in system_names}
        if attributes:
            answer["Attributes"] = attributes
    if attribute_names and message.message_attributes:
        shown = _asked_for(message.message_attributes, attribute_names)
        if shown:
            answer["MD5OfMessageAttributes"] = (
                message.md5_of_message_attributes
                if len(shown) == len(message.message_attributes)
                else md5_of_attributes(shown)
            )
            answer["MessageAttributes"] = {name: _shown(attribute) for name, attribute in shown.items()}
    return answer


def _asked_for(attributes: Mapping[str, MessageAttribute], names: Sequence[str]) -> dict[str, MessageAttribute]:
    """``All``, ``.*``, a name, or a prefix that ends in ``.*``."""
    if "All" in names or ".*" in names:
        return dict(attributes)
    prefixes = tuple(name[:-2] for name in names if name.endswith(".*"))
    return {
        name: attribute
        for name, attribute in attributes.items()
        if name in names or (prefixes and name.startswith(prefixes))
    }


def _shown(attribute: MessageAttribute) -> dict[str, Any]:
    if attribute.binary_value is not None:
        return {"BinaryValue": attribute.binary_value, "DataType": attribute.data_type}
    return {"StringValue": attribute.string_value, "DataType": attribute.data_type}


def _attribute(name: str, value: Mapping[str, Any]) -> MessageAttribute:
    if value.get("StringListValues") or value.get("BinaryListValues"):
        raise SqsError(
            "AWS.SimpleQueueService.UnsupportedOperation",
            "Message attribute list values in SendMessage operation are not supported.",
        )
    kind = value.get("DataType") or ""
    if not kind:
        raise SqsError(
            "InvalidParameterValue", f"The message attribute '{name}' must contain a non-empty attribute type."
        )
    if kind.split(".")[0] == "Binary":
        return MessageAttribute(kind, binary_value=_binary(name, value.get("BinaryValue") or b""))
    return MessageAttribute(kind, string_value=value.get("StringValue") or "")


def _binary(name: str, value: bytes | str) -> bytes:
    """Bytes as they are; text is base64, as the wire has it."""
    if isinstance(value, bytes):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SqsError(
            "InvalidParameterValue", f"The value of message (user) attribute '{name}' is not base64."
        ) from error


def _trace_header(system: Mapping[str, Any]) -> str | None:
    for name, value in system.items():
        if name != "AWSTraceHeader":
            raise SqsError(
                "InvalidParameterValue",
                f"Message system attribute name '{name}' is invalid. It must be AWSTraceHeader.",
            )
        if value.get("DataType") != "String" or not value.get("StringValue"):
            raise SqsError(
                "InvalidParameterValue",
                "Message system attribute 'AWSTraceHeader' must contain a non-empty value of type 'String'.",
            )
    header: str = system["AWSTraceHeader"]["StringValue"]
    return header
