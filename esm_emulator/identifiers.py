"""Every id of a run, drawn from the run's own seeded generator, so that one seed gives one journal."""

from __future__ import annotations

import base64
from random import Random

__all__ = ["Identifiers"]

_VARIANT = {f"{digit:x}": f"{digit & 0x3 | 0x8:x}" for digit in range(16)}


class Identifiers:
    """Ids in AWS's shapes. Two of the same seed hand out the same ids in the same order."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def uuid(self) -> str:
        """A version 4 UUID: message ids, request ids, task handles."""
        text = f"{self._random.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:]}"

    def hex(self, digits: int) -> str:
        """``digits`` hexadecimal digits: trace ids, log stream names."""
        return f"{self._random.getrandbits(4 * digits):0{digits}x}"

    def receipt(self) -> str:
        """An opaque receipt handle that looks like SQS's own: ``AQEB`` and base64 text."""
        return "AQEB" + base64.b64encode(self._random.randbytes(33)).decode("ascii")
