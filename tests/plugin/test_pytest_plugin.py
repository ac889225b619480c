"""The pytest plugin: scenarios are tests, and the fixture ``esm`` is strict."""

from __future__ import annotations

import pytest

from tests.scenario.stories import DLQ

RESOURCES = """
RESOURCES = '''
Orders:
  Type: AWS::SQS::Queue
  Properties: {VisibilityTimeout: 60, RedrivePolicy: {deadLetterTargetArn: OrdersDlq, maxReceiveCount: 2}}
OrdersDlq: {Type: AWS::SQS::Queue}
Worker: {Type: AWS::Lambda::Function}
Trigger:
  Type: AWS::Lambda::EventSourceMapping
  Properties: {EventSourceArn: Orders, FunctionName: Worker, BatchSize: 1}
'''


def fails(event, context):
    raise ValueError("no stock")


def works(event, context):
    return None
"""


def run(pytester: pytest.Pytester, test: str, *arguments: str, ini: str = "") -> pytest.RunResult:
    """A test file beside the resources, run in this process."""
    pytester.makeini(f"[pytest]\n{ini}")
    pytester.makepyfile(f"import pytest\n{RESOURCES}\n{test}")
    return pytester.runpytest("-p", "no:randomly", "-p", "no:cacheprovider", *arguments)


# --- scenarios ----------------------------------------------------------------------------------------------


def test_each_case_is_an_item(pytester: pytest.Pytester) -> None:
    """The base and every variant pass or fail by themselves; tags are marks, also under strict markers."""
    more = "tags: [dead-letters]\nexpect: {queues: {OrdersDlq: {messages: 1}}}\n"
    variants = "variants: {other: {expect: {queues: {OrdersDlq: {messages: 5}}}}}\n"
    pytester.makefile(".esm.yaml", story=DLQ + more + variants)
    came = pytester.runpytest("-v", "--strict-markers", "-p", "no:randomly")
    came.assert_outcomes(passed=1, failed=1)
    came.stdout.fnmatch_lines(["story.esm.yaml::story PASSED*", "story.esm.yaml::story[[]other[]] FAILED*"])
    assert pytester.runpytest("-m", "dead_letters").parseoutcomes() == {"passed": 1, "failed": 1}
    assert pytester.runpytest("-m", "not dead_letters").parseoutcomes() == {"deselected": 2}


def test_any_tag_is_a_mark(pytester: pytest.Pytester) -> None:
    """What no name of a mark can have is an underscore, or left out in front; a tag of nothing else is no mark."""
    pytester.makefile(".esm.yaml", story=DLQ + "tags: [_slow, -x, 'ü b', 2nd, '--']\n")
    for mark in ("slow", "x", "ü_b", "2nd"):
        came = pytester.runpytest("--strict-markers", "-m", mark, "-p", "no:randomly")
        assert came.parseoutcomes() == {"passed": 1}, mark


def test_a_failure_shows_the_story(pytester: pytest.Pytester) -> None:
    """What was expected, what came and what happened to the message, and no Python traceback."""
    pytester.makefile(".esm.yaml", story=DLQ + "expect: {queues: {OrdersDlq: {messages: 0}}}\n")
    came = pytester.runpytest()
    came.stdout.fnmatch_lines(["story.esm.yaml:18  expect.queues.OrdersDlq.messages", "*moved to OrdersDlq after 2*"])
    came.stdout.no_fnmatch_line("*Traceback*")
    came.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_a_scenario_that_does_not_load_is_an_error_with_its_place(pytester: pytest.Pytester) -> None:
    """File, line and column, not a traceback."""
    pytester.makefile(".esm.yaml", story=DLQ + "sends: []\n")
    came = pytester.runpytest()
    came.assert_outcomes(errors=1)
    came.stdout.fnmatch_lines(["story.esm.yaml:18:1: sends: unknown key 'sends'; did you mean 'send'[?]"])


