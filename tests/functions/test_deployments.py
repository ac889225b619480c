"""A function whose properties change while its environments live: what holds for whom."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from esm_emulator.clocks import virtual
from esm_emulator.emulation import Emulation, Plan
from esm_emulator.functions.inline import InlineFunction
from esm_emulator.functions.process import ProcessFunction
from esm_emulator.resources import Function, Resources
from esm_emulator.sqs import NewMessage
from tests.functions.stages import Stage

Adapted = InlineFunction | ProcessFunction
CODE = """
    import os
    count = 0

    def handler(event, context):
        global count
        count += 1
        return [count, os.environ.get("MODE"), context.memory_limit_in_mb]

    def fixed(event, context):
        return "fixed"
"""


async def payload(function: Adapted, stage: Stage) -> str:
    reply = await function.invoke(stage.invocation())
    return getattr(reply, "payload", "")


def changed(function: Adapted, **properties: Any) -> None:
    """As a deployment changes it."""
    before = {name: getattr(function.resource, name) for name in ("id", "Handler", "CodeUri", "Environment")}
    function.resource = Function(**before | properties)


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"Handler": "app.fixed"}, '"fixed"'),
        ({"Environment": {"Variables": {"MODE": "new"}}}, '[1, "new", "128"]'),
        ({"MemorySize": 256}, '[1, null, "256"]'),
    ],
    ids=["handler", "variables", "memory"],
)
def test_a_deployment_takes_new_environments(stage: Stage, properties: dict[str, Any], expected: str) -> None:
    """The next invocation runs what was deployed, and its environment is a new one."""
    stage.write(CODE)

    async def story(function: Adapted) -> list[str]:
        first = await payload(function, stage)
        changed(function, **properties)
        return [first, await payload(function, stage)]

    assert stage.play(story) == ['[1, null, "128"]', expected]
    assert len({fact.environment for fact in stage.started}) == 2
    assert [fact.reason for fact in stage.ended][:1] == ["reload"]


def test_other_code_is_taken_from_its_folder(stage: Stage, tmp_path: Path) -> None:
    """CodeUri names another folder with a module of the same name."""
    stage.write(CODE)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "app.py").write_text("def handler(event, context):\n    return 'other'\n")

    async def story(function: Adapted) -> list[str]:
        first = await payload(function, stage)
        changed(function, CodeUri=str(tmp_path / "other"))
        return [first, await payload(function, stage)]

    assert stage.play(story) == ['[1, null, "128"]', '"other"']


@pytest.mark.parametrize(
    "properties", [{"Timeout": 9}, {"ReservedConcurrentExecutions": 1}, {"RecursiveLoop": "Allow"}]
)
def test_limits_need_no_new_environment(stage: Stage, properties: dict[str, Any]) -> None:
    """They count from the next invocation on; what is in memory stays (RUN-1)."""
    stage.write(CODE)

    async def story(function: Adapted) -> list[str]:
        first = await payload(function, stage)
        changed(function, **properties)
        return [first, await payload(function, stage)]

    assert stage.play(story) == ['[1, null, "128"]', '[2, null, "128"]']


def test_what_runs_ends_with_what_it_began_with(stage: Stage) -> None:
    """The invocation goes on with its own variables; its environment is not used again."""
    stage.write("""
        import os, pathlib, time

        def handler(event, context):
            if event["waits"]:
                pathlib.Path(event["here"]).touch()
                while not os.path.exists(event["goes_on"]):
                    time.sleep(0.005)
            return os.environ["MODE"]
    """)
    here, goes_on = stage.folder / "here", stage.folder / "goes-on"

    async def story(function: Adapted) -> list[str]:
        event = {"waits": True, "here": str(here), "goes_on": str(goes_on)}
        running = asyncio.ensure_future(function.invoke(stage.invocation(event)))
        while not here.exists():  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.005)
        changed(function, Environment={"Variables": {"MODE": "new"}})
        goes_on.touch()
        replies = [await running, await function.invoke(stage.invocation({"waits": False}))]
        return [getattr(reply, "payload", "") for reply in replies]

    assert stage.play(story, Environment={"Variables": {"MODE": "old"}}) == ['"old"', '"new"']
    assert [fact.reason for fact in stage.ended][:1] == ["reload"]
    assert "MODE" not in os.environ


def test_an_error_of_the_run_leaves_nothing_behind(stage: Stage) -> None:
    """Variables, modules and processes of functions go when a run ends, however it ends."""
    stage.write(CODE)
    function = {"Handler": "app.handler", "CodeUri": str(stage.folder), "Environment": {"Variables": {"MODE": "left"}}}
    resources = Resources.parse(
        {
            "Orders": {"Type": "AWS::SQS::Queue"},
            "Worker": {"Type": "AWS::Lambda::Function", "Properties": function},
            "Trigger": {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {"EventSourceArn": "Orders", "FunctionName": "Worker"},
            },
        }
    )
    made: list[Any] = []

    def adapt(resource: Function, emulation: Emulation) -> Adapted:
        made.append(stage.adapter(resource, emulation.clock, emulation.journal, emulation.identifiers))
        return made[-1]  # type: ignore[no-any-return]

    clock = virtual.VirtualClock()
    emulation = Emulation(Plan(resources=resources, adapt=adapt, embedded_aws=False), clock, clock_name="virtual")

    async def program() -> None:
        async with emulation.running():
            emulation.send("Orders", NewMessage("a"))
            await emulation.until_idle()
            raise LookupError("the caller's own")

    with pytest.raises(LookupError, match="the caller's own"):
        virtual.run(program, clock=clock)
    assert "AWS_LAMBDA_FUNCTION_NAME" not in os.environ
    assert made[0]._idle == []  # each of which may be a process
