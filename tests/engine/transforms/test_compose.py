"""Compose and the arithmetic: what trains is what is exported."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lampion
from lampion import nn
from lampion import transforms as T
from lampion.symbolic import Spec, SymInt
from lampion.tape import Trace, Value, recording, wrap

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 20, 24, 3)).astype(np.uint8)


def usual() -> T.Compose:
    return T.Compose([
        T.Resize((8, 6)), T.RandomHorizontalFlip(), T.ToDtype(lampion.float32, scale=True), T.ToChannelsFirst(),
        T.Normalize([0.1, 0.2, 0.3], [1, 2, 4]),
    ])  # fmt: skip


def test_parts_and_card() -> None:
    compose = usual()
    assert [type(t).__name__ for t in compose.decode_part] == ["Resize"]
    assert [type(t).__name__ for t in compose.graph_part] == ["ToDtype", "ToChannelsFirst", "Normalize"]
    assert compose.card() == {
        "resize": {"size": [8, 6], "rule": "stretch", "interpolation": "bilinear"},
        "in_graph": [
            {"op": "scale", "by": 1 / 255},
            {"op": "layout", "to": "channels_first"},
            {"op": "normalize", "mean": [0.1, 0.2, 0.3], "std": [1.0, 2.0, 4.0]},
        ],
    }
    assert len(compose) == 5


def test_in_eval_mode_it_is_its_two_parts() -> None:
    compose = usual().eval()
    whole = compose(IMAGES)
    np.testing.assert_array_equal(compose.graph_part(compose.decode_part(IMAGES)).numpy(), whole.numpy())
    small = T.Resize((8, 6))(IMAGES).astype(np.float64) / 255
    expected = (small - [0.1, 0.2, 0.3]) / [1, 2, 4]
    np.testing.assert_allclose(whole.numpy(), expected.transpose(0, 3, 1, 2), atol=1e-6)


def test_graph_part_is_traceable() -> None:
    with recording(Trace()) as trace:
        out = usual().graph_part(wrap(Value(Spec((SymInt.axis("batch"), 8, 6, 3), np.uint8))))
    assert out.dtype is lampion.float32
    assert [str(n) for n in out.shape] == ["batch", "3", "8", "6"]
    assert [type(n.op).__name__ for n in trace.nodes] == ["Cast", "Div", "Permute", "Sub", "Div"]


def test_a_model_may_follow() -> None:
    net = nn.Sequential(usual().graph_part, nn.Flatten(), nn.Linear(144, 2))
    assert net(lampion.tensor(T.Resize((8, 6))(IMAGES))).shape == (2, 2)
    assert list(net.state_dict()) == ["2.weight", "2.bias"]


@pytest.mark.parametrize(
    ("transform", "input", "expected"),
    [
        (T.ToDtype(lampion.float32, scale=True), np.array([0, 255], np.uint8), [0, 1]),
        (T.ToDtype(lampion.float64), np.array([0, 255], np.uint8), [0, 255]),
        (T.ToDtype(lampion.float32, scale=True), np.array([0.5], np.float32), [0.5]),
        (T.ToDtype(lampion.float32, scale=True), np.array([32767], np.int16), [1]),
        (T.Normalize([2.0], [4.0]), lampion.tensor([[[10.0]]]), [[[2.0]]]),
        (T.ToChannelsFirst(), np.arange(3).reshape(1, 1, 3), [[[0]], [[1]], [[2]]]),
        (T.ToChannelsLast(), np.arange(3).reshape(3, 1, 1), [[[0, 1, 2]]]),
    ],
)
def test_arithmetic(transform: Any, input: Any, expected: Any) -> None:
    assert transform(input).tolist() == expected


@pytest.mark.parametrize(
    ("use", "kind", "message"),
    [
        (lambda: T.Compose([T.ToDtype("float32"), T.Resize(3)]), ValueError, "expected Resize before ToDtype"),
        (lambda: T.Compose([T.ToChannelsFirst(), T.RandomCrop(3)]), ValueError, "expected RandomCrop before"),
        (lambda: T.Compose([T.Resize(3), T.Grayscale()]).card(), ValueError, "in this order; got Resize, Grayscale"),
        (lambda: T.Compose([T.Resize(3), T.Resize(4)]).card(), ValueError, "one resize"),
        (lambda: T.Compose([T.ToDtype("float32"), nn.ReLU()]).card(), ValueError, "a card can't describe ReLU"),
        (lambda: T.ToDtype(lampion.int64, scale=True), ValueError, "a floating point dtype to scale to"),
        (lambda: T.Normalize([1.0], [1.0, 2.0]), ValueError, "as many means as stds"),
        (lambda: T.Normalize([1.0], [0.0]), ValueError, "none of which is 0"),
        (lambda: T.Normalize([1.0], [1.0])(lampion.tensor([1])), TypeError, "place it behind ToDtype"),
        (
            lambda: T.Normalize([1.0] * 3, [1.0] * 3)(lampion.zeros(8, 6, 3)),
            ValueError,
            "place it behind ToChannelsFirst",
        ),
    ],
)
def test_message(use: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        use()
