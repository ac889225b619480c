"""A replay as JUnit XML: a case a testcase, failures and diagnoses inside."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from esm_emulator.report.results import CaseResult
from esm_emulator.report.text import failure_lines

__all__ = ["junit"]

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(results: list[CaseResult]) -> str:
    """The document, as text."""
    failed = sum(not result.passed for result in results)
    time = f"{sum(result.real_seconds for result in results):.3f}"
    root = Element("testsuites", name="esm replay", tests=str(len(results)), failures=str(failed), time=time)
    suites: dict[str, Element] = {}
    for result in results:
        suite = suites.get(result.file)
        if suite is None:
            suite = suites[result.file] = SubElement(root, "testsuite", name=_clean(result.file))
        _case(suite, result)
    for suite in suites.values():
        suite.set("tests", str(len(suite)))
        suite.set("failures", str(sum(case.find("failure") is not None for case in suite)))
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _case(suite: Element, result: CaseResult) -> None:
    case = SubElement(
        suite,
        "testcase",
        classname=_clean(result.scenario),
        name=_clean(f"{result.id} seed {result.seed}"),
        file=_clean(result.file),
        line=str(result.line),
        time=f"{result.real_seconds:.3f}",
    )
    if result.passed:
        return
    paths = ", ".join(failure.path for failure in result.failures)
    failure = SubElement(case, "failure", message=_clean(f"did not hold: {paths}"), type="expectation")
    failure.text = _clean("\n".join(failure_lines(result, lambda text, **_: text)))


def _clean(text: str) -> str:
    """Text without the characters that XML cannot hold."""
    return _NOT_XML.sub("�", text)
