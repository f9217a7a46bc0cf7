"""Models whose inputs and outputs are bfloat16, beside ml_dtypes."""

from __future__ import annotations

import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from lampion_edge import InputError, ModelError, Session


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """`y = x + x` in bfloat16, and `z`, the same in float32."""
    nodes = [
        helper.make_node("Cast", ["x"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["wide", "wide"], ["z"]),
        helper.make_node("Cast", ["z"], ["y"], to=TensorProto.BFLOAT16),
    ]
    kinds = (("x", TensorProto.BFLOAT16), ("y", TensorProto.BFLOAT16), ("z", TensorProto.FLOAT))
    x, y, z = (helper.make_tensor_value_info(name, kind, ["batch", 3]) for name, kind in kinds)
    path = tmp_path / "double.onnx"
    graph = helper.make_graph(nodes, "graph", [x], [y, z])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    return path


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_there_and_back(model: Path, rows: int) -> None:
    x = np.random.default_rng(0).standard_normal((rows, 3)).astype(ml_dtypes.bfloat16)
    outputs = Session(model).run({"x": x[:, ::-1]})
    want = 2 * x[:, ::-1].astype(np.float32)
    assert (outputs["y"].dtype, outputs["z"].dtype) == (ml_dtypes.bfloat16, np.float32)
    np.testing.assert_array_equal(outputs["z"], want)
    np.testing.assert_array_equal(outputs["y"].astype(np.float32), want)


def test_other_types_are_refused(model: Path) -> None:
    with pytest.raises(InputError, match="bfloat16"):
        Session(model).run({"x": np.ones((1, 3), np.float16)})


def test_without_ml_dtypes(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(ModelError, match="ml_dtypes"):
        Session(model)
