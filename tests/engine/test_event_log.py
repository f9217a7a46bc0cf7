"""Event files for TensorBoard, read back record by record."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event

from lampion import nn, ones
from lampion.event_log import event_log
from lampion.training import fit


def scalars(folder: Path) -> list[tuple[str, int, float]]:
    """(name, step, value) of the event files. A record: length, its checksum, an Event, its checksum."""
    found = []
    for path in sorted(folder.iterdir(), key=lambda p: p.stat().st_mtime_ns):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            event = Event.FromString(data[12 : 12 + length])
            found += [(v.tag, event.step, v.simple_value) for v in event.summary.value]
            data = data[16 + length :]
    return found


def test_scalars_are_written(tmp_path: Path) -> None:
    with event_log(tmp_path) as log:
        log({"loss": 1.5, "accuracy": 0.25}, 3)
        log({"loss": 0.5}, 4)
    assert scalars(tmp_path) == [("loss", 3, 1.5), ("accuracy", 3, 0.25), ("loss", 4, 0.5)]


def test_fit_writes_every_epoch_at_its_update(tmp_path: Path) -> None:
    batches = [(ones(4, 2), ones(4, 2))] * 3
    history = fit(nn.Linear(2, 2), batches, epochs=2, loss=nn.functional.mse_loss, metrics={}, log_dir=tmp_path)
    want = [(name, 3 * (i + 1), e[name]) for i, e in enumerate(history.epochs) for name in ("loss", "lr")]
    found = scalars(tmp_path)
    assert [(name, step) for name, step, _ in found] == [(name, step) for name, step, _ in want]
    assert [value for _, _, value in found] == pytest.approx([value for _, _, value in want])


def test_without_a_folder_nothing_is_written_or_imported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with event_log(None) as log:
        log({"loss": 1.0}, 0)
    with (
        pytest.raises(ImportError, match=r"log_dir, which is not installed; pip install 'lampion\[tensorboard\]'"),
        event_log(tmp_path),
    ):
        pass
