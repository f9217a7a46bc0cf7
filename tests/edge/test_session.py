from __future__ import annotations

import io
import itertools
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image

from lampion_edge import (
    METADATA_CARD,
    METADATA_GOLDEN,
    Card,
    CardError,
    Golden,
    ImageError,
    InputError,
    ModelError,
    ModelFile,
    Preprocessing,
    Resize,
    RunError,
    Session,
    usable_cores,
)
from lampion_edge import TensorSpec as Spec

Make = Callable[..., bytes]
PHOTOS = np.random.default_rng(3).integers(0, 256, (5, 28, 28, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def session(digits_path: Path) -> Session:
    return Session(digits_path)


@pytest.fixture(scope="module")
def pair(build: Make) -> Session:
    """Two inputs, three outputs: a text that passes through, x[i], and x as the shape says."""
    nodes = [
        helper.make_node("Identity", ["text"], ["same"]),
        helper.make_node("Gather", ["x", "i"], ["picked"]),
        helper.make_node("Reshape", ["x", "shape"], ["shaped"]),
    ]
    inputs = {
        "text": (TensorProto.STRING, ["n"]),
        "x": (TensorProto.FLOAT, ["rows", None]),
        "i": (TensorProto.INT64, ["k"]),
        "shape": (TensorProto.INT64, [2]),
    }
    outputs = {
        "same": (TensorProto.STRING, ["n"]),
        "picked": (TensorProto.FLOAT, ["k", None]),
        "shaped": (TensorProto.FLOAT, [None, None]),
    }
    return Session(build(nodes, inputs, outputs))


FEEDS: dict[str, Any] = {
    "text": ["a", "bé"],
    "x": np.arange(6, dtype=np.float32).reshape(2, 3),
    "i": [1],
    "shape": [3, 2],
}


# --- opening ---


def test_specs_come_from_the_graph_and_meanings_from_the_card(session: Session) -> None:
    assert session.inputs == (Spec("image", "uint8", ("batch", 28, 28, 1), "photo"),)
    assert session.outputs == (Spec("output", "float32", ("batch", 10), "logits"),)
    assert (session.name, session.card.task, session.threads) == ("digits", "image-classification", usable_cores())


def test_specs_without_a_card(pair: Session) -> None:
    assert [str(spec) for spec in pair.inputs] == ["string [n]", "float32 [rows, ?]", "int64 [k]", "int64 [2]"]
    assert pair.card == Card.tensor(pair.inputs, pair.outputs)
    assert (pair.golden, pair.name) == (None, "model")


def test_a_file_without_a_card_is_named_by_its_file(digits: Make, tmp_path: Path) -> None:
    (tmp_path / "plain.onnx").write_bytes(digits({}))
    assert Session(str(tmp_path / "plain.onnx")).card.name == "plain"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "m.onnx: there is no such file"),
        (b"", "m.onnx: expected an ONNX model, got an empty file"),
        (b"hello", "m.onnx: not an ONNX model"),
        (b"\x08\x0a\x3a\x02\x0a\x00", "m.onnx: onnxruntime can't load it"),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=words) as raised:
        Session(tmp_path / "m.onnx")
    assert "\n" not in str(raised.value)


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="got a folder"):
        Session(tmp_path)


def test_a_damaged_graph_is_found(digits: Make) -> None:
    whole = digits()
    at = whole.index(b"output")
    weights = bytearray(whole)
    weights[at + 2000] ^= 1  # a bit among the weights, where nothing but the checksum can tell
    with pytest.raises(ModelError, match="not the one its card describes"):
        Session(bytes(weights))
    assert Session(bytes(weights), verify_checksum=False).verify().ok is not None


def test_a_damaged_graph_never_reaches_onnxruntime(digits: Make) -> None:
    other = digits().replace(b"MatMul", b"MatMal")  # an operator that doesn't exist
    with pytest.raises(ModelError, match="not the one its card describes"):
        Session(other)
    with pytest.raises(ModelError, match="onnxruntime can't load it"):
        Session(other, verify_checksum=False)


@pytest.mark.parametrize("field", ["inputs", "outputs"])
def test_a_card_that_speaks_of_other_tensors(digits: Make, card: Card, field: str) -> None:
    other = replace(card, **{field: (Spec("other", "uint8", ("batch",)),)})
    with pytest.raises(CardError, match=f"card: {field}: .*other") as raised:
        Session(digits({METADATA_CARD: other.to_json()}))
    assert raised.value.field == field


