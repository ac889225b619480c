"""The journal: order, subscribers, and JSON lines that come back as the same facts."""

from __future__ import annotations

import json
import threading
import types
import typing
from dataclasses import MISSING, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esm_emulator import journal as module
from esm_emulator.journal import Deployed, Fact, Journal, MessageSent, PropertySet, QueueCreated, line, read_lines

KINDS = [kind for name in module.__all__ if isinstance(kind := getattr(module, name), type) and issubclass(kind, Fact)]
KINDS.remove(Fact)

PLAIN: dict[object, st.SearchStrategy[object]] = {
    int: st.integers(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: st.text(),
    bool: st.booleans(),
    type(None): st.none(),
    tuple[str, ...]: st.lists(st.text(), max_size=3).map(tuple),
    dict[str, typing.Any]: st.dictionaries(st.text(), st.lists(st.integers(), max_size=2), max_size=2),
    typing.Any: st.one_of(st.none(), st.integers(), st.text(), st.lists(st.text(), max_size=2)),
}


def values_of(annotation: object) -> st.SearchStrategy[object]:
    if isinstance(annotation, types.UnionType):
        return st.one_of(*(PLAIN[part] for part in typing.get_args(annotation)))
    return PLAIN[annotation]


def facts_of(kind: type[Fact]) -> st.SearchStrategy[Fact]:
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{field.name: values_of(hints[field.name]) for field in fields(kind)})


def created(at: int) -> QueueCreated:
    return QueueCreated(at, queue=f"q{at}", arn="arn")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_fact_has_a_name_of_its_own_a_sentence_and_is_frozen(kind: type[Fact]) -> None:
    assert [other for other in KINDS if other.event == kind.event] == [kind]
    assert (kind.__doc__ or "").strip().partition("\n")[0].endswith((".", ".)")) or "\n" in (kind.__doc__ or "")
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert "__dict__" not in dir(kind)


@given(st.data())
def test_a_saved_fact_comes_back_as_it_was(data: st.DataObject) -> None:
    fact = data.draw(st.sampled_from(KINDS).flatmap(facts_of))
    (back,) = read_lines([line(fact)])
    assert back == fact


def test_a_property_that_was_removed_reads_back() -> None:
    """``null`` removes a property: the fact says so and survives being saved."""
    fact = PropertySet(5, target="Orders.RedrivePolicy", value=None)
    assert list(read_lines([line(fact)])) == [fact]


def test_a_line_opens_with_time_and_event_and_leaves_out_what_has_no_value() -> None:
    fact = MessageSent(7, queue="Q", message="m", body="é", size=2, visible_at=7, expires_at=9)
    assert line(fact) == (
        '{"at":7,"event":"sent","queue":"Q","message":"m","body":"é","size":2,"visible_at":7,"expires_at":9}'
    )


def test_reading_a_fact_leaves_the_lists_of_the_users_own_json_alone() -> None:
    resources = {"Map": {"Properties": {"FunctionResponseTypes": ["ReportBatchItemFailures"]}}}
    (back,) = read_lines([line(Deployed(0, resources=resources))])
    assert back == Deployed(0, resources=resources)


@pytest.mark.parametrize(
    "text", ["nonsense", "[]", '{"at": 1}', '{"at": 1, "event": "unheard-of"}', '{"at": 1, "event": "sent"}', "3"]
)
def test_what_is_no_fact_is_refused_with_the_number_of_its_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"^line 3 is not a fact of a journal"):
        list(read_lines([line(created(1)), "", text]))


def test_a_journal_keeps_the_order_and_can_be_walked_and_counted() -> None:
    journal = Journal()
    journal.append(created(1))
    journal.extend([created(2), created(3)])
    assert [fact.at for fact in journal] == [1, 2, 3]
    assert len(journal) == 3
    assert journal[-1] == created(3)
    assert [json.loads(text)["at"] for text in journal.lines()] == [1, 2, 3]


def test_subscribers_hear_every_fact_from_then_on_until_they_end_it() -> None:
    journal = Journal()
    heard: list[int] = []
    journal.append(created(1))
    end = journal.subscribe(lambda fact: heard.append(fact.at))
    journal.append(created(2))
    journal.extend([created(3), created(4)])
    end()
    journal.append(created(5))
    assert heard == [2, 3, 4]


def test_a_subscriber_may_end_its_subscription_while_it_is_called() -> None:
    journal = Journal()
    heard: list[tuple[str, int]] = []

    def once(fact: Fact) -> None:
        heard.append(("once", fact.at))
        end()

    end = journal.subscribe(once)
    journal.subscribe(lambda fact: heard.append(("always", fact.at)))
    journal.extend([created(1), created(2)])
    assert heard == [("once", 1), ("always", 1), ("always", 2)]


def test_facts_of_one_operation_are_never_torn_apart_by_another_thread() -> None:
    journal = Journal()
    heard: list[str] = []
    journal.subscribe(lambda fact: heard.append(fact.queue))  # type: ignore[attr-defined]

    def write(name: str) -> None:
        for _ in range(200):
            journal.extend([QueueCreated(0, queue=name, arn=str(part)) for part in range(3)])

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    operations = [heard[start : start + 3] for start in range(0, len(heard), 3)]
    assert len(operations) == 800
    assert all(len(set(operation)) == 1 for operation in operations)
    assert [fact.queue for fact in journal] == heard  # type: ignore[attr-defined]


def test_optional_fields_come_last_so_that_a_line_starts_with_what_is_always_there() -> None:
    for kind in KINDS:
        optional = [field.default is not MISSING for field in fields(kind)]
        assert optional == sorted(optional), kind


def test_a_field_that_may_be_none_is_none_by_default_since_its_line_leaves_it_out() -> None:
    for kind in KINDS:
        for field in fields(kind):
            may_be_none = type(None) in typing.get_args(typing.get_type_hints(kind)[field.name])
            assert may_be_none == (field.default is None) or field.name == "value", f"{kind.__name__}.{field.name}"
