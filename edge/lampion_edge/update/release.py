"""What a publisher signs: a model's name, its version, the boards it is for, and every byte of its files."""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lampion_edge import board
from lampion_edge.card import METADATA_CARD, Card
from lampion_edge.errors import CardError, ModelError, RefusedError
from lampion_edge.json_fields import Fields, Kind, choice, count, mapping, sequence, text, wrong
from lampion_edge.model_file import ModelFile

SCHEMA = 1
SUFFIX = ".sig"  # of the file beside a model that holds the signed release
_BLOCK = 2**20
# Both become names of files and folders on the device.
_VERSION = r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}"
_FILE = r"[^/\\\0-\x1f]{1,128}(?<!\.sig)"
_SHA256 = r"[0-9a-f]{64}"


@dataclass(frozen=True)
class Content:
    """How many bytes a file has, and their SHA-256 in hex."""

    size: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Content:
        """Reads the file. Raises OSError."""
        digest, size = hashlib.sha256(), 0
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                size += len(block)
        return cls(size, digest.hexdigest())


@dataclass(frozen=True)
class Release:
    """A version of a model: `files` by name, `model` the one of them to open; for all `boards` if none is named."""

    name: str
    version: str
    model: str
    files: Mapping[str, Content]
    boards: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(content.size for content in self.files.values())

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @classmethod
    def of(cls, path: Path, boards: Sequence[str] = ()) -> Release:
        """The release of the model at `path`, whose card tells its name and version.

        Raises ModelError and CardError for a file that is none, has no card, or isn't the one its card describes.
        """
        file = ModelFile.open(path)
        if METADATA_CARD not in file.metadata:
            raise ModelError(f"{path}: has no card to tell its name and version", hint="give it one: lampion card add")
        card = Card.from_json(file.metadata[METADATA_CARD])
        if file.checksum_state(card.checksum) == "differs":
            raise ModelError(f"{path}: the graph is not the one its card describes", hint="export it again")
        paths = [path, *file.data_files]
        for each in paths:
            if each.parent != path.parent:
                raise ModelError(f"{path}: to be signed, its weights must lie right beside it, got {each}")
        release = cls(
            card.name, card.version, path.name, {each.name: Content.of(each) for each in paths}, tuple(boards)
        )
        return cls.from_json(release.to_json())  # what can't be read again isn't signed

    def to_json(self) -> str:
        """The release as JSON: what is signed."""
        files = {name: vars(content) for name, content in self.files.items()}
        plain = {"schema": SCHEMA, "name": self.name, "version": self.version, "boards": list(self.boards)}
        return json.dumps(plain | {"model": self.model, "files": files}, ensure_ascii=False)

    @classmethod
    def from_json(cls, source: str) -> Release:
        """Reads and checks what `to_json` wrote. Raises CardError, whose `field` is the path of the first wrong value."""
        try:
            fields = Fields(json.loads(source), "")
        except (ValueError, RecursionError) as error:
            raise CardError(f"release: not valid JSON ({error})") from None
        fields.take("schema", count(1, SCHEMA))
        files = fields.take("files", mapping)
        return cls(
            name=fields.take("name", _matching(r"[^\0-\x1f]{1,128}", "a name of 1 to 128 characters")),
            version=fields.take("version", _matching(_VERSION, "a version of letters, digits and . + _ -")),
            model=fields.take("model", choice(*files)),
            files={_file(name, "files"): _content(value, f"files.{name}") for name, value in files.items()},
            boards=fields.take("boards", sequence(text)),
        )

    def check_board(self, root: str | Path = "/") -> None:
        """Raises RefusedError if the release is for other boards than this one, by parts of their names or architecture."""
        here = board.model(root)
        if self.boards and not any(_names(each, here) or each == platform.machine() for each in self.boards):
            raise RefusedError(f"{self} is for {' or '.join(self.boards)}; this is {here} ({platform.machine()})")


def natural(version: str) -> list[tuple[bool, int, str]]:
    """A key that sorts 10 after 9, and 1.10 after 1.9."""
    parts = re.split(r"(\d+)", version)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def _names(part: str, model: str) -> bool:
    """Whether a board's name holds these words: "Raspberry Pi 4", but not "Raspberry Pi 40"."""
    return re.search(rf"(?<!\w){re.escape(part)}(?!\w)", model) is not None


def _matching(pattern: str, expected: str) -> Kind[str]:
    def kind(value: object, path: str) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value) or value in (".", ".."):
            raise wrong(path, expected, value)
        return value

    return kind


_file = _matching(_FILE, "a file's name")


def _content(value: object, path: str) -> Content:
    fields = Fields(value, path)
    return Content(fields.take("size", count(0, 2**48)), fields.take("sha256", _matching(_SHA256, "64 hex digits")))
