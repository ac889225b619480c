"""What the operators on strings accept: prefix, suffix, equals-ignore-case and wildcard (FILT-30, FILT-35).

AWS's matcher compares strings with their quotation marks on, which are not escaped inside. So a prefix that ends in a
quotation mark is a prefix that reaches to the end of the string; each operator here says the same with plain text.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Accepts", "ignore_case", "prefix", "prefix_ignore_case", "suffix", "suffix_ignore_case", "wildcard"]

Accepts = Callable[[str], bool]


def prefix(text: str) -> Accepts:
    """Strings that begin with ``text``; an empty one fits every string."""
    if '"' in text:
        return lambda value: f'{value}"'.startswith(text)
    return lambda value: value.startswith(text)


def suffix(text: str) -> Accepts:
    """Strings that end with ``text``; an empty one fits every string."""
    if '"' in text:
        return lambda value: f'"{value}'.endswith(text)
    return lambda value: value.endswith(text)


def ignore_case(text: str) -> Accepts:
    """Strings that are ``text`` but for case, character by character."""
    spellings = _spellings(text)
    if _simple(spellings):
        folded = text.lower()
        return lambda value: value.isascii() and value.lower() == folded
    return lambda value: len(value) in _ends(value, spellings)


def prefix_ignore_case(text: str) -> Accepts:
    """Strings whose beginning is ``text`` but for case."""
    spellings = _spellings(text)
    return lambda value: bool(_ends(f'{value}"', spellings))


def suffix_ignore_case(text: str) -> Accepts:
    """Strings whose end is ``text`` but for case."""
    spellings = [(lower[::-1], upper[::-1]) for lower, upper in reversed(_spellings(text))]
    return lambda value: bool(_ends(f'{value[::-1]}"', spellings))


def _spellings(text: str) -> list[tuple[str, str]]:
    """The lower and the upper case of each character, which may be several characters: ß and SS.

    Characters beyond the basic plane are two question marks to AWS's matcher, which takes a string apart by UTF-16
    units here.
    """
    units = "".join(character if ord(character) < 0x10000 else "??" for character in text)
    return [(unit.lower(), unit.upper()) for unit in units]


def _simple(spellings: list[tuple[str, str]]) -> bool:
    return all(lower.isascii() and upper.isascii() for lower, upper in spellings)


def _ends(value: str, spellings: list[tuple[str, str]]) -> set[int]:
    """Where in ``value`` the spellings can end when they start at its beginning; empty when they do not fit."""
    ends = {0}
    for pair in spellings:
        ends = {end + len(form) for end in ends for form in pair if value.startswith(form, end)}
        if not ends:
            break
    return ends


def wildcard(text: str) -> Accepts:
    """Strings that fit ``text``, in which * is any run of characters. Raises ``ValueError`` with what is wrong."""
    pieces = _pieces(text)
    if len(pieces) == 1:
        whole = pieces[0]
        return lambda value: value == whole
    first, *middle, last = pieces
    least = sum(map(len, pieces))

    def accepts(value: str) -> bool:
        if len(value) < least or not value.startswith(first) or not value.endswith(last):
            return False
        at, end = len(first), len(value) - len(last)
        for piece in middle:
            at = value.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True

    return accepts


def _pieces(text: str) -> list[str]:
    """What stands between the wildcards, with escapes undone."""
    pieces, at = [""], 0
    while at < len(text):
        character = text[at]
        if character == "*":
            if text[at + 1 : at + 2] == "*":
                raise ValueError(f"Consecutive wildcard characters at pos {at + 1}")
            pieces.append("")
        elif character == "\\":
            at += 1
            if text[at : at + 1] not in ("*", "\\"):
                raise ValueError(f"Invalid escape character at pos {at}")
            pieces[-1] += text[at]
        else:
            pieces[-1] += character
        at += 1
    return pieces
