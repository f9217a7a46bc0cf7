"""The plug is pulled at every write, rename and fsync of a device's life: it always starts with a whole, verified model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from edge.update.power import All, Chance, Deed, Loss, Recording, cuts, left, losses, put

from lampion_edge import ModelError, Session
from lampion_edge.update import signature
from lampion_edge.update.disk import Disk
from lampion_edge.update.health import begin
from lampion_edge.update.repository import Repository
from lampion_edge.update.signature import version_of
from lampion_edge.update.source import FolderSource
from lampion_edge.update.updating import Rules, confirm, install, offered, roll_back

BLOCK = 900


class Hasty(Disk):
    """The real disk, without the waiting."""

    def sync(self, path: Path) -> None: ...


class Slowly(FolderSource):
    """Hands files out in small blocks, so that there are many writes, and breaks off after so many."""

    def __init__(self, path: Path, blocks: int | None = None) -> None:
        super().__init__(path)
        self.blocks = blocks

    def read(self, name: str, start: int) -> Iterator[bytes]:
        whole = b"".join(super().read(name, start))
        for number, at in enumerate(range(0, len(whole), BLOCK)):
            if number == self.blocks:
                raise ModelError(f"{name}: the stick was pulled out")
            yield whole[at : at + BLOCK]


@dataclass(frozen=True)
class Step:
    """What was done on the device from deed number `first` on, and which versions may be current after a cut in it."""

    name: str
    first: int
    versions: set[str | None]


@dataclass(frozen=True)
class Life:
    """Everything that was ever done to a device's disk."""

    deeds: list[Deed]
    steps: list[Step]
    newest: Path

    def expected(self, number: int) -> set[str | None]:
        """The versions that may be current when the plug is pulled before this deed."""
        return next(step.versions for step in reversed(self.steps) if step.first <= number)


def update(repository: Repository, source: FolderSource) -> None:
    with repository.updating():
        signed = offered(repository, source, Rules())
        if signed:
            install(repository, source, signed, Rules(), lambda model: None, lambda done, size: None)


def current(repository: Repository) -> str | None:
    return version_of(repository.state.current) if repository.state.current else None


@pytest.fixture(scope="module")
def life(publish: Callable[..., Path], key: Path, tmp_path_factory: pytest.TempPathFactory) -> Life:
    """Installs, updates, a broken download, a crash, health that is shown or isn't, both kinds of going back."""
    root = tmp_path_factory.mktemp("device")
    disk = Recording(root)
    repository = Repository(root / "models", disk)
    steps: list[Step] = []
    published = {version: publish(version) for version in map(str, range(1, 10))}

    def step(name: str, do: Callable[[], object], *also: str) -> None:
        first, before = len(disk.deeds), current(repository)
        do()
        steps.append(Step(name, first, {before, current(repository), *also}))

    def updated(version: str, blocks: int | None = None) -> Callable[[], object]:
        return lambda: update(repository, Slowly(published[version], blocks))

    def broken(do: Callable[[], object], error: type[BaseException]) -> Callable[[], object]:
        def fails() -> None:
            with pytest.raises(error):
                do()

        return fails

    def dies(version: str, last: str, name: str) -> Callable[[], object]:
        """The updater is killed just after it did `last` to a file or folder whose name ends in `name`."""

        def die(number: int) -> None:
            verb, *args = disk.deeds[-1]
            if verb == last and args[-1][-1].endswith(name):
                raise KeyboardInterrupt

        def killed() -> None:
            disk.before = die
            broken(updated(version), KeyboardInterrupt)()
            disk.before = lambda number: None

        return killed

    def healthy() -> None:
        start = begin(repository)
        assert start.confirm is not None
        start.confirm()

    pinned = key.with_name("release.pub").read_bytes()
    step("the key is pinned", lambda: repository.pin(pinned, "release.pub"))
    step("the first version", updated("1"))
    step("it is healthy", healthy)
    step("a second version", updated("2"))
    step("it is healthy", lambda: confirm(repository))
    step("a download breaks off", broken(updated("3", 4), ModelError))
    step("it goes on", updated("3"))
    for _ in range(4):
        step("a start, and no answer", lambda: begin(repository), "2")  # switching on is the next start
    assert current(repository) == "2"
    step("the next one", updated("4"))
    step("back by hand", lambda: roll_back(repository))
    step("the updater dies just before it switches", dies("5", "sync", "versions"))
    step("and again", updated("5"))
    step("it is healthy", healthy)
    step("a version that nobody started yet", updated("6"))
    step("the updater dies just after it switched", dies("7", "rename", "state.json"))
    step("and again", updated("8"), "6")  # of which the disk may not have heard
    assert (current(repository), version_of(str(repository.state.previous))) == ("8", "5")
    return Life(disk.deeds, steps, published["9"])


