"""What changes files, in five verbs: the seam between the updater and the disk, at which tests pull the plug."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lampion_edge.errors import UpdateError


class Disk:
    """The real one. Only what was synced is sure to be there after a power cut: a file's bytes, a folder's names.

    Every verb raises OSError.
    """

    def make(self, folder: Path) -> None:
        """Makes a folder."""
        folder.mkdir()

    def append(self, file: Path, data: bytes) -> None:
        """Writes bytes at the end of a file, a new one if it isn't there."""
        with file.open("ab", buffering=0) as out:
            view = memoryview(data)
            while view:  # a raw file may take a part only
                view = view[out.write(view) :]

    def sync(self, path: Path) -> None:
        """Waits until the disk has the file's bytes, or the folder's names."""
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)

    def rename(self, old: Path, new: Path) -> None:
        """Gives a file or a folder another name; a file of that name is replaced in the same moment."""
        os.rename(old, new)

    def remove(self, path: Path) -> None:
        """Removes a file or an empty folder."""
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def make_all(disk: Disk, folder: Path) -> None:
    """Makes a folder and those above it, where they aren't there, so that they last."""
    if not folder.is_dir():
        make_all(disk, folder.parent)
        disk.make(folder)
        disk.sync(folder.parent)


def remove_all(disk: Disk, path: Path) -> None:
    """Removes a file, or a folder with what is in it; nothing if it isn't there."""
    if path.is_dir() and not path.is_symlink():
        for inner in sorted(path.iterdir()):
            remove_all(disk, inner)
    if path.exists() or path.is_symlink():
        disk.remove(path)


def replace(disk: Disk, path: Path, data: bytes) -> None:
    """Writes a file so that after a power cut it holds either these bytes or those before."""
    draft = path.with_name(path.name + ".new")
    remove_all(disk, draft)
    disk.append(draft, data)
    disk.sync(draft)
    disk.rename(draft, path)
    disk.sync(path.parent)


@contextmanager
def locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Keeps other processes out that want the same lock; it ends with the process. BlockingIOError if it can't `wait`.

    Raises UpdateError on Windows, which has no such locks.
    """
    try:
        import fcntl
    except ImportError:
        raise UpdateError("a device's models can be kept and updated on Linux and macOS only") from None

    file = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(file)
