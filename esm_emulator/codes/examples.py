"""The least configuration, or the least handler, that shows each code of a check: Markdown for its page."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["EXAMPLES", "NOTHING_SHOWS", "Example"]

_TYPES = {
    "Orders": "AWS::SQS::Queue",
    "OrdersDlq": "AWS::SQS::Queue",
    "Worker": "AWS::Lambda::Function",
    "Trigger": "AWS::Lambda::EventSourceMapping",
    "Second": "AWS::Lambda::EventSourceMapping",
}


@dataclass(frozen=True, slots=True)
class Example:
    """Files by name, of which ``esm check`` is given the first, and what else it is told."""

    files: tuple[tuple[str, str], ...]
    options: str = ""

    @property
    def command(self) -> str:
        """What shows the code."""
        return f"esm check {self.files[0][0]}{self.options and ' '}{self.options}"

    def markdown(self) -> list[str]:
        """Markdown: each file under its name, and the command."""
        parts = [f"`{name}`:\n\n```{_LANGUAGES[name.rpartition('.')[2]]}\n{text}\n```" for name, text in self.files]
        return [*parts, f"```console\n$ {self.command}\n```"]


_LANGUAGES = {"yaml": "yaml", "py": "python"}


def _blocks(**properties: str) -> str:
    """Blocks of resources; a mapping reads Orders for Worker unless it says otherwise."""
    lines = ["resources:"]
    for id, text in ({"Orders": "", "Worker": "", "Trigger": ""} | properties).items():
        ends = ["EventSourceArn: Orders", "FunctionName: Worker"] if id in {"Trigger", "Second"} else []
        given = [*(end for end in ends if end.partition(":")[0] not in text), *_apart(text)]
        if given:
            lines += [f"  {id}:", f"    Type: {_TYPES[id]}", "    Properties:", *(f"      {line}" for line in given)]
        else:
            lines.append(f"  {id}: {{Type: {_TYPES[id]}}}")
    return "\n".join(lines)


def _apart(text: str) -> list[str]:
    """``a: 1, b: {c: 2, d: 3}`` as its two properties."""
    found, depth, quoted = [""], 0, False
    for character in text:
        quoted ^= character == "'"
        depth += 0 if quoted else (character in "{[") - (character in "}]")
        if character == "," and not depth and not quoted:
            found.append("")
        else:
            found[-1] += character
    return [item.strip() for item in found if item.strip()]


def _resources(**properties: str) -> Example:
    return Example((("esm.yaml", _blocks(**properties)),))


def _handler(*lines: str, before: str = "", **properties: str) -> Example:
    """A handler, and the resources around it."""
    worker = ", ".join(part for part in ("Handler: app.handler", properties.pop("Worker", "")) if part)
    text = "\n".join(
        [*([before] if before else []), "def handler(event, context):", *(f"    {line}" for line in lines)]
    )
    return Example((("esm.yaml", _blocks(Worker=worker, **properties)), ("app.py", text)))


def _scenario(*more: str, **properties: str) -> Example:
    """A scenario: its resources, then what else it says."""
    return Example((("case.esm.yaml", "\n".join(["version: 1", _blocks(**properties), *more])),))


def _template(*lines: str, options: str = "") -> Example:
    return Example((("template.yaml", "\n".join(lines)),), options)


_REDRIVE = "RedrivePolicy: {deadLetterTargetArn: OrdersDlq, maxReceiveCount: %s}"
_TRIGGER = (
    "  Trigger:",
    "    Type: AWS::Lambda::EventSourceMapping",
    "    Properties:",
    "      EventSourceArn: !GetAtt Orders.Arn",
    "      FunctionName: !Ref Worker",
)
_PARTIAL = "FunctionResponseTypes: [ReportBatchItemFailures]"
_LOOP = ("failed = []", "for record in event['Records']:", "    try:", "        work(record['body'])")


def _filter(pattern: str) -> str:
    return f"FilterCriteria: {{Filters: [{{Pattern: '{pattern}'}}]}}"


_EXAMPLES: dict[str, Example] = {
    "ESM-E301": _resources(Orders="VisibilityTimeout: 30", Worker="Timeout: 60"),
    "ESM-E302": _resources(Trigger="BatchSize: 100"),
    "ESM-E303": _resources(Trigger="DestinationConfig: {OnFailure: {Destination: OrdersDlq}}"),
    "ESM-E304": _resources(Orders=f"FifoQueue: true, {_REDRIVE % 5}", OrdersDlq=""),
    "ESM-E305": _resources(Trigger="ScalingConfig: {MaximumConcurrency: 1}"),
    "ESM-E306": _resources(Worker="ReservedConcurrentExecutions: 0"),
    "ESM-E307": _resources(Trigger=_filter('{"body": {"status": "new"}}')),
    "ESM-E308": _template(
        "Resources:",
        "  Orders: {Type: AWS::SQS::Queue}",
        "  Role:",
        "    Type: AWS::IAM::Role",
        "    Properties:",
        "      AssumeRolePolicyDocument: {}",
        "      ManagedPolicyArns: [arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole]",
        "  Worker: {Type: AWS::Lambda::Function, Properties: {Role: !GetAtt Role.Arn}}",
        *_TRIGGER,
    ),
    "ESM-E309": _template(
        "Resources:",
        "  Worker: {Type: AWS::Lambda::Function}",
        *(line.replace("!GetAtt Orders.Arn", "arn:aws:sqs:eu-west-1:123456789012:orders") for line in _TRIGGER),
        options="--region us-east-1",
    ),
    "ESM-E310": _resources(Orders="VisibilityTimeout: 50000"),
    "ESM-E311": _resources(Orders="VisibilityTimeout: soon"),
    "ESM-W201": _resources(Orders="VisibilityTimeout: 60", Worker="Timeout: 30"),
    "ESM-W202": _scenario(
        "timeline:", "  - {at: 10s, set: {Worker.Timeout: 300}}", Orders="VisibilityTimeout: 180", Worker="Timeout: 30"
    ),
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
    "ESM-W213": _handler("for record in event['Records']:", "    work(record)", Trigger=_PARTIAL),
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
    "ESM-W216": _handler(
        *_LOOP,
        "    except ValueError:",
        "        failed.append({'itemIdentifier': record['messageId']})   # and goes on with the next",
        "return {'batchItemFailures': failed}",
        Orders="FifoQueue: true",
        Trigger=_PARTIAL,
    ),
    "ESM-W217": _resources(Worker="ReservedConcurrentExecutions: 1"),
    "ESM-W218": _resources(Trigger="ProvisionedPollerConfig: {MinimumPollers: 2, MaximumPollers: 1000}"),
    "ESM-W219": _scenario("behavior:", "  Worker: [{takes: {each: 1s}}]", Worker="Timeout: 5"),
    "ESM-W220": _resources(Trigger=_filter('{"attributes": {"SenderId": ["AIDA"]}}')),
    "ESM-W221": _resources(Trigger=_filter('{"body": {"file": [{"wildcard": "*.png"}]}}')),
    "ESM-W222": _resources(
        Trigger=_filter('{"body": {"kind": ["a"]}}'),
        Second="FunctionName: 'Worker:live', " + _filter('{"body": {"kind": ["b"]}}'),
    ),
    "ESM-W223": _scenario("send:", "  - {to: Orders, body: plain text}", Trigger=_filter('{"body": {"kind": ["a"]}}')),
    "ESM-W224": _handler(
        "for record in event['Records']:",
        "    sqs.send_message(QueueUrl=os.environ['ORDERS_URL'], MessageBody=record['body'])",
        Worker="Environment: {Variables: {ORDERS_URL: !Ref Orders}}",
    ),
    "ESM-W225": _resources(
        Orders=f"VisibilityTimeout: 43200, MessageRetentionPeriod: 86400, {_REDRIVE % 5}", OrdersDlq=""
    ),
    "ESM-W227": _resources(
        Orders="FifoQueue: true, VisibilityTimeout: 60", Worker="Timeout: 60", Trigger="BatchSize: 10"
    ),
    "ESM-W229": _resources(Worker="DurableConfig: {ExecutionTimeout: 3600}"),
    "ESM-W231": _handler("return {record['messageId'] for record in event['Records']}   # a set"),
    "ESM-W232": _template("Resources:", "  Orders: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeOut: 60}}"),
    "ESM-W233": _resources(Orders=_REDRIVE % 5, OrdersDlq=(_REDRIVE % 5).replace("OrdersDlq", "Orders")),
    "ESM-I401": _scenario(
        "send:",
        "  - {to: Orders, body: one, group: customer-7}",
        Orders="FifoQueue: true, ContentBasedDeduplication: true",
        Trigger="ScalingConfig: {MaximumConcurrency: 100}",
    ),
    "ESM-I402": _resources(Orders="MaximumMessageSize: 1048576"),
    "ESM-I403": _handler("for record in event['Records']:", "    charge_the_card(record['body'])"),
    "ESM-I404": _template(
        "Resources:",
        "  OrdersDlq: {Type: AWS::SQS::Queue}",
        "  Orders:",
        "    Type: AWS::SQS::Queue",
        "    Properties:",
        "      RedrivePolicy: {deadLetterTargetArn: !GetAtt OrdersDlq.Arn, maxReceiveCount: 5}",
    ),
    "ESM-I405": _resources(Trigger="BatchSize: 5, ProvisionedPollerConfig: {MinimumPollers: 2}"),
    "ESM-I406": _resources(Orders="QueueName: orders-dev", Trigger="Enabled: true"),
    "ESM-I407": _resources(Trigger="BatchSize: 10"),
    "ESM-I408": _handler(
        "for record in event['Records']:",
        "    work(record['body'])",
        "return {'batchItemFailures': []}",
        Trigger=_PARTIAL,
    ),
    "ESM-I409": _template(
        "Parameters:",
        "  Seconds: {Type: Number}",
        "Resources:",
        "  Orders: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: !Ref Seconds}}",
    ),
    "ESM-I410": _resources(Orders=f"FifoQueue: true, {_REDRIVE % 5}", OrdersDlq="FifoQueue: true"),
    "ESM-I411": _resources(Orders=_REDRIVE % 5, OrdersDlq=""),
    "ESM-I412": _template(
        "Resources:",
        "  Orders: {Type: AWS::SQS::Queue}",
        "  Worker:",
        "    Type: AWS::Lambda::Function",
        "    Properties: {PackageType: Image, Code: {ImageUri: registry.example/worker}}",
        *_TRIGGER,
    ),
}
EXAMPLES = {
    code: replace(example, options=f"{example.options} --show I".strip()) if code.startswith("ESM-I") else example
    for code, example in _EXAMPLES.items()
}
"""The example of each code. Advice is not shown unless it is asked for."""
NOTHING_SHOWS = {
    "ESM-W230": "No function that AWS takes shows it today: with the longest Timeout, 900 s, and the longest window, "
    "300 s, six times the timeout is 5,700 s.",
}
"""Codes of which there is no example, and why."""
