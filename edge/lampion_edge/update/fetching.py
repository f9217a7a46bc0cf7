"""A release's files, brought into a repository from where the last attempt broke off, and compared with what was signed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from lampion_edge.errors import RefusedError, ServiceError, UpdateError
from lampion_edge.terminal import megabytes
from lampion_edge.update.disk import make_all, remove_all, replace
from lampion_edge.update.release import Content
from lampion_edge.update.repository import RELEASE, Repository
from lampion_edge.update.signature import Signed
from lampion_edge.update.source import Source

_TRIES = 5  # in a row that bring nothing
_OUT_OF_RANGE = 416

Told = Callable[[int, int], object]
"""Hears how many bytes are there, and of how many."""


def wait(failed: int) -> None:
    """Seconds before the next try: more after each that brought nothing."""
    time.sleep(2.0**failed)


class Fetching:
    """Brings a release's files into the repository's incoming folder, and syncs them. Raises OSError where the disk does."""

    def __init__(
        self,
        repository: Repository,
        source: Source,
        signed: Signed,
        told: Told = lambda done, size: None,
        pause: Callable[[int], object] = wait,
    ) -> None:
        self._disk = repository.disk
        self._source = source
        self._signed = signed
        self._folder = repository.incoming(signed.id)
        self._told = told
        self._pause = pause
        self._done = 0  # bytes of files that are whole

    def run(self) -> None:
        """Fetches what is missing.

        Raises RefusedError for a file that isn't what was signed, UpdateError if the disk is too full, and what the source
        raises when it was tried often enough; what came so far stays for the next time.
        """
        release = self._signed.release
        make_all(self._disk, self._folder)
        self._check_space(release.size - sum(_size(self._folder / name) for name in release.files))
        replace(self._disk, self._folder / RELEASE, self._signed.to_json().encode())
        for name, content in release.files.items():
            self._file(self._folder / name, content)
            self._done += content.size
        self._disk.sync(self._folder)

    def _check_space(self, wanted: int) -> None:
        free = shutil.disk_usage(self._folder).free
        if wanted > free:
            raise UpdateError(f"{self._signed.release}: needs {megabytes(wanted)} more, {megabytes(free)} are free")

    def _file(self, path: Path, content: Content) -> None:
        begun = _size(path)
        if begun > content.size:
            remove_all(self._disk, path)
        self._complete(path, content.size)
        self._disk.sync(path)
        if Content.of(path) == content:
            return None
        remove_all(self._disk, path)
        if begun:  # what an earlier attempt left may be what is wrong, for instance after a power cut
            return self._file(path, content)
        hint = "a file that is changed on purpose has to be signed again: lampion sign"
        raise RefusedError(f"{path.name}: isn't the file that was signed: its checksum differs", hint=hint)

    def _complete(self, path: Path, size: int) -> None:
        """Appends what is missing, with as many tries as bring something."""
        if not path.exists():
            self._disk.append(path, b"")
        failed = 0
        self._told(self._done + _size(path), self._signed.release.size)
        while (before := _size(path)) < size:
            try:
                self._append(path, size)
                if _size(path) == before:
                    raise RefusedError(f"{path.name}: isn't whole: it ends after {before} of {size} bytes")
            except ServiceError as error:
                if error.status == _OUT_OF_RANGE:
                    raise RefusedError(f"{path.name}: isn't whole: it ends after {before} of {size} bytes") from None
                failed = 0 if _size(path) > before else failed + 1
                if failed == _TRIES or error.status is not None:
                    raise _broken(error, _size(path), size) from None
                self._pause(failed)

    def _append(self, path: Path, size: int) -> None:
        there = _size(path)
        for block in self._source.read(path.name, there):
            there += len(block)
            if there > size:
                remove_all(self._disk, path)
                raise RefusedError(f"{path.name}: isn't the file that was signed: it is longer than {size} bytes")
            self._disk.append(path, block)
            self._told(self._done + there, self._signed.release.size)


def _broken(error: ServiceError, there: int, size: int) -> ServiceError:
    hint = "run it again: it goes on from there" if there else error.hint
    return ServiceError(f"{error} ({megabytes(there)} of {megabytes(size)} are here)", hint=hint, status=error.status)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
