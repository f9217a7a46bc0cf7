"""Weights beside the model: found wherever a tensor can be, covered by the checksum, refused outside the model's folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lampion_edge import METADATA_CARD, Card, ModelError, ModelFile, Session, TensorSpec

W = np.arange(4, dtype=np.float32)
CARD = Card.tensor([TensorSpec("x", "float32", (4,))], [TensorSpec("y", "float32", (4,))])


def outside(name: str, location: str) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor


def value(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [4])


def initializer(location: str) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])], "g", [value("x")], [value("y")], [outside("w", location)]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def large_with_a_place(location: str) -> onnx.ModelProto:
    model = initializer(location)
    model.graph.initializer[0].doc_string = "x" * 10_000
    return model


def inside_a_branch(location: str) -> onnx.ModelProto:
    branches = {
        name: helper.make_graph([helper.make_node("Identity", ["w"], ["b"])], name, [], [value("b")], [tensor])
        for name, tensor in {
            "then_branch": outside("w", location),
            "else_branch": numpy_helper.from_array(W, "w"),
        }.items()
    }
    condition = numpy_helper.from_array(np.array(True), "c")
    graph = helper.make_graph([helper.make_node("If", ["c"], ["y"], **branches)], "g", [], [value("y")], [condition])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def inside_a_function(location: str) -> onnx.ModelProto:
    opset = [helper.make_opsetid("", 21)]
    nodes = [
        helper.make_node("Constant", [], ["c"], value=outside("w", location)),
        helper.make_node("Add", ["a", "c"], ["b"]),
    ]
    function = helper.make_function("own", "AddW", ["a"], ["b"], nodes, opset)
    graph = helper.make_graph([helper.make_node("AddW", ["x"], ["y"], domain="own")], "g", [value("x")], [value("y")])
    return helper.make_model(
        graph, functions=[function], opset_imports=[*opset, helper.make_opsetid("own", 1)], ir_version=10
    )


def save(model: onnx.ModelProto, folder: Path, card: Card | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    if card is not None:
        helper.set_model_props(model, {METADATA_CARD: card.to_json()})
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("make", [initializer, large_with_a_place, inside_a_branch, inside_a_function])
def test_weights_are_found_wherever_a_tensor_can_be(make: Callable[[str], onnx.ModelProto], tmp_path: Path) -> None:
    path = save(make("w.bin"), tmp_path / "model")
    with pytest.raises(ModelError, match=r"no file .*w\.bin"):
        _ = ModelFile.open(path).data_files
    (path.parent / "w.bin").write_bytes(W.tobytes())
    assert ModelFile.open(path).data_files == [path.parent / "w.bin"]


def test_a_session_reads_them(tmp_path: Path) -> None:
    path = save(initializer("w.bin"), tmp_path / "model")
    (path.parent / "w.bin").write_bytes(W.tobytes())
    np.testing.assert_array_equal(Session(path, threads=1)(np.ones(4, np.float32)), W + 1)
    with pytest.raises(ModelError, match="bytes in memory"):
        Session(path.read_bytes())


def test_the_checksum_covers_them(tmp_path: Path) -> None:
    path = save(initializer("w.bin"), tmp_path / "model")
    weights = path.parent / "w.bin"
    weights.write_bytes(W.tobytes())
    save(initializer("w.bin"), path.parent, replace(CARD, checksum=ModelFile.open(path).graph_checksum()))
    assert Session(path, threads=1).card.checksum
    weights.write_bytes((W + 1).tobytes())
    with pytest.raises(ModelError, match="not the one its card describes"):
        Session(path, threads=1)


@pytest.mark.parametrize("make", [initializer, large_with_a_place, inside_a_branch, inside_a_function])
@pytest.mark.parametrize(
    "named", ["../w.bin", "{folder}/w.bin", "link.bin", "inner/../../w.bin", "inner/../inner/w.bin", "a\0b"]
)
def test_weights_elsewhere_are_refused(make: Callable[[str], onnx.ModelProto], named: str, tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(W.tobytes())
    (tmp_path / "model" / "inner").mkdir(parents=True)
    (tmp_path / "model" / "inner" / "w.bin").write_bytes(W.tobytes())
    (tmp_path / "model" / "link.bin").symlink_to(tmp_path / "w.bin")
    path = save(make(named.format(folder=tmp_path)), tmp_path / "model")
    for read in (lambda: Session(path), ModelFile.open(path).graph_checksum):
        with pytest.raises(ModelError, match="must lie in its own folder"):
            read()


@pytest.mark.parametrize("named", ["inner", "no.bin", ""])
def test_what_is_no_file_is_missing(named: str, tmp_path: Path) -> None:
    (tmp_path / "model" / "inner").mkdir(parents=True)
    with pytest.raises(ModelError, match="weights are missing"):
        Session(save(initializer(named), tmp_path / "model"))
