"""What a device kept while it ran: samples its model was unsure of, as a data set to look through, label and train on."""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lampion.tensor import Tensor
from lampion.utils.data.dataset import Dataset
from lampion.utils.data.files import read_image
from lampion.utils.data.sound import read_wav


class KeptSamples(Dataset):
    """The samples in a folder that `lampion-edge camera --keep` or `listen --keep` wrote, or a copy of it.

    A sample is (image, class): uint8 [height, width, 3], or float32 [channels, samples] for a sound, or what `transform`
    makes of it. The class is the one in `labels`, which gives classes by id to samples that somebody has looked at; others
    are left out. Without `labels` all are there, with the class the device's model found most probable. `records` has what
    the device told of each: its id, time, labels. What a power cut left half is left out. Raises FileNotFoundError where
    there is no such folder.

        unsure = KeptSamples("kept")
        unsure.records[0]["id"], unsure.records[0]["labels"]
        looked_at = KeptSamples("kept", labels={"5f0c-17": 3, "5f0c-21": 0})
    """

    def __init__(
        self, root: str | os.PathLike[str], transform: Callable[[Any], Any] | None = None,
        labels: Mapping[str, int] | None = None,
    ) -> None:  # fmt: skip
        self.root, self.transform = Path(root), transform
        if not self.root.is_dir():
            raise FileNotFoundError(f"KeptSamples: no such folder: {self.root}")
        self.records: list[dict[str, Any]] = []
        self._places: list[tuple[Path, int, int]] = []
        self.targets: list[int] = []
        for path in sorted(self.root.glob("*.records")):
            for told, start, end in _records(path.read_bytes()):
                if told["kind"] != "sample" or (labels is not None and told["id"] not in labels):
                    continue
                self.records.append(told)
                self._places.append((path, start, end))
                self.targets.append(told["labels"][0]["index"] if labels is None else labels[told["id"]])

    def __getitem__(self, index: int) -> tuple[Any, int]:
        path, start, end = self._places[index]
        with path.open("rb") as file:
            file.seek(start)
            sample = _read(file.read(end - start), self.records[index]["type"])
        return (sample if self.transform is None else self.transform(sample)), self.targets[index]

    def __len__(self) -> int:
        return len(self.records)


def _records(content: bytes) -> Iterator[tuple[dict[str, Any], int, int]]:
    """Whole records (docs/edge.md has the format): the JSON, and where its data begin and end."""
    at = 0
    while at + 16 <= len(content):
        magic, told, data, check = struct.unpack_from("<4sIII", content, at)
        start, end = at + 16 + told, at + 16 + told + data
        if magic != b"LMP1" or end > len(content):
            return
        if zlib.crc32(content[at + 16 : end], zlib.crc32(content[at + 4 : at + 12])) != check:
            return
        yield json.loads(content[at + 16 : start]), start, end
        at = end


def _read(data: bytes, kind: str) -> Tensor:
    return read_wav(io.BytesIO(data))[0] if kind == "audio/wav" else read_image(io.BytesIO(data))
