"""A ring of records on disk: bounded, written in batches, readable after a power cut at any moment."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path
from typing import Any

from lampion_edge.errors import InputError
from lampion_edge.store.records import Record, packed, unpacked
from lampion_edge.update.disk import Disk, locked, make_all, replace

SUFFIX = ".records"
_SEGMENTS = 8  # the ring forgets an eighth of itself at a time
_LARGEST_SEGMENT = 4 * 2**20


class Ring:
    """Records in files of a folder, the oldest file removed where a new batch would exceed `limit` bytes.

    `add` only remembers; `flush` writes what was added with one write and one sync. A power cut costs at most what was
    not flushed; what was is never unreadable. `lost` counts records that were forgotten before they were `sent`.
    Safe to call from several threads; another process is kept out. Raises InputError if one has the folder, OSError.
    """

    def __init__(self, folder: str | Path, limit: int, disk: Disk | None = None) -> None:
        self.folder, self._limit, self._disk = Path(folder), limit, disk or Disk()
        self._segment_limit = min(_LARGEST_SEGMENT, limit // _SEGMENTS)
        self._lock, self._held = threading.RLock(), ExitStack()
        make_all(self._disk, self.folder.absolute())
        try:
            self._held.enter_context(locked(self.folder, wait=False))
        except BlockingIOError:
            raise InputError(
                f"{folder}: another process keeps records there", hint="give each its own folder"
            ) from None
        self.id = self._read_or_make_id()
        self._batch: list[tuple[int, bytes]] = []
        self._sizes = {path: path.stat().st_size for path in segments(self.folder)}
        self._last: Path | None = None  # the file that can be appended to
        self._next = self._recovered()
        self._flushed = self._next - 1
        self.sent = self._read_sent()
        self.lost = 0

    def close(self) -> None:
        """Flushes, and lets others in."""
        try:
            self.flush()
        finally:
            self._held.close()

    def add(self, told: dict[str, Any], data: bytes = b"") -> Record | None:
        """Remembers a record until the next flush, and numbers it; None for one that is too large for the ring."""
        with self._lock:
            record = Record({"id": f"{self.id}-{self._next}", "number": self._next} | told, data)
            content = packed(record)
            if len(content) > self._segment_limit:
                return None
            self._batch.append((record.number, content))
            self._next += 1
            return record

    @property
    def waiting(self) -> int:
        """Bytes that a flush would write."""
        return sum(len(content) for _, content in self._batch)

    def flush(self) -> None:
        """Writes what was added, so that it lasts. Raises OSError; what could not be written is forgotten."""
        with self._lock:
            batch, self._batch = self._batch, []
            content = b"".join(content for _, content in batch)
            if not content:
                return
            self._make_room(len(content))
            new = self._last is None or self._sizes[self._last] + len(content) > self._segment_limit
            path = self.folder / f"{batch[0][0]:012}{SUFFIX}" if new or self._last is None else self._last
            self._last = None  # if a write fails, what follows goes to another file
            self._disk.append(path, content)
            self._sizes[path] = self._sizes.get(path, 0) + len(content)
            self._disk.sync(path)
            if new:
                self._disk.sync(self.folder)
            self._last, self._flushed = path, batch[-1][0]

    def after(self, number: int, most: int, size: int) -> list[Record]:
        """Flushed records with greater numbers, at most so many and about so many bytes, at least one if there is any."""
        found: list[Record] = []
        if number >= self._flushed:
            return found
        with self._lock:  # nothing is told of a flush before it lasts
            paths = list(self._sizes)
            for path, following in zip_longest(paths, paths[1:]):
                if following is not None and int(following.name[: -len(SUFFIX)]) <= number + 1:
                    continue
                for record in (each for each in read(path) if each.number > number):
                    if found and (len(found) == most or size < len(record.data)):
                        return found
                    found.append(record)
                    size -= len(record.data) + 512
        return found

    def mark_sent(self, number: int) -> None:
        """Remembers, through power cuts too, that everything up to this number has arrived."""
        with self._lock:
            replace(self._disk, self.folder / "sent.json", json.dumps({"sent": number}).encode() + b"\n")
            self.sent = number

    def _make_room(self, size: int) -> None:
        while self._sizes and sum(self._sizes.values()) + size > self._limit:
            oldest = next(iter(self._sizes))
            self.lost += sum(record.number > self.sent for record in read(oldest))
            self._last = None if oldest == self._last else self._last
            self._disk.remove(oldest)
            del self._sizes[oldest]

    def _recovered(self) -> int:
        """The number of the next record; the last file goes on if nothing in it was cut off."""
        number, newest = self._read_sent(), next(reversed(self._sizes), None)
        for path in reversed(self._sizes):
            content = path.read_bytes()
            whole = list(unpacked(content))
            # A name is not given twice, even if nothing is left of the records in the file.
            number = max(number, int(path.name[: -len(SUFFIX)]), *(record.number for record, _ in whole))
            if path == newest:
                self._disk.sync(path)  # what is sent from here on must not be forgotten, and its numbers given again
                self._last = path if (whole[-1][1] if whole else 0) == len(content) else None
            if whole:
                break
        return number + 1

    def _read_or_make_id(self) -> str:
        path = self.folder / "ring.json"
        try:
            return str(json.loads(path.read_bytes())["id"])
        except FileNotFoundError:
            made = secrets.token_hex(8)
            replace(self._disk, path, json.dumps({"schema": 1, "id": made}).encode() + b"\n")
            return made
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{path}: not what a ring of records says of itself", hint="take another folder") from None

    def _read_sent(self) -> int:
        try:
            return int(json.loads((self.folder / "sent.json").read_bytes())["sent"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0


def segments(folder: Path) -> list[Path]:
    """The files of records, the oldest first."""
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if path.name[: -len(SUFFIX)].isdecimal())


def read(path: Path) -> Iterator[Record]:
    """The whole records of a file; none if it was removed meanwhile."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    for record, _ in unpacked(content):
        yield record
