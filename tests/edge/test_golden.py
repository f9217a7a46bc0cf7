from __future__ import annotations

import base64
import io
import json
import zipfile
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lampion_edge import CardError, Golden


def packed(arrays: dict[str, Any], **save: Any) -> str:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return json.dumps({"rtol": 0.1, "atol": 0.2, "samples": base64.b64encode(file.getvalue()).decode()} | save)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.uint8).reshape(2, 3),
        np.float32(1.5),
        np.array([np.nan, np.inf], np.float16),
        np.zeros((0, 3), np.int64),
        np.array([True]),
        np.array(["a", "bé"]),
    ],
)
def test_round_trip(array: Any) -> None:
    samples = tuple(({"in.put/ä": np.asarray(array)}, {"y": np.asarray(array)}) for _ in range(11))
    golden = Golden.from_json(Golden(samples, rtol=0.5, atol=0.25).to_json())
    assert (len(golden.samples), golden.rtol, golden.atol) == (11, 0.5, 0.25)
    for inputs, outputs in golden.samples:
        for got in (inputs["in.put/ä"], outputs["y"]):
            np.testing.assert_array_equal(got, array)
            assert got.dtype == np.asarray(array).dtype


def test_samples_keep_their_order() -> None:
    golden = Golden(tuple(({"x": np.array(index)}, {}) for index in range(12)))
    assert [int(inputs["x"]) for inputs, _ in Golden.from_json(golden.to_json()).samples] == list(range(12))


def test_texts_are_stored_without_pickle() -> None:
    texts = np.array(["a", "bé"], dtype=object)
    ((inputs, _),) = Golden.from_json(Golden((({"x": texts}, {}),)).to_json()).samples
    assert inputs["x"].tolist() == ["a", "bé"]


def test_the_same_samples_give_the_same_text() -> None:
    golden = Golden((({"x": np.arange(3)}, {"y": np.arange(2)}),))
    assert golden.to_json() == Golden.from_json(golden.to_json()).to_json()
    archive = io.BytesIO(base64.b64decode(json.loads(golden.to_json())["samples"]))
    entries = zipfile.ZipFile(archive).infolist()
    assert {(entry.date_time[0], entry.compress_type) for entry in entries} == {(1980, zipfile.ZIP_DEFLATED)}


def test_documented_form() -> None:
    source = packed({"0.in.image": np.zeros(2), "0.out.output": np.ones(3)})
    golden = Golden.from_json(source)
    ((inputs, outputs),) = golden.samples
    assert (list(inputs), list(outputs), golden.rtol, golden.atol) == (["image"], ["output"], 0.1, 0.2)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "not valid JSON"),
        ("{}", "rtol is missing"),
        (packed({}, rtol=-1), "rtol: expected a number from 0 up"),
        (packed({}, samples="***"), "not base64"),
        (packed({}, samples="AAAA"), "not an npz"),
        (packed({"0.in.x": np.array([{}])}), "not an npz of plain arrays"),
        (packed({"x": np.zeros(1)}), "expected keys such as"),
        (packed({"0.inn.x": np.zeros(1)}), "expected keys such as"),
        (packed({"a.in.x": np.zeros(1)}), "expected keys such as"),
    ],
)
def test_broken(source: str, words: str) -> None:
    with pytest.raises(CardError, match=words):
        Golden.from_json(source)


def test_nothing_larger_than_allowed_is_unpacked() -> None:
    source = packed({"0.in.x": np.zeros(1_000_000, np.uint8)})
    assert len(source) < 10_000
    with pytest.raises(CardError, match="at most 65536 bytes, got 1000"):
        Golden.from_json(source, max_bytes=2**16)


def test_a_header_that_lies_about_the_shape() -> None:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (10**15,)})
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("0.in.x.npy", file.getvalue())
    samples = base64.b64encode(archive.getvalue()).decode()
    with pytest.raises(CardError, match="not an npz"):
        Golden.from_json(json.dumps({"rtol": 0, "atol": 0, "samples": samples}))


@given(st.binary(max_size=4), st.integers(0, 400))
def test_damage(piece: bytes, at: int) -> None:
    whole = base64.b64decode(json.loads(packed({"0.in.x": np.arange(9)}))["samples"])
    samples = base64.b64encode(whole[:at] + piece + whole[at + len(piece) :]).decode()
    with suppress(CardError):  # and nothing else
        Golden.from_json(json.dumps({"rtol": 0, "atol": 0, "samples": samples}))
