"""Graphs that an earlier process has optimized, by what they were made of, in the folder for what can be made again."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lampion_edge.board import model as processor
from lampion_edge.tuning import cache

FILES = 128  # beyond which the ones that were not used for longest go


def place(graph: bytes, *versions: str) -> Path | None:
    """The file for a graph, made by these versions for this processor; None where nothing can be kept."""
    where = cache() / "compiled"
    try:
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    key = hashlib.sha256("\n".join((processor(), *versions)).encode() + graph)
    return where / f"{key.hexdigest()[:40]}.onnx"


def take(path: Path) -> bytes | None:
    """What was kept there."""
    with suppress(OSError):
        content = path.read_bytes()
        os.utime(path)
        return content
    return None


def keep(path: Path, write: Callable[[str], None]) -> None:
    """Lets `write` fill a file that takes its place whole; without, where the disk doesn't want it."""
    with suppress(OSError):
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
        os.close(handle)
        try:
            write(name)
            os.replace(name, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(name)
        _forget(path.parent)


def _forget(where: Path) -> None:
    used = sorted(where.glob("*.onnx"), key=lambda path: path.stat().st_mtime)
    for path in used[:-FILES]:
        path.unlink(missing_ok=True)
