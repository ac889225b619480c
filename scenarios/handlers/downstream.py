"""An order service behind which another one takes 20 calls a second and refuses more."""

import time

LIMIT = 20
calls: list[float] = []


def handler(event, context):
    failed = [record["messageId"] for record in event["Records"] if not call()]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def call():
    """One call of the service; false when it has had its share of this second."""
    now = time.time()
    calls[:] = [at for at in calls if now - at < 1]
    calls.append(now)
    return len(calls) <= LIMIT
