"""The folder that workers share: there while somebody needs it, gone afterwards, whoever was killed."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest

from lampion_server.common_folder import FOLDER, PREFIX, YOUNG, common_folder, joined


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv(FOLDER, "")


def left(tmp_path: Path, name: str) -> Path:
    """What a server leaves that is killed with all its workers: `name`, and NAME-other."""
    folder, other = tmp_path / f"{PREFIX}{name}", tmp_path / f"{name}-other"
    folder.mkdir()
    other.mkdir()
    (folder / "other").symlink_to(other)
    (folder / "counter_1.db").touch()
    return aged(folder)


def aged(folder: Path) -> Path:
    os.utime(folder, (before := time.time() - 2 * YOUNG, before))
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_it_ends_with_its_server(tmp_path: Path) -> None:
    (other := tmp_path / "other").mkdir()
    with common_folder(str(other)):
        (Path(os.environ[FOLDER]) / "counter_1.db").touch()
        with joined():
            pass
        assert len(names(tmp_path)) == 2
    assert names(tmp_path) == {"other"}
    assert FOLDER not in os.environ


def test_what_killed_servers_left_goes_and_nothing_else(tmp_path: Path) -> None:
    left(tmp_path, "gone")
    (tmp_path / f"{PREFIX}new").mkdir()
    aged(tmp_path / f"{PREFIX}new").touch()
    with common_folder("a"):
        running = aged(Path(os.environ[FOLDER])).name
        with common_folder("b"):
            here = names(tmp_path) - {Path(os.environ[FOLDER]).name}
        os.environ[FOLDER] = str(tmp_path / running)
    assert here == {running, f"{PREFIX}new"}


def test_workers_that_lost_their_supervisor_leave_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(left(tmp_path, "lost")))
    with joined():
        with joined():
            pass
        assert names(tmp_path) == {f"{PREFIX}lost", "lost-other"}
    assert not names(tmp_path)
