"""Profiles: every number has its clause, and a change is checked."""

from __future__ import annotations

from dataclasses import fields

import pytest

from esm_emulator.errors import UsageError
from esm_emulator.profiles import PROFILES, Profile, profile


def test_the_default_profile_has_the_numbers_of_today() -> None:
    """POLL-9 … 13: 5 at the start, up to 300 more a minute, at most 1,250, 2 when quiet."""
    now = profile("aws-2026")
    assert now == Profile()
    assert (now.pollers_at_start, now.pollers_per_minute, now.pollers_ceiling, now.pollers_idle) == (5, 300, 1250, 2)


def test_aws_2018_keeps_the_numbers_of_its_time() -> None:
    """POLL-10, POLL-11: 60 a minute and 1,000, as the guide said until 2024."""
    then = profile("aws-2018")
    assert (then.pollers_at_start, then.pollers_per_minute, then.pollers_ceiling) == (5, 60, 1000)


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_knows_its_own_name(name: str) -> None:
    assert profile(name).name == name


def test_every_field_has_a_clause_and_a_sentence() -> None:
    for field in fields(Profile):
        if field.name != "name":
            assert field.metadata["clause"], field.name
            assert field.metadata["text"], field.name


def test_an_unknown_profile_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="there are aws-2026, aws-2018; did you mean 'aws-2018'"):
        profile("aws-2081")


def test_a_change_gives_a_new_profile_and_leaves_the_old_one() -> None:
    base = Profile()
    changed = base.with_(pollers_at_start=1, error_backoff_factor=1)
    assert (changed.pollers_at_start, changed.error_backoff_factor) == (1, 1)
    assert base == Profile()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"polers_at_start": 1}, "no field 'polers_at_start'; did you mean 'pollers_at_start'?"),
        ({"name": "mine"}, "no field 'name'"),
        ({"pollers_at_start": "1"}, "profile.pollers_at_start takes a whole number, not '1'"),
        ({"pollers_at_start": True}, "takes a whole number, not True"),
        ({"strict_filters": 1}, "takes true or false, not 1"),
        ({"throttle_retry_jitter": "0.1"}, "takes a number, not '0.1'"),
        ({"order": 3}, "takes text, not 3"),
        ({"order": "shufle"}, "profile.order takes send or shuffle, not 'shufle'; did you mean 'shuffle'?"),
    ],
)
def test_a_change_that_does_not_fit_is_refused(change: dict[str, object], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Profile().with_(**change)
    assert text in str(caught.value)
