"""The server without HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lampion_edge import RunError
from lampion_server import DataPlane, Repository, Settings
from lampion_server.errors import BadRequestError, DeadlineExceededError, NotFoundError, OverloadedError, ServerError

X = np.array([[1, 2, 3, 4]], np.float32)
PAIR = np.ones((2, 2), np.float32)


@pytest.fixture
def plane_of(folder: Path) -> Iterator[Callable[..., DataPlane]]:
    """Makes planes of the named models and closes them after the test."""
    made: list[DataPlane] = []

    def make(*names: str, **settings: Any) -> DataPlane:
        chosen = Settings(**settings)
        made.append(DataPlane(Repository([folder / f"{name}.onnx" for name in names], chosen), chosen))
        return made[-1]

    yield make
    for plane in made:
        asyncio.run(plane.close())


def test_infer(plane_of: Any) -> None:
    answer = asyncio.run(plane_of("iris").infer("iris", None, {"x": X}))
    assert (answer.model, answer.version) == ("iris", "1")
    assert answer.outputs["y"].tolist() == [[2, 4, 6]]
    assert answer.compute > 0


def test_inputs_come_in_any_order(plane_of: Any) -> None:
    answer = asyncio.run(plane_of("add").infer("add", "1", {"b": PAIR, "a": 2 * PAIR}, ["sum"]))
    assert answer.outputs["sum"].tolist() == [[3, 3], [3, 3]]


@pytest.mark.parametrize(
    ("inputs", "field"),
    [
        ({}, "inputs"),
        ({"a": PAIR}, "inputs"),
        ({"a": PAIR, "c": PAIR}, "inputs[1].name"),
        ({"a": PAIR, "b": PAIR.astype(np.float64)}, "inputs[1].datatype"),
        ({"a": PAIR, "b": PAIR[0]}, "inputs[1].shape"),
        ({"a": PAIR, "b": PAIR[:1]}, "inputs[1].shape"),
        ({"a": PAIR.repeat(2, 1), "b": PAIR}, "inputs[0].shape"),
    ],
)
def test_inputs_that_do_not_fit(plane_of: Any, inputs: Any, field: str) -> None:
    with pytest.raises(BadRequestError) as refusal:
        asyncio.run(plane_of("add").infer("add", None, inputs))
    assert refusal.value.field == field


ALONE = {"tune_seconds": 0, "instances": 1, "threads": 1, "max_batch": 1}  # whoever computes decodes


@pytest.mark.parametrize("settings", [{}, ALONE, ALONE | {"cache_bytes": 10_000}])
def test_predict(plane_of: Any, build: Any, settings: Any) -> None:
    photos = [build.photo(value) for value in (0, 255, 120)]
    shown = asyncio.run(plane_of("digits", **settings).predict("digits", None, photos, top=1))
    assert [[label["label"] for label in one["labels"]] for one in shown.predictions] == [["dark"], ["light"], ["mid"]]
    assert shown.decode > 0


@pytest.mark.parametrize("settings", [{"max_batch": 2}, ALONE])
def test_predict_names_the_photo_that_is_none(plane_of: Any, build: Any, settings: Any) -> None:
    photos = [build.photo()] * 4 + [b"none"]
    with pytest.raises(BadRequestError) as refusal:
        asyncio.run(plane_of("digits", **settings).predict("digits", None, photos))
    assert refusal.value.field == "photos[4]"


@pytest.mark.parametrize(
    ("model", "photos", "error"),
    [
        ("nobody", [b"x"], NotFoundError),
        ("iris", [b"x"], BadRequestError),
        ("digits", [], BadRequestError),
        ("digits", [b""], BadRequestError),
    ],
)
def test_predict_refuses(plane_of: Any, model: str, photos: list[bytes], error: type[ServerError]) -> None:
    with pytest.raises(error):
        asyncio.run(plane_of("digits", "iris").predict(model, None, photos))


def test_too_many_pixels(plane_of: Any, build: Any) -> None:
    with pytest.raises(BadRequestError, match="photos"):
        asyncio.run(plane_of("digits", max_pixels=10).predict("digits", None, [build.photo()]))


def test_too_many_photos_at_once_are_refused_before_they_are_decoded(plane_of: Any, build: Any) -> None:
    plane = plane_of("digits", max_queue=2)

    async def scene() -> list[Any]:
        work = [plane.predict("digits", None, [build.photo()]) for _ in range(10)]
        return await asyncio.gather(*work, return_exceptions=True)

    results = asyncio.run(scene())
    refused = [result for result in results if isinstance(result, OverloadedError)]
    assert len(refused) == 8
    assert all(not isinstance(result, BaseException) for result in results if result not in refused)


def test_a_request_of_many_photos_leaves_room_for_others(plane_of: Any, build: Any) -> None:
    plane = plane_of("digits", "iris", max_queue=4)

    async def scene() -> list[Any]:
        many = asyncio.create_task(plane.predict("digits", None, [build.photo()] * 50, top=1))
        await asyncio.sleep(0)
        return [await plane.predict("iris", None, [[1, 2, 3, 4]]), await many]

    assert [len(answer.predictions) for answer in asyncio.run(scene())] == [1, 50]


def test_photos_of_one_model_leave_room_for_those_of_another(plane_of: Any, build: Any) -> None:
    plane = plane_of("digits", "iris", max_queue=2)

    async def scene() -> list[Any]:
        asked = [asyncio.create_task(plane.predict("digits", None, [build.photo()])) for _ in range(2)]
        await asyncio.sleep(0)
        return [await plane.predict("iris", None, [[1, 2, 3, 4]]), *await asyncio.gather(*asked)]

    assert [answer.model for answer in asyncio.run(scene())] == ["iris", "digits", "digits"]


def test_a_deadline_in_the_past(plane_of: Any) -> None:
    with pytest.raises(DeadlineExceededError):
        asyncio.run(plane_of("iris").infer("iris", None, {"x": X}, deadline=0.0))


def test_a_model_that_fails_says_so(plane_of: Any, build: Any, tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    rows: list[Any] = [("x", TensorProto.FLOAT, ["batch", 4]), ("y", TensorProto.FLOAT, ["batch", 4])]
    half = [helper.make_node("Reshape", ["x", "shape"], ["y"])]
    path = build.save(tmp_path / "half.onnx", half, rows[:1], rows[1:], constants={"shape": np.array([3, 4])})
    plane = DataPlane(Repository([path]))
    with pytest.raises(RunError, match="Reshape"):
        asyncio.run(plane.infer("half", None, {"x": X}))
    asyncio.run(plane.close())


def test_metadata(plane_of: Any) -> None:
    model = plane_of("digits").metadata("digits")
    assert (model.name, model.version, model.versions) == ("digits", "1", ["1"])
    assert model.card.labels == ("dark", "mid", "light")
    assert model.inputs[0].shape == ("batch", 4, 4, 1)
