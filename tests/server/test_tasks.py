"""Sounds and records, asked without tensors; photos have a file of their own."""

from __future__ import annotations

import base64
import io
import struct
import wave
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from lampion_server.errors import BadRequestError
from lampion_server.tasks.sounds import resampled
from lampion_server.tasks.wav import read_wav


@pytest.fixture(scope="module")
def asked(serve: Any, build: Any, tmp_path_factory: Any) -> Iterator[Any]:
    """A server of models that hear and models that read."""
    folder = tmp_path_factory.mktemp("tasks")
    build.sounds(folder / "sounds.onnx")
    build.sounds(folder / "second.onnx", 8000)
    build.table(folder / "table.onnx")
    build.add(folder / "add.onnx")
    build.echo(folder / "texts.onnx", TensorProto.STRING, ["batch"])
    build.echo(folder / "halves.onnx", TensorProto.FLOAT16, ["batch", "time"])
    build.echo(folder / "fixed.onnx", TensorProto.FLOAT, [4, 2])
    with serve(folder) as server:
        yield server


def predictions(response: Any) -> Any:
    assert response.status_code == 200, response.text
    return response.json()["predictions"]


# --- sounds ---


def wav(samples: np.ndarray, rate: int = 8000, width: int = 2) -> bytes:
    """A PCM file of samples [time] or [time, channel] from -1 to 1, written by the standard library."""
    samples = samples if samples.ndim == 2 else samples[:, None]
    whole = np.clip(np.rint(samples * 2.0 ** (8 * width - 1)), -(2 ** (8 * width - 1)), 2 ** (8 * width - 1) - 1)
    if width == 1:
        data = (whole + 128).astype(np.uint8).tobytes()
    else:
        data = whole.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :width].tobytes()
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(data)
    return buffer.getvalue()


def floats(samples: np.ndarray, *, extensible: bool = False) -> bytes:
    """A file of floats, in the plain or the extensible form, with a chunk of an odd length before the data."""
    bits = 8 * samples.dtype.itemsize
    form = struct.pack("<HHIIHH", 0xFFFE if extensible else 3, 1, 8000, 8000 * bits // 8, bits // 8, bits)
    form += struct.pack("<HHIH14s", 22, bits, 4, 3, b"") if extensible else b""
    chunks = b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
        for name, data in ((b"fmt ", form), (b"LIST", b"odd"), (b"data", samples.tobytes()))
    )
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


LOUD = np.sin(np.arange(800) / 7) * 0.4 + 0.3


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2])
def test_pcm(width: int, channels: int) -> None:
    sent = np.stack([LOUD, -LOUD], 1)[:, :channels]
    samples, rate = read_wav(wav(sent, 44100, width))
    assert (samples.dtype, samples.shape, rate) == (np.float32, (800, channels), 44100)
    np.testing.assert_allclose(samples, sent, atol=2.0 ** (1 - 8 * width) + 1e-7)


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_floats(dtype: str, extensible: bool) -> None:
    samples, rate = read_wav(floats(LOUD.astype(dtype), extensible=extensible))
    assert rate == 8000
    np.testing.assert_array_equal(samples[:, 0], LOUD.astype(np.float32))


GOOD = wav(LOUD)
DAMAGED = [
    b"",
    b"RIFF",
    b"ID3 and so on",
    GOOD[:20],
    GOOD[:40],
    GOOD.replace(b"data", b"atad"),
    GOOD[:22] + b"\0\0" + GOOD[24:],  # no channels
    GOOD[:24] + b"\0\0\0\0" + GOOD[28:],  # no rate
    GOOD[:34] + b"\7\0" + GOOD[36:],  # 7 bits in blocks of 2 bytes
    GOOD[:20] + b"\6\0" + GOOD[22:],  # A-law
]


@pytest.mark.parametrize("content", DAMAGED, ids=range(len(DAMAGED)))
def test_files_that_are_no_sound(content: bytes) -> None:
    with pytest.raises(BadRequestError):
        read_wav(content)


def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes() -> None:
    samples, _ = read_wav(GOOD[:-801])
    assert len(samples) == 399


@pytest.mark.parametrize(("have", "want"), [(8000, 16000), (16000, 8000), (8000, 11025), (44100, 8000)])
def test_resampling_a_tone(have: int, want: int) -> None:
    def tone(rate: int) -> np.ndarray:
        return np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)

    np.testing.assert_allclose(resampled(tone(have), have, want), tone(want), atol=1e-3)


