"""``esm replay``: its exit codes, its formats and its options."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from esm_emulator.cli import main
from esm_emulator.report.metrics import FUNCTION_METRICS, MAPPING_METRICS, QUEUE_METRICS
from tests.scenario.stories import BASE, DLQ, written

TOGETHER = DLQ.replace("BatchSize: 1", "BatchSize: 10")  # the good message goes down with the bad one
PASSES = TOGETHER + "expect: {queues: {OrdersDlq: {messages: 2}}}\n"
FAILS = TOGETHER + "expect:\n  queues:\n    OrdersDlq: {messages: 0}\n"
HANDLER = BASE.replace("behavior:\n  Worker: [{then: succeed}]\n", "send: [{to: Orders, body: a, count: 3}]\n").replace(
    "Type: AWS::Lambda::Function", "Type: AWS::Lambda::Function\n    Properties: {Handler: app.handler}"
)

Replay = Callable[..., Result]


@pytest.fixture
def replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Replay:
    """Play in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, ["replay", *arguments])


def test_0_when_all_passed(tmp_path: Path, replay: Replay) -> None:
    """A line a case, with its virtual time and its seed, and a summary."""
    written(tmp_path, PASSES)
    came = replay(".")
    assert came.exit_code == 0
    first, last = came.stdout.splitlines()
    assert re.fullmatch(r"passed  story  virtual 2m, real \d+\.\d\ds, seed 0", first)
    assert last == "1 passed, 0 failed"


def test_1_when_an_expectation_failed(tmp_path: Path, replay: Replay) -> None:
    """What was expected and came, the story, the diagnosis, and the command that plays it again, which does."""
    written(tmp_path, FAILS)
    came = replay("story.esm.yaml")
    assert came.exit_code == 1
    for line in (
        "  story.esm.yaml:20  expect.queues.OrdersDlq.messages",
        "    expected  0",
        "    came      2",
        "                2m  moved to OrdersDlq after 2 receives",
        "  ESM-D120 Trigger: 2 messages ran up to 2 times",
        "  stopped: idle",
        "  play it again: esm replay story.esm.yaml -k story --seed 0",
        "0 passed, 1 failed",
    ):
        assert line in came.stdout, came.stdout
    again = came.stdout.partition("play it again: esm replay ")[2].splitlines()[0].split()
    assert replay(*again).exit_code == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [(BASE + "sends: []\n", 2), (BASE.replace("VisibilityTimeout: 60", "VisibilityTimeout: 60000"), 3), (HANDLER, 4)],
)
def test_2_3_and_4_when_it_cannot_be_played(tmp_path: Path, replay: Replay, text: str, code: int) -> None:
    """A file that does not load, resources that AWS would refuse, a handler that cannot be imported."""
    written(tmp_path, text)
    came = replay("story.esm.yaml")
    assert (came.exit_code, came.stdout) == (code, "")
    assert "Error: " in came.stderr
    assert "Traceback" not in came.stderr


@pytest.mark.parametrize("arguments", [(".",), ("nowhere",), ("story.esm.yaml", "-k", "otherwise")])
def test_5_when_there_is_nothing_to_play(tmp_path: Path, replay: Replay, arguments: tuple[str, ...]) -> None:
    """An empty folder, a path that is not there, words that no case has."""
    if arguments != (".",):
        written(tmp_path, PASSES)
    assert replay(*arguments).exit_code == 5


@pytest.mark.slow
def test_6_when_two_plays_of_one_seed_differed(tmp_path: Path, replay: Replay) -> None:
    """A handler that acts by the order of a set is found out, in another process with another hash seed."""
    (tmp_path / "app.py").write_text("def handler(event, context):\n    print(hash('a text'))\n")
    written(tmp_path, HANDLER)
    came = replay("story.esm.yaml", "--check-determinism")
    assert came.exit_code == 6
    assert "two plays of one seed differed: story (seed 0)" in came.stderr


@pytest.mark.slow
def test_the_same_plays_are_found_the_same(tmp_path: Path, replay: Replay) -> None:
    """Whatever is played by its seed alone passes --check-determinism, also with two processes."""
    written(tmp_path, PASSES)
    assert replay(".", "--check-determinism", "--seeds", "1..3", "-n", "2").exit_code == 0


