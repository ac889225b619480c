"""The resources of a run at any time: what was deployed, and what was changed afterwards."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from esm_emulator.journal import Deployed, PropertySet

__all__ = ["Settings"]


class Settings:
    """The resources as they were at any time."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._states: list[dict[str, Any]] = []
        self.changes: list[tuple[int, PropertySet, Any]] = []  # number, fact, the value before

    def deployed(self, fact: Deployed) -> None:
        """What there is from now on."""
        self._put(fact.at, fact.resources)

    def changed(self, index: int, fact: PropertySet) -> None:
        """One property is another from now on."""
        if not self._states:
            return
        before = _value(self._states[-1], fact.target)
        self.changes.append((index, fact, before))
        self._put(fact.at, _with(self._states[-1], fact.target.split("."), fact.value))

    def get(self, resource: str | None, name: str, default: Any = None, at: int | None = None) -> Any:
        """A property (``RedrivePolicy.maxReceiveCount``) at a time, by default the last; ``default`` without one."""
        if resource is None or not self._states:
            return default
        place = len(self._times) if at is None else bisect_right(self._times, at)
        found = _value(self._states[max(0, place - 1)], f"{resource}.{name}")
        return default if found is None else found

    def of_type(self, kind: str) -> list[str]:
        """The logical ids of the resources of a CloudFormation type."""
        last = self._states[-1] if self._states else {}
        return [id for id, resource in last.items() if resource.get("Type") == kind]

    def _put(self, at: int, state: dict[str, Any]) -> None:
        self._times.append(at)
        self._states.append(state)


def _value(state: dict[str, Any], target: str) -> Any:
    head, *path = target.split(".")
    found: Any = state.get(head, {}).get("Properties", {})
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _with(state: dict[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    head, *rest = path
    if head not in state:
        return state
    resource = dict(state[head])
    resource["Properties"] = _set(resource.get("Properties", {}), rest, value)
    return {**state, head: resource}


def _set(properties: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    head, *rest = path
    inner = properties if isinstance(properties, dict) else {}
    return {**inner, head: _set(inner.get(head), rest, value)}