def test_resampling_keeps_the_highest_frequency() -> None:
    highest = np.tile(np.array([1, -1], np.float32), 4)
    up = resampled(highest, 1, 2)
    np.testing.assert_allclose(up[::2], highest, atol=1e-6)
    np.testing.assert_allclose(resampled(up, 2, 1), highest, atol=1e-6)


@pytest.mark.parametrize(("offset", "label"), [(-0.5, "below"), (0.5, "above")])
def test_sounds(asked: Any, offset: float, label: str) -> None:
    stereo = wav(np.stack([np.full(4000, offset), np.zeros(4000)], 1), rate=16000)
    text = base64.b64encode(stereo).decode()
    post = asked.client.post
    for answer in (
        post("/v1/models/sounds/predict?top=1", content=stereo),
        post("/v1/models/sounds/predict?top=1", files={"sound": ("a.wav", stereo)}),
        post("/v1/models/sounds/predict?top=1", json={"sound": text}),
        post("/v1/models/second/predict?top=1", json={"sounds": [text]}),
    ):
        (one,) = predictions(answer)
        assert [each["label"] for each in one["labels"]] == [label]


# --- records ---

ROW = {"a": 1.0, "b": 3.0, "c": 2.0}


@pytest.mark.parametrize(
    ("body", "best"),
    [
        ({"record": ROW}, ["b"]),
        ({"records": [ROW, {"c": 9, "b": 0, "a": 0}]}, ["b", "c"]),
        ([ROW], ["b"]),
        ([[5, 0, 0], [0, 5, 0]], ["a", "b"]),
    ],
)
def test_records(asked: Any, body: Any, best: list[str]) -> None:
    told = predictions(asked.client.post("/v1/models/table/predict?top=1", json=body))
    assert [[each["label"] for each in one["labels"]] for one in told] == [[name] for name in best]


def test_records_of_a_model_without_labels(asked: Any) -> None:
    (one,) = predictions(asked.client.post("/v1/models/add/predict", json={"record": {"a": [1, 2], "b": [3, 4]}}))
    assert one == {"outputs": {"sum": [4, 6]}}
    told = predictions(asked.client.post("/v1/models/texts/predict", json=[{"x": "ä"}, ["b"]]))
    assert told == [{"outputs": {"y": "ä"}}, {"outputs": {"y": "b"}}]


def test_records_of_unequal_length(asked: Any) -> None:
    told = predictions(asked.client.post("/v1/models/halves/predict", json=[[1, 2.5], [3], [4, 5, 6]]))
    assert [one["outputs"]["y"] for one in told] == [[1, 2.5], [3], [4, 5, 6]]


WRONG = [
    ("table", {"record": {"a": 1, "b": 2}}, "records[0].c"),
    ("table", {"records": [ROW, ROW | {"d": 1}]}, "records[1].d"),
    ("table", {"records": [ROW | {"a": "1"}]}, "records[0].row"),
    ("table", {"records": [[1, 2]]}, "records[0].row"),
    ("table", {"records": [[[1, 2, 3]]]}, "records[0].row"),
    ("table", {"records": [3]}, "records[0]"),
    ("table", {"records": {}}, "records"),
    ("table", {"records": []}, "records"),
    ("table", [], "records"),
    ("table", {}, "records"),
    ("table", {"record": ROW, "records": [ROW]}, "records"),
    ("table", 3, "body"),
    ("add", {"record": [1, 2]}, "records[0]"),
    ("add", {"record": {"a": [1, 2]}}, "records[0].b"),
    ("halves", [[1, 1e30]], "records[0].x"),
    ("fixed", [[1, 2]], "model"),
    ("sounds", {"sound": base64.b64encode(b"no sound").decode()}, "sounds[0]"),
    ("sounds", {"sound": base64.b64encode(wav(LOUD[:0])).decode()}, "sounds[0]"),
    ("second", {"sounds": [base64.b64encode(wav(np.tile(LOUD, n))).decode() for n in (1, 11)]}, "sounds[1]"),
    ("sounds", {"image": ""}, "sound"),
]


@pytest.mark.parametrize(("model", "body", "field"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_named(asked: Any, model: str, body: Any, field: str) -> None:
    response = asked.client.post(f"/v1/models/{model}/predict", json=body)
    assert (response.status_code, response.json()["field"]) == (400, field), response.text
