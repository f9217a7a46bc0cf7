"""A start of a new version: counted until it has given a good answer, taken back if it never does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lampion_edge import METADATA_CARD, ModelError, ModelFile, Session
from lampion_edge.update.disk import Disk
from lampion_edge.update.health import begin
from lampion_edge.update.repository import Repository
from lampion_edge.update.signature import version_of
from lampion_edge.update.source import FolderSource
from lampion_edge.update.state import State
from lampion_edge.update.updating import Rules, confirm, install, offered

Publish = Callable[..., Path]
PHOTO = np.zeros((28, 28), np.uint8)


def update(device: Repository, path: Path, rules: Rules = Rules()) -> State:  # noqa: B008
    source = FolderSource(path)
    with device.updating():
        signed = offered(device, source, rules)
        assert signed is not None
        return install(device, source, signed, rules, lambda model: None, lambda done, size: None)


@pytest.fixture
def both(device: Repository, publish: Publish) -> Repository:
    """Version 1 is healthy, version 2 has just come."""
    update(device, publish("1"))
    confirm(device)
    update(device, publish("2"))
    return device


def current(device: Repository) -> str:
    return version_of(str(device.state.current))


def test_the_first_good_answer_confirms(both: Repository) -> None:
    session = Session(both.folder)
    assert (session.card.version, both.state.starts_left) == ("2", 2)
    session.predict(PHOTO)
    assert (current(both), both.state.starts_left) == ("2", None)
    changed = both.folder.joinpath("state.json").stat().st_mtime_ns
    session.predict(PHOTO)
    Session(both.folder).predict(PHOTO)
    assert both.folder.joinpath("state.json").stat().st_mtime_ns == changed  # nothing is written any more


def test_without_an_answer_it_goes_back(both: Repository) -> None:
    opened = [Session(both.folder).card.version for _ in range(5)]
    assert opened == ["2", "2", "2", "1", "1"]
    assert both.state.returned != ()


def test_by_hand_an_answer_is_not_enough(device: Repository, publish: Publish) -> None:
    update(device, publish("1"))
    confirm(device)
    update(device, publish("2"), Rules(by_hand=True, starts=2))
    for _ in range(2):
        Session(device.folder).predict(PHOTO)
    assert device.state.starts_left == 0
    confirm(device)
    for _ in range(2):
        assert Session(device.folder).card.version == "2"


def test_the_first_version_has_nothing_to_go_back_to(device: Repository, publish: Publish) -> None:
    for opens in (Session, ModelFile.open):
        with pytest.raises(ModelError, match="models: no version is installed yet"):
            opens(device.folder)
    with pytest.raises(ModelError, match="models: no version is installed yet"):
        confirm(device)
    update(device, publish("1"))
    assert [Session(device.folder).card.version for _ in range(5)] == ["1"] * 5


def test_a_missing_file_is_seen_before_it_is_opened(both: Repository) -> None:
    Session(both.folder).predict(PHOTO)
    both.model(str(both.state.current)).unlink()
    assert Session(both.folder).card.version == "1"
    assert both.state.returned == ()  # it may come again


def test_damaged_bytes_are_seen_when_it_is_opened(both: Repository) -> None:
    Session(both.folder).predict(PHOTO)
    model = both.model(str(both.state.current))
    content = bytearray(model.read_bytes())
    content[content.index(b"scaled")] ^= 1
    model.write_bytes(content)
    with pytest.raises(ModelError) as failed:
        Session(both.folder)
    assert (failed.value.hint or "").startswith("the version before is current again: start once more")
    assert Session(both.folder).card.version == "1"


def test_a_wrong_argument_is_not_the_models_fault(both: Repository) -> None:
    Session(both.folder).predict(PHOTO)
    with pytest.raises(ModelError):
        Session(both.folder, settings=replace(Session(both.folder).settings, mapped="nowhere"))
    assert current(both) == "2"


class Full(Disk):
    """A disk on which nothing can be written."""

    def append(self, file: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")


def test_a_disk_that_cannot_be_written_starts_all_the_same(both: Repository) -> None:
    full = Repository(both.folder, Full())
    start = begin(full)
    assert version_of(start.id) == "2"
    assert start.confirm is not None
    start.confirm()
    assert both.state.starts_left == 3


def test_a_damaged_state_means_the_newest_whole_version(both: Repository) -> None:
    (both.folder / "state.json").write_bytes(b"\0" * 100)
    assert Session(both.folder).card.version == "2"
    both.model(str(both.state.current)).write_bytes(b"")
    assert Session(both.folder).card.version == "1"


def test_whatever_takes_a_file_takes_the_folder(both: Repository) -> None:
    assert '"version": "2"' in ModelFile.open(both.folder).metadata[METADATA_CARD]
    assert both.state.starts_left == 3  # looking isn't starting


def test_another_folder_is_none(tmp_path: Path) -> None:
    for opens in (Session, ModelFile.open):
        with pytest.raises(ModelError, match="expected a model file, got a folder"):
            opens(tmp_path)
