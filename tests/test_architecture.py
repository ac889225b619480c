"""What holds of the whole tree: who may import whom, what is loaded when, and what no file says.

The arrows are those of docs/architecture.md. A new part of the package needs a row in the tables below: that is where
one decides what it may know.
"""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import esm_emulator
from esm_emulator.cli import COMMANDS

PACKAGE = Path(esm_emulator.__file__).parent
ROOT = PACKAGE.parent

LEAVES = {
    "clocks",
    "codes",
    "durations",
    "errors",
    "garbage",
    "identifiers",
    "journal",
    "messages",
    "profiles",
    "resources",
    "validation",
    "written",
    "yaml_source",
}
# part -> the parts of the package that it may import; every part may import itself and the package's version
ARROWS: dict[str, set[str]] = {
    **dict.fromkeys(LEAVES, LEAVES),
    "sqs": LEAVES,
    "queues": LEAVES | {"sqs"},
    "functions": LEAVES | {"sqs"},
    "mapping": LEAVES | {"queues", "functions"},
    "report": LEAVES - {"clocks"},
    "diagnosis": (LEAVES - {"clocks"}) | {"report"},
    "check": LEAVES - {"clocks", "journal"},
    "templates": LEAVES - {"clocks", "journal"},
}
# these tie everything together, and know whatever is beneath them
TIES = {"arguments", "emulation", "emulator", "views"}
# and these sit on top: they may import anything but the program
TOP = {"scenario", "service", "cli", "testing", "pytest_plugin", "__main__"}

# pure: told the time, and doing nothing but computing
PURE = ("sqs", "mapping/filter", "mapping/batch", "mapping/record", "mapping/response", "mapping/scaling", "diagnosis")
IMPURE = {"anyio", "asyncio", "boto3", "logging", "moto", "socket", "structlog", "subprocess", "threading", "time"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it, also ``from esm_emulator import queues``."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(path: Path) -> set[str]:
    return {name for name in imports(path) if name.startswith("esm_emulator.") and part_of(name) in PARTS}


PARTS = {part_of(name_of(path)) for path in modules()}
BY_ID = pytest.mark.parametrize("path", modules(), ids=name_of)


@BY_ID
def test_a_part_imports_only_what_it_may_know(path: Path) -> None:
    part = part_of(name_of(path))
    if not part or part in TIES | TOP:
        return
    assert part in ARROWS, f"{part} has no row in ARROWS: decide what it may import"
    beyond = {name for name in own_imports(path) if part_of(name) not in ARROWS[part] | {part}}
    assert not beyond, f"{name_of(path)} must not know {', '.join(sorted(beyond))}"


def test_the_page_on_architecture_has_every_part() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = "".join(line for line in page.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\w+)`", table)) >= PARTS - {"", "__main__"}


def test_what_ties_the_parts_together_knows_nobody_above_it() -> None:
    for path in modules():
        if part_of(name_of(path)) in TIES:
            assert not {part_of(name) for name in own_imports(path)} & TOP, path


def test_only_the_program_knows_the_program() -> None:
    for path in modules():
        if part_of(name_of(path)) not in {"cli", "__main__"}:
            assert "cli" not in {part_of(name) for name in own_imports(path)}, path


def test_a_mapping_knows_ports_and_no_adapter() -> None:
    for path in (PACKAGE / "mapping").glob("*.py"):
        adapters = {
            name
            for name in own_imports(path)
            if re.fullmatch(r"esm_emulator\.(queues|functions)\.[a-z_]+(\..*)?", name)
            and (PACKAGE / Path(*name.split(".")[1:3]).with_suffix(".py")).exists()
        }
        assert not adapters, f"{path.name} imports {adapters}"


@pytest.mark.parametrize("path", [path for path in modules() if name_of(path).replace(".", "/")[13:].startswith(PURE)])
def test_a_pure_part_neither_waits_nor_reads_a_clock_nor_logs(path: Path) -> None:
    assert not {name.partition(".")[0] for name in imports(path)} & IMPURE
    waiting = (ast.Await, ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith)
    assert not [node for node in ast.walk(tree(path)) if isinstance(node, waiting)]
    # a reply of a function is a value, and it lives with the port; readers of the journal may share what they read
    assert {part_of(name) for name in own_imports(path)} <= LEAVES | {part_of(name_of(path)), "functions", "report"}


# --- the surface of a module


def declared(path: Path) -> list[str]:
    for node in tree(path).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return list(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    pytest.fail(f"{path} has no __all__")


@BY_ID
def test_the_surface_of_a_module_is_there(path: Path) -> None:
    surface = declared(path)
    assert len(surface) == len(set(surface))
    if name_of(path) != "esm_emulator.__main__":
        module = importlib.import_module(name_of(path))
        assert not [name for name in surface if not hasattr(module, name)]


@BY_ID
def test_a_module_uses_of_another_only_what_that_one_shows(path: Path) -> None:
    by_name = {name_of(other): other for other in modules()}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module in by_name:
            for alias in node.names:
                if f"{node.module}.{alias.name}" not in by_name and alias.name != "__version__":
                    assert alias.name in declared(by_name[node.module]), f"{node.module} does not show {alias.name}"


@BY_ID
def test_every_module_opens_with_what_it_is_and_reads_annotations_late(path: Path) -> None:
    assert ast.get_docstring(tree(path))
    code = tree(path).body
    if any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for node in code):
        assert isinstance(code[1], ast.ImportFrom)
        assert code[1].module == "__future__"


# --- what is loaded when

SHOW = "print(*sorted({name.partition('.')[0] for name in sys.modules}))"


def loaded_by(program: str) -> set[str]:
    """The packages in memory after ``program`` ran in a Python of its own."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{program}\n{SHOW}"], capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_package_loads_neither_aws_nor_a_mock_of_it() -> None:
    assert not loaded_by("import esm_emulator") & {
        "boto3",
        "botocore",
        "moto",
        "flask",
        "pydantic",
        "rich",
        "structlog",
    }


CALL = """
from esm_emulator.cli import main
try:
    main({arguments!r})
except SystemExit as end:
    assert end.code == 0, end.code
"""


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]], ids=" ".join)
def test_help_loads_only_what_it_prints(arguments: list[str]) -> None:
    heavy = {"anyio", "boto3", "botocore", "moto", "flask", "pydantic", "rich", "structlog", "yaml"}
    assert not loaded_by(CALL.format(arguments=arguments)) & heavy


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_loads_neither_aws_nor_a_mock_of_it(command: str) -> None:
    assert not loaded_by(CALL.format(arguments=[command, "--help"])) & {"boto3", "botocore", "moto", "flask"}


# --- what no file says


def tracked(pattern: str) -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z", pattern], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a clone")
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def lines_with(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    found = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{number}"
            for number, line in enumerate(text.splitlines(), start=1)
            if pattern.search(line)
        ]
    return found


def test_no_file_names_a_place_of_one_machine_or_a_host_of_a_registry() -> None:
    places = ["wo" + "rk", "ro" + "ot", "fa" + "rm"]
    hosts = ["py" + "pi.org", "python" + "hosted", "registry.npm" + "js", "deb.deb" + "ian"]
    words = [f"/{place}/" for place in places] + hosts + ["bash_" + "jobs"]
    pattern = re.compile("|".join(map(re.escape, words)))
    assert not lines_with(pattern, [path for path in tracked("*") if path.suffix != ".lock"])


def test_no_code_is_left_for_later() -> None:
    words = ["TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK", "NotImplemented" + "Error"]
    assert not lines_with(re.compile(rf"\b({'|'.join(words)})\b"), tracked("*.py"))
