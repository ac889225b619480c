"""Every code that this program can say, in one place: what it means, why it comes, how to mend it, where AWS says so.

``esm explain``, the pages in ``docs/codes/``, the checks and the diagnoses take their texts from here. This part knows
no other part of the package.
"""

from __future__ import annotations

from difflib import get_close_matches

from esm_emulator.codes import causes, refusals, risks
from esm_emulator.codes.model import KINDS, Code

__all__ = ["CODES", "KINDS", "Code", "code", "full_id", "near"]

CODES: dict[str, Code] = {
    found.id: found for found in (*refusals.REFUSALS, *risks.RISKS, *risks.ADVICE, *causes.CAUSES)
}


def code(id: str) -> Code:
    """The code of that id, with or without ``ESM-``, in any case. Raises ``KeyError``."""
    return CODES[full_id(id)]


def full_id(text: str) -> str:
    """``d101`` as the program writes it: ``ESM-D101``."""
    upper = text.strip().upper().replace("_", "-")
    return upper if upper.startswith("ESM-") else f"ESM-{upper.removeprefix('ESM')}"


def near(id: str) -> list[str]:
    """The codes whose ids are most like this one: the same number or the same beginning comes first."""
    wanted = full_id(id)
    digits = wanted[5:]
    same_number = [known for known in CODES if digits and known[5:] == digits]
    longer = [known for known in CODES if len(digits) > 1 and known.startswith(wanted)]
    close = get_close_matches(wanted, CODES, n=4, cutoff=0.7)
    return list(dict.fromkeys([*same_number, *longer, *close]))[:4]
