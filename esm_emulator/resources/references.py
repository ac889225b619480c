"""How resources name each other: by logical id, name, ARN, ``Ref`` or ``GetAtt``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from esm_emulator.resources.models import function_arn, queue_arn
from esm_emulator.validation import did_you_mean

__all__ = ["NotNamed", "References"]


class NotNamed(Exception):
    """A reference that names nothing in the file; the text says so, and is empty when that has been told already."""


@dataclass(frozen=True, slots=True)
class References:
    """The names under which the queues and functions of one file are known: ids, names, ARNs, queue URLs.

    ``queues`` and ``functions`` give each id its name; ``broken`` are ids of resources that could not be read, and
    naming one of those is not another fault.
    """

    queues: Mapping[str, str]
    functions: Mapping[str, str]
    region: str
    account: str
    broken: frozenset[str] = frozenset()

    def queue(self, value: Any) -> str:
        """The ARN of the queue that ``value`` names. Raises ``NotNamed``. An ARN may name a queue elsewhere."""
        text = _reference(value)
        if text is None:
            raise NotNamed(f"takes a queue's logical id or ARN, not {value!r}")
        if text.startswith("arn:"):
            return text
        name = text.rsplit("/", 1)[1] if text.startswith(("https://", "http://")) else text
        if name in self.queues:
            return queue_arn(self.queues[name], self.region, self.account)
        if name in self.queues.values():
            return queue_arn(name, self.region, self.account)
        if name in self.functions:
            raise NotNamed(f"{name!r} is a function, not a queue")
        if name in self.broken:
            raise NotNamed
        raise NotNamed(f"there is no queue {name!r}{did_you_mean(name, [*self.queues, *self.broken])}")

    def queue_id(self, arn: str) -> str | None:
        """The logical id of the queue with that ARN, None when it is elsewhere."""
        return next(
            (id_ for id_, name in self.queues.items() if queue_arn(name, self.region, self.account) == arn), None
        )

    def function(self, value: Any) -> tuple[str, str]:
        """The id of the function that ``value`` names, and the qualifier (":live", or nothing). Raises ``NotNamed``."""
        text = _reference(value)
        if text is None:
            raise NotNamed(f"takes a function's logical id, name or ARN, not {value!r}")
        name, colon, qualifier = re.sub(r"^(?:.*:)?function:", "", text).partition(":")
        for id_, known in self.functions.items():
            if name in (id_, known) and self._is_here(text, known):
                return id_, colon + qualifier
        if text.startswith("arn:"):
            raise NotNamed("Function does not exist")
        if name in self.queues:
            raise NotNamed(f"{name!r} is a queue, not a function")
        if name in self.broken:
            raise NotNamed
        raise NotNamed(f"there is no function {name!r}{did_you_mean(name, [*self.functions, *self.broken])}")

    def _is_here(self, text: str, name: str) -> bool:
        arn = function_arn(name, self.region, self.account)
        return not text.startswith("arn:") or text == arn or text.startswith(arn + ":")


def _reference(value: Any) -> str | None:
    """The text of a reference, also of ``{"Ref": …}`` and ``{"Fn::GetAtt": [id, "Arn"]}``."""
    if isinstance(value, Mapping) and len(value) == 1:
        [(function, argument)] = value.items()
        if function == "Ref" and isinstance(argument, str):
            return argument
        if function == "Fn::GetAtt":
            parts = argument.split(".") if isinstance(argument, str) else argument
            if isinstance(parts, list) and len(parts) == 2 and parts[1] == "Arn":
                return str(parts[0])
        return None
    return value if isinstance(value, str) and value else None
