"""Two handlers for bookings of accounts; booking 3 cannot be made at the first try."""

import json


def goes_on(event, context):
    """Reports the failed bookings, and books all others. On a FIFO queue that breaks the order."""
    failed = [record["messageId"] for record in event["Records"] if not book(record)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def stops(event, context):
    """Stops at the first failure of each account, and reports it with all of that account behind it."""
    failed, stopped = [], set()
    for record in event["Records"]:
        account = record["attributes"]["MessageGroupId"]
        if account in stopped or not book(record):
            stopped.add(account)
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def book(record):
    booking = json.loads(record["body"])["booking"]
    return booking != "3" or record["attributes"]["ApproximateReceiveCount"] != "1"
