"""Writes the generated parts of the pages in this folder; ``make docs`` runs it, and a test says when to.

A generated part stands between two comments, ``<!-- generated: NAME -->`` and ``<!-- end -->``. Everything else on a
page is written by hand.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path

from esm_emulator import errors, journal, profiles
from esm_emulator.errors import EsmError
from esm_emulator.journal import Fact
from esm_emulator.profiles import Profile

__all__ = ["GENERATED", "main", "page_with"]

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

from _approaches import approaches_table  # noqa: E402 - this folder is no package
from _codes import code_pages  # noqa: E402
from _commands import command_help  # noqa: E402
from _fidelity import fidelity_table  # noqa: E402
from _properties import property_tables  # noqa: E402

# --- the journal

# what a field is wherever it stands; a comment beside the field in journal.py says more, and wins
EVERYWHERE = {
    "at": "when, in epoch milliseconds",
    "batch": "the number of the batch within its mapping, from 1",
    "body": "the message's body",
    "chance": "the share of cases that it hits, 0 to 1; absent: all",
    "clock": "the clock",
    "consumer": 'the poller, `"Trigger/3"` for poller 3 of the mapping Trigger; absent: another client of the queue',
    "count": "how many",
    "dedup": "the deduplication id",
    "duration_ms": "how long the function ran",
    "ends_at": "when it will end",
    "environment": "the execution environment",
    "error": "what the queue's server said",
    "error_message": "the error's text, as Lambda tells it",
    "error_type": "the error's type, as Lambda tells it",
    "expires_at": "when the retention period ends it",
    "fault": "which fault",
    "first_sent_at": "when that message was sent",
    "function": "the function's logical id",
    "group": "the message group",
    "in_flight": "whether it was in flight",
    "init_ms": "how long the init phase took",
    "label": "the name that the sender gave it",
    "limit": "the limit",
    "mapping": "the mapping's logical id",
    "message": "the message's id",
    "messages": "the messages' ids, in order",
    "moved": "how many messages it has moved",
    "new_message": "its new id",
    "operation": "the call that failed",
    "outcome": "how it ended",
    "over": "whether this is the end of the trouble",
    "attempts": "how many tries have failed",
    "attempt": "the number of the try, from 1",
    "pollers": "how many there are now",
    "profile": "the profile's name",
    "queue": "the queue's logical id",
    "reason": "why",
    "receipt": "the receipt handle",
    "receive_count": "`ApproximateReceiveCount`",
    "request_id": "the invocation's request id",
    "retry_at": "when it is tried again; absent: not any more",
    "scenario": "the scenario's name and variant",
    "seed": "the seed of the run",
    "sequence_number": "the sequence number of a FIFO queue",
    "state": "the new state",
    "status": "the task's status",
    "target": "what it is about",
    "task": "the task's handle",
    "text": "the line, without its line end",
    "to": "the logical id of the queue it goes to",
    "value": "the new value",
    "version": "the version of esm-emulator",
    "visible_at": "until when it is hidden",
    "arn": "the queue's ARN",
    "done": "the ids of the messages that will be deleted",
    "kept": "the ids of the messages that are left to their visibility timeout",
    "rule": "the clause of AWS's behavior that decided",
    "note": "a sentence, when the decision is one that surprises",
    "reported": "the identifiers that the handler reported",
    "resources": "the resources",
    "size": "bytes",
}
JSON_TYPES = {
    "int": "integer",
    "float": "number",
    "str": "text",
    "bool": "boolean",
    "tuple[str, ...]": "list of text",
    "dict[str, Any]": "object",
    "Any": "any",
}


def journal_page() -> str:
    """Every fact with its fields, in the order of journal.py and under its headings."""
    source = Path(journal.__file__).read_text(encoding="utf-8")
    comments = _comments(source)
    parts = []
    for number, line in enumerate(source.splitlines(), start=1):
        if heading := re.fullmatch(r"# --- (the \w+) -+", line):
            parts.append(f"## {heading[1].capitalize()}\n")
        elif declared := re.fullmatch(r"class (\w+)\(Fact\):", line):
            parts.append(_fact(getattr(journal, declared[1]), _class_at(source, number), comments))
    return "\n".join(part for part in parts if part != "## The journal\n")


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(iter(source.splitlines(keepends=True)).__next__)
    return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}


def _class_at(source: str, line: int) -> ast.ClassDef:
    return next(node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef) and node.lineno == line)


def _fact(kind: type[Fact], node: ast.ClassDef, comments: dict[int, str]) -> str:
    rows = [_field(part, comments) for part in node.body if isinstance(part, ast.AnnAssign)]
    said = _prose(ast.get_docstring(node) or "")
    return f"### `{kind.event}`\n\n{said}\n\n| field | JSON | |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _prose(text: str) -> str:
    return text.replace("``", "`")


def _field(node: ast.AnnAssign, comments: dict[int, str]) -> str:
    assert isinstance(node.target, ast.Name)
    name = node.target.id
    annotation = ast.unparse(node.annotation).replace(" | None", "")
    optional = ", optional" if node.value is not None and ast.unparse(node.value) == "None" else ""
    meaning = comments.get(node.lineno) or EVERYWHERE[name]
    return f"| `{name}` | {JSON_TYPES[annotation]}{optional} | {_cell(meaning)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


# --- profiles


def profile_table() -> str:
    """Every field of a profile: its default, the clause, the sentence, and where another profile differs."""
    rows = ["| field | `aws-2026` | clause | |", "|---|---|---|---|"]
    for field in fields(Profile):
        if field.name != "name":
            assert field.default is not MISSING
            rows.append(
                f"| `{field.name}` | {_value(field.default)} | {field.metadata['clause']} | "
                f"{_cell(field.metadata['text'])}{_elsewhere(field.name)} |"
            )
    return "\n".join(rows) + "\n"


def _elsewhere(name: str) -> str:
    usual = getattr(Profile(), name)
    others = [(other, getattr(made, name)) for other, made in profiles.PROFILES.items() if getattr(made, name) != usual]
    return "".join(f" (`{other}`: {_value(value)})" for other, value in others)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:,}" if isinstance(value, int) else str(value)


# --- errors


def error_table() -> str:
    """Every error with its exit code."""
    rows = ["| error | exit code | |", "|---|---|---|"]
    for kind in _errors():
        sentence = _prose(textwrap.dedent(kind.__doc__ or "").strip().partition("\n")[0])
        rows.append(f"| `{kind.__name__}` | {kind.exit_code} | {sentence} |")
    return "\n".join(rows) + "\n"


def _errors() -> Iterator[type[EsmError]]:
    yield from (
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, EsmError) and kind.__name__ in errors.__all__
    )


# --- pages

GENERATED: dict[str, dict[str, Callable[[], str]]] = {
    "commands.md": {"help": command_help},
    "journal.md": {"facts": journal_page},
    "profiles.md": {"fields": profile_table},
    "errors.md": {"errors": error_table},
    "configuration.md": {"properties": property_tables},
    "fidelity.md": {"clauses": fidelity_table},
    "scaling.md": {"approaches": approaches_table},
}


def page_with(page: str, parts: dict[str, Callable[[], str]]) -> str:
    """The text of a page with its generated parts as they should be."""
    for name, part in parts.items():
        start, end = f"<!-- generated: {name} -->\n", "<!-- end -->"
        before, found, rest = page.partition(start)
        assert found, f"the page has no part {name}"
        page = f"{before}{start}\n{part()}\n{end}{rest.partition(end)[2]}"
    return page


def main() -> None:
    """Write every generated part anew."""
    for name, parts in GENERATED.items():
        path = DOCS / name
        path.write_text(page_with(path.read_text(encoding="utf-8"), parts), encoding="utf-8")
        print(f"docs/{name}")
    for name, text in code_pages().items():
        (DOCS / "codes" / name).write_text(text, encoding="utf-8")
    print("docs/codes/")


if __name__ == "__main__":
    main()
