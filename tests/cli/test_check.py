"""``esm check``: files, forms of output, suppression, exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from esm_emulator.cli import main

RISKY = """resources:
  Orders:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 60
  Worker:
    Type: AWS::Lambda::Function
    Properties: {Timeout: 30}
  Trigger:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: Orders
      FunctionName: Worker
      BatchSize: 1
"""
SCENARIO = (
    "version: 1\n"
    + RISKY
    + """send:
  - {to: Orders, body: plain text}
behavior:
  Worker: [{takes: 1s}]
"""
)


def checked(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, arguments)])


def codes(result: Result) -> list[str]:
    return re.findall(r"ESM-([A-Z]\d+)", result.stdout)


@pytest.fixture
def risky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("esm.yaml").write_text(RISKY, encoding="utf-8")
    return Path("esm.yaml")


def test_a_finding_has_its_place_its_fix_and_aws_page(risky: Path) -> None:
    result = checked(risky)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[3:] == [
        "esm.yaml:5:26: ESM-W201 Orders: VisibilityTimeout 60 < 6 x 30 = 180 (Worker may take 30 s for each attempt).",
        "    Set VisibilityTimeout to at least 180.",
        "    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html",
        "2 warnings in 3 resources; 1 piece of advice not shown (--show I)",
    ]


def test_nothing_found_ends_with_0(tmp_path: Path) -> None:
    (tmp_path / "esm.yaml").write_text("resources: {Orders: {Type: AWS::SQS::Queue}}", encoding="utf-8")
    result = checked(tmp_path / "esm.yaml")
    assert (result.exit_code, result.stdout) == (0, "nothing found in 1 resource\n")


@pytest.mark.parametrize(("level", "code"), [("E", 0), ("W", 1), ("I", 1), ("w", 1)])
def test_the_level_that_fails_is_chosen(risky: Path, level: str, code: int) -> None:
    assert checked(risky, "--fail-on", level).exit_code == code


def test_advice_is_shown_and_fails_where_asked(risky: Path) -> None:
    assert "I407" not in codes(checked(risky))
    shown = checked(risky, "--show", "I", "--ignore", "W201,W208")
    assert (codes(shown), shown.exit_code) == (["I407"], 0)
    assert checked(risky, "--fail-on", "I", "--ignore", "W201", "--ignore", "esm-w208").exit_code == 1


def test_a_comment_on_the_line_accepts_a_code(risky: Path) -> None:
    text = RISKY.replace("Timeout: 60", "Timeout: 60 # esm: ignore W201")
    risky.write_text(text.replace("Orders:\n", "Orders: # esm: ignore ESM-W208, ESM-W210\n", 1), encoding="utf-8")
    result = checked(risky)
    assert (result.exit_code, codes(result)) == (0, [])
    assert "2 accepted" in result.stdout


def test_a_comment_about_another_code_accepts_nothing_else(risky: Path) -> None:
    risky.write_text(RISKY.replace("Timeout: 60", "Timeout: 60 # esm: ignore ESM-W202"), encoding="utf-8")
    assert "W201" in codes(checked(risky))
    risky.write_text(RISKY.replace("Timeout: 60", "Timeout: 60 # esm: ignore"), encoding="utf-8")
    assert "W201" not in codes(checked(risky))


def test_a_code_that_is_not_there_is_bad_usage_with_a_hint(risky: Path) -> None:
    result = checked(risky, "--ignore", "W999")
    assert result.exit_code == 2
    assert "there is no code 'W999'" in result.stderr


def test_json_is_one_object(risky: Path) -> None:
    output = json.loads(checked(risky, "--format", "json").stdout)
    assert (output["version"], output["resources"]) == (1, 3)
    first = output["findings"][-1]
    assert (first["code"], first["subject"], first["level"], first["accepted"]) == (
        "ESM-W201",
        "Orders",
        "warning",
        False,
    )
    assert (first["file"], first["line"], first["column"], first["path"]) == (
        "esm.yaml",
        5,
        26,
        "Orders.VisibilityTimeout",
    )


def test_sarif_has_rules_results_and_suppressions(risky: Path) -> None:
    risky.write_text(RISKY.replace("Timeout: 60", "Timeout: 60 # esm: ignore W201"), encoding="utf-8")
    log = json.loads(checked(risky, "--format", "sarif").stdout)
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["ESM-W201", "ESM-W208"]
    results = {result["ruleId"]: result for result in run["results"]}
    place = results["ESM-W201"]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "esm.yaml"}, "region": {"startLine": 5, "startColumn": 26}}
    assert results["ESM-W201"]["suppressions"] == [{"kind": "inSource"}]
    assert "suppressions" not in results["ESM-W208"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] == "warning"


def test_sarif_tells_what_was_accepted_outside_of_the_file(risky: Path) -> None:
    """--ignore is no comment in the source."""
    log = json.loads(checked(risky, "--format", "sarif", "--ignore", "W201").stdout)
    suppressed = {result["ruleId"]: result.get("suppressions") for result in log["runs"][0]["results"]}
    assert suppressed == {"ESM-W201": [{"kind": "external"}], "ESM-W208": None}


def test_sarif_names_files_by_uris(risky: Path) -> None:
    """A space, an umlaut and a percent sign are escaped; whatever is relative stays relative."""
    odd = risky.absolute().with_name("ein Stück 100%.yaml")
    odd.write_text(RISKY, encoding="utf-8")
    for given, uri in ((odd.name, "ein%20St%C3%BCck%20100%25.yaml"), (odd, odd.as_uri())):
        log = json.loads(checked(Path(given), "--format", "sarif").stdout)
        places = [result["locations"][0]["physicalLocation"] for result in log["runs"][0]["results"]]
        assert {place["artifactLocation"]["uri"] for place in places} == {uri}


def test_github_gets_annotations(risky: Path) -> None:
    lines = checked(risky, "--format", "github", "--show", "I").stdout.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["::warning", "::warning", "::notice"]
    assert lines[1].startswith("::warning file=esm.yaml,line=5,col=26,title=ESM-W201::Orders: VisibilityTimeout 60 <")


def test_what_aws_refuses_is_a_finding_and_the_rest_is_checked(risky: Path) -> None:
    risky.write_text(RISKY.replace("BatchSize: 1", "BatchSize: 11"), encoding="utf-8")
    result = checked(risky)
    assert (result.exit_code, set(codes(result))) == (1, {"E302", "W201", "W208", "W212"})


def test_what_does_not_load_is_a_finding_and_the_rest_is_checked(risky: Path) -> None:
    """No conclusion is drawn from the value that is wrong: not that 30 is too little."""
    risky.write_text(RISKY.replace("VisibilityTimeout: 60", "VisibilityTimeout: soon"), encoding="utf-8")
    result = checked(risky)
    assert (result.exit_code, set(codes(result))) == (1, {"E311", "W208"})


@pytest.mark.parametrize(
    ("text", "said"),
    [("a: [", "this is not YAML"), ("a: 1", "there is neither resources:"), (None, "there is no such file")],
)
def test_a_file_that_cannot_be_read_ends_with_2(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "some.yaml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    result = checked(file)
    assert (result.exit_code, said in result.stderr) == (2, True)


def test_every_file_that_cannot_be_read_is_told_at_once(tmp_path: Path) -> None:
    result = checked(tmp_path / "one.yaml", tmp_path / "two.yaml")
    assert "one.yaml" in result.stderr
    assert "two.yaml" in result.stderr


def test_a_folder_is_looked_through(risky: Path) -> None:
    """Other people's files, hidden folders and dependencies are passed over; a broken template is mentioned."""
    folder = risky.absolute().parent
    for name, text in {
        "infra/template.yml": "Resources: {Q: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 50000}}}",
        "infra/broken.yaml": "Resources: {Q: {Type: AWS::SQS::Queue",
        "node_modules/x/template.yaml": "Resources: {Q: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: 50000}}}",
        ".aws-sam/template.yaml": "Resources: {Q: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: 50000}}}",
        "docker-compose.yaml": "services: {}",
        "chart.yaml": "{{ not yaml }}: [",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    result = checked(folder)
    assert set(codes(result)) == {"W201", "W208", "E310"}
    assert "broken.yaml" in result.stderr
    assert "chart.yaml" not in result.stderr


def test_a_folder_with_nothing_to_check_ends_with_2(tmp_path: Path) -> None:
    result = checked(tmp_path)
    assert result.exit_code == 2
    assert "there is no file here that can be checked" in result.stderr


def scenario(tmp_path: Path, text: str) -> Result:
    (tmp_path / "some.esm.yaml").write_text(text, encoding="utf-8")
    return checked(tmp_path / "some.esm.yaml", "--format", "json")


def found(result: Result) -> dict[str, dict[str, object]]:
    return {item["code"]: item for item in json.loads(result.stdout)["findings"]}


def test_each_case_of_a_scenario_is_checked_at_its_own_values(tmp_path: Path) -> None:
    text = SCENARIO + "variants:\n  slow:\n    set: {Worker.Timeout: 60}\n  fast:\n    set: {Worker.Timeout: 1}\n"
    (tmp_path / "some.esm.yaml").write_text(text, encoding="utf-8")
    said = [line for line in checked(tmp_path / "some.esm.yaml").stdout.splitlines() if "W201" in line]
    assert len(said) == 1, "at one place one finding: the base's"
    assert "VisibilityTimeout 60 < 6 x 30" in said[0]


def test_a_variants_own_value_is_told_where_it_stands(tmp_path: Path) -> None:
    text = SCENARIO + "variants:\n  short:\n    set: {Orders.VisibilityTimeout: 31}\n"
    (tmp_path / "some.esm.yaml").write_text(text, encoding="utf-8")
    assert "VisibilityTimeout 31 < 6 x 30 = 180" in checked(tmp_path / "some.esm.yaml").stdout


def test_a_timeline_that_drifts_is_told_at_its_step(tmp_path: Path) -> None:
    """DOC-1, API-41: AWS accepts it, and W202 says so."""
    text = SCENARIO + "timeline:\n  - {at: 5s, set: {Worker.Timeout: 61}}\n"
    finding = found(scenario(tmp_path, text))["ESM-W202"]
    assert finding["line"] == len(text.splitlines())
    assert "ESM-W202" not in found(scenario(tmp_path, text.replace("61", "60")))


def test_what_a_scenario_sends_and_how_long_it_works_is_known(tmp_path: Path) -> None:
    """DOC-25, DOC-31."""
    pattern = """BatchSize: 10\n      FilterCriteria: {Filters: [{Pattern: '{"body": {"a": [1]}}'}]}"""
    text = SCENARIO.replace("BatchSize: 1", pattern).replace("takes: 1s", "takes: {each: 4s}")
    codes = set(found(scenario(tmp_path, text)))
    assert {"ESM-W223", "ESM-W219"} <= codes
    fitting = text.replace("body: plain text", "body: {a: 1}").replace("each: 4s", "each: 3s")
    assert not {"ESM-W223", "ESM-W219"} & set(found(scenario(tmp_path, fitting)))


def test_a_scenario_that_does_not_load_is_a_finding(tmp_path: Path) -> None:
    codes = set(found(scenario(tmp_path, SCENARIO.replace("to: Orders", "to: Nowhere"))))
    assert {"ESM-E311", "ESM-W201"} <= codes


def test_aws_refusal_in_a_scenario_is_told_once(tmp_path: Path) -> None:
    result = scenario(tmp_path, SCENARIO.replace("VisibilityTimeout: 60", "VisibilityTimeout: 20"))
    said = [item["code"] for item in json.loads(result.stdout)["findings"]]
    assert said.count("ESM-E301") == 1
    assert "ESM-W202" not in said


def test_two_files_may_be_given(risky: Path, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("Resources: {Q: {Type: AWS::SQS::Queue}}", encoding="utf-8")
    assert "in 4 resources" in checked(risky, tmp_path / "other.yaml").stdout