def test_collection_can_be_switched_off(pytester: pytest.Pytester) -> None:
    """With esm_collect = false scenarios are no tests."""
    pytester.makefile(".esm.yaml", story=DLQ)
    pytester.makeini("[pytest]\nesm_collect = false\n")
    assert pytester.runpytest().ret == pytest.ExitCode.NO_TESTS_COLLECTED


# --- strictness ---------------------------------------------------------------------------------------------

SEND = """
    esm.deploy(RESOURCES, handlers={"Worker": %s})
    esm.send("Orders", {"id": 7})
    esm.run_until_idle()
"""


def test_a_failure_nobody_expected_fails_with_the_handlers_own_traceback(pytester: pytest.Pytester) -> None:
    """The line of the handler that raised is shown, and what to say if it is meant."""
    came = run(pytester, "def test(esm):" + SEND % "fails")
    came.assert_outcomes(passed=1, errors=1)
    came.stdout.fnmatch_lines(['*raise ValueError("no stock")', "E*ValueError: no stock"])
    came.stdout.fnmatch_lines(["*esm.expect_failures('ValueError')*"])


@pytest.mark.parametrize(
    "expected", ["()", "('ValueError')", "(ValueError)", "(Exception)", "('ValueError', count=2)", "(count=2)"]
)
def test_failures_that_are_expected_are_none(pytester: pytest.Pytester, expected: str) -> None:
    """Any, by name, by class or a base of it, and how many."""
    test = f"def test(esm):\n    esm.expect_failures{expected}{SEND % 'fails'}    assert len(esm.queue('OrdersDlq'))\n"
    run(pytester, test).assert_outcomes(passed=1)


@pytest.mark.parametrize("expected", ["('KeyError')", "('ValueError', count=1)", "(KeyError)"])
def test_other_failures_than_expected_fail(pytester: pytest.Pytester, expected: str) -> None:
    """Another type, another number."""
    test = f"def test(esm):\n    esm.expect_failures{expected}{SEND % 'fails'}    assert len(esm.queue('OrdersDlq'))\n"
    run(pytester, test).assert_outcomes(passed=1, errors=1)


def test_a_dead_letter_nobody_looked_at_fails_with_its_story(pytester: pytest.Pytester) -> None:
    """The failures were expected, the dead letter was not."""
    came = run(pytester, f"def test(esm):\n    esm.expect_failures(){SEND % 'fails'}")
    came.assert_outcomes(passed=1, errors=1)
    came.stdout.fnmatch_lines(["*1 message* in OrdersDlq*", "*moved to OrdersDlq after 2 receives"])


@pytest.mark.parametrize(
    "looked", ["expect_dead_letters()", "expect_dead_letters('OrdersDlq', 1)", "queue('OrdersDlq').bodies"]
)
def test_a_dead_letter_that_is_looked_at_is_expected(pytester: pytest.Pytester, looked: str) -> None:
    """Said so, with or without the number, or looked into."""
    run(pytester, f"def test(esm):\n    esm.expect_failures(){SEND % 'fails'}    esm.{looked}\n").assert_outcomes(
        passed=1
    )


def test_another_number_of_dead_letters_fails(pytester: pytest.Pytester) -> None:
    """Two were expected, one came; none came where one was expected."""
    test = f"def test(esm):\n    esm.expect_failures(){SEND % 'fails'}    esm.expect_dead_letters('OrdersDlq', 2)\n"
    run(pytester, test).assert_outcomes(passed=1, errors=1)


@pytest.mark.parametrize(("mark", "ini"), [("@pytest.mark.esm(strict=False)", ""), ("", "esm_strict = false\n")])
def test_strictness_can_be_relaxed(pytester: pytest.Pytester, mark: str, ini: str) -> None:
    """By a marker for one test, by the ini file for all."""
    run(pytester, f"{mark}\ndef test(esm):{SEND % 'fails'}", ini=ini).assert_outcomes(passed=1)


