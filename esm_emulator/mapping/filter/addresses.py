"""IP addresses in patterns: ``cidr``, and literals that are addresses, which match every spelling of the address.

An address is compared by its hexadecimal digits, eight of them or thirty-two, from the left: a value is inside a range
as soon as its digits so far cannot leave the range any more. The matcher never asks how long a value is, so an address
of the other family whose first digits lie inside the range matches too. That is how AWS's matcher behaves (FILT-36).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

__all__ = ["AddressRange", "cidr", "digits_of", "literal"]

_V4 = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+")
_V6 = re.compile(r"[0-9a-fA-F:]*:[0-9a-fA-F:]*")
_ZEROS = re.compile(r"(?<![0-9a-fA-F])0+(?=[0-9a-fA-F])")  # before other digits of a group
_INTEGER = re.compile(r"[+-]?[0-9]+")
_LONGEST_V4 = 15


@dataclass(frozen=True, slots=True)
class AddressRange:
    """Digits from ``bottom`` to ``top``, both included and of one length."""

    bottom: str
    top: str

    def holds(self, digits: str) -> bool:
        """Whether some beginning of ``digits`` is inside the range for good."""
        for length in range(1, min(len(digits), len(self.bottom)) + 1):
            begun = digits[:length]
            if self.bottom[:length] < begun < self.top[:length]:
                return True
            if not self.bottom[:length] <= begun <= self.top[:length]:
                return False
        return len(digits) >= len(self.bottom)


def digits_of(text: str) -> str | None:
    """The hexadecimal digits of an address, or None when the text is none. Leading zeros are decimal: 010 is 10."""
    if _V4.fullmatch(text):
        return _v4_digits(text)
    if _V6.fullmatch(text):
        try:
            address = ipaddress.IPv6Address(_ZEROS.sub("", text))
        except ValueError:
            return None
        return f"{int(address.ipv4_mapped):08X}" if address.ipv4_mapped else f"{int(address):032X}"
    return None


def _v4_digits(text: str) -> str | None:
    octets = [int(part) for part in text.split(".")] if len(text) <= _LONGEST_V4 else [256]
    return "".join(f"{octet:02X}" for octet in octets) if max(octets) <= 255 else None


def literal(text: str) -> AddressRange | None:
    """The range of one address, when a literal string of a pattern is one."""
    digits = digits_of(text)
    return AddressRange(digits, digits) if digits else None


def cidr(text: str) -> AddressRange:
    """The range of a CIDR block. Raises ``ValueError`` with what is wrong with it."""
    parts = text.split("/")
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    if len(parts) != 2:
        raise ValueError("Malformed CIDR, one '/' required")
    if not _INTEGER.fullmatch(parts[1]) or abs(int(parts[1])) >= 2**31:
        raise ValueError("Malformed CIDR, mask bits must be an integer")
    bits = int(parts[1])
    if bits < 0:
        raise ValueError("Malformed CIDR, mask bits must not be negative")
    digits = digits_of(parts[0])
    if digits is None:
        raise ValueError(f"Nonstandard IP address: {parts[0]}")
    family, width = (4, 32) if len(digits) == 8 else (6, 128)
    if bits >= width:
        raise ValueError(f"IPv{family} mask bits must be < {width}")
    loose = (1 << (width - bits)) - 1
    bottom = int(digits, 16) & ~loose
    return AddressRange(f"{bottom:0{len(digits)}X}", f"{bottom | loose:0{len(digits)}X}")
