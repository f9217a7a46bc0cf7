"""Models on disk: found, proved, versioned, swapped."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lampion_edge import Golden, usable_cores
from lampion_server import DataPlane, Repository, Settings
from lampion_server.errors import NotFoundError, StartupError, UnavailableError
from lampion_server.orders import LOAD, Order

X = np.array([[1, 2, 3, 4]], np.float32)


def golden(scale: float) -> Golden:
    return Golden((({"x": X}, {"y": scale * X[:, :3]}),))


@pytest.fixture
def repository_of() -> Any:
    """Makes repositories and closes them after the test."""
    made: list[Repository] = []

    def make(*paths: Path, **settings: Any) -> Repository:
        made.append(Repository(paths, Settings(**settings)))
        return made[-1]

    yield make
    for repository in made:
        repository.close()


def lines(repository: Repository) -> list[tuple[str, str, str]]:
    return [(entry.name, entry.version, entry.state) for entry in repository.index()]


def test_files_name_themselves_by_card_or_by_file(repository_of: Any, build: Any, tmp_path: Path) -> None:
    repository = repository_of(build.iris(tmp_path / "a.onnx", version="3"), build.lookup(tmp_path / "b.onnx"))
    assert lines(repository) == [("b", "1", "READY"), ("iris", "3", "READY")]


def test_a_folder_of_files(repository_of: Any, build: Any, tmp_path: Path) -> None:
    build.iris(tmp_path / "a.onnx")
    build.lookup(tmp_path / "b.onnx")
    (tmp_path / "notes.txt").write_text("no model")
    assert repository_of(tmp_path).names() == ["b", "iris"]


def test_a_folder_of_versions(repository_of: Any, build: Any, tmp_path: Path) -> None:
    for version in ("2", "10", "9"):
        build.iris(tmp_path / "flowers" / version / "model.onnx")
    repository = repository_of(tmp_path)
    assert [entry.version for entry in repository.index()] == ["2", "9", "10"]
    assert repository.get("flowers").version == "10"
    assert repository.get("flowers", "2").version == "2"
    with pytest.raises(NotFoundError, match="2, 9, 10"):
        repository.get("flowers", "3")
    with pytest.raises(NotFoundError, match="flowers"):
        repository.get("iris")


@pytest.mark.parametrize("name", ["a/b", "..", "a\nb"])
def test_a_name_that_no_path_can_hold(repository_of: Any, build: Any, tmp_path: Path, name: str) -> None:
    build.iris(tmp_path / "a.onnx", name=name)
    (entry,) = repository_of(tmp_path).index()
    assert entry.model is None
    assert "card: name: expected a text that can be part of a path" in entry.reason


def test_golden_samples_decide(repository_of: Any, build: Any, tmp_path: Path) -> None:
    build.iris(tmp_path / "m" / "1" / "model.onnx", golden=golden(2))
    build.iris(tmp_path / "m" / "2" / "model.onnx", golden=golden(3))
    repository = repository_of(tmp_path)
    assert lines(repository) == [("m", "1", "READY"), ("m", "2", "UNAVAILABLE")]
    assert repository.missing() == []  # for version 1 serves
    assert repository.get("m").version == "1"
    with pytest.raises(UnavailableError, match="golden samples disagree"):
        repository.get("m", "2")


def test_a_named_file_that_disagrees_is_listed(repository_of: Any, build: Any, tmp_path: Path) -> None:
    repository = repository_of(build.iris(tmp_path / "a.onnx", golden=golden(3)))
    assert lines(repository) == [("iris", "1", "UNAVAILABLE")]


def test_a_damaged_file_in_a_folder_is_listed(repository_of: Any, build: Any, tmp_path: Path) -> None:
    build.iris(tmp_path / "a.onnx")
    (tmp_path / "b.onnx").write_bytes(b"no model")
    repository = repository_of(tmp_path)
    assert lines(repository) == [("b", "1", "UNAVAILABLE"), ("iris", "1", "READY")]
    with pytest.raises(UnavailableError, match="not an ONNX model"):
        repository.get("b")


def no_file(folder: Path, build: Any) -> tuple[Path, ...]:
    return (folder / "none.onnx",)


def no_model(folder: Path, build: Any) -> tuple[Path, ...]:
    (folder / "text.onnx").write_text("no model")
    return (folder / "text.onnx",)


def empty_folder(folder: Path, build: Any) -> tuple[Path, ...]:
    return (folder,)


def bad_golden(folder: Path, build: Any) -> tuple[Path, ...]:
    class Unreadable(Golden):
        def to_json(self) -> str:
            return "{"

    return (build.iris(folder / "a.onnx", golden=Unreadable(())),)


def twice(folder: Path, build: Any) -> tuple[Path, ...]:
    return build.iris(folder / "a.onnx"), build.iris(folder / "b.onnx")


@pytest.mark.parametrize(
    ("paths", "says"),
    [
        (no_file, "no such file"),
        (no_model, "not an ONNX model"),
        (empty_folder, "holds no model"),
        (twice, "two files"),
        (bad_golden, "JSON"),
    ],
)
def test_what_keeps_it_from_starting(build: Any, tmp_path: Path, paths: Any, says: str) -> None:
    with pytest.raises(StartupError, match=says):
        Repository(paths(tmp_path, build))


def test_more_threads_than_cores_are_refused(build: Any, tmp_path: Path) -> None:
    path = build.iris(tmp_path / "a.onnx")
    with pytest.raises(StartupError, match="instances"):
        Repository([path], Settings(instances=2, threads=usable_cores()))


def test_load_sees_new_versions_and_forgets_removed_ones(repository_of: Any, build: Any, tmp_path: Path) -> None:
    build.iris(tmp_path / "m" / "1" / "model.onnx")
    repository = repository_of(tmp_path)
    build.iris(tmp_path / "m" / "2" / "model.onnx")
    repository.load("m")
    assert repository.get("m").version == "2"
    (tmp_path / "m" / "1" / "model.onnx").unlink()
    repository.load("m")
    assert lines(repository) == [("m", "2", "READY")]
    build.iris(tmp_path / "n" / "1" / "model.onnx")
    repository.load("n")
    assert repository.names() == ["m", "n"]
    with pytest.raises(NotFoundError):
        repository.load("o")


def test_load_leaves_versions_as_they_are_whose_files_have_not_changed(
    repository_of: Any, build: Any, tmp_path: Path
) -> None:
    for version in ("1", "2"):
        build.iris(tmp_path / f"models/m/{version}/model.onnx")
    build.iris(tmp_path / "alone.onnx")
    repository = repository_of(tmp_path / "models", tmp_path / "alone.onnx")
    before = {version: repository.get("m", version) for version in ("1", "2")}
    alone = repository.get("iris")
    build.iris(tmp_path / "models/m/2/model.onnx", scale=3)
    for name in ("m", "iris"):
        repository.load(name)
    assert repository.get("m", "1") is before["1"]
    assert repository.get("m", "2") is not before["2"]
    assert repository.get("iris") is not alone  # nobody knows what belongs to a file that has no folder of its own
    repository.unload("m")
    repository.load("m")
    assert repository.get("m", "1") is not before["1"]
    shutil.rmtree(tmp_path / "models/m/1")
    repository.load("m")
    assert [entry.version for entry in repository.index() if entry.name == "m"] == ["2"]


def test_a_version_that_is_still_being_written_takes_the_traffic_when_it_is_whole(
    repository_of: Any, build: Any, tmp_path: Path
) -> None:
    build.iris(tmp_path / "models/m/1/model.onnx")
    whole = build.iris(tmp_path / "whole.onnx").read_bytes()
    repository = repository_of(tmp_path / "models", watch=1, tune_seconds=0)
    file = tmp_path / "models/m/2/model.onnx"
    file.parent.mkdir()
    for part in (100, 200):  # it grows between two looks
        file.write_bytes(whole[:part])
        repository.refresh()
        assert lines(repository) == [("m", "1", "READY")]
    repository.refresh()  # the copy has stalled
    assert lines(repository) == [("m", "1", "READY"), ("m", "2", "UNAVAILABLE")]
    assert repository.get("m").version == "1"
    file.write_bytes(whole)
    for _ in range(2):
        repository.refresh()
    assert repository.get("m").version == "2"
    file.write_bytes(whole[:100])  # written over, and stalled again: the one in memory answers on
    for _ in range(2):
        repository.refresh()
    assert repository.get("m").version == "2"


def test_pipes_are_no_models(repository_of: Any, build: Any, tmp_path: Path) -> None:
    build.iris(tmp_path / "a.onnx")
    os.mkfifo(tmp_path / "b.onnx")
    assert lines(repository_of(tmp_path)) == [("iris", "1", "READY")]


def test_a_failed_load_leaves_what_is_served(repository_of: Any, build: Any, tmp_path: Path) -> None:
    path = build.iris(tmp_path / "a.onnx", golden=golden(2))
    repository = repository_of(tmp_path)
    before = repository.get("iris")
    build.iris(path, golden=golden(3))
    with pytest.raises(UnavailableError, match="golden"):
        repository.load("iris")
    assert repository.get("iris") is before
    build.iris(path, golden=golden(2))
    repository.load("iris")
    assert repository.get("iris") is not before
    assert [entry.reason for entry in repository.index()] == [""]


def test_unload_and_load_again(repository_of: Any, build: Any, tmp_path: Path) -> None:
    repository = repository_of(build.iris(tmp_path / "a.onnx"))
    repository.unload("iris")
    assert lines(repository) == [("iris", "1", "UNAVAILABLE")]
    assert repository.missing() == []
    with pytest.raises(UnavailableError, match="unloaded"):
        repository.get("iris")
    repository.load("iris")
    assert lines(repository) == [("iris", "1", "READY")]


def test_a_lease_outlives_unloading(repository_of: Any, build: Any, tmp_path: Path) -> None:
    repository = repository_of(build.iris(tmp_path / "a.onnx"))
    unloading = threading.Thread(target=repository.unload, args=("iris",))
    with repository.lease("iris") as model:
        unloading.start()
        while repository.names():
            pass
        answer = asyncio.run(model.scheduler.submit({"x": X}))
        assert answer.outputs["y"].tolist() == [[2, 4, 6]]
    unloading.join()
    with pytest.raises(UnavailableError):
        asyncio.run(model.scheduler.submit({"x": X}))


def test_reloading_under_load_drops_nothing(repository_of: Any, build: Any, tmp_path: Path) -> None:
    repository = repository_of(build.iris(tmp_path / "a.onnx"))
    plane = DataPlane(repository)

    async def scene() -> list[list[list[float]]]:
        reloads = asyncio.create_task(reload())
        answers = []
        while not reloads.done():
            answers += await asyncio.gather(*(plane.infer("iris", None, {"x": X}) for _ in range(20)))
        await reloads
        return [answer.outputs["y"].tolist() for answer in answers]

    async def reload() -> None:
        for _ in range(10):
            await plane.change(Order(LOAD, "iris"))

    answers = asyncio.run(scene())
    assert len(answers) >= 20
    assert all(answer == [[2, 4, 6]] for answer in answers)
    asyncio.run(plane.close())
