"""``{{ index }}`` in a text stands for a message's number within its entry, from 1.

It may be reckoned with (``+``, ``-``, ``*``, ``//``, ``%`` and parentheses). Nothing else is evaluated.
"""

from __future__ import annotations

import ast
import functools
import operator
import re
from collections.abc import Callable
from typing import Any

from esm_emulator.validation import shown

__all__ = ["evaluate", "fill"]

_PLACEHOLDER = re.compile(r"\{\{(.*?)(\}\}|$)", re.DOTALL)
_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def fill(value: Any, index: int) -> Any:
    """``value`` with every placeholder in its texts filled in, at any depth; keys too."""
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda found: _filled(found, index), value) if "{{" in value else value
    if isinstance(value, list):
        return [fill(item, index) for item in value]
    if isinstance(value, dict):
        return {fill(key, index): fill(item, index) for key, item in value.items()}
    return value


def _filled(found: re.Match[str], index: int) -> str:
    if not found[2]:
        raise ValueError(f"{shown(found[0])} is not closed; a placeholder is {{{{ index }}}}")
    return str(evaluate(found[1], index))


def evaluate(expression: str, index: int) -> int:
    """A whole-number expression over ``index``. Raises ``ValueError`` for anything else."""
    try:
        return _reckon(_parsed(expression), index)
    except (SyntaxError, ZeroDivisionError, RecursionError, TypeError) as error:
        raise ValueError(f"{{{{{expression}}}}} is not an expression of index such as {{{{ index % 3 }}}}") from error


@functools.lru_cache(maxsize=256)
def _parsed(expression: str) -> ast.expr:
    return ast.parse(expression.strip(), mode="eval").body


def _reckon(node: ast.expr, index: int) -> int:
    match node:
        case ast.Name(id="index"):
            return index
        case ast.Constant(value=int() as number) if not isinstance(number, bool):
            return number
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_reckon(left, index), _reckon(right, index))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_reckon(operand, index)
    raise TypeError(ast.dump(node))
