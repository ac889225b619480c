"""Queues, functions and mappings: what exists, under CloudFormation's names, checked as AWS checks it.

:class:`Resources` holds them; :mod:`esm_emulator.templates` reads them from files. This package knows no file format
and nothing that runs.
"""

from __future__ import annotations

from esm_emulator.resources.collection import Examined, Resources
from esm_emulator.resources.models import (
    EventSourceMapping,
    Function,
    Queue,
    Resource,
    function_arn,
    queue_arn,
)
from esm_emulator.resources.parts import (
    Filter,
    FilterCriteria,
    ProvisionedPollerConfig,
    RedriveAllowPolicy,
    RedrivePolicy,
    ScalingConfig,
    Tag,
)
from esm_emulator.resources.rules import Rules
from esm_emulator.resources.schema import resources_schema

__all__ = [
    "EventSourceMapping",
    "Examined",
    "Filter",
    "FilterCriteria",
    "Function",
    "ProvisionedPollerConfig",
    "Queue",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "Resource",
    "Resources",
    "Rules",
    "ScalingConfig",
    "Tag",
    "function_arn",
    "queue_arn",
    "resources_schema",
]
