"""Python in the README and in docs/ is run as tests: what a page shows works."""

from __future__ import annotations

from hypothesis import settings
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

pytest_plugins = ["pytester"]  # only the topmost conftest may ask for a plugin

# how long an example takes says nothing on a machine that does other things too
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

pytest_collect_file = Sybil(parsers=[PythonCodeBlockParser()], patterns=["*.md"]).pytest()
