"""The least configuration, or the least handler, that shows each code of a check: Markdown for its page."""

from __future__ import annotations

__all__ = ["EXAMPLES"]

_TYPES = {
    "Orders": "AWS::SQS::Queue",
    "OrdersDlq": "AWS::SQS::Queue",
    "Worker": "AWS::Lambda::Function",
    "Trigger": "AWS::Lambda::EventSourceMapping",
    "Second": "AWS::Lambda::EventSourceMapping",
}


def _resources(**properties: str) -> str:
    """A block of resources, one a line; a mapping reads Orders for Worker unless it says otherwise."""
    given = {"Orders": "", "Worker": "", "Trigger": ""} | properties
    lines = []
    for id, text in given.items():
        ends = "EventSourceArn: Orders, FunctionName: Worker" if id in {"Trigger", "Second"} else ""
        inner = ", ".join(part for part in (ends, text) if part)
        tail = f", Properties: {{{inner}}}" if inner else ""
        lines.append(f"  {id}: {{Type: {_TYPES[id]}{tail}}}")
    return "```yaml\nresources:\n" + "\n".join(lines) + "\n```"


def _handler(*lines: str) -> str:
    return "```python\ndef handler(event, context):\n" + "\n".join(f"    {line}" for line in lines) + "\n```"


_REDRIVE = "RedrivePolicy: {deadLetterTargetArn: OrdersDlq, maxReceiveCount: %s}"
_PARTIAL = "FunctionResponseTypes: [ReportBatchItemFailures]"
_LOOP = ("failed = []", "for record in event['Records']:", "    try:", "        work(record['body'])")


def _filter(pattern: str) -> str:
    return f"FilterCriteria: {{Filters: [{{Pattern: '{pattern}'}}]}}"


