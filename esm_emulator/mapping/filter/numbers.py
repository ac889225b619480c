"""Numbers as the matcher compares them: IEEE doubles, and only those that lose nothing on the way (FILT-22, FILT-23).

A number whose decimal text is not the shortest text of its double, such as 2^53 + 1 or twenty digits of pi, cannot be
compared; it equals only a number that is written with the same digits. 300, 300.0 and 3.0e2 are one number.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from math import isfinite

__all__ = ["Numeric", "comparable", "decode", "text_of"]

Numeric = int | float | Decimal

_EXACT = 2**53
_SURE_DIGITS = 15  # a decimal of so many digits always survives the way through a double


def comparable(value: Numeric) -> float | None:
    """The number as a double, or None when the double is not the same number."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, int) and -_EXACT <= value <= _EXACT:
        return float(value)
    try:
        double = float(value)
    except OverflowError:
        return None
    return double if isfinite(double) and Decimal(repr(double)) == value else None


def decode(text: str) -> float | Decimal:
    """A number of a JSON text: a float, or the decimal itself when the float would be another number."""
    if len(text) <= _SURE_DIGITS and "e" not in text and "E" not in text:
        return float(text)
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent that no decimal has
        return float(text)
    double = float(number)
    return double if isfinite(double) and Decimal(repr(double)) == number else number


def text_of(value: Numeric) -> str:
    """The digits by which numbers are told apart that cannot be compared."""
    return repr(value) if isinstance(value, float) else str(value)
