"""What is said of scenarios that are wrong: the place, what would fit, and what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from esm_emulator.errors import ConfigError, RefusedByAws
from esm_emulator.scenario.file import load_cases
from tests.scenario.stories import BASE, DLQ, written

SEND = "send: [{to: Orders, body: a}]\n"

# what stands in the file -> what is said, after the file's name
WRONG: dict[str, tuple[str, str]] = {
    "an unknown key": (BASE + "sends: []\n", "13:1: sends: unknown key 'sends'; did you mean 'send'?"),
    "another version": (BASE.replace("version: 1", "version: 2"), "1:10: version: takes 1, not 2"),
    "true is not 1": (BASE.replace("version: 1", "version: true"), "1:10: version: takes 1, not 'true'"),
    "no version": (BASE.replace("version: 1\n", ""), "1:1: version: 'version' is missing"),
    "a duration": (
        BASE + "stop: {after: 3x}\n",
        "13:15: stop.after: takes a duration such as 250ms, 30s, 5m, 4h, 4d or 1m30s, not '3x'",
    ),
    "a duration beyond measure": (
        BASE + "stop: {after: 999999d}\n",
        "13:15: stop.after: takes a duration of at most 36500d, not '999999d'",
    ),
    "a duration drawn from the longer to the shorter": (
        BASE.replace("then: succeed", "takes: {uniform: [3s, 1s]}"),
        "12:13: behavior.Worker.0.takes: takes the shorter duration of uniform first",
    ),
    "nothing to play": (
        BASE + SEND + "base: skip\n",
        "14:7: base: skip leaves nothing to play: there are no variants",
    ),
    "ends of a comparison the wrong way round": (
        BASE + "expect: {queues: {Orders: {messages: {between: [5, 1]}}}}\n",
        "13:28: expect.queues.Orders.messages: takes the smaller end of between first, not {'between': [5, 1]}",
    ),
    "a profile": (
        BASE + "profile: aws-2027\n",
        "13:10: profile: there is no profile 'aws-2027'; there are aws-2026, aws-2018; did you mean 'aws-2026'?",
    ),
    "a field of the profile": (
        BASE + "profile: {extends: aws-2026, recieve_wait: 3}\n",
        "13:1: profile: profile has no field 'recieve_wait'; did you mean 'receive_wait'?",
    ),
    "a queue": (
        BASE + "send: [{to: Order, body: a}]\n",
        "13:13: send.0.to: there is no queue 'Order'; did you mean 'Orders'?",
    ),
    "a metric": (
        BASE + "expect: {queues: {Orders: {mesages: 0}}}\n",
        "13:28: expect.queues.Orders.mesages: queues have no metric 'mesages'; did you mean 'messages'?",
    ),
    "an invariant": (
        BASE + "expect: {invariants: [no_mesage_lost]}\n",
        (
            "13:23: expect.invariants.0: takes 'no_message_lost', 'fifo_order', 'no_overlap' or 'max_concurrency', "
            "not 'no_mesage_lost'; did you mean 'no_message_lost'?"
        ),
    ),
    "an event": (
        BASE + SEND + "expect:\n  timeline:\n    - {event: recieved}\n",
        "16:15: expect.timeline.0.event: there is no event 'recieved'; did you mean 'received'?",
    ),
    "a field of an event": (
        BASE + SEND + "expect:\n  timeline:\n    - {event: received, recieve_count: 1}\n",
        "16:25: expect.timeline.0.recieve_count: received has no field 'recieve_count'; did you mean 'receive_count'?",
    ),
    "a comparison": (
        BASE + 'expect: {queues: {Orders: {messages: ">= many"}}}\n',
        (
            '13:38: expect.queues.Orders.messages: takes a comparison with a number, such as ">= 1" or "!= 0", '
            "not '>= many'"
        ),
    ),
    "a code": (
        BASE + "expect: {diagnoses: [ESM-D999]}\n",
        "13:22: expect.diagnoses.0: takes codes such as ESM-D101, not 'ESM-D999'",
    ),
    "an action": (
        BASE.replace("then: succeed", "then: succed"),
        "12:19: behavior.Worker.0.then: takes 'call', 'succeed' or 'timeout', not 'succed'; did you mean 'succeed'?",
    ),
    "a condition": (
        BASE.replace("then: succeed", "when: {recieve: 1}"),
        "12:20: behavior.Worker.0.when.recieve: unknown key 'recieve'; did you mean 'receive'?",
    ),
    "a pattern": (
        BASE.replace("then: succeed", "when: {body: {a: 3}}"),
        (
            "12:20: behavior.Worker.0.when.body: Invalid filter pattern definition. "
            '("a" must be an object or an array at body.a)'
        ),
    ),
    "a placeholder": (
        BASE + 'send:\n  - {to: Orders, body: "{{ idx }}"}\n',
        "14:5: send.0: {{ idx }} is not an expression of index such as {{ index % 3 }}",
    ),
    "a placeholder that divides by nothing": (
        BASE + 'send:\n  - {to: Orders, body: "{{ index % 0 }}"}\n',
        "14:5: send.0: {{ index % 0 }} is not an expression of index such as {{ index % 3 }}",
    ),
    "a binary attribute": (
        BASE + 'send:\n  - {to: Orders, body: a, attributes: {A: {Type: Binary, Value: "%%"}}}\n',
        "14:5: send.0: attribute 'A': a Binary value is base64 text, not '%%'",
    ),
    "a file that is not there": (
        BASE + "send:\n  - {to: Orders, file: nope.json}\n",
        "14:24: send.0.file: {folder}/nope.json: cannot be read: No such file or directory",
    ),
    "a message without a body": (
        BASE + "send:\n  - {to: Orders, messages: [{label: a}]}\n",
        "14:5: send.0: takes messages with a body; number 1 has none",
    ),
    "a count of a list": (
        BASE + "send:\n  - {to: Orders, count: 3, messages: [{body: a}]}\n",
        "14:5: send.0: takes count with body only: a list or a file says itself how many there are",
    ),
    "two spreads": (
        BASE + "send:\n  - {to: Orders, body: a, every: 1s, rate: 2/s}\n",
        "14:5: send.0: takes one of every, rate and over, not every and rate together",
    ),
    "a message that SQS refuses": (
        BASE + "send:\n  - {to: Orders, at: 5s, body: x, delay: 5000}\n",
        (
            "14:5: send.0: SQS refuses it: InvalidParameterValue: Value 5000 for parameter DelaySeconds is invalid. "
            "Reason: DelaySeconds must be >= 0 and <= 900."
        ),
    ),
    "a property on the timeline": (
        BASE + "timeline:\n  - {at: 1s, set: {Orders.VisibilityTimout: 3}}\n",
        (
            "14:20: timeline.0.set.Orders.VisibilityTimout: unknown key 'VisibilityTimout'; "
            "did you mean 'VisibilityTimeout'?"
        ),
    ),
    "a profile's field on the timeline": (
        BASE + "timeline:\n  - {at: 1s, set: {profile.recieve_wait: 3}}\n",
        "14:20: timeline.0.set.profile.recieve_wait: profile has no field 'recieve_wait'; did you mean 'receive_wait'?",
    ),
    "two steps in one": (
        BASE + "timeline:\n  - {at: 1s, purge: Orders, disable: Trigger}\n",
        (
            "14:5: timeline.0: takes exactly one of set, disable, enable, redrive, purge, fault; "
            "not disable and purge together"
        ),
    ),
    "a variant's resource": (
        BASE + "variants:\n  a:\n    set: {Ordrs.VisibilityTimeout: 3}\n",
        ("15:11: variants.a.set.Ordrs.VisibilityTimeout: there is no resource 'Ordrs'; did you mean 'Orders'?"),
    ),
    "a variant's list": (
        BASE + "variants:\n  a:\n    set: {send.3.count: 3}\n",
        ("15:11: variants.a.set.send.3.count: there is no entry 3 in a list of 0, counted from 0"),
    ),
    "a part of a text": (
        BASE + SEND + "variants:\n  a:\n    set: {send.0.to.x: 3}\n",
        "16:11: variants.a.set.send.0.to.x: to is 'Orders', which has no parts",
    ),
    "a variant's expectation": (
        BASE + "variants:\n  a:\n    expect: {stoped: idle}\n",
        "15:14: variants.a.expect.stoped: unknown key 'stoped'; did you mean 'stopped'?",
    ),
    "a label in an action": (
        BASE.replace("then: succeed", "then: {fail: [gold]}") + "send: [{to: Orders, body: a, label: good}]\n",
        "12:27: behavior.Worker.0.then.fail.0: no message has the label 'gold'; did you mean 'good'?",
    ),
    "a label that is chosen": (
        BASE + SEND + "expect: {messages: [{where: {label: o-41}, count: 0}]}\n",
        "14:37: expect.messages.0.where.label: no message has the label 'o-41'",
    ),
    "a label on the expected timeline": (
        BASE
        + 'send: [{to: Orders, count: 40, body: x, label: "o-{{ index }}"}]\n'
        + "expect: {timeline: [{event: received, message: o-40}, {event: received, message: o-41}]}\n",
        "14:82: expect.timeline.1.message: no message has the label 'o-41'; did you mean 'o-4'?",
    ),
    "an open placeholder": (
        BASE + "send:\n  - {to: Orders, body: {a: ['{{ index']}}\n",
        "14:5: send.0: '{{ index' is not closed; a placeholder is {{ index }}",
    ),
    "a key without a value": (
        BASE + "timeline:\n  - {at: 1s, purge: }\n",
        "14:21: timeline.0.purge: takes a value, not nothing; leave the key out if nothing is meant",
    ),
    "a fault of nothing": (
        BASE + "timeline:\n  - {at: 1s, fault: {throttle: }}\n",
        "14:32: timeline.0.fault.throttle: takes a value, not nothing; leave the key out if nothing is meant",
    ),
    "two actions": (
        BASE.replace("then: succeed", "then: {raise: {}, exit: 1}"),
        ("12:13: behavior.Worker.0.then: takes exactly one of raise, return, fail, exit; not raise and exit together"),
    ),
    "the zeroth receive": (
        BASE.replace("then: succeed", "when: {receive: 0}"),
        "12:29: behavior.Worker.0.when.receive: takes counts from 1 on, not 0",
    ),
    "an outcome": (
        BASE + SEND + "expect: {messages: [{none: {outcome: deletd}}]}\n",
        (
            "14:38: expect.messages.0.none.outcome: takes one of deleted, dead-lettered, filtered, expired, purged, "
            "waiting, lost, not 'deletd'; did you mean 'deleted'?"
        ),
    ),
    "a number in words": (
        BASE + SEND + "expect: {messages: [{none: {receives: two}}]}\n",
        (
            '14:39: expect.messages.0.none.receives: takes a number, a comparison such as ">= 1", '
            "or {between: [a, b]}, not 'two'"
        ),
    ),
    "a metric that is true": (
        BASE + "expect: {queues: {Orders: {messages: true}}}\n",
        (
            '13:38: expect.queues.Orders.messages: takes a number, a comparison such as ">= 1", '
            "or {between: [a, b]}, not true"
        ),
    ),
    "a comparison of a fact's field": (
        BASE + SEND + "expect:\n  timeline:\n    - {event: received, receive_count: '>= two'}\n",
        (
            '16:40: expect.timeline.0.receive_count: takes a comparison with a number, such as ">= 1" or "!= 0", '
            "not '>= two'"
        ),
    ),
    "a warning among the diagnoses": (
        BASE + "expect: {diagnoses: {allow: [ESM-D101, ESM-W201]}}\n",
        "13:40: expect.diagnoses.allow.1: takes codes such as ESM-D101, not 'ESM-W201'",
    ),
    "a truth for a group": (
        BASE + "send:\n  - {to: Orders, body: a, group: true}\n",
        "14:34: send.0.group: takes text or a number, not true",
    ),
    "one message of a list": (
        BASE + "send:\n  - {to: Orders, messages: [{body: a}, {body: ''}]}\n",
        (
            "14:40: send.0.messages.1: SQS refuses it: MissingParameter: "
            "The request must contain the parameter MessageBody."
        ),
    ),
    "a rate of a redrive": (
        DLQ + "timeline:\n  - {at: 1s, redrive: {from: OrdersDlq, rate: 5/h}}\n",
        ("19:47: timeline.0.redrive.rate: SQS moves a whole number from 1 to 500 of messages a second, not 0.00138889"),
    ),
    "a FIFO queue that redelivers": (
        BASE.replace("VisibilityTimeout: 60", "FifoQueue: true")
        + "timeline:\n  - {at: 1s, fault: {redeliver: Orders}}\n",
        (
            "14:33: timeline.0.fault.redeliver: Orders is a FIFO queue, "
            "which does not deliver a message that is in flight"
        ),
    ),
    "a variant's key of the file": (
        BASE + "variants:\n  a:\n    set: {sned: []}\n",
        "15:11: variants.a.set.sned: there is no resource 'sned'; did you mean 'send'?",
    ),
    "a variant's name": (
        BASE + "variants:\n  a:\n    set: {name: other}\n",
        "15:11: variants.a.set.name: a variant does not change name: cases of one file have one name",
    ),
    "a variant that is skipped": (
        BASE + "variants:\n  a: skip\n",
        "14:6: variants.a: takes a mapping; only the base can be skipped",
    ),
    "nothing but a skipped base": (
        BASE + "variants:\n  base: skip\n",
        "14:9: variants.base: skip leaves nothing to play: there are no variants",
    ),
    "resources that are none": ("version: 1\nresources: 3\n", "2:12: resources: takes a mapping, not 3"),
    "a name of two lines": (
        BASE + 'name: "a\\nb"\n',
        "13:7: name: takes text of one line, not 'a\\nb'",
    ),
    "an empty file": ("", "1:1: a scenario is a mapping that begins with version: 1"),
    "a key twice": (BASE + "behavior: {}\n", "13:1: the key 'behavior' is here twice; the first is on line 11"),
    "no mapping": ("- 1\n", "1:1: a scenario is a mapping that begins with version: 1"),
    "no behavior": (
        BASE.replace("behavior:\n  Worker: [{then: succeed}]\n", ""),
        "6:3: resources.Worker: Worker has neither a Handler nor a behavior; give it one of them",
    ),
    "nothing to call": (
        BASE.replace("then: succeed", "then: call"),
        "12:19: behavior.Worker.0.then: Worker has no Handler to call; say succeed, or give it one",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_said_of(name: str, tmp_path: Path) -> None:
    """Each fault is told once, with file, line and column, before anything is played."""
    text, said = WRONG[name]
    file = written(tmp_path, text)
    with pytest.raises(ConfigError) as raised:
        load_cases(file)
    assert str(raised.value) == f"{file}:{said.replace('{folder}', str(tmp_path))}"


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Two faults in the base and one in a variant are three lines, each once."""
    text = BASE + "sends: []\nstop: {when: idel}\nvariants:\n  a:\n    expect: {stoped: idle}\n"
    with pytest.raises(ConfigError) as raised:
        load_cases(written(tmp_path, text))
    assert [(problem.line, problem.path) for problem in raised.value.problems] == [
        (13, "sends"),
        (14, "stop.when"),
        (17, "variants.a.expect.stoped"),
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (BASE.replace("VisibilityTimeout: 60", "VisibilityTimeout: 60000"), (5, "Orders.Properties.VisibilityTimeout")),
        (
            BASE + "timeline:\n  - {at: 1s, set: {Orders.VisibilityTimeout: 60000}}\n",
            (14, "timeline.0.set.Orders.VisibilityTimeout"),
        ),
    ],
)
def test_what_aws_would_refuse_is_told_with_its_place(tmp_path: Path, text: str, place: tuple[int, str]) -> None:
    """A value off AWS's limits is another kind of error, in resources and on the timeline alike."""
    with pytest.raises(RefusedByAws) as raised:
        load_cases(written(tmp_path, text))
    assert [(problem.line, problem.path) for problem in raised.value.problems] == [place]
