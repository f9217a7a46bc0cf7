from __future__ import annotations

import random

import pytest

from lampion_edge.store.records import Record, packed, unpacked

RECORDS = [Record({"number": 1, "text": "bé"}), Record({"number": 2}, b"data"), Record({"number": 3}, b"x" * 300)]
CONTENT = b"".join(map(packed, RECORDS))


def read(content: bytes) -> list[Record]:
    return [record for record, _ in unpacked(content)]


def test_there_and_back() -> None:
    assert read(CONTENT) == RECORDS
    assert [end for _, end in unpacked(CONTENT)][-1] == len(CONTENT)
    assert RECORDS[1].number == 2


def test_every_cut_leaves_the_whole_records_before_it() -> None:
    ends = [end for _, end in unpacked(CONTENT)]
    for cut in range(len(CONTENT)):
        for rest in (b"", bytes(len(CONTENT) - cut)):
            assert read(CONTENT[:cut] + rest) == RECORDS[: sum(end <= cut for end in ends)]


@pytest.mark.parametrize("seed", range(3))
def test_a_flipped_bit_is_never_taken_for_what_was_written(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(300):
        damaged = bytearray(CONTENT)
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        assert read(bytes(damaged)) in (RECORDS[:0], RECORDS[:1], RECORDS[:2])
