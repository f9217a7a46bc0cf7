from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from lampion_edge import Session
from lampion_edge.runtime import Settings, write_mapped
from lampion_edge.tuning import cache, find, keep, place

PHOTOS = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMPION_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def model(digits_path: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(digits_path, tmp_path))


def test_a_session_uses_what_was_kept(model: Path) -> None:
    assert find(model) is None
    keep(model, Settings(3, spinning=True))
    assert Session(model).settings == Settings(3, spinning=True)
    assert Session(model, threads=1).settings == Settings(1)
    assert Session(model, settings=Settings(2)).settings == Settings(2)
    assert Session(model.read_bytes()).settings.threads != 3


@pytest.mark.parametrize("prepacked", [True, False])
def test_the_mapped_copy_gives_the_same_numbers(model: Path, prepacked: bool) -> None:
    mapped = place(model).mapped
    mapped.parent.mkdir(parents=True)
    write_mapped(str(model), str(mapped))
    keep(model, Settings(1, mapped=str(mapped), prepacked=prepacked))
    session = Session(model)
    assert session.settings.mapped == str(mapped)
    assert session.card == Session(model, threads=1).card
    np.testing.assert_allclose(session(PHOTOS), Session(model, threads=1)(PHOTOS), rtol=1e-4)
    assert session.verify().ok


@pytest.mark.parametrize("change", ["size", "time", "note", "board", "mapped", "fields"])
def test_what_no_longer_holds_is_not_used(model: Path, change: str) -> None:
    note = keep(model, Settings(3, mapped=str(model) if change != "mapped" else "/nowhere.ort"))
    if change == "size":
        model.write_bytes(model.read_bytes() + b"\x32\x00")
    elif change == "time":
        os.utime(model, ns=(1, 1))
    elif change == "note":
        note.write_text("{")
    elif change in ("board", "fields"):
        written = json.loads(note.read_text())
        if change == "board":
            written["for"]["board"] = "another"
        else:
            written["settings"] = {"thread": 3}
        note.write_text(json.dumps(written))
    assert find(model) is None


def test_the_note_says_what_it_is(model: Path) -> None:
    note = json.loads(keep(model, Settings(2)).read_text())
    assert note["settings"] == asdict(Settings(2))
    assert note["for"]["file"]["size"] == model.stat().st_size


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"LAMPION_CACHE": "/a"}, "/a"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/lampion"),
        ({"HOME": "/c"}, "/c/.cache/lampion"),
    ],
)
def test_where_it_lies(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], folder: str) -> None:
    for name in ("LAMPION_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache() == Path(folder)
