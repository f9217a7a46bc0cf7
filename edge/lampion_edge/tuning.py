"""What `tune` found out about a file on this board, kept until the file, the board or onnxruntime changes."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from lampion_edge import board
from lampion_edge.runtime import Settings, library

if TYPE_CHECKING:
    from pathlib import Path


class Place(NamedTuple):
    """Where a model's tuning lies: `note`, a JSON file, and `mapped`, the copy in onnxruntime's own format."""

    note: Path
    mapped: Path


def place(model: str | Path) -> Place:
    """The place of this file's tuning, below LAMPION_CACHE, XDG_CACHE_HOME/lampion or ~/.cache/lampion."""
    from pathlib import Path

    return Place(Path(f"{_start(model)}.json"), Path(f"{_start(model)}.ort"))


def cache() -> Path:
    """The folder for what can be made again."""
    from pathlib import Path

    return Path(_cache())


def _cache() -> str:
    if named := os.environ.get("LAMPION_CACHE"):
        return named
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "lampion")


def _start(model: str | Path) -> str:
    """Of the names of both files."""
    stat, stem = os.stat(model), os.path.splitext(os.path.basename(model))[0]
    return os.path.join(_cache(), "tuned", f"{stem}-{stat.st_dev:x}-{stat.st_ino:x}")


def find(model: str | Path) -> Settings | None:
    """What `tune` chose for this file, None if it never looked, or at something else than is here now."""
    try:
        with open(f"{_start(model)}.json") as file:
            note = json.load(file)
        if note["for"] != _circumstances(model):
            return None
        settings = Settings(**note["settings"])
    # The folder is nobody's but this user's; a note that a full disk or an older version left counts as none.
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return None if settings.mapped and not os.path.isfile(settings.mapped) else settings


def keep(model: str | Path, settings: Settings) -> Path:
    """Writes down what was chosen for this file, in one step, and gives the note's path. Raises OSError."""
    note = place(model).note
    note.parent.mkdir(parents=True, exist_ok=True)
    draft = note.with_suffix(f".{os.getpid()}.draft")
    draft.write_text(json.dumps({"for": _circumstances(model), "settings": asdict(settings)}, indent=1) + "\n")
    return draft.replace(note)


def _circumstances(model: str | Path) -> dict[str, Any]:
    """What must be the same for a tuning to hold."""
    stat = os.stat(model)
    file = {"size": stat.st_size, "changed": stat.st_mtime_ns}
    return {"file": file, "board": board.model(), "cores": os.cpu_count(), "onnxruntime": library().__version__}