def test_the_marker_wins_over_the_ini_file(pytester: pytest.Pytester) -> None:
    """strict=True at a test, where all others are relaxed."""
    test = f"@pytest.mark.esm(strict=True)\ndef test(esm):{SEND % 'fails'}"
    run(pytester, test, ini="esm_strict = false\n").assert_outcomes(passed=1, errors=1)


def test_a_test_that_failed_is_not_told_twice(pytester: pytest.Pytester) -> None:
    """Why the test failed stands alone."""
    run(pytester, f"def test(esm):{SEND % 'fails'}    assert False\n").assert_outcomes(failed=1)


def test_what_the_plugin_itself_does_is_not_shown(pytester: pytest.Pytester) -> None:
    """The handler's lines and the message, and no source of the fixture's."""
    came = run(pytester, "def test(esm):" + SEND % "fails")
    came.stdout.no_fnmatch_line("*def esm(request*")
    came.stdout.no_fnmatch_line("*_check_failures*")


def test_a_timeout_nobody_expected_shows_where_the_handler_waited(pytester: pytest.Pytester) -> None:
    """The line that slept, and none of the clock's own."""
    test = """
import time

def slow(event, context):
    time.sleep(100)

def test(esm):
    esm.expect_dead_letters()
"""
    came = run(pytester, test + SEND % "slow")
    came.assert_outcomes(passed=1, errors=1)
    came.stdout.fnmatch_lines([">*time.sleep(100)", "E*HandlerTimeout: *", "*esm.expect_failures('Sandbox.Timedout')*"])
    came.stdout.no_fnmatch_line("*agents.py*")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("expect_failures(7)", "*expect_failures takes an exception's class, or its name, not 7*"),
        ("expect_failures(KeyError, ValueError)", "*count takes a whole number from 0 on, not <class 'ValueError'>"),
        ("expect_dead_letters(1)", "*expect_dead_letters takes a queue's id and then a count, not 1"),
        ("expect_dead_letters('OrdersDql')", "*there is no queue 'OrdersDql'*did you mean 'OrdersDlq'?"),
        ("expect_dead_letters('Orders')", "*Orders is not the dead-letter queue of another; those are OrdersDlq"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_an_expectation_that_makes_no_sense_is_told(
    pytester: pytest.Pytester, call: str, said: str, *, first: bool
) -> None:
    """When it is said, or, of a queue before there are any, when they are deployed."""
    deploy, expect = "    esm.deploy(RESOURCES)\n", f"    esm.{call}\n"
    came = run(pytester, f"def test(esm):\n{expect + deploy if first else deploy + expect}")
    came.assert_outcomes(failed=1)
    came.stdout.fnmatch_lines([f"E{said}"])


def test_dead_letters_can_be_expected_before_there_are_queues(pytester: pytest.Pytester) -> None:
    """As failures can."""
    test = f"def test(esm):\n    esm.expect_dead_letters('OrdersDlq', 1)\n    esm.expect_failures(){SEND % 'fails'}"
    run(pytester, test).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("sed=7", "the marker esm takes strict=…, seed=…, *; not sed"),
        ("'relaxed'", "the marker esm takes strict=…, *; not 'relaxed'"),
        ("strict='no'", "the marker esm takes strict=True or strict=False, not 'no'"),
        ("seed='x'", "seed takes a whole number, not 'x'"),
        ("profile='aws-2019'", "*did you mean 'aws-2018'[?]"),
    ],
)
def test_a_marker_that_makes_no_sense_is_told(pytester: pytest.Pytester, mark: str, said: str) -> None:
    """Also in a test that deploys nothing."""
    came = run(pytester, f"@pytest.mark.esm({mark})\ndef test(esm): pass\n")
    came.assert_outcomes(errors=1)
    came.stdout.fnmatch_lines([f"E*UsageError: {said}"])


