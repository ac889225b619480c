"""Facts written by hand, for tests of what is read from a journal."""

from __future__ import annotations

from esm_emulator import journal as facts

T = 1_700_000_000_000
DAY = 86_400_000


class History:
    """A list of facts, in short; times are milliseconds since the run began."""

    def __init__(self, **resources):
        self.facts = [
            facts.RunStarted(T, version="1", clock="virtual", seed=0, profile="aws-2026"),
            facts.Deployed(T, resources=resources or DEPLOYED),
        ]

    def __iter__(self):
        return iter(self.facts)

    def _add(self, kind, ms, **values):
        self.facts.append(kind(T + ms, **values))
        return self

    def sent(self, ms, message, queue="Orders", *, delay=0, **more):
        values = {"body": "", "size": 10, "visible_at": T + ms + delay, "expires_at": T + ms + 4 * DAY} | more
        return self._add(facts.MessageSent, ms, queue=queue, message=message, **values)

    def duplicate(self, ms, message, queue="Orders"):
        return self._add(facts.MessageDeduplicated, ms, queue=queue, message=message, dedup="d", first_sent_at=T)

    def received(self, ms, message, queue="Orders", *, count=1, hidden=30_000, consumer="Trigger/1"):
        return self._add(
            facts.MessageReceived,
            ms,
            queue=queue,
            message=message,
            receive_count=count,
            receipt=f"r-{count}",
            visible_at=T + ms + hidden,
            consumer=consumer,
        )

    def visibility(self, ms, message, until, queue="Orders"):
        return self._add(facts.VisibilityChanged, ms, queue=queue, message=message, receipt="r", visible_at=T + until)

    def deleted(self, ms, message, queue="Orders", consumer="Trigger/1"):
        return self._add(facts.MessageDeleted, ms, queue=queue, message=message, receipt="r", consumer=consumer)

    def delete_ignored(self, ms, message, queue="Orders", consumer="Trigger/1"):
        values = {"queue": queue, "message": message, "receipt": "r", "reason": "gone", "consumer": consumer}
        return self._add(facts.DeleteIgnored, ms, **values)

    def filtered(self, ms, message, queue="Orders"):
        return self._add(facts.MessageFiltered, ms, mapping="Trigger", queue=queue, message=message, reason="no")

    def dead_lettered(self, ms, message, queue="Orders", to="Dlq"):
        return self._add(
            facts.MessageDeadLettered, ms, queue=queue, message=message, to=to, receive_count=3, expires_at=T + DAY
        )

    def moved(self, ms, message, new, queue="Dlq", to="Orders"):
        return self._add(
            facts.MessageMoved, ms, queue=queue, message=message, to=to, new_message=new, expires_at=T + DAY
        )

    def expired(self, ms, message, queue="Orders"):
        return self._add(facts.MessageExpired, ms, queue=queue, message=message, in_flight=False)

    def purged(self, ms, *messages, queue="Orders"):
        return self._add(facts.QueuePurged, ms, queue=queue, messages=messages)

    def redelivered(self, ms, message, queue="Orders"):
        return self._add(facts.MessageRedelivered, ms, queue=queue, message=message)

    def handed_back(self, ms, message, queue="Orders"):
        return self._add(facts.MessageHandedBack, ms, mapping="Trigger", queue=queue, message=message)

    def empty(self, ms, count=1, queue="Orders"):
        return self._add(facts.EmptyReceives, ms, queue=queue, count=count, consumer="Trigger/1")

    def pollers(self, ms, count):
        return self._add(facts.PollersChanged, ms, mapping="Trigger", pollers=count, reason="start")

    def batch(self, ms, number, *messages):
        return self._add(
            facts.BatchClosed,
            ms,
            mapping="Trigger",
            batch=number,
            consumer="Trigger/1",
            messages=messages,
            reason="receive",
            size=100,
        )

    def _invocation(self, kind, ms, number, messages, **more):
        return self._add(
            kind,
            ms,
            mapping="Trigger",
            function="Worker",
            batch=number,
            messages=messages,
            consumer="Trigger/1",
            **more,
        )

    def invoked(self, ms, number, *messages):
        return self._invocation(facts.InvocationStarted, ms, number, messages, request_id=f"q-{number}")

    def throttled(self, ms, number, *messages, reason="ReservedFunctionConcurrentInvocationLimitExceeded"):
        return self._invocation(facts.InvocationThrottled, ms, number, messages, reason=reason, attempt=1)

    def ended(self, ms, number, *messages, outcome="success", duration_ms=100.0):
        return self._invocation(
            facts.InvocationEnded,
            ms,
            number,
            messages,
            request_id=f"q-{number}",
            outcome=outcome,
            duration_ms=duration_ms,
        )

    def judged(self, ms, number, done=(), kept=()):
        return self._add(
            facts.ResponseJudged,
            ms,
            mapping="Trigger",
            batch=number,
            request_id=f"q-{number}",
            done=tuple(done),
            kept=tuple(kept),
            rule="FAIL-1",
        )

    def environment(self, ms):
        return self._add(facts.EnvironmentStarted, ms, function="Worker", environment="e", init_ms=1.0)

    def set(self, ms, target, value):
        return self._add(facts.PropertySet, ms, target=target, value=value)


DEPLOYED = {
    "Orders": {
        "Type": "AWS::SQS::Queue",
        "Properties": {"FifoQueue": False, "RedrivePolicy": {"deadLetterTargetArn": "Dlq", "maxReceiveCount": 3}},
    },
    "Dlq": {"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": False}},
    "Worker": {"Type": "AWS::Lambda::Function", "Properties": {}},
    "Trigger": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {}},
}


def deployed(**redrive):
    """The resources with another redrive policy of Orders."""
    policy = {"deadLetterTargetArn": "Dlq", **redrive}
    return DEPLOYED | {"Orders": {"Type": "AWS::SQS::Queue", "Properties": {"RedrivePolicy": policy}}}
