"""The exception tree: exit codes, and how problems read."""

from __future__ import annotations

import re

import pytest

from esm_emulator import errors
from esm_emulator.errors import ConfigError, EsmError, InvalidFilterPattern, Problem, RefusedByAws, SqsError


def test_the_tree_drawn_in_the_docstring_is_the_tree() -> None:
    drawn = dict(re.findall(r"^[ │├└─]*(\w+) +(\d+)  \S", errors.__doc__ or "", re.MULTILINE))
    built = {
        name: str(kind.exit_code)
        for name in errors.__all__
        if isinstance(kind := getattr(errors, name), type) and issubclass(kind, EsmError)
    }
    assert drawn == built


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("is not a number"), "is not a number"),
        (Problem("is not a number", path="Orders.DelaySeconds"), "Orders.DelaySeconds: is not a number"),
        (Problem("no", file="esm.yaml", line=3, column=7, path="a.b"), "esm.yaml:3:7: a.b: no"),
        (Problem("no", file="esm.yaml"), "esm.yaml: no"),
    ],
)
def test_a_problem_reads_place_path_message_and_leaves_out_what_it_does_not_know(problem: Problem, text: str) -> None:
    assert str(problem) == text


@pytest.mark.parametrize("kind", [ConfigError, RefusedByAws])
def test_an_error_of_several_problems_says_them_all_one_a_line(kind: type[ConfigError | RefusedByAws]) -> None:
    problems = [Problem("first", line=1, file="f"), Problem("second")]
    error = kind(problems)
    assert error.problems == tuple(problems)
    assert str(error) == "f:1: first\nsecond"


def test_an_invalid_pattern_opens_with_lambdas_own_sentence() -> None:
    """FILT-5: the parameter's error reads "Invalid filter pattern definition."."""
    error = InvalidFilterPattern('"x" is not an array', "body.x")
    assert str(error) == 'Invalid filter pattern definition. ("x" is not an array at body.x)'


def test_an_error_of_sqs_keeps_code_text_and_status_apart() -> None:
    """Contract 11.3: clients see code, text and HTTP status."""
    error = SqsError("ReceiptHandleIsInvalid", "The input receipt handle is invalid.", status=404)
    assert (error.code, error.message, error.status) == (
        "ReceiptHandleIsInvalid",
        "The input receipt handle is invalid.",
        404,
    )
    assert str(error) == "ReceiptHandleIsInvalid: The input receipt handle is invalid."
