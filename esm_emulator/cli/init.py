"""``esm init``: a small project that works as it stands."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from esm_emulator.errors import UsageError
from esm_emulator.written import make_folder, write

__all__ = ["FILES", "command"]

_HANDLER = '''\
"""Takes orders from a queue, a batch at a time."""

import json


def handler(event, context):
    """Take every order of the batch; name those that could not be taken, so that only they come again."""
    failed = []
    for record in event["Records"]:
        try:
            take(json.loads(record["body"]))
        except ValueError as error:
            print(f"{record['messageId']}: {error}")
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def take(order):
    """Your work. Here, an order without a quantity is wrong and stays wrong."""
    if order.get("quantity", 0) < 1:
        raise ValueError(f"order {order['id']} has no quantity")
'''

_CONFIG = """\
# What `esm run esm.yaml` runs. Entries beside `from` change what differs on this machine.
resources:
  from: template.yaml
  Trigger.ScalingConfig.MaximumConcurrency: 4 # invocations at once
"""

_TEMPLATE = """\
# Queues, a function and the mapping between them, as you deploy them.
Resources:
  Orders:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 60 # seconds: six times the function's timeout, as AWS advises
      RedrivePolicy: {deadLetterTargetArn: !GetAtt OrdersDlq.Arn, maxReceiveCount: 5}

  OrdersDlq:
    Type: AWS::SQS::Queue
    Properties:
      MessageRetentionPeriod: 1209600 # 14 days: it counts from the first send, so longer than that of Orders

  Worker:
    Type: AWS::Lambda::Function
    Properties:
      Handler: app.handler
      Timeout: 10

  Trigger:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: !GetAtt Orders.Arn
      FunctionName: !Ref Worker
      BatchSize: 10
      FunctionResponseTypes: [ReportBatchItemFailures]
"""

_SCENARIO = """\
# Played by `esm replay .` and by pytest, in virtual time: the four minutes below take no time at all.
version: 1
name: one-bad-order
description: One order of ten is wrong. It alone is tried five times and set aside; the other nine are taken at once.
resources: {from: template.yaml}
send:
  - {to: Orders, count: 9, body: {id: "o-{{ index }}", quantity: 1}, label: "good-{{ index }}"}
  - {to: Orders, body: {id: bad, quantity: 0}, label: bad}
expect:
  stopped: idle
  queues: {Orders: {messages: 0}, OrdersDlq: {messages: 1}}
  messages:
    - {where: {label: bad}, every: {receives: 5, outcome: dead-lettered}}
    - {where: {outcome: deleted}, count: 9, every: {receives: 1, invocations: 1}}
  invariants: [no_message_lost, no_overlap]
variants:
  not-reported:
    description: Without ReportBatchItemFailures AWS ignores what the handler returns, and the bad order is simply gone.
    set: {Trigger.FunctionResponseTypes: null} # esm: ignore ESM-W212, ESM-W213
    expect:
      queues: {Orders: {messages: 0}, OrdersDlq: {messages: 0}}
      messages:
        - every: {receives: 1, outcome: deleted}
"""

_TEST = '''\
"""The fixture `esm` is an emulator on virtual time; the plugin comes with esm-emulator."""


def test_a_good_order_is_taken_once(esm):
    esm.deploy("template.yaml")
    esm.send("Orders", {"id": "o-1", "quantity": 2})
    esm.run_until_idle()
    assert len(esm.queue("Orders")) == 0
    assert esm.metrics.functions["Worker"]["Invocations"] == 1


def test_a_bad_order_is_set_aside_after_five_tries(esm):
    esm.deploy("template.yaml")
    esm.send("Orders", {"id": "bad", "quantity": 0})
    esm.run_until_idle()
    assert esm.queue("OrdersDlq").bodies == [{"id": "bad", "quantity": 0}]
    assert esm.metrics.functions["Worker"]["Invocations"] == 5
'''

FILES: dict[str, str] = {
    "app.py": _HANDLER,
    "template.yaml": _TEMPLATE,
    "esm.yaml": _CONFIG,
    "one-bad-order.esm.yaml": _SCENARIO,
    "test_orders.py": _TEST,
}
"""The files of the project, by name."""


@click.command("init")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path, file_okay=False))
def command(folder: Path) -> None:
    """Begin a small project in DIR, by default here: a handler, a template, esm.yaml, a scenario and a test.

    All of it passes as it stands. Nothing that is there already is written over.

    \b
    Example:
      esm init demo && cd demo && esm replay . && pytest
    """
    there = [name for name in FILES if (folder / name).exists()]
    if there:
        raise UsageError(f"{folder}: {', '.join(there)} would be written over; name another folder, or move them away")
    make_folder(folder)
    for name, text in FILES.items():
        write(folder / name, text)
        click.echo(f"wrote {folder / name}")
    enter = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    click.echo(f"\nPlay the scenario, run the tests, then run it:\n  {enter}esm replay . && pytest && esm run esm.yaml")