def test_an_invalid_card(digits: Make) -> None:
    with pytest.raises(CardError):
        Session(digits({METADATA_CARD: "{}"}))


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_are_checked(digits: Make, threads: int) -> None:
    with pytest.raises(InputError, match="threads: expected 1 or more"):
        Session(digits(), threads=threads)


def test_settings_give_the_same_numbers(digits: Make) -> None:
    want = Session(digits())(PHOTOS)
    for settings in ({"threads": 1}, {"inter_threads": 2}, {"spinning": True}, {"arena": False}):
        np.testing.assert_allclose(Session(digits(), **settings)(PHOTOS), want, rtol=1e-5)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted where Linux lists them")
def test_threads_reach_onnxruntime(digits: Make) -> None:
    def threads() -> set[str]:
        return {thread.name for thread in Path("/proc/self/task").iterdir()}

    before = threads()  # some of which may end meanwhile
    session = Session(digits(), threads=4, verify_checksum=False)
    assert len(threads() - before) == 3  # the caller's own is the fourth
    del session


def test_nothing_is_said_on_stderr(build: Make, tmp_path: Path) -> None:
    """Neither for what we refuse nor for what the kernels do: both come as exceptions."""
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["y"])]
    spec = (TensorProto.FLOAT, ["batch"])
    (tmp_path / "m.onnx").write_bytes(build(nodes, {"x": spec}, {"y": spec}, {"shape": np.array([7])}))
    code = """
import sys, numpy as np
from lampion_edge import InputError, RunError, Session
session = Session(sys.argv[1])
for bad, error in (([[1]], InputError), ([1], RunError)):
    try: session(bad)
    except error: print(error.__name__)
"""
    command = [sys.executable, "-c", code, tmp_path / "m.onnx"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("InputError\nRunError\n", "")


# --- arrays ---


def test_one_output_is_an_array(session: Session) -> None:
    by_position, by_name = session(PHOTOS), session(image=PHOTOS)
    assert isinstance(by_position, np.ndarray)
    assert (by_position.shape, by_position.dtype) == ((5, 10), np.float32)
    np.testing.assert_array_equal(by_position, by_name)


def test_several_outputs_are_a_tuple(pair: Session) -> None:
    same, picked, shaped = pair(*list(FEEDS.values())[:2], i=FEEDS["i"], shape=FEEDS["shape"])
    assert same.tolist() == ["a", "bé"]
    assert picked.tolist() == [[3, 4, 5]]
    assert shaped.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_run_gives_the_outputs_asked_for(pair: Session) -> None:
    assert list(pair.run(FEEDS)) == ["same", "picked", "shaped"]
    assert list(pair.run(FEEDS, ["shaped", "same"])) == ["shaped", "same"]
    with pytest.raises(InputError, match="unknown output 'y', expected 'same', 'picked', 'shaped'"):
        pair.run(FEEDS, ["y"])


def test_the_error_the_design_promises(session: Session) -> None:
    with pytest.raises(InputError) as raised:
        session(np.zeros((1, 3, 2), np.float32))
    assert str(raised.value) == "input 'image': expected uint8 [batch, 28, 28, 1], got float32 [1, 3, 2]"


@pytest.mark.parametrize(
    ("feeds", "error", "words"),
    [({"i": [7]}, InputError, "indices element out of data bounds"), ({"shape": [5, 5]}, RunError, "Reshape")],
)
def test_what_only_the_kernels_see(pair: Session, feeds: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as raised:
        pair.run(FEEDS | feeds)
    assert "onnxruntime_src" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_concurrent_calls(session: Session) -> None:
    want = session(PHOTOS)
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(session, [PHOTOS] * 40):
            np.testing.assert_array_equal(got, want)


# --- golden samples ---


def test_verify(session: Session, pair: Session) -> None:
    assert session.golden is not None
    assert session.verify().ok is True
    assert pair.verify().ok is None


def test_verify_finds_other_numbers(digits: Make) -> None:
    wrong = Golden((({"image": PHOTOS}, {"output": np.zeros((5, 10), np.float32)}),))
    assert Session(digits({METADATA_GOLDEN: wrong.to_json()})).verify().ok is False


def test_broken_golden_samples(digits: Make) -> None:
    session = Session(digits({METADATA_GOLDEN: "{"}))
    with pytest.raises(CardError, match="golden samples"):
        session.verify()


# --- photos ---


def png(array: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def test_predict(session: Session) -> None:
    prediction = session.predict(png(PHOTOS[0, :, :, 0]), top=3)
    logits = session(PHOTOS[:1])[0].astype(np.float64)
    want = np.exp(logits) / np.exp(logits).sum()
    assert [label.index for label in prediction.labels] == np.argsort(-want)[:3].tolist()
    np.testing.assert_allclose([label.probability for label in prediction.labels], np.sort(want)[::-1][:3])
    assert prediction.labels[0].name == session.card.labels[prediction.labels[0].index]
    assert list(prediction.timings) == ["decode", "run", "total"]
    assert prediction.timings["total"] >= prediction.timings["decode"] + prediction.timings["run"]


def test_predict_is_prepare_run_labels(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(png(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)))
    inputs = session.prepare(path)
    assert {name: (array.shape, array.dtype) for name, array in inputs.items()} == {"image": ((1, 28, 28, 1), np.uint8)}
    assert session.labels_from(session.run(inputs)) == [session.predict(path).labels]
    assert len(session.predict(str(path)).labels) == session.card.top_k


def test_predict_many(session: Session) -> None:
    photos = [png(photo[:, :, 0]) for photo in PHOTOS]
    together, alone = session.predict_many(photos, 1), [session.predict(photo, 1) for photo in photos]
    assert [p.labels[0].index for p in together] == [p.labels[0].index for p in alone]
    assert session.predict_many([]) == []


def test_predict_many_with_a_fixed_batch(digits: Make, card: Card) -> None:
    fixed = replace(card, inputs=(replace(card.inputs[0], shape=(1, 28, 28, 1)),))
    session = Session(digits({METADATA_CARD: fixed.to_json()}, batch=1))
    assert [len(prediction.labels) for prediction in session.predict_many(list(PHOTOS), 2)] == [2] * 5


def test_predict_many_of_unequal_sizes(build: Make, card: Card) -> None:
    """A model that averages photos of any size: only equal ones share a batch, and the order stays."""
    nodes = [
        helper.make_node("Cast", ["image"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["f", "axes"], ["output"], keepdims=0),
    ]
    shape = ["batch", "height", "width", 3]
    free = replace(
        card,
        inputs=(Spec("image", "uint8", tuple(shape)),),
        outputs=(Spec("output", "float32", ("batch", 3), "score"),),
        preprocessing=Preprocessing(resize=Resize((4, 4), "shorter")),
        labels=("r", "g", "b"),
    )
    data = build(
        nodes,
        {"image": (TensorProto.UINT8, shape)},
        {"output": (TensorProto.FLOAT, ["batch", 3])},
        {"axes": np.array([1, 2])},
        {METADATA_CARD: free.to_json()},
    )
    photos = [np.full(size, value, np.uint8) for value, size in enumerate([(4, 4, 3), (4, 8, 3), (4, 4, 3), (8, 4, 3)])]
    assert [p.labels[0].probability for p in Session(data).predict_many(photos)] == [0, 1, 2, 3]


def test_stream(session: Session) -> None:
    predictions = session.stream(
        itertools.cycle(list(PHOTOS)), top=2
    )  # never ends: nothing may wait for the last photo
    got = [prediction.labels for prediction in itertools.islice(predictions, 7)]
    want = [session.predict(photo, 2).labels for photo in PHOTOS]
    assert [[label.index for label in labels] for labels in got] == [[w.index for w in want[i % 5]] for i in range(7)]
    predictions.close()
    assert list(session.stream([])) == []


def test_a_bad_photo_in_a_stream(session: Session) -> None:
    predictions = session.stream([PHOTOS[0], b"not a photo", PHOTOS[1]])
    assert len(next(predictions).labels) == 5
    with pytest.raises(ImageError):
        next(predictions)


def test_warm_up(session: Session, pair: Session) -> None:
    assert session.warm_up() > 0
    assert pair.warm_up() > 0


def test_photos_need_an_image_model(pair: Session) -> None:
    for call in (lambda: pair.predict(b""), lambda: pair.prepare(b""), lambda: pair.labels_from({})):
        with pytest.raises(
            InputError, match=r"photos and sounds need the task image-classification or .*, its card says tensor"
        ) as raised:
            call()
        assert "session.run" in (raised.value.hint or "")


def test_a_bad_photo(session: Session) -> None:
    with pytest.raises(ImageError, match="0 bytes"):
        session.predict(b"")
    with pytest.raises(ImageError, match="at most 700 pixels"):
        session.prepare(png(PHOTOS[0, :, :, 0]), max_pixels=700)


def test_bytes_and_path_are_the_same_model(digits: Make, digits_path: Path) -> None:
    assert Session(digits()).card == Session(digits_path).card
    assert ModelFile.open(digits_path).size == len(digits())
