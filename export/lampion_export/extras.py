"""What only some users install."""

from __future__ import annotations

import importlib
from typing import Any

from lampion_export.errors import ExportError


def needed(module: str, extra: str) -> Any:
    """An optional package. Raises ExportError that says which extra brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ExportError(
            f"this needs the package {module!r}, which can't be imported ({error})",
            hint=f"pip install 'lampion[{extra}]'",
        ) from error
