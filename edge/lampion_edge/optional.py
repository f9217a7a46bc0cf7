"""Libraries that only some uses need, imported by those."""

from __future__ import annotations

import importlib
from typing import Any

from lampion_edge.errors import EdgeError


def optional(module: str, purpose: str, install: str, error: type[EdgeError] = EdgeError) -> Any:
    """The module. Raises `error` where it isn't installed, with `install` as the hint."""
    try:
        return importlib.import_module(module)
    # OSError: a wheel whose own C library is missing, as sounddevice without PortAudio
    except (ImportError, OSError) as reason:
        missing = isinstance(reason, ModuleNotFoundError)
        why = "which is not installed" if missing else f"which can't be loaded ({reason})"
        raise error(f"{purpose} needs {module.partition('.')[0]}, {why}", hint=install) from None
