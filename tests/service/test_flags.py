"""What options say of resources: alone, and over a file's."""

from __future__ import annotations

from pathlib import Path

import pytest

from esm_emulator.errors import RefusedByAws, UsageError
from esm_emulator.resources import Resources
from esm_emulator.service.flags import Flags, changed, described, mapping_meant, without_queue


def blocks(*names: str) -> dict[str, object]:
    """For each name a queue, a function and a mapping."""
    made: dict[str, object] = {}
    for name in names:
        made[f"{name}Queue"] = {"Type": "AWS::SQS::Queue"}
        made[f"{name}Worker"] = {"Type": "AWS::Lambda::Function", "Properties": {"Handler": "app.handler"}}
        made[f"{name}Trigger"] = {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {"EventSourceArn": f"{name}Queue", "FunctionName": f"{name}Worker"},
        }
    return made


ONE = Resources.parse(blocks("A"))
TWO = Resources.parse(blocks("A", "B"))


def test_flags_alone_describe_a_queue_its_dead_letter_queue_a_function_and_a_mapping() -> None:
    made = described(Flags(handler="app.handler"))
    assert list(made.queues) == ["queue", "queue-dlq"]
    assert made.dead_letter_queue_of(made.queues["queue"]) is made.queues["queue-dlq"]
    assert made.functions["function"].CodeUri == str(Path.cwd())
    assert made.mappings["mapping"].EventSourceArn == made.queues["queue"].arn


def test_the_visibility_timeout_follows_a_long_function_timeout_unless_it_is_given() -> None:
    """Six times the function's timeout, as AWS advises; 30 s at least (SQS-2)."""
    visibility = [
        described(Flags(handler="a.b", function_timeout=timeout)).queues["queue"].VisibilityTimeout
        for timeout in (3, 5, 6, 60)
    ]
    assert visibility == [30, 30, 36, 360]
    with pytest.raises(RefusedByAws, match="less than Function timeout: 60 seconds"):
        described(Flags(handler="a.b", function_timeout=60, visibility_timeout=30))


def test_the_longest_function_timeout_still_has_a_visibility_timeout() -> None:
    assert described(Flags(handler="a.b", function_timeout=900)).queues["queue"].VisibilityTimeout == 5_400


def test_with_a_queue_elsewhere_there_is_none_of_ours() -> None:
    made = described(Flags(handler="a.b"), "arn:aws:sqs:eu-west-1:111122223333:jobs")
    assert not made.queues
    assert made.functions["function"].arn == "arn:aws:lambda:eu-west-1:111122223333:function:function"


def test_every_flag_changes_its_property_of_a_file() -> None:
    flags = Flags(
        handler="other.handler",
        code=Path("/srv/code"),
        function_timeout=7,
        memory=256,
        reserved_concurrency=2,
        environment={"STAGE": "dev"},
        batch_size=5,
        window=1,
        report_batch_item_failures=True,
        filters=('{"body": {"a": [1]}}',),
        maximum_concurrency=3,
        visibility_timeout=40,
    )
    made = changed(ONE, flags)
    function, mapping, queue = made.functions["AWorker"], made.mappings["ATrigger"], made.queues["AQueue"]
    assert (function.Handler, function.CodeUri, function.Timeout) == ("other.handler", "/srv/code", 7)
    assert (function.MemorySize, function.ReservedConcurrentExecutions) == (256, 2)
    assert function.Environment.Variables == {"STAGE": "dev"}
    assert (mapping.BatchSize, mapping.MaximumBatchingWindowInSeconds) == (5, 1)
    assert mapping.reports_item_failures
    assert mapping.patterns == ('{"body": {"a": [1]}}',)
    assert mapping.maximum_concurrency == 3
    assert queue.VisibilityTimeout == 40


@pytest.mark.parametrize(
    ("flags", "which"),
    [
        (Flags(memory=256), "which function is meant? There are AWorker, BWorker"),
        (Flags(batch_size=5), "which mapping is meant? There are ATrigger, BTrigger; name its function with --name"),
        (Flags(visibility_timeout=60), "which mapping is meant?"),
        (Flags(function="CWorker", memory=256), "there is no function 'CWorker'"),
    ],
)
def test_flags_that_could_mean_several_are_refused(flags: Flags, which: str) -> None:
    with pytest.raises(UsageError) as refused:
        changed(TWO, flags)
    assert which in str(refused.value)


def test_two_mappings_of_one_function_can_be_told_apart_in_the_file_alone() -> None:
    both = TWO.with_property("BTrigger.FunctionName", "AWorker")
    with pytest.raises(UsageError, match="There are ATrigger, BTrigger; say it in the file"):
        changed(both, Flags(batch_size=5))


def test_a_name_says_which_function_is_meant_and_with_it_which_mapping_and_queue() -> None:
    made = changed(TWO, Flags(function="BWorker", memory=256, batch_size=5, visibility_timeout=60))
    assert [function.MemorySize for function in made.functions.values()] == [128, 256]
    assert [mapping.BatchSize for mapping in made.mappings.values()] == [10, 5]
    assert [queue.VisibilityTimeout for queue in made.queues.values()] == [30, 60]


def test_receives_before_dead_lettering_need_a_redrive_policy() -> None:
    with pytest.raises(UsageError, match="AQueue has no RedrivePolicy"):
        changed(ONE, Flags(max_receive_count=3))


def test_a_mapping_that_moves_to_a_queue_elsewhere_leaves_none_behind_that_nobody_reads() -> None:
    moved = without_queue(TWO, mapping_meant(TWO, Flags(function="AWorker"), ""), "arn:aws:sqs:us-east-1:1:x")
    assert list(moved.queues) == ["BQueue"]
    assert moved.mappings["ATrigger"].EventSourceArn == "arn:aws:sqs:us-east-1:1:x"
