"""`diff` names what was changed, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from foreign_models import branching, classifier
from onnx import helper, numpy_helper

from lampion_export import add_card
from lampion_export.card_editing import set_card
from lampion_export.diff import diff

Change = Callable[[onnx.ModelProto], None]


def nothing(model: onnx.ModelProto) -> None:
    """Other names for nodes."""
    for i, node in enumerate(model.graph.node):
        node.name = f"renamed_{i}"


def one_weight(model: onnx.ModelProto) -> None:
    array = numpy_helper.to_array(model.graph.initializer[1]).copy()
    array[0, 0] += 0.5
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(array, "w"))


def a_setting(model: onnx.ModelProto) -> None:
    model.graph.node[1].attribute.append(helper.make_attribute("strides", [2, 2]))


def an_op_more(model: onnx.ModelProto) -> None:
    model.graph.node[3].input[0] = "relu"
    model.graph.node.insert(3, helper.make_node("Relu", ["g"], ["relu"]))


def another_name(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = model.graph.node[0].input[0] = "image"


@pytest.mark.parametrize(
    ("change", "parts", "words"),
    [
        (nothing, set(), "the same"),
        (one_weight, {"weights", "answers"}, "weight   w: max difference 0.5"),
        (a_setting, {"ops", "answers"}, r"op       ~ Conv (as by default) -> strides=(2, 2)"),
        (an_op_more, {"ops", "answers"}, "op       + Relu of GlobalAveragePool"),
        (another_name, {"tensors", "ops", "answers"}, "tensor   input image: none -> float32 [n, 3, 32, 32]"),
    ],
)
def test_what_was_changed_is_named(change: Change, parts: set[str], words: str, tmp_path: Path) -> None:
    a, b = classifier(tmp_path / "f.onnx"), tmp_path / "b"
    b.mkdir()
    model = onnx.load(a)
    change(model)
    onnx.save(model, b / "f.onnx")
    found = diff(a, b / "f.onnx")
    assert {name for name, part in vars(found).items() if part} == parts
    assert found.same == (not parts)
    assert words in str(found)


def test_what_an_op_reads_is_compared_too(tmp_path: Path) -> None:
    paths = [tmp_path / "a.onnx", tmp_path / "b.onnx"]
    for path, order in zip(paths, (("p", "q"), ("q", "p")), strict=True):
        nodes = [helper.make_node("Neg", ["x"], ["p"]), helper.make_node("Neg", ["p"], ["q"])]
        nodes.append(helper.make_node("Sub", order, ["y"]))
        ends = [[helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2])] for name in "xy"]
        graph = helper.make_graph(nodes, "g", *ends)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    found = diff(*paths)
    assert found.ops == ["~ Sub reads #0.0 #1.0 -> #1.0 #0.0"]
    assert found.answers["y"] > 0


def test_a_branch_is_looked_into(tmp_path: Path) -> None:
    a, b = branching(tmp_path / "a.onnx"), branching(tmp_path / "b.onnx")
    model = onnx.load(b)
    branch = next(each for each in model.graph.node[3].attribute if each.g.node[0].op_type == "Neg")
    branch.g.node[0].op_type = "Abs"
    onnx.save(model, b)
    assert diff(a, b).ops == ["- If.else_branch/Neg of x", "+ If.else_branch/Abs of x"]


def test_a_card_that_says_something_else(tmp_path: Path) -> None:
    a, b = tmp_path / "a.onnx", tmp_path / "b.onnx"
    add_card(classifier(tmp_path / "f.onnx"), a, card={"name": "same"}, quiet=True)
    set_card(a, b, {"labels": list("abcd"), "metrics": {"accuracy": np.float32(0.5)}})
    found = diff(a, b)
    assert found.card == {"labels": ([], ["a", "b", "c", "d"]), "metrics": ({}, {"accuracy": 0.5})}
    assert {name for name, part in vars(found).items() if part} == {"card"}
