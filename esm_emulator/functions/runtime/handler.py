"""From a handler's name to the callable (RUN-15), or the fault that says why not (RUN-16)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from esm_emulator.functions.runtime.faults import Fault

__all__ = ["Handler", "find"]

Handler = Callable[[Any, Any], Any]


def find(name: str, load: Callable[[str], ModuleType] = importlib.import_module) -> Handler:
    """The function that ``name`` (``folder/module.function``) stands for; ``load`` imports a module by its dotted name.

    Raises:
        Fault: the name is malformed or a built-in module's, the module cannot be imported or has a syntax error, or
            the function is not there. Whatever else the module raises while it is imported comes as it is (RUN-16).
    """
    module, _, function = name.rpartition(".")
    if "." not in name:
        raise Fault(
            "Runtime.MalformedHandlerName", f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)"
        )
    if module.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module} as a handler module")
    loaded = _load(module, load)
    try:
        handler: Handler = getattr(loaded, function)
    except AttributeError:
        raise Fault("Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{module}'") from None
    return handler


def _load(module: str, load: Callable[[str], ModuleType]) -> ModuleType:
    try:
        return load(module.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module}': {error}") from error
    except SyntaxError as error:
        place = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module}': {error}", [place]) from error
