"""What only some users install."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Any

from lampion_server.errors import StartupError


def needed(module: str, extra: str, setting: str) -> Any:
    """An optional package that `setting` asks for. Raises `StartupError` that says which extra brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise _missing(module, extra, setting, f" ({error})") from None


def check(modules: list[str], extra: str, setting: str) -> None:
    """The same for several packages, without importing them, which may take seconds."""
    for module in modules:
        if find_spec(module) is None:
            raise _missing(module, extra, setting)


def _missing(module: str, extra: str, setting: str, why: str = "") -> StartupError:
    message = f"setting {setting}: expected the package {module}, which is not installed{why}"
    return StartupError(message, field=setting, hint=f"pip install 'lampion[{extra}]'")
