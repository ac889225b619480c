"""What the creation of a mapping asks of its filters (API-33, API-34), for who loads resources."""

from __future__ import annotations

from functools import partial

from esm_emulator.mapping.filter.pattern import FilterPattern
from esm_emulator.mapping.filter.record import RecordFilter
from esm_emulator.profiles import Profile
from esm_emulator.resources import Rules

__all__ = ["creation_rules"]


def creation_rules(profile: Profile) -> Rules:
    """The rules that refuse a pattern which AWS would not take, and more of them than the profile's quota."""
    if profile.strict_filters:
        return Rules(profile.filters_most, partial(_strictly, profile))
    return Rules(profile.filters_most, FilterPattern.parse)


def _strictly(profile: Profile, pattern: str) -> RecordFilter:
    return RecordFilter((pattern,), profile)
