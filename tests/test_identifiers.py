"""Ids are in AWS's shapes, and a seed gives the same ones."""

from __future__ import annotations

import base64
import uuid
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from esm_emulator.identifiers import Identifiers


@given(st.integers())
def test_message_ids_are_version_4_uuids_of_rfc_4122(seed: int) -> None:
    text = Identifiers(Random(seed)).uuid()
    parsed = uuid.UUID(text)
    assert (parsed.version, parsed.variant, str(parsed)) == (4, uuid.RFC_4122, text)


@given(st.integers(), st.integers(1, 64))
def test_hex_has_as_many_digits_as_asked(seed: int, digits: int) -> None:
    text = Identifiers(Random(seed)).hex(digits)
    assert len(text) == digits
    assert set(text) <= set("0123456789abcdef")


@given(st.integers())
def test_receipt_handles_look_like_those_of_sqs(seed: int) -> None:
    text = Identifiers(Random(seed)).receipt()
    assert text.startswith("AQEB")
    assert base64.b64decode(text[4:], validate=True)


@given(st.integers())
def test_one_seed_hands_out_the_same_ids_in_the_same_order(seed: int) -> None:
    first, second = Identifiers(Random(seed)), Identifiers(Random(seed))
    assert [first.uuid(), first.receipt(), first.hex(8)] == [second.uuid(), second.receipt(), second.hex(8)]


def test_a_thousand_ids_differ() -> None:
    identifiers = Identifiers(Random(0))
    assert len({identifiers.uuid() for _ in range(1_000)}) == 1_000
    assert len({identifiers.receipt() for _ in range(1_000)}) == 1_000
