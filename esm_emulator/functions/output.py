"""From what a worker process writes to the lines of its log."""

from __future__ import annotations

__all__ = ["LONGEST_LINE", "Lines"]

LONGEST_LINE = 262_144  # bytes of one log event; CloudWatch cuts longer ones
_CONTINUATION = 0xC0, 0x80  # a byte inside a UTF-8 character: its two highest bits are 10


class Lines:
    r"""Cuts a stream of bytes, given in pieces, into lines of text; never holds more than one line.

    A line longer than :data:`LONGEST_LINE` becomes several. A ``\r`` inside a line is a line break within one event
    of the log, which is how Lambda's runtime writes a traceback (RUN-23).
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that are complete with ``data``."""
        *whole, self._rest = (self._rest + data).split(b"\n") if self._rest else data.split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            *full, self._rest = _pieces(self._rest)
            return [*_texts(whole), *map(_text, full)]
        return _texts(whole)

    def finish(self) -> list[str]:
        """What is left without a line end, as the last line of an invocation."""
        rest, self._rest = self._rest, b""
        return [_text(rest)] if rest else []


def _texts(lines: list[bytes]) -> list[str]:
    texts: list[str] = []
    for line in lines:
        if len(line) > LONGEST_LINE:
            texts += map(_text, _pieces(line))
        else:
            texts.append(_text(line))
    return texts


def _text(line: bytes) -> str:
    text = line.decode("utf-8", "replace")
    return text.removesuffix("\r").replace("\r", "\n") if "\r" in text else text


def _pieces(line: bytes) -> list[bytes]:
    """``line`` in pieces of at most the longest length, cut between characters."""
    mask, inside = _CONTINUATION
    pieces = []
    begin = 0
    while len(line) - begin > LONGEST_LINE:
        end = begin + LONGEST_LINE
        while end > begin + LONGEST_LINE - 4 and line[end] & mask == inside:
            end -= 1
        pieces.append(line[begin:end])
        begin = end
    return [*pieces, line[begin:]]
