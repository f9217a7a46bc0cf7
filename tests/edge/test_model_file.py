from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lampion_edge import ModelError, ModelFile

Digits = Callable[..., bytes]


def test_agrees_with_protobuf(digits: Digits) -> None:
    data = digits({"a": "1", "ä": "日本"})
    file, proto = ModelFile.parse(data), onnx.load_from_string(data)
    assert bytes(file.graph) == proto.graph.SerializeToString()
    assert file.graph_checksum() == "sha256:" + hashlib.sha256(proto.graph.SerializeToString()).hexdigest()
    assert file.metadata == {"a": "1", "ä": "日本"}
    assert (file.opsets, file.ir_version, file.size) == ({"": 21}, 10, len(data))


def test_producer_and_domains() -> None:
    opsets = [onnx.helper.make_opsetid("", 21), onnx.helper.make_opsetid("com.example", 3)]
    graph = onnx.helper.make_graph([], "g", [], [])
    proto = onnx.helper.make_model(graph, opset_imports=opsets, producer_name="maker", producer_version="7")
    file = ModelFile.parse(proto.SerializeToString())
    assert (file.producer, file.opsets) == ("maker 7", {"": 21, "com.example": 3})


def test_operators(digits: Digits) -> None:
    proto = onnx.load_from_string(digits())
    node, opset = onnx.helper.make_node("Celu", ["a"], ["b"]), onnx.helper.make_opsetid("", 21)
    proto.functions.append(onnx.helper.make_function("here", "f", ["a"], ["b"], [node], [opset]))
    expected = {node.op_type for node in proto.graph.node} | {"Celu"}
    assert ModelFile.parse(proto.SerializeToString()).operators() == expected


def test_metadata_leaves_the_checksum_alone(digits: Digits) -> None:
    assert ModelFile.parse(digits({})).graph_checksum() == ModelFile.parse(digits({"k": "v"})).graph_checksum()


def test_checksum_state(digits: Digits) -> None:
    file = ModelFile.parse(digits())
    states = [file.checksum_state(text) for text in ("", file.graph_checksum(), "sha256:" + "0" * 64)]
    assert states == ["absent", "ok", "differs"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "got an empty file"),
        (b"hello", "not an ONNX model"),
        (b"version https://git-lfs.github.com/spec/v1\n", "not an ONNX model"),
        (b"\x08\x0a", "got version 10, 0 graphs"),
        (b"\x3a\x00", "got version 0, 1 graphs"),
        (b"\x08\x0a\x3a\x00\x3a\x00", "got version 10, 2 graphs"),
        (b"\x08", "ends inside a number"),
        (b"\x08" + b"\xff" * 11, "longer than 10 bytes"),
        (b"\x3a\x05ab", "field 7 needs 5 bytes, 2 are left"),
        (b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "0 are left"),
        (b"\x0a\x01a\x3a\x00", "bytes stand where a number"),
        (b"\x08\x0a\x38\x01", "a number stands where bytes"),
        (b"\x08\x0a\x3a\x00\x72\x03\x0a\x01\xff", "not UTF-8"),
    ],
)
def test_malformed(data: bytes, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        ModelFile.parse(data)


@given(data=st.data())
def test_damage_gives_model_error_or_a_model(digits: Digits, data: st.DataObject) -> None:
    whole = digits()
    # Most bytes are weights, where damage can't show: the interesting ones lie at both ends.
    start = data.draw(st.sampled_from([0, len(whole) - 300])) + data.draw(st.integers(0, 299))
    piece = whole[:start] + data.draw(st.binary(max_size=8)) + whole[start + data.draw(st.integers(0, 8)) :]
    with suppress(ModelError):  # and nothing else
        assert len(ModelFile.parse(piece).graph) <= len(piece)


@given(st.binary(max_size=64))
def test_any_bytes(data: bytes) -> None:
    with suppress(ModelError):  # and nothing else
        ModelFile.parse(data)


@pytest.mark.parametrize(
    ("name", "words"), [("missing.onnx", "no such file"), (".", "got a folder"), ("empty.onnx", "an empty file")]
)
def test_paths(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "empty.onnx").touch()
    with pytest.raises(ModelError, match=words):
        ModelFile.open(tmp_path / name)
