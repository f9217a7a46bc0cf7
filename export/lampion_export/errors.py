"""The exporter's own errors.

    ExportError               nothing was written
    ├── UnsupportedError      an op, dtype or state that has no place in the file
    └── MismatchError         the exported graph answers differently from what ran

`lampion.errors.UntraceableError` comes from the engine while a model is traced.
"""

from __future__ import annotations


class ExportError(Exception):
    """Base: nothing was written."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UnsupportedError(ExportError):
    """An op, dtype or state that has no place in the file."""


class MismatchError(ExportError):
    """The exported graph answers differently from what ran."""
