"""Filters: which messages a mapping delivers, and which it deletes without an invocation (contract section 6).

:class:`FilterPattern` is the pattern language, judged by AWS's own matcher; :class:`RecordFilter` is a mapping's list
of patterns with the rules for message bodies. Both are compiled once and pure.
"""

from esm_emulator.mapping.filter.creation import creation_rules
from esm_emulator.mapping.filter.pattern import FilterPattern, Mismatch
from esm_emulator.mapping.filter.record import Match, NoMatch, RecordFilter, compile_filter

__all__ = ["FilterPattern", "Match", "Mismatch", "NoMatch", "RecordFilter", "compile_filter", "creation_rules"]
