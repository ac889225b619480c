"""Queues, functions and mappings, under CloudFormation's names and nesting, with AWS's defaults and limits.

Times are in CloudFormation's units (seconds), sizes in bytes, memory in megabytes. Every value is frozen. A limit that
stands here is AWS's own; what AWS says when it is broken stands in :mod:`refusals`. What AWS allows and the emulator
does not act on is not listed here but in :data:`IGNORED`, so that a block pasted from a template loads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from esm_emulator.resources import parts
from esm_emulator.resources.parts import (
    Flag,
    OptionalFilterCriteria,
    OptionalProvisionedPollerConfig,
    OptionalRedriveAllowPolicy,
    OptionalRedrivePolicy,
    OptionalScalingConfig,
    Part,
    TagList,
    Text,
    Whole,
    from_json,
    from_word,
)

__all__ = [
    "ACCOUNT",
    "IGNORED",
    "REGION",
    "UNSUPPORTED",
    "EventSourceMapping",
    "Function",
    "Queue",
    "Resource",
    "function_arn",
    "partition_of",
    "queue_arn",
]

ACCOUNT = "123456789012"
REGION = "us-east-1"


def partition_of(region: str) -> str:
    """The partition of a region: ``aws``, ``aws-cn`` or ``aws-us-gov``."""
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


def queue_arn(name: str, region: str = REGION, account: str = ACCOUNT) -> str:
    """The ARN of the queue with that name."""
    return f"arn:{partition_of(region)}:sqs:{region}:{account}:{name}"


def function_arn(name: str, region: str = REGION, account: str = ACCOUNT) -> str:
    """The ARN of the function with that name, which may carry a qualifier (``Worker:live``)."""
    return f"arn:{partition_of(region)}:lambda:{region}:{account}:function:{name}"


class Resource(Part):
    """What queues, functions and mappings share: a logical id, and the region and account that their ARNs name."""

    id: str = Field(exclude=True)
    region: str = Field(REGION, exclude=True)
    account: str = Field(ACCOUNT, exclude=True)


class Queue(Resource):
    """A queue (``AWS::SQS::Queue``)."""

    QueueName: str = ""
    """Default: the logical id, with .fifo for a FIFO queue."""
    FifoQueue: Flag = False
    VisibilityTimeout: Whole = Field(30, ge=0, le=43_200)
    """Seconds for which a received message is hidden from other consumers (SQS-2)."""
    DelaySeconds: Whole = Field(0, ge=0, le=900)
    """Seconds for which a new message is hidden (SQS-3)."""
    MessageRetentionPeriod: Whole = Field(345_600, ge=60, le=1_209_600)
    """Seconds for which a message is kept (SQS-4)."""
    ReceiveMessageWaitTimeSeconds: Whole = Field(0, ge=0, le=20)
    """Seconds that a receive without a wait of its own waits (SQS-5)."""
    MaximumMessageSize: Whole = Field(1_048_576, ge=1_024, le=1_048_576)
    """Bytes of the largest message (SQS-8)."""
    RedrivePolicy: OptionalRedrivePolicy = None
    RedriveAllowPolicy: OptionalRedriveAllowPolicy = None
    ContentBasedDeduplication: Flag = False
    """Whether a FIFO queue takes the body's SHA-256 where a message has no deduplication id (FIFO-14)."""
    DeduplicationScope: Literal["queue", "messageGroup"] = "queue"
    FifoThroughputLimit: Literal["perQueue", "perMessageGroupId"] = "perQueue"
    KmsMasterKeyId: Text | None = None
    KmsDataKeyReusePeriodSeconds: Whole = Field(300, ge=60, le=86_400)
    SqsManagedSseEnabled: Flag | None = None
    Tags: TagList = ()

    @model_validator(mode="before")
    @classmethod
    def _name(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and not values.get("QueueName"):
            suffix = ".fifo" if from_word(values.get("FifoQueue")) is True else ""
            return {**values, "QueueName": f"{values.get('id', '')}{suffix}"}
        return values

    @staticmethod
    def policy_of(value: Any) -> Any:
        """A policy as a mapping, also where it was given as JSON text; None where "" or {} removes it (DLQ-12)."""
        return from_json(value)

    @property
    def arn(self) -> str:
        """The queue's ARN."""
        return queue_arn(self.QueueName, self.region, self.account)


class Function(Resource):
    """A function (``AWS::Lambda::Function``, ``AWS::Serverless::Function``)."""

    FunctionName: str = Field("", max_length=64, pattern=r"^[a-zA-Z0-9-_]*$")
    """Default: the logical id, as far as a name may go."""
    Handler: str | None = Field(None, max_length=128, pattern=r"^[^\s]+$")
    """module.function; left out, the function's behavior is a scenario's or a callable's."""
    CodeUri: str = "."
    """The folder with the code, relative to the file; default the file's own folder. Absolute once loaded."""
    Runtime: str | None = None
    Timeout: Whole = Field(3, ge=1, le=900)
    """Seconds after which an invocation is cut off (RUN-1)."""
    MemorySize: Whole = Field(128, ge=128, le=10_240)
    """Megabytes (RUN-2)."""
    ReservedConcurrentExecutions: Whole | None = Field(None, ge=0)
    """The most invocations at one time; 0 refuses all (CONC-11)."""
    Environment: parts.Environment = Field(default_factory=parts.Environment)
    LoggingConfig: parts.LoggingConfig = Field(default_factory=parts.LoggingConfig)
    RecursiveLoop: Literal["Terminate", "Allow"] = "Terminate"
    """Whether Lambda ends a chain of messages that keeps coming back (FAIL-16)."""
    DeadLetterConfig: dict[str, Any] | None = None
    """For asynchronous invocations; no part of a mapping's life (FAIL-15)."""
    EventInvokeConfig: dict[str, Any] | None = None
    """For asynchronous invocations; no part of a mapping's life (FAIL-15)."""
    DurableConfig: dict[str, Any] | None = None
    TenancyConfig: dict[str, Any] | None = None
    Tags: TagList = ()

    @model_validator(mode="before")
    @classmethod
    def _name(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and not values.get("FunctionName"):
            return {**values, "FunctionName": str(values.get("id", ""))[:64]}
        return values

    @property
    def arn(self) -> str:
        """The function's ARN, without a qualifier."""
        return function_arn(self.FunctionName, self.region, self.account)


class EventSourceMapping(Resource):
    """What ties a queue to a function (``AWS::Lambda::EventSourceMapping``, or a serverless function's SQS event)."""

    EventSourceArn: str
    """The queue: a logical id, !GetAtt X.Arn, !Ref or an ARN. Once loaded: its ARN."""
    FunctionName: str = Field(min_length=1, max_length=256)
    """The function: a logical id, !Ref, !GetAtt X.Arn, a name or an ARN. Once loaded: its name, and its qualifier."""
    Enabled: Flag = True
    BatchSize: Whole = Field(10, ge=1, le=10_000)
    """The most records of one batch (BATCH-1)."""
    MaximumBatchingWindowInSeconds: Whole = Field(0, ge=0, le=300)
    """Seconds for which a batch is gathered (BATCH-3)."""
    FilterCriteria: OptionalFilterCriteria = None
    FunctionResponseTypes: tuple[Literal["ReportBatchItemFailures"], ...] = Field((), max_length=1)
    """[ReportBatchItemFailures] lets the function name the records that failed (PBR-1)."""
    ScalingConfig: OptionalScalingConfig = None
    ProvisionedPollerConfig: OptionalProvisionedPollerConfig = None
    MetricsConfig: parts.MetricsConfig | None = None
    LoggingConfig: parts.LoggingConfig | None = None
    KmsKeyArn: Text | None = None
    Tags: TagList = ()

    @property
    def fifo(self) -> bool:
        """Whether it reads a FIFO queue (FIFO-22)."""
        return self.EventSourceArn.endswith(".fifo")

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns of its filters as JSON text; none: every message is delivered."""
        return tuple(item.Pattern for item in self.FilterCriteria.Filters) if self.FilterCriteria else ()

    @property
    def reports_item_failures(self) -> bool:
        """Whether ``ReportBatchItemFailures`` is on (PBR-1)."""
        return bool(self.FunctionResponseTypes)

    @property
    def maximum_concurrency(self) -> int | None:
        """``ScalingConfig.MaximumConcurrency``, None for no limit (CONC-1)."""
        return self.ScalingConfig.MaximumConcurrency if self.ScalingConfig else None

    @property
    def function_arn(self) -> str:
        """The function's ARN with the qualifier that the mapping names (API-8, RUN-14)."""
        return function_arn(self.FunctionName, self.region, self.account)


UNSUPPORTED = (
    *("StartingPosition", "DestinationConfig", "ParallelizationFactor", "StartingPositionTimestamp"),
    *("MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError", "MaximumRetryAttempts", "TumblingWindowInSeconds"),
    *("Topics", "Queues", "SourceAccessConfigurations", "SelfManagedEventSource"),
    *("AmazonManagedKafkaEventSourceConfig", "SelfManagedKafkaEventSourceConfig", "DocumentDBEventSourceConfig"),
)
"""A mapping's properties that AWS refuses for a queue (API-29 … 31)."""

_IGNORED_OF_FUNCTIONS = frozenset(
    (
        *("Architectures", "AcceleratorConfig", "CapacityProviderConfig", "CodeSigningConfigArn", "Description"),
        *("EphemeralStorage", "FileSystemConfigs", "FunctionScalingConfig", "ImageConfig", "KmsKeyArn", "Layers"),
        *("PublishToLatestPublished", "Role", "RuntimeManagementConfig", "SnapStart", "TracingConfig", "VpcConfig"),
    )
)
_IGNORED_OF_SERVERLESS = frozenset(
    (
        *("AssumeRolePolicyDocument", "AutoPublishAliasAllProperties", "AutoPublishCodeSha256"),
        *("DeploymentPreference", "FunctionUrlConfig", "PermissionsBoundary", "Policies", "PropagateTags"),
        *("ProvisionedConcurrencyConfig", "RolePath", "Tracing", "VersionDeletionPolicy", "VersionDescription"),
    )
)
IGNORED: Mapping[str, frozenset[str]] = {
    "AWS::SQS::Queue": frozenset(),
    "AWS::Lambda::EventSourceMapping": frozenset(),
    "AWS::Lambda::Function": _IGNORED_OF_FUNCTIONS,
    "AWS::Serverless::Function": _IGNORED_OF_FUNCTIONS | _IGNORED_OF_SERVERLESS,
}
"""Properties that are AWS's own and change nothing here: taken from a pasted block and left alone."""
