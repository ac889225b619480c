"""A small scenario that tests add to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from esm_emulator.report.results import CaseResult
from esm_emulator.scenario.file import load_cases
from esm_emulator.scenario.replay import Options, replay

BASE = """\
version: 1
resources:
  Orders:
    Type: AWS::SQS::Queue
    Properties: {VisibilityTimeout: 60}
  Worker:
    Type: AWS::Lambda::Function
  Trigger:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !GetAtt Orders.Arn, FunctionName: !Ref Worker}
behavior:
  Worker: [{then: succeed}]
"""
"""Twelve lines: what a test adds begins on line 13."""

DLQ = """\
version: 1
resources:
  Orders:
    Type: AWS::SQS::Queue
    Properties: {VisibilityTimeout: 60, RedrivePolicy: {deadLetterTargetArn: OrdersDlq, maxReceiveCount: 2}}
  OrdersDlq: {Type: AWS::SQS::Queue}
  Worker: {Type: AWS::Lambda::Function}
  Trigger:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: Orders, FunctionName: Worker, BatchSize: 1}
behavior:
  Worker:
    - {when: {body: {id: [bad]}}, then: {raise: {type: ValueError, message: no}}}
    - {takes: 1s}
send:
  - {to: Orders, label: bad, body: {id: bad}}
  - {to: Orders, label: good, body: {id: good}}
"""
"""One message of two ends in the dead-letter queue after two minutes; what a test adds begins on line 18."""


def written(folder: Path, text: str, name: str = "story") -> Path:
    """The file with that text."""
    file = folder / f"{name}.esm.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def results(folder: Path, text: str, **options: Any) -> list[CaseResult]:
    """Every case of a scenario, played."""
    return [replay(case, Options(**options)) for case in load_cases(written(folder, text))]


def result(folder: Path, text: str, **options: Any) -> CaseResult:
    """The one case of a scenario, played."""
    (only,) = results(folder, text, **options)
    return only
