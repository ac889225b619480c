"""Where a function's code is: ``CodeUri`` and ``Code`` in their several spellings become one folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from esm_emulator.resources.declared import Declared

__all__ = ["locate_code"]

_SPELLINGS = ("Code", "CodeUri", "ImageUri", "InlineCode", "PackageType")


def locate_code(function: Declared) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The properties with an absolute ``CodeUri`` alone, and what becomes of code that is in no folder.

    That is the name of the property that tells of it, and a sentence. Code in a bucket is looked for in the file's
    own folder; code in the file itself or in a container image is not run.
    """
    properties = {key: value for key, value in function.properties.items() if key not in _SPELLINGS}
    given = {key: function.properties[key] for key in _SPELLINGS if key in function.properties}
    told: list[tuple[str, str]] = []
    folder = ""
    for name in ("Code", "CodeUri"):
        value = given.get(name)
        if _is_bucket(value):
            told.append((name, "the code is in a bucket; it is looked for in the file's own folder instead"))
        elif isinstance(value, str):
            folder = value
        elif value is not None and not isinstance(value, Mapping):
            properties["CodeUri"] = value
    told += [(name, "code in the file itself is not run; put it beside the file") for name in _inline(given)]
    told += [(name, "a container image is not run") for name in _image(given)]
    properties.setdefault("CodeUri", os.path.normpath(function.folder.absolute() / folder))
    if _inline(given) or _image(given):
        properties.pop("Handler", None)
    return properties, told


def _is_bucket(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "ZipFile" not in value and "ImageUri" not in value
    return isinstance(value, str) and value.startswith("s3://")


def _inline(given: Mapping[str, Any]) -> list[str]:
    code = given.get("Code")
    in_code = isinstance(code, Mapping) and "ZipFile" in code
    return ["Code"] * in_code + ["InlineCode"] * bool(given.get("InlineCode"))


def _image(given: Mapping[str, Any]) -> list[str]:
    code = given.get("Code")
    if isinstance(code, Mapping) and "ImageUri" in code:
        return ["Code"]
    return [name for name in ("ImageUri", "PackageType") if given.get(name) not in (None, "Zip")][:1]
