"""Recurrent layers as ONNX's own operators: sizes of time and batch that vary, packed sequences, states."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

import lampion
from lampion import UntraceableError, nn
from lampion.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from lampion_edge import Session
from lampion_export.card import complete_card
from lampion_export.exporter import build, serialized
from lampion_export.verification import run_eagerly

BATCH_FIRST = {"batch_first": True}
BOTH = {"bidirectional": True, "num_layers": 2}
FLOAT64 = {"dtype": lampion.float64}
SIZES = ((5, 3), (1, 2), (9, 1))


class Stateless(nn.Module):
    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Any) -> Any:
        return flat(self.layer(x))


class Stateful(Stateless):
    """A layer with a first state; `c` is for an LSTM alone."""

    def forward(self, x: Any, h: Any, c: Any) -> Any:
        return flat(self.layer(x, (h, c) if isinstance(self.layer, nn.LSTM) else h))


def flat(result: Any) -> tuple[Any, ...]:
    out, last = result
    return (out, *(last if isinstance(last, tuple) else (last,)))


class Packed(nn.Module):
    """A layer over sequences of unequal length."""

    def __init__(self, layer: Any, total: bool = False) -> None:
        super().__init__()
        self.layer, self.total = layer, total

    def forward(self, x: Any, lengths: Any) -> Any:
        first = self.layer.batch_first
        packed = pack_padded_sequence(x, lengths, first, enforce_sorted=False)
        packed = packed._replace(data=packed.data * 2)
        out, last = self.layer(packed)
        longest = x.shape[first] if self.total else None
        padded, counts = pad_packed_sequence(out, first, 0.5, longest)
        return (counts, *flat((padded, last)))


def example(module: Any, time: int, n: int) -> dict[str, Any]:
    layer, draw = module.layer, np.random.default_rng(time)
    kind = layer.weight_ih_l0.dtype.numpy
    x = draw.standard_normal((n, time, 3) if layer.batch_first else (time, n, 3)).astype(kind)
    if isinstance(module, Packed):
        return {"x": x, "lengths": draw.integers(1, time + 1, n)}
    ways = layer.num_layers * (1 + layer.bidirectional)
    h, c = (draw.standard_normal((ways, n, size)).astype(kind) for size in (layer.proj_size or 4, 4))
    return {"x": x, "h": h, "c": c} if isinstance(module, Stateful) else {"x": x}


def exported(module: Any) -> tuple[Counter[str], Session]:
    first = module.layer.batch_first
    dynamic = {"x": {first: "time", 1 - first: "batch"}, "h": {1: "batch"}, "c": {1: "batch"}, "lengths": {0: "batch"}}
    inputs = example(module, 4, 2)
    model = build(module, inputs, {name: axes for name, axes in dynamic.items() if name in inputs})
    return Counter(n.op_type for n in model.graph), Session(
        serialized(model, complete_card(None, "module", model.graph))
    )


def check(module: Any, session: Session) -> None:
    for time, n in SIZES:
        inputs = example(module, time, n)
        want = run_eagerly(module, inputs, [spec.name for spec in session.outputs])
        got = session.run(inputs)
        for name, array in want.items():
            np.testing.assert_allclose(got[name], array, rtol=1e-4, atol=1e-5, err_msg=f"{name} at {time}, {n}")


@pytest.mark.parametrize("settings", [{}, BOTH, BATCH_FIRST, {"bias": False, "bidirectional": True}], ids=str)
@pytest.mark.parametrize("wrapper", [Stateless, Stateful, Packed])
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_a_layer_is_one_operator_at_any_length(kind: str, wrapper: Any, settings: dict[str, Any]) -> None:
    lampion.manual_seed(0)
    module = wrapper(getattr(nn, kind)(3, 4, **settings)).eval()
    operators, session = exported(module)
    assert operators[kind] == settings.get("num_layers", 1)
    assert operators["Loop"] == 0
    check(module, session)


@pytest.mark.parametrize("wrapper", [Stateless, Stateful, Packed])
@pytest.mark.parametrize("settings", [{"proj_size": 2, **BOTH}, FLOAT64, {**FLOAT64, **BOTH}], ids=str)
def test_what_the_operator_lacks_is_a_loop(settings: dict[str, Any], wrapper: Any) -> None:
    """ONNX has no projection, onnxruntime no float64."""
    lampion.manual_seed(0)
    module = wrapper(nn.LSTM(3, 4, **settings)).eval()
    operators, session = exported(module)
    assert operators["LSTM"] == 0
    assert operators["Loop"] > 0
    check(module, session)


def test_relu_and_padding_to_the_longest_there_may_be() -> None:
    module = Packed(nn.RNN(3, 4, nonlinearity="relu", **BATCH_FIRST), total=True).eval()
    _, session = exported(module)
    assert session.outputs[1].shape == ("batch", "time", 4)
    check(module, session)


def test_weights_that_are_inputs_are_put_into_onnx_order_at_run_time() -> None:
    gru = nn.GRU(3, 4, bidirectional=True)
    names = [name for name, _ in gru.named_parameters()]

    def function(x: Any, weights: Any) -> Any:
        parts = weights.split([p.numel() for p in gru.parameters()])
        state = {n: w.reshape(p.shape) for n, w, p in zip(names, parts, gru.parameters(), strict=True)}
        return called(gru, state, x)

    draw = np.random.default_rng(0)
    inputs = {"x": draw.standard_normal((5, 2, 3), np.float32)}
    inputs["weights"] = draw.standard_normal(sum(p.numel() for p in gru.parameters()), np.float32)
    model = build(function, inputs, {"x": {0: "time"}})
    assert "GRU" in {n.op_type for n in model.graph}
    session = Session(serialized(model, complete_card(None, "module", model.graph)))
    want = run_eagerly(function, inputs, [spec.name for spec in session.outputs])
    for name, array in want.items():
        np.testing.assert_allclose(session.run(inputs)[name], array, rtol=1e-4, atol=1e-5)


def called(module: Any, state: dict[str, Any], x: Any) -> Any:
    """The module with other values in its parameters."""
    kept = {name: p._value for name, p in module.named_parameters()}
    for name, p in module.named_parameters():
        p._value = state[name]._value
    try:
        return module(x)
    finally:
        for name, p in module.named_parameters():
            p._value = kept[name]


def test_a_packed_sequence_without_its_order_is_refused() -> None:
    gru = nn.GRU(3, 4)

    def function(x: Any, lengths: Any) -> Any:
        packed = pack_padded_sequence(x, lengths)
        return gru(PackedSequence(packed.data, packed.batch_sizes))[1]

    with pytest.raises(UntraceableError, match="without sorted_indices"):
        build(function, {"x": np.zeros((4, 2, 3), np.float32), "lengths": np.array([4, 2])}, {})


def test_gradients_run_through_plain_steps() -> None:
    """The fused op stands only where no gradient is recorded, and both give the same numbers."""
    lampion.manual_seed(0)
    layer, x = nn.LSTM(3, 4, bidirectional=True), lampion.randn(5, 2, 3)
    out, _ = layer(x)
    with lampion.no_grad():
        quiet, _ = layer(x)
    np.testing.assert_array_equal(out.detach().numpy(), quiet.numpy())
    out.sum().backward()
    assert all(p.grad is not None for p in layer.parameters())
