"""A disk whose plug is pulled: everything done to it is recorded, and what may be left of that is put together.

What the recording knows of disks: bytes are safe once their file was synced, names once their folder was. Of what wasn't, any
part may be there: the first bytes, half of a write, zeros of the right length; any of the names, in any combination. A rename
within a folder happens or doesn't; between two folders it may also have come to both, or to neither.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lampion_edge.update.disk import Disk

Deed = tuple[Any, ...]  # a verb, and what it was done with, paths as parts below the root


class Recording(Disk):
    """Does everything below `root`, but doesn't wait for the disk, and keeps a list of it.

    `before` is called with the number of each deed before it is done; it may raise.
    """

    def __init__(self, root: Path, before: Callable[[int], object] = lambda number: None) -> None:
        self.root = root
        self.before = before
        self.deeds: list[Deed] = []

    def make(self, folder: Path) -> None:
        self._note("make", folder)
        super().make(folder)

    def append(self, file: Path, data: bytes) -> None:
        self._note("append", file, data)
        super().append(file, data)

    def sync(self, path: Path) -> None:
        self._note("sync", path)

    def rename(self, old: Path, new: Path) -> None:
        self._note("rename", old, new)
        super().rename(old, new)

    def remove(self, path: Path) -> None:
        self._note("remove", path)
        super().remove(path)

    def _note(self, verb: str, *args: Path | bytes) -> None:
        self.before(len(self.deeds))
        self.deeds.append((verb, *(a.relative_to(self.root).parts if isinstance(a, Path) else a for a in args)))


@dataclass(eq=False)
class File:
    """Bytes that are safe, and what was written after them."""

    safe: bytes = b""
    written: list[bytes] = field(default_factory=list)

    def sync(self) -> None:
        self.safe, self.written = self.safe + b"".join(self.written), []


@dataclass(eq=False)
class Folder:
    """Names that are safe, and changes after them; a change gives names to nodes, or takes them away."""

    safe: dict[str, File | Folder] = field(default_factory=dict)
    changes: list[dict[str, File | Folder | None]] = field(default_factory=list)

    def names(self, changes: list[dict[str, File | Folder | None]] | None = None) -> dict[str, File | Folder]:
        found: dict[str, File | Folder | None] = dict(self.safe)
        for change in self.changes if changes is None else changes:
            found |= change
        return {name: node for name, node in found.items() if node is not None}

    def sync(self) -> None:
        self.safe, self.changes = self.names(), []


class Loss:
    """What a power cut leaves of what wasn't synced: by default everything, as `kill -9` does."""

    def bytes(self, written: list[bytes]) -> bytes:
        return b"".join(written)

    def changes(self, changes: list[Any]) -> list[Any]:
        return changes


class All(Loss):
    """Nothing is left that wasn't synced."""

    def bytes(self, written: list[bytes]) -> bytes:
        return b""

    def changes(self, changes: list[Any]) -> list[Any]:
        return []


class Bytes(Loss):
    """The names are there, but not what the files held."""

    def bytes(self, written: list[bytes]) -> bytes:
        return b""


class Zeros(Loss):
    """The names and lengths are there, but where bytes were there are zeros."""

    def bytes(self, written: list[bytes]) -> bytes:
        return bytes(len(b"".join(written)))


class Names(Loss):
    """The bytes are there, but not the names."""

    def changes(self, changes: list[Any]) -> list[Any]:
        return []


class Chance(Loss):
    """Any of it, in any order."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def bytes(self, written: list[bytes]) -> bytes:
        whole = b"".join(written)
        kept = whole[: self.random.randint(0, len(whole))]
        return kept + bytes(self.random.choice([0, len(whole) - len(kept)]))

    def changes(self, changes: list[Any]) -> list[Any]:
        return [change for change in changes if self.random.random() < 0.5]


Image = dict[tuple[str, ...], bytes | None]
"""What lies on a disk: the bytes of files by their path, None for a folder."""


def cuts(deeds: list[Deed]) -> Iterator[tuple[int, Folder]]:
    """Every moment at which the plug can be pulled, by the number of the deed that isn't done any more."""
    root = Folder()
    yield 0, root
    for number, (verb, *args) in enumerate(deeds, 1):
        _DO[verb](root, *args)
        yield number, root


def left(folder: Folder, loss: Loss, at: tuple[str, ...] = ()) -> Image:
    """What is on the disk when it is switched on again."""
    image: Image = {}
    for name, node in folder.names(loss.changes(folder.changes)).items():
        if isinstance(node, Folder):
            image |= {(*at, name): None} | left(node, loss, (*at, name))
        else:
            image[(*at, name)] = node.safe + loss.bytes(node.written)
    return image


def put(image: Image, target: Path) -> Path:
    """Writes the image below `target`."""
    target.mkdir()
    for parts, content in image.items():
        target.joinpath(*parts).mkdir() if content is None else target.joinpath(*parts).write_bytes(content)
    return target


def _find(root: Folder, parts: tuple[str, ...]) -> Any:
    node: Any = root
    for part in parts:
        node = node.names()[part]
    return node


def _change(root: Folder, parts: tuple[str, ...], node: File | Folder | None) -> None:
    _find(root, parts[:-1]).changes.append({parts[-1]: node})


def _append(root: Folder, parts: tuple[str, ...], data: bytes) -> None:
    if parts[-1] not in _find(root, parts[:-1]).names():
        _change(root, parts, File())
    _find(root, parts).written.append(data)


def _rename(root: Folder, old: tuple[str, ...], new: tuple[str, ...]) -> None:
    node = _find(root, old)
    if old[:-1] == new[:-1]:
        _find(root, old[:-1]).changes.append({old[-1]: None, new[-1]: node})
    else:
        _change(root, new, node)
        _change(root, old, None)


_DO: dict[str, Callable[..., object]] = {
    "make": lambda root, parts: _change(root, parts, Folder()),
    "append": _append,
    "sync": lambda root, parts: _find(root, parts).sync(),
    "rename": _rename,
    "remove": lambda root, parts: _change(root, parts, None),
}


def losses(seeds: int) -> Iterator[Loss]:
    """Each kind once, and so many by chance."""
    yield from (Loss(), All(), Bytes(), Zeros(), Names())
    yield from map(Chance, range(seeds))
