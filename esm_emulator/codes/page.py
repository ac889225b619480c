"""The page of a code, as Markdown for ``docs/codes/`` and as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from esm_emulator.codes import CODES, KINDS, Code
from esm_emulator.codes.examples import EXAMPLES, NOTHING_SHOWS

__all__ = ["index", "page", "text"]

WIDTH = 100

NOT_TOLD = """\
## What a journal cannot prove

These causes have no code, because nothing that the emulator sees tells them apart from something harmless:

- A record of an idempotency layer that outlives the visibility timeout, so that a retry meets it "in progress". The
  record is in the handler's own store. What shows is its outcome: an error that comes back until the message is
  dead-lettered.
- Which message of a batch made the handler raise. Without partial responses an error names none; ESM-D120 tells who
  failed together.
- An outage. When batches of different messages fail in a row, three or more, the function fails and not a message:
  ESM-D120 and ESM-D123 are silent.
- Whether a message that a filter deleted was wanted. ESM-D150 speaks only where something else does.
- A repeated send with the same deduplication id while the first message is on its way: that is what the id is for.
"""


def page(code: Code, scenario: str | None = None) -> str:
    """The whole page of a code; ``scenario`` is the text of its scenario."""
    parts = [
        f"# {code.id}: {code.title}",
        code.meaning,
        f"This is {KINDS[code.kind]}.",
        f"## Why\n\n{code.cause}",
        f"## How to mend it\n\n{code.fix}",
    ]
    if code.scenario and scenario:
        command = f"```console\n$ esm replay scenarios/{code.scenario}\n```"
        shown = f"`scenarios/{code.scenario}`, with the least change that mends it as its variant `fixed`:"
        parts.append(f"## The least that shows it\n\n{shown}\n\n{command}\n\n```yaml\n{scenario.strip()}\n```")
    elif code.id in EXAMPLES:
        parts.append("\n\n".join(["## The least that shows it", *EXAMPLES[code.id].markdown()]))
    elif code.id in NOTHING_SHOWS:
        parts.append(f"## The least that shows it\n\n{NOTHING_SHOWS[code.id]}")
    clauses = f" Clauses: {', '.join(f'`{clause}`' for clause in code.clauses)}." if code.clauses else ""
    parts.append(f"## Source\n\n[AWS]({code.source}).{clauses}")
    return "\n\n".join(parts) + "\n"


def index() -> str:
    """The page that lists all codes."""
    parts = [
        "# Codes",
        "Everything that `esm check`, `esm replay` and `esm run` find has a code. `esm explain CODE` prints its page.",
    ]
    for kind, meaning in KINDS.items():
        rows = [f"| [{code.id}]({code.id}.md) | {code.title} |" for code in CODES.values() if code.kind == kind]
        parts.append("\n".join([f"## {kind}: {meaning}", "", "| code | |", "|---|---|", *rows]))
    return "\n\n".join(parts) + f"\n\n{NOT_TOLD}"


def text(code: Code) -> Iterator[str]:
    """The lines that ``esm explain`` prints."""
    yield f"{code.id}  {code.title}"
    for heading, said in (("", code.meaning), ("Why", code.cause), ("How to mend it", code.fix)):
        yield ""
        yield from ([heading] if heading else [])
        yield from textwrap.wrap(said, WIDTH, initial_indent="  ", subsequent_indent="  ")
    yield ""
    yield f"AWS: {code.source}"
    if code.scenario:
        yield f"Scenario: scenarios/{code.scenario}"
    if code.id in EXAMPLES:
        yield from ("", "The least that shows it")
        for name, shown in EXAMPLES[code.id].files:
            yield from ("", f"  {name}", *(f"    {line}".rstrip() for line in shown.splitlines()))
        yield from ("", f"  $ {EXAMPLES[code.id].command}")
