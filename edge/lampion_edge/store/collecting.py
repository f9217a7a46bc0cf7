"""The other end of `sending`: what devices kept, in a folder for each ring, once each however often it comes."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lampion_edge.errors import InputError
from lampion_edge.store.records import Record, packed
from lampion_edge.store.ring import SUFFIX, read, segments
from lampion_edge.update.disk import Disk, locked, make_all, replace

_ID = re.compile(r"([0-9a-f]{16})-([1-9]\d{0,17})")


class FullError(Exception):
    """The folder holds as much as it may."""


def collect(folder: Path, body: bytes, limit: int) -> int:
    """Keeps the records in lines of JSON, in the rings' own format, and gives how many were new.

    Every ring gets a folder below `folder`, which `lampion.utils.data.KeptSamples` reads. When this returns, they last.
    Raises InputError for a line that is no record, before anything is kept; FullError above `limit` bytes; OSError.
    """
    records = [_record(number, line) for number, line in enumerate(body.splitlines(), 1) if line.strip()]
    disk, folder = Disk(), folder.absolute()
    make_all(disk, folder)
    rings: dict[str, list[Record]] = {}
    for ring, record in records:
        rings.setdefault(ring, []).append(record)
    with locked(folder):
        if sum(path.stat().st_size for path in folder.rglob(f"*{SUFFIX}")) + len(body) > limit:
            raise FullError(f"{folder}: holds as much as it may, {limit:,} bytes")
        return sum(_keep(disk, folder / ring, some) for ring, some in rings.items())


def _keep(disk: Disk, folder: Path, records: Iterable[Record]) -> int:
    make_all(disk, folder)
    last = max((record.number for path in segments(folder)[-1:] for record in read(path)), default=0)
    new: list[Record] = []
    for record in sorted(records, key=lambda each: each.number):
        if record.number > (new[-1].number if new else last):
            new.append(record)
    if new:
        replace(disk, folder / f"{new[0].number:012}{SUFFIX}", b"".join(map(packed, new)))
    return len(new)


def _record(line: int, text: bytes) -> tuple[str, Record]:
    try:
        told: Any = json.loads(text)
        found = _ID.fullmatch(told["id"])
        data = base64.b64decode(told.pop("data", ""), validate=True)
        if found and told["number"] == int(found[2]) and isinstance(told["kind"], str):
            return found[1], Record(told, data)
        reason = "its id and number don't agree"
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    raise InputError(f"line {line}: not a record that a device kept ({reason})", field="body")
