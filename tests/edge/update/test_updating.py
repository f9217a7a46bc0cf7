"""What is offered is taken or refused, in a sentence that says why; nothing has changed then."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from edge.boards import PI4, write
from edge.update.publishing import resign

from lampion_edge import METADATA_CARD, METADATA_GOLDEN, Golden, ModelFile, RefusedError, UpdateError
from lampion_edge.update.disk import Disk
from lampion_edge.update.repository import Repository
from lampion_edge.update.signature import new_key
from lampion_edge.update.source import FolderSource
from lampion_edge.update.state import State
from lampion_edge.update.trial import trial
from lampion_edge.update.updating import Rules, confirm, install, offered, roll_back

Publish = Callable[..., Path]
RULES = Rules()


def untried(model: Path) -> None:
    """No trial run: a second saved."""


def update(device: Repository, path: Path, rules: Rules = RULES, prove: Callable[[Path], object] = untried) -> State:
    source = FolderSource(path)
    with device.updating():
        signed = offered(device, source, rules)
        assert signed is not None
        return install(device, source, signed, rules, prove, lambda done, size: None)


@pytest.fixture
def second(device: Repository, publish: Publish) -> Repository:
    """A device on which version 2 runs, and is known to be healthy."""
    update(device, publish("2"))
    confirm(device)
    return device


def as_it_was(device: Repository) -> tuple[State, list[str], list[str]]:
    return device.state, device.ids(), [str(path) for path in (device.folder / "incoming").rglob("*.onnx")]


# --- what was done to version 3 on its way, and the sentence ---


def tampered_graph(path: Path, key: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(b"scaled")] ^= 1
    path.write_bytes(content)


def tampered_card(path: Path, key: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"zero"', b'"nine"'))


def tampered_release(path: Path, key: Path) -> None:
    sig = path.with_name("digits.onnx.sig")
    sig.write_text(sig.read_text().replace('\\"version\\": \\"3\\"', '\\"version\\": \\"4\\"'))


def truncated(path: Path, key: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def longer(path: Path, key: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def unsigned(path: Path, key: Path) -> None:
    path.with_name("digits.onnx.sig").unlink()


def no_release(path: Path, key: Path) -> None:
    path.with_name("digits.onnx.sig").write_text("<html>")


def climbing(path: Path, key: Path) -> None:
    sig = path.with_name("digits.onnx.sig")
    sig.write_text(sig.read_text().replace("digits.onnx", "../digits.onnx"))


def by_another(path: Path, key: Path) -> None:
    other = path.with_name("other.key")
    new_key(other)
    resign(path, other)


def for_other_boards(path: Path, key: Path) -> None:
    resign(path, key, ("Raspberry Pi 5", "Raspberry Pi Zero 2"))


@pytest.mark.parametrize(
    ("deed", "sentence"),
    [
        (tampered_graph, "digits.onnx: isn't the file that was signed: its checksum differs"),
        (tampered_card, "digits.onnx: isn't the file that was signed: its checksum differs"),
        (tampered_release, "{path}: the signature is not by the pinned key {key}, or what it signs was changed"),
        (truncated, "digits.onnx: isn't whole: it ends after {short} of {size} bytes"),
        (longer, "digits.onnx: isn't the file that was signed: it is longer than {size} bytes"),
        (unsigned, "{path}: isn't signed: there is no .sig beside it"),
        (no_release, "{path}: not a signed release (Expecting value: line 1 column 1 (char 0))"),
        (climbing, "{path}: not a signed release (files: expected a file's name, got '../digits.onnx')"),
        (by_another, "{path}: the signature is not by the pinned key {key}, or what it signs was changed"),
        (
            for_other_boards,
            "digits 3 is for Raspberry Pi 5 or Raspberry Pi Zero 2; this is Raspberry Pi 4 Model B Rev 1.4 ({machine})",
        ),
    ],
)
def test_refused(
    second: Repository, publish: Publish, key: Path, tmp_path: Path, deed: Callable[[Path, Path], None], sentence: str
) -> None:
    path = publish("3")
    size = path.stat().st_size
    deed(path, key)
    before = as_it_was(second)
    with pytest.raises(RefusedError) as refused:
        update(second, path, Rules(root=write(tmp_path / "pi", PI4)))
    pinned = sentence_key(key)
    said = {"path": path, "size": size, "short": size - 1, "key": pinned, "machine": platform.machine()}
    assert str(refused.value) == sentence.format(**said)
    assert as_it_was(second)[:2] == before[:2]


def sentence_key(key: Path) -> str:
    from lampion_edge.update.signature import fingerprint, public_keys

    return fingerprint(public_keys(key.with_name("release.pub").read_bytes(), "")[0])


@pytest.mark.parametrize(
    ("version", "changes", "sentence"),
    [
        ("1", {}, "digits 1 is older than 2, which is installed"),
        ("1.10", {}, "digits 1.10 is older than 2, which is installed"),
        ("3", {"name": "iris"}, "iris 3 is another model: this folder holds digits"),
        ("2", {"boards": ("aarch64", platform.machine())}, "digits 2 differs from the 2 that is installed"),
    ],
)
def test_refused_beside_what_is_installed(
    second: Repository, publish: Publish, version: str, changes: dict[str, object], sentence: str
) -> None:
    before = as_it_was(second)
    with pytest.raises(RefusedError) as refused:
        update(second, publish(version, **changes))
    assert str(refused.value) == sentence
    assert as_it_was(second) == before


@pytest.mark.parametrize("version", ["3", "2.0.1", "10"])
def test_newer(second: Repository, publish: Publish, version: str) -> None:
    old = second.state.current
    state = update(second, publish(version))
    assert (state.previous, state.starts_left) == (old, 3)
    assert second.signed(str(state.current)).release.version == version
    assert second.ids() == sorted([str(old), str(state.current)])


def test_older_by_hand(second: Repository, publish: Publish) -> None:
    assert str(update(second, publish("1"), Rules(older=True)).current).startswith("1-")


def test_boards_are_words_of_a_name_or_an_architecture(second: Repository, publish: Publish, tmp_path: Path) -> None:
    pi = Rules(root=write(tmp_path / "pi", PI4))
    update(second, publish("3", boards=("Raspberry Pi 4",)), pi)
    update(second, publish("4", boards=(platform.machine(),)), pi)
    with pytest.raises(RefusedError, match="digits 5 is for Raspberry Pi 4 Model;"):
        update(second, publish("5", boards=("Raspberry Pi 4 Model",)), Rules(root=tmp_path))


def test_the_same_again_is_nothing_new_unless_it_was_damaged(second: Repository, publish: Publish) -> None:
    path = publish("3")
    state = update(second, path)
    assert offered(second, FolderSource(path), RULES) is None
    damaged = second.model(str(state.current))
    damaged.write_bytes(b"x" + damaged.read_bytes()[1:])
    again = update(second, path)
    assert (again.current, again.previous) == (state.current, state.previous)
    assert second.proved(str(again.current))


def test_nothing_is_trusted_without_a_key(publish: Publish, tmp_path: Path) -> None:
    bare = Repository(tmp_path / "bare")
    with pytest.raises(UpdateError, match="no key is pinned, so nothing can be trusted"):
        update(bare, publish("1"))
    assert not bare.folder.exists()


def test_the_last_one_pinned_counts_and_a_file_may_hold_two(
    device: Repository, publish: Publish, key: Path, tmp_path: Path
) -> None:
    other = new_key(tmp_path / "other.key").encode()
    device.pin(other, "other.pub")
    with pytest.raises(RefusedError):
        update(device, publish("1"))
    device.pin(other + key.with_name("release.pub").read_bytes(), "both.pub")
    update(device, publish("1"))
    update(device, publish("2", by=tmp_path / "other.key"))


# --- the trial run ---


def wrong_golden(publish: Publish) -> str:
    golden = Golden.from_json(ModelFile.open(publish("1")).metadata[METADATA_GOLDEN])
    samples = tuple(
        (inputs, {name: np.asarray(array) + 1 for name, array in outputs.items()}) for inputs, outputs in golden.samples
    )
    return Golden(samples).to_json()


def test_golden_samples_that_disagree(second: Repository, publish: Publish) -> None:
    before = as_it_was(second)
    with pytest.raises(RefusedError, match="the trial run failed: 0 of 1 golden samples agree"):
        update(second, publish("3", golden=wrong_golden(publish)), prove=trial)
    assert as_it_was(second)[:2] == before[:2]


# --- going back ---


def test_back_by_hand_and_again(second: Repository, publish: Publish) -> None:
    old, path = second.state.current, publish("3")
    new = update(second, path).current
    assert roll_back(second) == State(old, None, None, False, (str(new),))
    with pytest.raises(UpdateError, match="there is no version to go back to"):
        roll_back(second)
    with pytest.raises(RefusedError, match="digits 3 was taken back on this device"):
        update(second, path)
    assert update(second, path, Rules(again=True)).current == new
    update(second, publish("4"))


def test_what_is_kept_is_the_last_healthy_version(second: Repository, publish: Publish) -> None:
    healthy = second.state.current
    update(second, publish("3"))
    assert update(second, publish("4")).previous == healthy


def test_one_update_at_a_time(second: Repository) -> None:
    with second.updating(), pytest.raises(UpdateError, match="another update is at work"), second.updating():
        pass


class Small(Disk):
    """A disk with room for so many bytes more."""

    def __init__(self, room: int) -> None:
        self.room = room

    def append(self, file: Path, data: bytes) -> None:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(28, "No space left on device", str(file))
        super().append(file, data)


@pytest.mark.parametrize("room", [0, 200, 1000, 20_000])
def test_a_disk_that_fills_up_leaves_everything_as_it_was(second: Repository, publish: Publish, room: int) -> None:
    path, before = publish("3"), as_it_was(second)
    with pytest.raises(OSError, match="No space left"):
        update(Repository(second.folder, Small(room)), path)
    assert as_it_was(second)[:2] == before[:2]
    assert str(update(second, path).current).startswith("3-")


def test_no_room_is_said_before_anything_is_fetched(
    second: Repository, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: shutil._ntuple_diskusage(10**6, 10**6 - 1000, 1000))
    with pytest.raises(UpdateError, match=r"^digits 3: needs [\d.]+ kB more, 1\.0 kB are free$"):
        update(second, publish("3"))


def test_what_was_left_is_tidied(second: Repository, publish: Publish) -> None:
    for leftover in ("incoming/1-0/x.onnx", "versions/0-0/deep/er", "state.json.new"):
        path = second.folder / leftover
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    state = update(second, publish("3"))
    names = {str(path.relative_to(second.folder)) for path in second.folder.rglob("*")}
    here = {
        f"versions/{id}{file}"
        for id in (state.current, state.previous)
        for file in ("", "/digits.onnx", "/release.sig")
    }
    assert names == {"release.pub", "state.json", "versions", "incoming"} | here


def test_a_release_that_is_kept_is_what_was_signed(second: Repository, publish: Publish) -> None:
    path = publish("3")
    id = str(update(second, path).current)
    assert json.loads(second.sealed(id)) == json.loads(path.with_name("digits.onnx.sig").read_bytes())
    assert METADATA_CARD in ModelFile.open(second.folder).metadata