# --- traces -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", ["assert False", "pass"])
def test_a_failing_test_leaves_its_trace(pytester: pytest.Pytester, ends: str) -> None:
    """It failed by itself, or for what nobody expected; the report says where the page is."""
    came = run(pytester, f"def test(esm):{SEND % 'fails'}    {ends}\n", "--basetemp", "temp")
    (trace,) = (pytester.path / "temp" / "esm-traces").iterdir()
    assert trace.name == "test_a_failing_test_leaves_its_trace-test.html"
    assert "moved to OrdersDlq" in trace.read_text(encoding="utf-8")
    came.stdout.fnmatch_lines(["*esm trace*", f"*{trace.name}"])


def test_traces_have_names_of_their_own_in_the_folder_that_is_asked_for(pytester: pytest.Pytester) -> None:
    """Tests of one name in two files, parameters that are no names of files, and very long ones."""
    pytester.mkdir("deep")
    test = f"""
@pytest.mark.parametrize("value", ["a/b", "a:b", pytest.param(1, id="u" * 300)])
def test(esm, value):{SEND % "works"}    assert False
"""
    for name in ("one", "two"):
        (pytester.path / f"test_{name}.py").write_text(f"import pytest\n{RESOURCES}\n{test}")
    pytester.runpytest("-p", "no:cacheprovider", "--esm-traces", "deep/traces").assert_outcomes(failed=6)
    names = sorted(path.name for path in (pytester.path / "deep" / "traces").iterdir())
    assert len(names) == 6
    assert names[0].startswith("test_one-test_a_b_-")


@pytest.mark.parametrize(
    ("test", "outcomes"),
    [
        (f"def test(esm):{SEND % 'works'}", {"passed": 1}),
        (f"def test(esm):{SEND % 'works'}    pytest.skip('later')", {"skipped": 1}),
        (f"@pytest.mark.xfail\ndef test(esm):{SEND % 'works'}    assert False", {"xfailed": 1}),
        ("def test(esm):\n    assert False", {"failed": 1}),
    ],
    ids=["passed", "skipped", "expected", "nothing deployed"],
)
def test_others_leave_no_trace(pytester: pytest.Pytester, test: str, outcomes: dict[str, int]) -> None:
    """What passed, was skipped, failed as expected, or has nothing to show."""
    run(pytester, test, "--esm-traces", "traces").assert_outcomes(**outcomes)
    assert not (pytester.path / "traces").exists()


def test_a_trace_that_cannot_be_written_hides_nothing(pytester: pytest.Pytester) -> None:
    """The failure is the test's own; why there is no trace stands beneath."""
    (pytester.path / "taken").write_text("")
    came = run(pytester, f"def test(esm):{SEND % 'works'}    assert 1 == 2\n", "--esm-traces", "taken")
    came.assert_outcomes(failed=1)
    came.stdout.fnmatch_lines(["E*assert 1 == 2", "not written: *taken*"])


def test_a_failing_scenario_leaves_its_trace_where_asked(pytester: pytest.Pytester) -> None:
    """With --esm-traces; the seed is that of the play which failed."""
    pytester.makefile(".esm.yaml", story=DLQ + "expect: {queues: {OrdersDlq: {messages: 0}}}\n")
    pytester.runpytest("--esm-traces", "traces", "-p", "no:cacheprovider").assert_outcomes(failed=1)
    assert [path.suffix for path in (pytester.path / "traces").iterdir()] == [".html"]


def test_the_marker_sets_seed_and_profile(pytester: pytest.Pytester) -> None:
    """They stand in the journal's first fact."""
    run(
        pytester,
        "@pytest.mark.esm(seed=7, profile='aws-2018')\ndef test(esm):"
        f"{SEND % 'works'}    assert (esm.journal[0].seed, esm.journal[0].profile) == (7, 'aws-2018')\n",
    ).assert_outcomes(passed=1)


def test_paths_are_the_tests_own(pytester: pytest.Pytester) -> None:
    """A template beside the test is found wherever pytest was started."""
    pytester.mkdir("sub")
    (pytester.path / "sub" / "esm.yaml").write_text("resources:\n  Orders: {Type: AWS::SQS::Queue}\n")
    (pytester.path / "sub" / "test_it.py").write_text(
        "def test(esm):\n    assert len(esm.deploy('esm.yaml').queue('Orders')) == 0\n"
    )
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=1)


