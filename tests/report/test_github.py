"""A replay as annotations of GitHub's."""

from __future__ import annotations

from dataclasses import replace

from esm_emulator.report.github import annotation, annotations_of
from tests.report.results import DIAGNOSIS, FAILURE, result


def test_an_expectation_that_did_not_hold_is_an_error_at_its_line() -> None:
    """With both values and the command that plays it again."""
    assert list(annotations_of(result(FAILURE))) == [
        (
            "::error file=sub/s.esm.yaml,line=18,col=1,title=s[fast]::queues.OrdersDlq.messages: expected 1, came 0. "
            "esm replay sub/s.esm.yaml -k 's[fast]' --seed 7"
        )
    ]


def test_values_are_written_as_in_the_scenario() -> None:
    """As JSON, not as Python has them; text as it is."""
    failure = replace(FAILURE, expected={"min": 1, "open": True}, actual=None)
    assert 'expected {"min": 1, "open": true}, came null.' in next(annotations_of(result(failure)))
    assert "expected >= 1, came 0." in next(annotations_of(result(replace(FAILURE, expected=">= 1"))))


def test_a_diagnosis_of_what_failed_is_a_warning_at_the_case() -> None:
    assert list(annotations_of(result(FAILURE, diagnoses=(DIAGNOSIS,))))[1:] == [
        "::warning file=sub/s.esm.yaml,line=3,col=1,title=D101::Orders: It was slow. Make it fast."
    ]


def test_what_passed_is_not_annotated() -> None:
    """Also when something was diagnosed: a scenario may show a fault on purpose."""
    assert list(annotations_of(result(diagnoses=(DIAGNOSIS,)))) == []


def test_nothing_in_a_text_is_a_command() -> None:
    """Line ends, percent signs, and in properties what ends one."""
    assert (
        annotation("error", "a,b:c%.yaml", 1, 2, title="x,y\n", message="50% a,b:c\r\n::error::")
        == "::error file=a%2Cb%3Ac%25.yaml,line=1,col=2,title=x%2Cy%0A::50%25 a,b:c%0D%0A::error::"
    )