def start(device: Path, expected: set[str | None], life: Life, key: Path, *, opened: bool, updated: bool) -> None:
    """The device is switched on: a version that is expected, every byte of it as it was signed; it can be updated again."""
    repository = Repository(device / "models", Hasty())
    if not Repository.at(repository.folder) or repository.state.current is None:
        assert None in expected
        return
    begun = begin(repository)
    assert version_of(begun.id) in expected
    assert repository.proved(begun.id)
    pinned = key.with_name("release.pub").read_bytes()
    assert repository.key == pinned
    signature.check(repository.signed(begun.id), pinned, "")
    if opened:
        session = Session(device / "models", threads=1)
        assert session.card.version in expected
        assert session.predict(np.zeros((28, 28), np.uint8)).labels
    if updated:
        update(repository, Slowly(life.newest))
        assert (current(repository), repository.proved(str(repository.state.current))) == ("9", True)


def pull(life: Life, key: Path, folder: Path, kinds: Callable[[int], list[Loss]], *, thorough: bool) -> int:
    """Pulls the plug before every deed, and gives how often; a disk that was switched on already isn't once more."""
    count, seen = 0, set()
    for number, root in cuts(life.deeds):
        for loss in kinds(number):
            count += 1
            image, expected = left(root, loss), life.expected(number)
            if (disk := (frozenset(image.items()), frozenset(expected))) in seen:
                continue
            seen.add(disk)
            device = put(image, folder / "device")
            start(device, expected, life, key, opened=thorough, updated=thorough or not len(seen) % 10)
            shutil.rmtree(device)
    return count


def test_the_plug_is_pulled_everywhere(life: Life, key: Path, tmp_path: Path) -> None:
    assert len(life.deeds) > 200
    assert {deed[0] for deed in life.deeds} == {"make", "append", "sync", "rename", "remove"}
    assert pull(life, key, tmp_path, lambda number: [All(), Chance(number)], thorough=False) > 400


@pytest.mark.thorough
def test_whatever_a_disk_may_have_lost(life: Life, key: Path, tmp_path: Path) -> None:
    assert pull(life, key, tmp_path, lambda number: list(losses(8)), thorough=True) > 2600


@pytest.mark.thorough
def test_pulled_again_while_it_mends_itself(life: Life, key: Path, tmp_path: Path) -> None:
    """A second power cut, at every deed of the update that follows the first."""
    for number, root in cuts(life.deeds):
        if number % 24:
            continue
        first = put(left(root, Chance(number)), tmp_path / "first")
        recording = Recording(first)
        _record_what_is_there(recording)
        there = len(recording.deeds)
        repository = Repository(first / "models", recording)
        if Repository.at(repository.folder):
            update(repository, Slowly(life.newest))
        for again, second in cuts(recording.deeds):
            if again >= there:
                device = put(left(second, Chance(again)), tmp_path / "second")
                start(device, life.expected(number) | {"9"}, life, key, opened=False, updated=False)
                shutil.rmtree(device)
        shutil.rmtree(first)


def _record_what_is_there(recording: Recording) -> None:
    """As if everything on this disk had been written and synced."""
    for path in sorted(recording.root.rglob("*")):
        parts = path.relative_to(recording.root).parts
        recording.deeds.append(("make", parts) if path.is_dir() else ("append", parts, path.read_bytes()))
        recording.deeds += [("sync", parts), ("sync", parts[:-1])]


class Careless(Recording):
    """A disk that forgets to wait, as the updater would without its fsyncs."""

    def sync(self, path: Path) -> None: ...


def test_without_fsync_it_would_be_seen(publish: Callable[..., Path], key: Path, tmp_path: Path) -> None:
    """The recording can tell: an updater that syncs nothing leaves a device that doesn't start."""
    (tmp_path / "device").mkdir()
    disk = Careless(tmp_path / "device")
    repository = Repository(tmp_path / "device" / "models", disk)
    repository.pin(key.with_name("release.pub").read_bytes(), "release.pub")
    update(repository, Slowly(publish("1")))
    broken = 0
    *_, (_, root) = cuts(disk.deeds)
    for seed in range(40):
        device = put(left(root, Chance(seed)), tmp_path / "left")
        after = Repository(device / "models")
        state = after.state.current
        broken += not Repository.at(after.folder) or state is None or not after.proved(state)
        shutil.rmtree(device)
    assert broken > 30