# --- beside other things ------------------------------------------------------------------------------------


def test_patches_and_connections_of_the_test_are_the_handlers(pytester: pytest.Pytester) -> None:
    """Handlers run on the test's thread: monkeypatch, mock.patch and SQLite in memory reach them."""
    test = """
import sqlite3
from unittest import mock
import os

def test(esm, monkeypatch):
    rows = sqlite3.connect(":memory:")
    rows.execute("create table orders (body text)")
    monkeypatch.setenv("REGION_OF_ORDERS", "north")

    def handler(event, context):
        for record in event["Records"]:
            rows.execute("insert into orders values (?)", [os.environ["REGION_OF_ORDERS"] + os.getlogin()])

    esm.deploy(RESOURCES, handlers={"Worker": handler})
    esm.send("Orders", "a")
    with mock.patch("os.getlogin", return_value="me"):
        esm.run_until_idle()
    assert rows.execute("select * from orders").fetchall() == [("northme",)]
    rows.close()
"""
    run(pytester, test).assert_outcomes(passed=1)


def test_it_runs_inside_async_tests(pytester: pytest.Pytester) -> None:
    """The fixture's own loop is another than the test's; both ways of calling work."""
    test = """
import asyncio

@pytest.mark.anyio
async def test(esm, anyio_backend_name):
    esm.deploy(RESOURCES, handlers={"Worker": works})
    esm.send("Orders", "a")
    await esm.arun_until_idle()
    esm.advance("1m")
    await esm.aadvance("1m")
    assert await esm.arun_until(lambda: True)
    await asyncio.sleep(0)
    assert esm.metrics.functions["Worker"]["Invocations"] == 1

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""
    run(pytester, test).assert_outcomes(passed=1)


def test_it_works_beside_a_users_own_moto(pytester: pytest.Pytester) -> None:
    """Inside mock_aws the handler's clients see the user's tables and the emulator's queues."""
    test = """
import boto3
from moto import mock_aws

@mock_aws
def test(esm):
    s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    s3.create_bucket(Bucket="orders")

    def handler(event, context):
        s3.put_object(Bucket="orders", Key=event["Records"][0]["body"], Body=b"x")

    esm.deploy(RESOURCES, handlers={"Worker": handler})
    esm.send("Orders", "a")
    esm.run_until_idle()
    assert [item["Key"] for item in s3.list_objects_v2(Bucket="orders")["Contents"]] == ["a"]
"""
    run(pytester, test).assert_outcomes(passed=1)


@pytest.mark.slow
def test_it_works_under_xdist(pytester: pytest.Pytester) -> None:
    """No fixed ports, no globals: tests and scenarios in two processes."""
    pytester.makefile(".esm.yaml", story=DLQ + "expect: {queues: {OrdersDlq: {messages: 1}}}\n")
    tests = "\n".join(f"def test_{number}(esm):{SEND % 'works'}" for number in range(4))
    run(pytester, tests, "-n", "2").assert_outcomes(passed=5)


def test_a_call_that_cannot_be_is_told_at_the_tests_own_line(pytester: pytest.Pytester) -> None:
    """The lines of the emulator below it are for --full-trace."""
    test = 'def test_it(esm):\n    esm.deploy(RESOURCES)\n    esm.send("Order", "a")\n'
    came = run(pytester, test)
    came.stdout.fnmatch_lines(
        ['>*esm.send("Order", "a")', "E *UsageError: there is no queue 'Order'*", "*: UsageError"]
    )
    came.stdout.no_fnmatch_line("*def send(*")
    came.stdout.no_fnmatch_line("*esm_emulator/emul*")
    run(pytester, test, "--full-trace").stdout.fnmatch_lines(["*def send(*"])
