from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from edge.update.power import Recording, cuts, left, losses, put

from lampion_edge import InputError
from lampion_edge.store.records import Record
from lampion_edge.store.ring import Ring, read, segments
from lampion_edge.update.disk import Disk

LIMIT = 80_000


def numbers(ring: Ring, after: int = 0, most: int = 10_000, size: int = 10**9) -> list[int]:
    return [record.number for record in ring.after(after, most, size)]


def filled(ring: Ring, count: int, size: int = 100) -> None:
    for _ in range(count):
        ring.add({"kind": "sample"}, bytes(size))
    ring.flush()


def test_what_was_flushed_is_there_the_next_time(tmp_path: Path) -> None:
    ring = Ring(tmp_path / "a/b", LIMIT)
    first = ring.add({"kind": "event", "label": "cat"})
    ring.add({"kind": "sample"}, b"data")
    assert numbers(ring) == []
    ring.flush()
    ring.add({"kind": "event"})
    ring.close()
    again = Ring(tmp_path / "a/b", LIMIT)
    records = again.after(0, 10, 10**6)
    assert records[0] == first == Record({"id": f"{ring.id}-1", "number": 1, "kind": "event", "label": "cat"})
    assert [(record.number, record.data) for record in records[1:]] == [(2, b"data"), (3, b"")]
    assert again.id == ring.id
    filled(again, 1)
    assert numbers(again) == [1, 2, 3, 4]
    assert len(segments(tmp_path / "a/b")) == 1


def test_it_is_bounded_and_the_oldest_goes(tmp_path: Path) -> None:
    ring, largest = Ring(tmp_path, LIMIT), 0
    for _ in range(100):
        filled(ring, 5, 500)
        largest = max(largest, sum(path.stat().st_size for path in segments(tmp_path)))
    assert 0.8 * LIMIT < largest <= LIMIT
    have = numbers(ring)
    assert have == [*range(have[0], 501)]
    assert ring.lost == have[0] - 1
    ring.mark_sent(500)
    filled(ring, 40, 500)  # what goes now had been sent
    assert numbers(ring)[0] > have[0]
    assert ring.lost == have[0] - 1


def test_what_is_too_large_is_not_taken(tmp_path: Path) -> None:
    ring = Ring(tmp_path, LIMIT)
    assert ring.add({}, bytes(LIMIT // 8)) is None
    ring.flush()
    assert segments(tmp_path) == []


def test_reading_on_from_a_number(tmp_path: Path) -> None:
    ring = Ring(tmp_path, LIMIT)
    for _ in range(10):
        filled(ring, 3, 1000)
    assert len(segments(tmp_path)) > 3
    for after in range(31):
        assert numbers(ring, after) == [*range(after + 1, 31)]
    assert numbers(ring, 4, most=3) == [5, 6, 7]
    assert numbers(ring, 4, size=3000) == [5, 6]
    assert numbers(ring, 4, size=1) == [5]


def test_another_process_is_kept_out(tmp_path: Path) -> None:
    ring = Ring(tmp_path, LIMIT)
    with pytest.raises(InputError, match="another process keeps records there"):
        Ring(tmp_path, LIMIT)
    ring.close()
    Ring(tmp_path, LIMIT).close()


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "ring.json").write_text("[]")
    with pytest.raises(InputError, match="not what a ring of records says of itself"):
        Ring(tmp_path, LIMIT)


class Full(Disk):
    """A disk that takes only a part of a write, once."""

    full = False

    def append(self, file: Path, data: bytes) -> None:
        if self.full and file.suffix == ".records":
            super().append(file, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        super().append(file, data)


def test_a_full_disk_costs_what_could_not_be_written(tmp_path: Path) -> None:
    disk = Full()
    ring = Ring(tmp_path, LIMIT, disk)
    filled(ring, 2)
    disk.full = True
    with pytest.raises(OSError, match="No space left"):
        filled(ring, 2, 1000)
    disk.full = False
    filled(ring, 2)
    assert [*{1, 2, 5, 6} - {*numbers(ring)}] == []
    assert numbers(ring) == sorted({*numbers(ring)})


# --- power cuts ---


class Hasty(Disk):
    """The real disk, without the waiting."""

    def sync(self, path: Path) -> None: ...


def life(root: Path) -> tuple[list[Any], list[tuple[int, set[int], set[int]]], dict[int, bytes]]:
    """A ring that is used, closed, opened again and sent from: what was done to the disk, and after how many of these deeds
    which numbers must be there, and which were told to somebody; and the data of each number.
    """
    disk, chance, promised, data = (
        Recording(root),
        random.Random(1),
        list[tuple[int, set[int], set[int]]](),
        dict[int, bytes](),
    )
    told = set[int]()
    for _ in range(2):
        ring = Ring(root / "ring", 6000, disk)
        for _ in range(5):
            for _ in range(chance.randint(1, 3)):
                content = chance.randbytes(chance.randint(0, 200))
                record = ring.add({"kind": "sample"}, content)
                assert record is not None
                data[record.number] = content
            ring.flush()
            promised.append((len(disk.deeds), {*numbers(ring)}, {*told}))
            batch = ring.after(ring.sent, 4, 10**6)
            told |= {record.number for record in batch}
            promised.append((len(disk.deeds), {*numbers(ring)}, {*told}))
            ring.mark_sent(batch[-1].number)
        ring.close()
    return disk.deeds, promised, data


def test_a_power_cut_costs_at_most_what_was_not_flushed(tmp_path: Path) -> None:
    (tmp_path / "life").mkdir()
    deeds, promised, data = life(tmp_path / "life")
    assert len(deeds) > 60
    checked = 0
    for number, folder in cuts(deeds):
        before = [entry for entry in promised if entry[0] <= number]
        safe, told = (before[-1][1], before[-1][2]) if before else (set[int](), set[int]())
        for loss in losses(2):
            checked += 1
            root = put(left(folder, loss), tmp_path / f"{checked}")
            ring = Ring(root / "ring", 6000, Hasty())
            records = ring.after(0, 10_000, 10**9)
            have = [record.number for record in records]
            assert have == sorted({*have})
            assert all(record.data == data[record.number] for record in records)
            # Whatever a later deed removed to make room may be gone, the oldest first.
            missing = safe - {*have}
            assert not missing or max(missing) < min(have, default=10**9)
            if missing:
                assert any(verb == "remove" for verb, *_ in deeds[before[-1][0] : number])
            filled(ring, 1)
            new = {*numbers(ring)} - {*have}
            assert len(new) == 1
            assert not new & told, "a number that somebody knows is given again"
            ring.close()
            assert [record.number for path in segments(root / "ring") for record in read(path)] == numbers(ring)
    assert checked > 400
