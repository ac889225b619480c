"""What a Terraform plan does not know yet, found out from its configuration: which resource an argument refers to.

In a plan the ARN of a queue that is yet to be created is missing, and so is the mapping's argument that refers to it.
The configuration beside the planned values says which resource that is: directly, by a variable of the module, or by an
output of another one. Where that leads to several resources, the one with the same key of ``for_each`` or number of
``count`` is meant; where that does not decide, nothing is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Plan"]

_STEP = re.compile(r'module\.([\w-]+)(\[(?:"(?:[^"\\]|\\.)*"|\d+)\])?\.')
_RESOURCE = re.compile(r'([\w-]+\.[\w-]+)(\[(?:"(?:[^"\\]|\\.)*"|\d+)\])?$')
_DEEPEST = 20  # modules that a value is handed through at most


@dataclass(frozen=True, slots=True)
class _Module:
    """A module as configured, its address ("" at the root, else with a dot behind), and what it stands in."""

    configured: Mapping[str, Any]
    address: str = ""
    call: str = ""
    key: str = ""
    parent: _Module | None = None


class Plan:
    """A plan: ``data`` as ``terraform show -json`` prints it, and the addresses of all its resources."""

    def __init__(self, data: Mapping[str, Any], addresses: Collection[str]) -> None:
        self._root = _Module(_mapping(_mapping(data.get("configuration")).get("root_module")))
        self._unknown: dict[str, Mapping[str, Any]] = {}
        for change in _list(data.get("resource_changes")):
            if isinstance(change, Mapping):
                unknown = _mapping(_mapping(change.get("change")).get("after_unknown"))
                self._unknown[str(change.get("address"))] = unknown
        self._modules: set[str] = set()
        self._instances: dict[str, list[str]] = {}
        for address in addresses:
            module, base, _ = _parts(address)
            self._instances.setdefault(module + base, []).append(address)
            steps = [step.end() for step in _STEP.finditer(module)]
            self._modules |= {module[:end] for end in steps}

    def is_unknown(self, address: str, argument: str) -> bool:
        """Whether the argument of a resource gets its value when the plan is applied."""
        return self._unknown.get(address, {}).get(argument) is True

    def target(self, address: str, argument: str, type_: str) -> str | None:
        """The address of the resource of a type that an argument refers to; None when that is not certain."""
        path, base, key = _parts(address)
        module = self._root
        for step in _STEP.finditer(path):
            module = _inside(module, step[1], step[2] or "")
        for block in _list(module.configured.get("resources")):
            if f"{_mapping(block).get('type')}.{_mapping(block).get('name')}" == base:
                expression = _mapping(block.get("expressions")).get(argument)
                targets = set(self._targets(module, expression, type_, key or module.key, 0))
                return targets.pop() if len(targets) == 1 else None
        return None

    def _targets(self, module: _Module, expression: Any, type_: str, key: str, depth: int) -> Iterator[str]:
        """The addresses of that type to which an expression of a module refers."""
        for reference in _list(_mapping(expression).get("references")) if depth < _DEEPEST else ():
            kind, _, rest = str(reference).partition(".")
            name = re.split(r"[.\[]", rest)[0]
            if kind == type_:
                there = self._instances.get(f"{module.address}{type_}.{name}", [])
                yield from there if len(there) == 1 else [known for known in there if _parts(known)[2] == key]
            elif kind == "var" and module.parent is not None:
                calls = _mapping(module.parent.configured.get("module_calls"))
                handed = _mapping(_mapping(calls.get(module.call)).get("expressions")).get(name)
                yield from self._targets(module.parent, handed, type_, module.key or key, depth + 1)
            elif kind == "module":
                yield from self._output(module, str(reference), type_, key, depth)

    def _output(self, module: _Module, reference: str, type_: str, key: str, depth: int) -> Iterator[str]:
        """What ``module.NAME.OUTPUT`` or ``module.NAME[…].OUTPUT`` stands for."""
        called = re.match(r"module\.([\w-]+)(?:\[.*?\])?\.([\w-]+)", reference)
        if called is None:
            return
        for own in dict.fromkeys(("", key)):
            inside = _inside(module, called[1], own)
            if inside.address in self._modules:
                output = _mapping(_mapping(inside.configured.get("outputs")).get(called[2]))
                yield from self._targets(inside, output.get("expression"), type_, key, depth + 1)


def _parts(address: str) -> tuple[str, str, str]:
    """The way to the module with a dot behind, the resource, and its key: ``module.a.``, ``aws_x.y``, ``["k"]``."""
    end = 0
    while step := _STEP.match(address, end):
        end = step.end()
    found = _RESOURCE.match(address, end)
    return (address[:end], found[1], found[2] or "") if found else (address[:end], address[end:], "")


def _inside(module: _Module, name: str, key: str) -> _Module:
    call = _mapping(_mapping(module.configured.get("module_calls")).get(name))
    address = f"{module.address}module.{name}{key}."
    return _Module(_mapping(call.get("module")), address, name, key or module.key, module)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