@pytest.mark.slow
def test_a_fault_of_another_process_is_told_as_if_it_were_here(tmp_path: Path, replay: Replay) -> None:
    """With -n 2 an error keeps its place and its exit code."""
    late = "send:\n  - {to: Orders, count: 2, body: x, label: a}\n"
    file = written(tmp_path, (BASE + late).replace("body: x", 'body: "{{ 1 // (index - 2) }}"'))
    one, two = replay(file.name, "--seeds", "1..2"), replay(file.name, "--seeds", "1..2", "-n", "2")
    assert (one.exit_code, two.exit_code) == (2, 2)
    assert one.stderr == two.stderr
    assert one.stderr.startswith("story.esm.yaml:14:5: send.0: {{ 1 // (index - 2) }} is not an expression")


def test_json_is_one_object_of_the_documented_shape(tmp_path: Path, replay: Replay) -> None:
    """Every key of the format, every metric, nothing else on standard output."""
    written(tmp_path, FAILS)
    came = json.loads(replay(".", "--json", "--github").stdout)
    (case,) = came.pop("cases")
    assert came == {"version": 1, "passed": 0, "failed": 1}
    assert list(case) == [
        "scenario", "variant", "file", "line", "passed", "seed", "stopped", "virtual_seconds", "real_seconds",
        "failures", "queues", "functions", "mappings", "messages", "diagnoses", "warnings",
    ]  # fmt: skip
    assert case["failures"] == [{"path": "queues.OrdersDlq.messages", "expected": 0, "actual": 2, "line": 20}]
    assert (case["variant"], case["line"], case["virtual_seconds"]) == (None, 1, 120.0)
    assert case["messages"][0] == {
        "label": "bad", "queue": "Orders", "outcome": "dead-lettered", "receives": 2, "invocations": 2,
        "successes": 0, "failures": 2, "overlap": 1,
    }  # fmt: skip
    assert {"code", "subject", "messages", "summary", "fix", "source"} == case["diagnoses"][0].keys()
    assert case["diagnoses"][0]["messages"] == ["bad", "good"]
    assert {"code", "subject", "summary"} == case["warnings"][0].keys()
    assert case["queues"]["OrdersDlq"]["messages"] == 2
    for part, known in (("queues", QUEUE_METRICS), ("functions", FUNCTION_METRICS), ("mappings", MAPPING_METRICS)):
        for metrics in case[part].values():
            assert metrics.keys() == known.keys() - {"ProvisionedPollers"}


def test_junit_has_a_testcase_for_each_case(tmp_path: Path, replay: Replay) -> None:
    """Failures and diagnoses stand inside; seeds are cases of their own."""
    written(tmp_path, FAILS + "variants: {fine: {expect: {stopped: idle}}}\n")
    assert replay(".", "--junit", "report.xml", "--seeds", "1..2").exit_code == 1
    root = ET.parse(tmp_path / "report.xml").getroot()
    assert (root.get("tests"), root.get("failures")) == ("4", "2")
    cases = list(root.iter("testcase"))
    assert [case.get("name") for case in cases] == [
        "story seed 1", "story seed 2", "story[fine] seed 1", "story[fine] seed 2",
    ]  # fmt: skip
    failure = cases[0].find("failure")
    assert failure is not None
    assert "expect.queues.OrdersDlq.messages" in (failure.text or "")
    assert "ESM-D120" in (failure.text or "")
    assert cases[2].find("failure") is None


def test_github_annotates_the_line_of_the_expectation(tmp_path: Path, replay: Replay) -> None:
    """An error at the expectation, a warning for each diagnosis, everything escaped."""
    written(tmp_path, FAILS)
    lines = replay(".", "--github").stdout.splitlines()
    (error,) = (line for line in lines if line.startswith("::error "))
    assert error.startswith(
        "::error file=story.esm.yaml,line=20,col=1,title=story::queues.OrdersDlq.messages: expected 0"
    )
    assert any(line.startswith("::warning file=story.esm.yaml,line=1,col=1,title=ESM-D120::") for line in lines)


def test_journals_are_written_one_file_a_case(tmp_path: Path, replay: Replay) -> None:
    """JSON lines, a file for each case, and for each seed when seeds are given."""
    written(tmp_path, PASSES + "variants: {fine: {expect: {stopped: idle}}}\n")
    replay(".", "--journal", "journals", "--seed", "7")
    assert sorted(path.name for path in (tmp_path / "journals").iterdir()) == [
        "story-seed7.jsonl", "story[fine]-seed7.jsonl",
    ]  # fmt: skip
    first = (tmp_path / "journals" / "story-seed7.jsonl").read_text().splitlines()[0]
    assert json.loads(first)["seed"] == 7


