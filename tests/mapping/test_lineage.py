"""Counting how often a chain came through a function (FAIL-16)."""

from __future__ import annotations

from esm_emulator.mapping.lineage import depth, function_key, next_header

KEY = function_key("arn:aws:lambda:us-east-1:123456789012:function:Worker")


def test_a_chain_begins_with_one():
    """A message without a header begins a chain, which has come through once after the invocation."""
    header = next_header([None], KEY, "1-aa-bb", "cc")
    assert header.startswith("Root=1-aa-bb;Parent=cc;Sampled=0;Lineage=")
    assert depth([header], KEY) == 1


def test_a_chain_keeps_its_root_and_counts_on():
    """Each pass counts once more under the first root."""
    header = None
    for _ in range(16):
        header = next_header([header], KEY, "1-new-root", "p")
    assert depth([header], KEY) == 16
    first = next_header([None], KEY, "1-first", "p")
    assert next_header([first], KEY, "1-second", "p").startswith("Root=1-first;")


def test_a_batch_counts_its_deepest_message():
    """Of several messages the longest chain decides; other functions' counts are kept."""
    other = function_key("other")
    headers = [f"Root=1-a-b;Lineage={other}:4|{KEY}:2", f"Lineage={KEY}:5", None, "garbage", "Lineage=x:y"]
    assert depth(headers, KEY) == 5
    merged = next_header(headers, KEY, "1-z-z", "p")
    assert depth([merged], KEY) == 6
    assert depth([merged], other) == 4
