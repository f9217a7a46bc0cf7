"""Model files and pipelines on disk: where they lie, what they are called, whether they have changed."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lampion_edge import METADATA_CARD, Card, CardError, EdgeError, ModelFile
from lampion_server.pipelines.declaration import SUFFIX, read

Stamp = tuple[tuple[int, int], ...]
_NAMEABLE = re.compile(r"[^/\x00-\x1f\x7f]+")


@dataclass(frozen=True)
class Source:
    """A model file; a folder NAME/VERSION/model.onnx names it, otherwise its card does, or else its file name."""

    path: Path
    name: str | None = None
    version: str | None = None

    def stamp(self) -> Stamp:
        """Changes when somebody writes the file, or one of those that lie in the folder of its version."""
        return tuple((stat.st_mtime_ns, stat.st_size) for stat in self._stats())

    def size(self) -> int:
        """Bytes of the same files."""
        return sum(stat.st_size for stat in self._stats())

    def _stats(self) -> list[os.stat_result]:
        with suppress(FileNotFoundError):  # one was removed meanwhile, or all
            paths = sorted(self.path.parent.iterdir()) if self.name else [self.path]
            return [path.stat() for path in paths]
        return []

    @property
    def is_pipeline(self) -> bool:
        """Whether it declares a pipeline, and is no model itself."""
        return self.path.name.endswith(SUFFIX)

    def known_name(self) -> str:
        """Its model's name, without loading the graph."""
        return self.name or self._on_card("name") or self.path.name.removesuffix(SUFFIX).removesuffix(".onnx")

    def known_version(self) -> str:
        """Its version, without loading the graph."""
        return self.version or self._on_card("version") or "1"

    def check_called(self) -> None:
        """Raises `CardError` for a name or version that no request's path can hold."""
        for field, text in (("name", self.known_name()), ("version", self.known_version())):
            if not _NAMEABLE.fullmatch(text) or text in (".", ".."):
                message = f"card: {field}: expected a text that can be part of a path, got {text!r:.80}"
                hint = f"no slashes and no control characters: lampion card set FILE --{field} TEXT"
                raise CardError(message, field=field, hint=hint)

    def _on_card(self, field: str) -> str:
        try:
            if self.is_pipeline:
                return str(getattr(read(self.path), field))
            card = ModelFile.open(self.path).metadata.get(METADATA_CARD)
            return str(getattr(Card.from_json(card), field)) if card else ""
        except EdgeError:
            return ""


def find(paths: Sequence[Path]) -> list[Source]:
    """The model files that `paths` mean; a path that is no folder is taken as a file, whether it exists or not."""
    sources = []
    for path in paths:
        if not path.is_dir():
            sources.append(Source(path))
            continue
        sources += [Source(file) for file in _files(path, "*.onnx")]
        sources += [Source(file, file.parent.parent.name, file.parent.name) for file in _files(path, "*/*/model.onnx")]
        sources += [Source(file) for file in _files(path, f"*{SUFFIX}")]
    return sources


def _files(folder: Path, pattern: str) -> list[Path]:
    """What is there by that pattern, but no pipes and devices, which would be read without end."""
    return [path for path in sorted(folder.glob(pattern)) if path.is_file() or path.is_dir() or not path.exists()]
