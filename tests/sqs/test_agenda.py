"""The agenda: order, stale entries, and memory in proportion to what lives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from esm_emulator.sqs.agenda import NEVER, Agenda


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 10**6)), unique_by=lambda entry: entry[1]))
def test_comes_in_the_order_of_keys_and_ties(entries):
    """However entries are pushed, they come by key, and by tie among equal keys."""
    agenda = Agenda(lambda _key, _item: True)
    for key, tie in entries:
        agenda.push(key, tie, tie, len(entries))
    assert agenda.next() == min((key for key, _ in entries), default=NEVER)
    assert [agenda.pop() for _ in entries] == [tie for _, tie in sorted(entries)]
    assert agenda.pop() is None


def test_stale_entries_are_skipped():
    """An entry that no longer holds is dropped when it comes to the front, in both halves."""
    keys = {"a": 1, "b": 2, "c": 3}
    agenda = Agenda(lambda key, item: keys[item] == key)
    for tie, item in enumerate("bac"):
        agenda.push(keys[item], tie, item, 3)
    keys["a"] = keys["b"] = 9
    assert (agenda.next(), agenda.pop()) == (3, "c")
    assert agenda.first() is None


def test_due_entries_only():
    """``pop_due`` gives what is due and leaves the rest."""
    agenda = Agenda(lambda _key, _item: True)
    agenda.push(5, 1, "a", 1)
    assert agenda.pop_due(4) is None
    assert agenda.pop_due(5) == "a"


def test_stale_entries_do_not_pile_up():
    """With one living item at the front and thousands of stale ones behind it, memory stays small."""
    living = {0}
    agenda = Agenda(lambda _key, item: item in living)
    agenda.push(0, 0, 0, 1)
    for number in range(1, 20_000):
        agenda.push(10**6 - number if number % 2 else number, number, number, len(living))
    assert len(agenda._run) + len(agenda._heap) <= 2 * len(living) + 1025
    assert agenda.pop() == 0


def test_an_item_that_goes_to_and_fro_does_not_pile_up():
    """Entries that hold again, because the item came back to an earlier key, are kept once."""
    place = {"item": 0}
    agenda = Agenda(lambda key, item: place[item] == key)
    for number in range(20_000):
        place["item"] = number % 3
        agenda.push(place["item"], 1, "item", 1)
    assert len(agenda._run) + len(agenda._heap) <= 1027
    assert (agenda.next(), agenda.pop()) == (place["item"], "item")
