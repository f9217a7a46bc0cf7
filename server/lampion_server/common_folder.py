"""The folder that the processes of one server share, for their numbers, and its end, also where nobody was left to tidy up."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client looks for it there
PREFIX = "lampion-workers-"
_OTHER = "other"
YOUNG = 60.0  # seconds; one that was made this moment may not be held yet


@contextmanager
def common_folder(other: str) -> Iterator[None]:
    """A new folder, named in the environment, while the block lasts; what servers that were killed have left behind goes.

    `other` is a folder that this process removes at its end: if it can't, it goes with this one.
    """
    _sweep(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    os.environ[FOLDER] = str(folder)
    (folder / _OTHER).symlink_to(other)
    try:
        with _locked(folder, fcntl.LOCK_SH):
            yield
    finally:
        del os.environ[FOLDER]
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def joined() -> Iterator[None]:
    """A worker's part in the folder; if its supervisor is gone, who leaves last removes it."""
    folder = Path(os.environ[FOLDER])
    try:
        with _locked(folder, fcntl.LOCK_SH):
            yield
    finally:
        _remove_if_left(folder)


def forget_gauges(pid: int) -> None:
    """What a worker that has ended said of its present."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(pid, os.environ[FOLDER])  # type: ignore[no-untyped-call]


@contextmanager
def _locked(folder: Path, kind: int) -> Iterator[None]:
    """The system takes the lock away however a process ends; what tidies up old files leaves a locked folder alone."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, kind)
        yield
    finally:
        os.close(handle)


def _sweep(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            found = folder.stat()
            if found.st_uid == os.getuid() and time.time() - found.st_mtime > YOUNG:
                _remove_if_left(folder)


def _remove_if_left(folder: Path) -> None:
    with suppress(OSError), _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
        shutil.rmtree((folder / _OTHER).resolve(), ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
