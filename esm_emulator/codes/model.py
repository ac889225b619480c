"""What a code is, and the pages of AWS that codes cite."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KINDS", "Code", "aws"]

KINDS = {
    "E": "a configuration that AWS refuses, or that loses messages for certain",
    "W": "a risk that is seen before anything runs",
    "I": "advice that is seen before anything runs",
    "D": "a cause that is found in a run",
}

_LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg/"
_SQS = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/"
_SQS_API = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/"
_PAGES = {
    "API-create": "https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html",
    "API-delete-message": f"{_SQS_API}API_DeleteMessage.html",
    "API-set-attributes": f"{_SQS_API}API_SetQueueAttributes.html",
    "BLOG-max-concurrency": (
        "https://aws.amazon.com/blogs/compute/introducing-maximum-concurrency-of-aws-lambda-functions-when-using-"
        "amazon-sqs-as-an-event-source/"
    ),
    "EB-pipes": "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-event-filtering.html",
    "KC-charges": "https://aws.amazon.com/premiumsupport/knowledge-center/sqs-high-charges/",
    "PG-partial": (
        "https://docs.aws.amazon.com/prescriptive-guidance/latest/lambda-event-filtering-partial-batch-responses-for-"
        "sqs/best-practices-partial-batch-responses.html"
    ),
    "LDG-concurrency": f"{_LAMBDA}configuration-concurrency.html",
    "LDG-configure": f"{_LAMBDA}services-sqs-configure.html",
    "LDG-durable": f"{_LAMBDA}durable-invoking-esm.html",
    "LDG-errors": f"{_LAMBDA}services-sqs-errorhandling.html",
    "LDG-filter": f"{_LAMBDA}invocation-eventfiltering.html",
    "LDG-limits": f"{_LAMBDA}gettingstarted-limits.html",
    "LDG-metrics": f"{_LAMBDA}monitoring-metrics-types.html",
    "LDG-parameters": f"{_LAMBDA}services-sqs-parameters.html",
    "LDG-recursion": f"{_LAMBDA}invocation-recursion.html",
    "LDG-runtime": f"{_LAMBDA}lambda-runtime-environment.html",
    "LDG-scaling": f"{_LAMBDA}services-sqs-scaling.html",
    "LDG-sqs": f"{_LAMBDA}with-sqs.html",
    "LDG-sqs-filter": f"{_LAMBDA}with-sqs-filtering.html",
    "SDG-dlq": f"{_SQS}sqs-dead-letter-queues.html",
    "SDG-exactly-once": f"{_SQS}FIFO-queues-exactly-once-processing.html",
    "SDG-fifo": f"{_SQS}FIFO-queues-understanding-logic.html",
    "SDG-fifo-lambda": f"{_SQS}fifo-queue-lambda-behavior.html",
    "SDG-redrive": f"{_SQS}sqs-configure-dead-letter-queue-redrive.html",
    "SDG-trigger": f"{_SQS}sqs-configure-lambda-function-trigger.html",
    "SDG-visibility": f"{_SQS}sqs-visibility-timeout.html",
}


def aws(page: str) -> str:
    """The address of a page of AWS by its short name. Raises ``KeyError``."""
    return _PAGES[page]


@dataclass(frozen=True, slots=True)
class Code:
    """One code. The texts are sentences; ``clauses`` name the rules behind it, ``source`` is AWS's own page.

    ``scenario`` is the minimal scenario that shows it, a file under ``scenarios/`` (codes of a run); what shows a code
    of a check is in :mod:`esm_emulator.codes.examples`.
    """

    id: str
    title: str
    meaning: str
    cause: str
    fix: str
    source: str
    clauses: tuple[str, ...] = ()
    scenario: str | None = None

    @property
    def kind(self) -> str:
        """``E``, ``W``, ``I`` or ``D``."""
        return self.id.removeprefix("ESM-")[0]
