"""Codes ``E``: configurations that AWS refuses, or that lose messages for certain."""

from __future__ import annotations

from esm_emulator.codes.model import Code, aws

__all__ = ["REFUSALS"]

REFUSALS: tuple[Code, ...] = (
    Code(
        "ESM-E301",
        "visibility timeout below the function's timeout",
        "The queue's VisibilityTimeout is shorter than the function's Timeout; AWS refuses to create the mapping.",
        "A message would be visible again, and delivered a second time, while its first invocation may still run.",
        "Raise the queue's VisibilityTimeout to six times the function's Timeout plus the batching window.",
        aws("LDG-configure"),
        ("DOC-1", "API-41", "FAIL-21"),
    ),
    Code(
        "ESM-E302",
        "batch size or window that this kind of queue does not take",
        "BatchSize is above 10 without a batching window, or a FIFO queue has a window or a BatchSize above 10.",
        "SQS hands out at most 10 messages a receive: larger batches are collected over a window, which FIFO queues "
        "do not have.",
        "Set MaximumBatchingWindowInSeconds to 1 or more, or BatchSize to 10 or less; on FIFO leave the window at 0.",
        aws("API-create"),
        ("DOC-18", "BATCH-1", "BATCH-2", "BATCH-4"),
    ),
    Code(
        "ESM-E303",
        "failure destination on an SQS mapping",
        "The mapping has a DestinationConfig, which AWS takes for streams and Kafka and refuses for SQS.",
        "With SQS, failed messages stay in the queue; its redrive policy decides when they go to a dead-letter queue.",
        "Remove DestinationConfig and give the queue a RedrivePolicy.",
        aws("API-create"),
        ("DOC-9", "API-29", "FAIL-14"),
    ),
    Code(
        "ESM-E304",
        "dead-letter queue of another type, account or Region",
        "The queue that RedrivePolicy names cannot be its dead-letter queue.",
        "SQS wants a FIFO queue for a FIFO queue, a standard one for a standard one, in the same account and Region.",
        "Point deadLetterTargetArn at a queue of the same type in the same account and Region.",
        aws("SDG-dlq"),
        ("DOC-10", "DLQ-5"),
    ),
    Code(
        "ESM-E305",
        "MaximumConcurrency out of range or beside provisioned mode",
        "MaximumConcurrency is not between 2 and 1,000, or stands together with ProvisionedPollerConfig.",
        "The two are different ways to scale one mapping; AWS takes one of them.",
        "Use 2 to 1,000, or remove one of ScalingConfig and ProvisionedPollerConfig.",
        aws("LDG-scaling"),
        ("DOC-19", "CONC-1", "CONC-5"),
    ),
    Code(
        "ESM-E306",
        "reserved concurrency 0 behind an enabled mapping",
        "ReservedConcurrentExecutions is 0 and the mapping is enabled: every batch is throttled.",
        "Pollers go on receiving; each round uses up a receive, until the messages are dead-lettered without "
        "having run.",
        "To pause, set Enabled: false on the mapping; otherwise reserve at least 5, or remove the reservation.",
        aws("LDG-concurrency"),
        ("DOC-22", "CONC-11", "FAIL-11"),
    ),
    Code(
        "ESM-E307",
        "filter that AWS refuses",
        "A pattern in FilterCriteria is not valid, longer than 4,096 characters, or there are more than 5 filters.",
        "Lambda validates patterns when the mapping is created or updated.",
        "Write each pattern as a JSON object whose leaves are lists; `esm filter` tries one on messages.",
        aws("LDG-filter"),
        ("DOC-28", "FILT-2"),
    ),
    Code(
        "ESM-E308",
        "execution role without a permission that polling needs",
        "The function's role lacks sqs:ReceiveMessage, sqs:DeleteMessage, sqs:GetQueueAttributes, or "
        "kms:Decrypt for an "
        "encrypted queue.",
        "Lambda polls with the function's own execution role: without them creation fails, or nothing is polled.",
        "Attach AWSLambdaSQSQueueExecutionRole, and kms:Decrypt on the key of an encrypted queue.",
        aws("LDG-configure"),
        ("DOC-33", "POLL-7"),
    ),
    Code(
        "ESM-E309",
        "queue in another Region, or across accounts under the AWS-managed key",
        "The mapping's queue is out of reach: it is in another Region, or in another account and encrypted with the "
        "AWS-managed SQS key.",
        "Mappings work within one Region; the policy of the AWS-managed key cannot admit another account.",
        "Use a queue in the function's Region; across accounts use SSE-SQS or a customer-managed key.",
        aws("SDG-trigger"),
        ("DOC-34", "POLL-3", "POLL-8"),
    ),
    Code(
        "ESM-E310",
        "property that AWS refuses",
        "A property has a value outside AWS's limits, or one that does not go together with another; the message says "
        "which.",
        "AWS validates properties when a resource is created or updated.",
        "Use a value within the limits that the message names.",
        aws("API-create"),
        ("API-20", "API-21", "API-22"),
    ),
    Code(
        "ESM-E311",
        "resource that does not load",
        "A value is of the wrong kind, or a reference names nothing.",
        "AWS cannot create a resource from it, and what depends on it cannot be checked.",
        "Correct what the message names.",
        aws("API-create"),
        ("API-16",),
    ),
)
