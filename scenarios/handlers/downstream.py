"""An order service behind which another one takes 20 calls a second and refuses more."""

import time

LIMIT = 20
calls: list[float] = []


class TooManyRequests(Exception):
    pass


def handler(event, context):
    for _ in event["Records"]:
        call()


def call():
    now = time.time()
    calls[:] = [at for at in calls if now - at < 1]
    if len(calls) >= LIMIT:
        raise TooManyRequests(f"more than {LIMIT} a second")
    calls.append(now)