EXAMPLES: dict[str, str] = {
    "ESM-E301": _resources(Orders="VisibilityTimeout: 30", Worker="Timeout: 60"),
    "ESM-E302": _resources(Trigger="BatchSize: 100"),
    "ESM-E303": _resources(Trigger="DestinationConfig: {OnFailure: {Destination: OrdersDlq}}"),
    "ESM-E304": _resources(Orders=f"FifoQueue: true, {_REDRIVE % 5}", OrdersDlq=""),
    "ESM-E305": _resources(Trigger="ScalingConfig: {MaximumConcurrency: 1}"),
    "ESM-E306": _resources(Worker="ReservedConcurrentExecutions: 0"),
    "ESM-E307": _resources(Trigger=_filter('{"body": {"status": "new"}}')),
    "ESM-E309": _resources(Trigger="EventSourceArn: arn:aws:sqs:eu-west-1:123456789012:orders").replace(
        "EventSourceArn: Orders, FunctionName: Worker, ", "FunctionName: Worker, "
    ),
    "ESM-E310": _resources(Orders="VisibilityTimeout: 50000"),
    "ESM-E311": _resources(Orders="VisibilityTimeout: soon"),
    "ESM-W201": _resources(Orders="VisibilityTimeout: 60", Worker="Timeout: 30"),
    "ESM-W202": "```yaml\ntimeline:\n  - {at: 10s, set: {Worker.Timeout: 300}}   # VisibilityTimeout is 180\n```",
    "ESM-W203": _resources(
        Orders="VisibilityTimeout: 60", Worker="Timeout: 30", Trigger="MaximumBatchingWindowInSeconds: 30"
    ),
    "ESM-W204": _resources(Trigger="ProvisionedPollerConfig: {MinimumPollers: 20, MaximumPollers: 40}"),
    "ESM-W205": _resources(
        Worker="ReservedConcurrentExecutions: 10", Trigger="ScalingConfig: {MaximumConcurrency: 30}"
    ),
    "ESM-W206": _resources(Orders="VisibilityTimeout: 43200", Worker="Timeout: 3"),
    "ESM-W207": _resources(Orders=_REDRIVE % 2, OrdersDlq=""),
    "ESM-W208": _resources(),
    "ESM-W209": _resources(Worker="DeadLetterConfig: {TargetArn: OrdersDlq}", OrdersDlq=""),
    "ESM-W210": _resources(Orders=_REDRIVE % 5, OrdersDlq="MessageRetentionPeriod: 345600"),
    "ESM-W211": _resources(Orders=_REDRIVE % 5, OrdersDlq="RedriveAllowPolicy: {redrivePermission: denyAll}"),
    "ESM-W212": _resources(Trigger="BatchSize: 10"),
    "ESM-W213": _resources(Trigger=_PARTIAL) + "\n\n" + _handler("for record in event['Records']:", "    work(record)"),
    "ESM-W214": _handler(
        *_LOOP,
        "    except ValueError:",
        "        failed.append({'ItemIdentifier': record['messageId']})",
        "return {'BatchItemFailures': failed}",
    ),
    "ESM-W215": _handler(
        *_LOOP,
        "    except ValueError:",
        "        failed.append({'itemIdentifier': record['receiptHandle']})",
        "return {'batchItemFailures': failed}",
    ),
    "ESM-W216": _resources(Orders="FifoQueue: true", Trigger=_PARTIAL)
    + "\n\n"
    + _handler(
        *_LOOP,
        "    except ValueError:",
        "        failed.append({'itemIdentifier': record['messageId']})   # and goes on with the next",
        "return {'batchItemFailures': failed}",
    ),
    "ESM-W217": _resources(Worker="ReservedConcurrentExecutions: 1"),
    "ESM-W218": _resources(Trigger="ProvisionedPollerConfig: {MinimumPollers: 2, MaximumPollers: 1000}"),
    "ESM-W219": "```yaml\nbehavior:\n  Worker: [{takes: {each: 1s}}]   # BatchSize 10, Timeout 5\n```",
    "ESM-W220": _resources(Trigger=_filter('{"messageAttributes": {"kind": {"stringValue": ["a"]}}}')),
    "ESM-W221": _resources(Trigger=_filter('{"body": {"file": [{"wildcard": "*.png"}]}}')),
    "ESM-W222": _resources(Trigger=_filter('{"body": {"kind": ["a"]}}'), Second=_filter('{"body": {"kind": ["b"]}}')),
    "ESM-W223": _resources(Trigger=_filter('{"body": {"kind": ["a"]}}'))
    + "\n\n```yaml\nsend:\n  - {to: Orders, body: plain text}\n```",
    "ESM-W224": _handler(
        "for record in event['Records']:",
        "    sqs.send_message(QueueUrl=os.environ['ORDERS_URL'], MessageBody=record['body'])",
    ),
    "ESM-W225": _resources(
        Orders=f"VisibilityTimeout: 43200, MessageRetentionPeriod: 86400, {_REDRIVE % 5}", OrdersDlq=""
    ),
    "ESM-W227": _resources(
        Orders="FifoQueue: true, VisibilityTimeout: 60", Worker="Timeout: 60", Trigger="BatchSize: 10"
    ),
    "ESM-W229": _resources(Worker="DurableConfig: {ExecutionTimeout: 3600}"),
    "ESM-W230": _resources(Orders="VisibilityTimeout: 43200", Worker="Timeout: 5400"),
    "ESM-W231": _handler("return {record['messageId'] for record in event['Records']}   # a set"),
    "ESM-W232": _resources(Orders="VisibilityTimeOut: 60"),
    "ESM-I401": _resources(Orders="FifoQueue: true", Trigger="ScalingConfig: {MaximumConcurrency: 100}"),
    "ESM-I402": "```yaml\nsend:\n  - {to: Orders, file: events/large.json}   # 900 KB each, BatchSize 10\n```",
    "ESM-I403": _handler("for record in event['Records']:", "    charge_the_card(record['body'])"),
    "ESM-I404": _resources(Orders=_REDRIVE % 5, OrdersDlq=""),
    "ESM-I405": _resources(Trigger="BatchSize: 5, ProvisionedPollerConfig: {MinimumPollers: 2}"),
    "ESM-I406": _resources(Orders="QueueName: orders-dev", Trigger="Enabled: true"),
    "ESM-I407": _resources(Trigger="BatchSize: 10"),
    "ESM-I408": _resources(Trigger=_PARTIAL)
    + "\n\n"
    + _handler("for record in event['Records']:", "    work(record['body'])", "return {'batchItemFailures': []}"),
    "ESM-I410": _resources(Orders=f"FifoQueue: true, {_REDRIVE % 5}", OrdersDlq="FifoQueue: true"),
    "ESM-I411": _resources(Orders=_REDRIVE % 5, OrdersDlq=""),
}