def test_cases_of_one_name_write_files_of_several(tmp_path: Path, replay: Replay) -> None:
    """Two folders may each have a story; none is written over."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        written(tmp_path / folder, PASSES)
    replay("a", "b", "--journal", "out", "--trace", "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "story-2.html", "story-2.jsonl", "story.html", "story.jsonl",
    ]  # fmt: skip


def test_what_the_loader_could_not_decide_is_told(tmp_path: Path, replay: Replay) -> None:
    """Once, on standard error: a template's condition that only a deployment knows."""
    (tmp_path / "template.yaml").write_text(
        'Conditions:\n  C: !Equals [!ImportValue x, "1"]\nResources:\n  Orders: {Type: AWS::SQS::Queue, Condition: C}\n'
    )
    written(tmp_path, "version: 1\nresources: {from: template.yaml}\nvariants: {a: {set: {seed: 2}}}\n")
    came = replay(".", "--json")
    assert (came.exit_code, json.loads(came.stdout)["passed"]) == (0, 2)
    (warning,) = came.stderr.splitlines()
    assert warning.startswith("Warning: template.yaml:4:46: Orders.Condition: the condition 'C' cannot be decided")


def test_until_ends_a_play_earlier(tmp_path: Path, replay: Replay) -> None:
    """The scenario's clock goes no further, and the play says that it was cut."""
    written(tmp_path, FAILS)
    case = json.loads(replay(".", "--until", "90s", "--json").stdout)["cases"][0]
    assert (case["stopped"], case["virtual_seconds"], case["passed"]) == ("after", 90.0, True)


def test_x_stops_after_the_first_that_fails(tmp_path: Path, replay: Replay) -> None:
    """Nothing after it is played."""
    written(tmp_path, FAILS, "a")
    written(tmp_path, PASSES, "b")
    assert replay(".", "-x").stdout.splitlines()[-1] == "0 passed, 1 failed"
    assert replay(".").stdout.splitlines()[-1] == "1 passed, 1 failed"


def test_k_chooses_by_all_of_its_words(tmp_path: Path, replay: Replay) -> None:
    """Words of the name, the variant or the tags, in any case; a whole id means that case alone."""
    written(tmp_path, PASSES + "tags: [Billing]\nvariants: {fixed: {expect: {stopped: idle}}}\n", "orders")
    written(tmp_path, PASSES, "other")

    def chosen(words: str) -> list[str]:
        return re.findall(r"^passed  (\S+)", replay(".", "-k", words).stdout, re.MULTILINE)

    assert chosen("orders") == ["orders"]
    assert chosen("order") == ["orders", "orders[fixed]"]
    assert chosen("billing FIXED") == ["orders[fixed]"]
    assert chosen("other") == ["other"]


@pytest.mark.parametrize(
    "arguments", [("--seed", "1", "--seeds", "1..2"), ("--seeds", "3..1"), ("--until", "soon"), ("--no-such",), ()]
)
def test_bad_usage_is_2(tmp_path: Path, replay: Replay, arguments: tuple[str, ...]) -> None:
    """Options that do not fit are told before anything loads."""
    written(tmp_path, PASSES)
    assert replay(*([".", *arguments] if arguments else [])).exit_code == 2


@pytest.mark.parametrize("option", ["--journal", "--trace", "--junit"])
def test_what_cannot_be_written_is_2(tmp_path: Path, replay: Replay, option: str) -> None:
    """A file in the way is named, and is no fault of the program."""
    written(tmp_path, PASSES)
    (tmp_path / "file").touch()
    came = replay(".", option, "file/results")
    assert came.exit_code == 2
    assert "file/results cannot be written: Not a directory" in came.stderr


def test_a_name_too_long_for_a_file_is_2(tmp_path: Path, replay: Replay) -> None:
    """The case is played, but its journal has no place."""
    written(tmp_path, PASSES + f"name: {'x' * 300}\n")
    came = replay(".", "--journal", "journals")
    assert came.exit_code == 2
    assert "cannot be written: File name too long" in came.stderr
