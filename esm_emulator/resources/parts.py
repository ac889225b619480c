"""The structures inside queues, functions and mappings, and how a value may be written.

CloudFormation takes a number or boolean as text too, a policy as a mapping or as JSON text, tags as a list or (in SAM)
as a mapping. Every structure is frozen and takes no key but its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict

__all__ = [
    "Environment",
    "Filter",
    "FilterCriteria",
    "Flag",
    "LoggingConfig",
    "MetricsConfig",
    "OptionalFilterCriteria",
    "OptionalProvisionedPollerConfig",
    "OptionalRedriveAllowPolicy",
    "OptionalRedrivePolicy",
    "OptionalScalingConfig",
    "Part",
    "ProvisionedPollerConfig",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "ScalingConfig",
    "Tag",
    "TagList",
    "Text",
    "Whole",
    "from_json",
    "from_word",
]


def _from_digits(value: Any) -> Any:
    """Templates may write a number as text; ``true`` is not a number."""
    return int(value) if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value) else value


def from_word(value: Any) -> Any:
    """Templates may write a boolean as text."""
    words = {"true": True, "false": False}
    return words.get(value.lower(), value) if isinstance(value, str) else value


def _to_text(value: Any) -> Any:
    """Numbers and booleans become text where CloudFormation makes them so."""
    return json.dumps(value) if isinstance(value, bool | int | float) else value


def _none_if_empty(value: Any) -> Any:
    """An empty structure clears a setting (CONC-2, PROV-9, FILT-4), and so does "" for a policy (DLQ-12)."""
    return None if value in ({}, "") else value


def from_json(value: Any) -> Any:
    """SQS's API takes a policy as JSON text, CloudFormation as a mapping."""
    if isinstance(value, str) and value:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return _none_if_empty(value)


def _tag_list(value: Any) -> Any:
    """Tags are a list of Key and Value in CloudFormation, a mapping in SAM."""
    return [{"Key": key, "Value": item} for key, item in value.items()] if isinstance(value, Mapping) else value


Whole: TypeAlias = Annotated[int, BeforeValidator(_from_digits), Strict()]
Flag: TypeAlias = Annotated[bool, BeforeValidator(from_word), Strict()]
Text: TypeAlias = Annotated[str, BeforeValidator(_to_text, json_schema_input_type=str | float | bool)]


class Part(BaseModel):
    """A frozen structure that takes no key but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Tag(Part):
    """One tag."""

    Key: Text
    Value: Text = ""


TagList: TypeAlias = Annotated[
    tuple[Tag, ...], BeforeValidator(_tag_list, json_schema_input_type=tuple[Tag, ...] | dict[str, Text])
]


class RedrivePolicy(Part):
    """When a message goes to which dead-letter queue (DLQ-1, DLQ-12)."""

    deadLetterTargetArn: str
    """The dead-letter queue: a logical id, !GetAtt X.Arn, !Ref or an ARN."""
    maxReceiveCount: Whole = Field(ge=1, le=1000)
    """How many times a message may be received before it is moved."""


class RedriveAllowPolicy(Part):
    """Which queues may use this one as their dead-letter queue (DLQ-11)."""

    redrivePermission: Literal["allowAll", "denyAll", "byQueue"] = "allowAll"
    sourceQueueArns: tuple[str, ...] = Field((), max_length=10)


OptionalRedrivePolicy: TypeAlias = Annotated[
    RedrivePolicy | None, BeforeValidator(from_json, json_schema_input_type=RedrivePolicy | str | None)
]
OptionalRedriveAllowPolicy: TypeAlias = Annotated[
    RedriveAllowPolicy | None, BeforeValidator(from_json, json_schema_input_type=RedriveAllowPolicy | str | None)
]


class Environment(Part):
    """A function's environment."""

    Variables: dict[str, Text] = Field(default_factory=dict)


class LoggingConfig(Part):
    """Where and how a function or mapping logs (RUN-42)."""

    LogFormat: Literal["Text", "JSON"] = "Text"
    ApplicationLogLevel: Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"] | None = None
    SystemLogLevel: Literal["DEBUG", "INFO", "WARN"] | None = None
    LogGroup: Text | None = None


class Filter(Part):
    """One filter of a mapping."""

    Pattern: str = Field("", max_length=4096)
    """The pattern as JSON text (FILT-1, FILT-3)."""


class FilterCriteria(Part):
    """The filters of a mapping; one that matches is enough (FILT-1)."""

    Filters: tuple[Filter, ...] = ()


class ScalingConfig(Part):
    """How far a mapping may scale (CONC-1)."""

    MaximumConcurrency: Whole | None = Field(None, ge=2, le=1000)


class ProvisionedPollerConfig(Part):
    """Provisioned mode: pollers of the mapping's own (PROV-1 … 4)."""

    MinimumPollers: Whole = Field(2, ge=1, le=200)
    MaximumPollers: Whole = Field(200, ge=1, le=10_000)


class MetricsConfig(Part):
    """The metrics that a mapping emits."""

    Metrics: tuple[Literal["EventCount", "ErrorCount", "KafkaMetrics"], ...] = Field((), max_length=3)


OptionalFilterCriteria: TypeAlias = Annotated[FilterCriteria | None, BeforeValidator(_none_if_empty)]
OptionalScalingConfig: TypeAlias = Annotated[ScalingConfig | None, BeforeValidator(_none_if_empty)]
OptionalProvisionedPollerConfig: TypeAlias = Annotated[ProvisionedPollerConfig | None, BeforeValidator(_none_if_empty)]
