"""A replay as JUnit XML."""

from __future__ import annotations

from xml.etree.ElementTree import Element, fromstring

from esm_emulator.report.junit import junit
from tests.report.results import DIAGNOSIS, FAILURE, result


def read(*results) -> Element:
    text = junit(list(results))
    assert text.startswith('<?xml version="1.0" encoding="utf-8"?>\n')
    return fromstring(text.encode("utf-8"))


def test_a_file_is_a_suite_and_a_case_a_testcase() -> None:
    """In the order in which they were played; counts on every level, seconds of real time."""
    root = read(result(), result(FAILURE, id="s", variant=None), result(file="other.esm.yaml", scenario="other"))
    assert root.attrib == {"name": "esm replay", "tests": "3", "failures": "1", "time": "0.038"}
    assert [suite.attrib for suite in root] == [
        {"name": "sub/s.esm.yaml", "tests": "2", "failures": "1"},
        {"name": "other.esm.yaml", "tests": "1", "failures": "0"},
    ]
    assert root[0][0].attrib == {
        "classname": "s",
        "name": "s[fast] seed 7",
        "file": "sub/s.esm.yaml",
        "line": "3",
        "time": "0.013",
    }


def test_a_case_that_passed_has_nothing_inside() -> None:
    """Also when something was diagnosed."""
    assert len(read(result(diagnoses=(DIAGNOSIS,)))[0][0]) == 0


def test_a_failure_holds_what_a_terminal_shows() -> None:
    """Which expectations did not hold in its message; the story, the diagnosis and how to play it again in its text."""
    (failure,) = read(result(FAILURE, diagnoses=(DIAGNOSIS,)))[0][0]
    assert failure.attrib == {"message": "did not hold: queues.OrdersDlq.messages", "type": "expectation"}
    assert failure.text is not None
    lines = failure.text.splitlines()
    assert "sub/s.esm.yaml:18  expect.queues.OrdersDlq.messages" in lines
    assert [line for line in lines if "expected" in line or "came" in line] == ["  expected  1", "  came      0"]
    assert "              0s  sent to Orders" in lines
    assert "  … and 2 more messages" in lines
    assert "D101 Orders: It was slow." in lines
    assert lines[-1] == "play it again: esm replay sub/s.esm.yaml -k 's[fast]' --seed 7"


def test_whatever_a_body_holds_the_document_can_be_read() -> None:
    """Markup, control characters and half characters, in stories and in names."""
    nasty = '</failure> & "\x00\x1b[31m\ud83d'
    root = read(result(FAILURE.__class__("p", nasty, 0, 1, stories=((nasty,),)), id=nasty, scenario=nasty, file=nasty))
    assert root[0].attrib["name"] == '</failure> & "��[31m�'
    assert (root[0][0][0].text or "").count('</failure> & "��[31m�') >= 2


def test_no_case_is_a_document_too() -> None:
    assert read().attrib == {"name": "esm replay", "tests": "0", "failures": "0", "time": "0.000"}
