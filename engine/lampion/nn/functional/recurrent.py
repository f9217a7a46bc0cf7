"""Recurrent layers: one step, and one layer over a whole sequence.

A step takes what the input gives to the gates, the state and its weights to the next state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from lampion.control import scan
from lampion.kernels import recurrent as kernels
from lampion.kernels.recurrent import Kernel, weight_gradients
from lampion.nn.functional.linear import linear
from lampion.nn.functional.lstm_gradient import lstm_gradient
from lampion.ops.analysis import sigmoid, tanh
from lampion.ops.arithmetic import relu
from lampion.ops.comparison import where
from lampion.ops.create import arange, zeros
from lampion.ops.fused import Arrays, Fused, alike, numbers
from lampion.ops.shape import cat, chunk, stack
from lampion.symbolic import Spec, SymInt
from lampion.tape import Array, grad_mode
from lampion.tensor import Tensor

State = tuple[Tensor, ...]
Weights = list[Tensor | None]  # of the state: weight, bias, and for an LSTM with projection its weight
Step = Callable[[Tensor, State, Weights], State]

# ---- steps ----------------------------------------------------------------------------------------------------------


def tanh_step(gates: Tensor, state: State, weights: Weights) -> State:
    """h' = tanh(x + W h + b)"""
    return (tanh(gates + _of_state(state, weights)),)


def relu_step(gates: Tensor, state: State, weights: Weights) -> State:
    """h' = relu(x + W h + b)"""
    return (relu(gates + _of_state(state, weights)),)


def gru_step(gates: Tensor, state: State, weights: Weights) -> State:
    """h' = (1 - z) n + z h, n = tanh(x + r (W h + b)), gates r and z (Cho et al. 2014)"""
    (h,) = state
    (xr, xz, xn), (hr, hz, hn) = chunk(gates, 3, -1), chunk(_of_state(state, weights), 3, -1)
    r, z = sigmoid(xr + hr), sigmoid(xz + hz)
    n = tanh(xn + r * hn)
    return (n + z * (h - n),)


def lstm_step(gates: Tensor, state: State, weights: Weights) -> State:
    """c' = f c + i g, h' = o tanh(c'), gates i, f, g and o (Hochreiter and Schmidhuber 1997); h' may be projected."""
    i, f, g, o = chunk(gates + _of_state(state, weights), 4, -1)
    c = sigmoid(f) * state[1] + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    projection = weights[2] if len(weights) > 2 else None
    return (h if projection is None else linear(h, projection)), c


def _of_state(state: State, weights: Weights) -> Tensor:
    assert weights[0] is not None
    return linear(state[0], weights[0], weights[1])


# ---- layers ---------------------------------------------------------------------------------------------------------


class Layer(Fused):
    """Base: one layer over time, in one direction or both.

    Takes x [time, n, in]; with `lengths` int64 [n], how many steps of each sequence count; with `state` its first value
    [directions, n, hidden], one for each of `sizes`; then for each direction the weights of input and state, with `bias` their
    biases, and the projection of h where it has another size than c. Gives every step's h [time, n, directions * hidden], 0
    behind the end of a sequence, and the last state.
    """

    operator = True
    gates: ClassVar[int]
    step: Step
    of_arrays: ClassVar[Kernel]

    def __init__(
        self, sizes: tuple[int, ...], directions: int, bias: bool, state: bool = False, lengths: bool = False
    ) -> None:
        self.sizes, self.directions, self.bias, self.state, self.lengths = sizes, directions, bias, state, lengths

    @property
    def projected(self) -> bool:
        """Whether h is a projection."""
        return len(set(self.sizes)) > 1

    def split(self, inputs: tuple[Any, ...]) -> tuple[Any, Any, tuple[Any, ...], list[tuple[Any, ...]]]:
        """The inputs by meaning: x, lengths or None, the first state, and the weights of each direction."""
        x, *rest = inputs
        lengths = rest.pop(0) if self.lengths else None
        states = len(self.sizes) if self.state else 0
        each = 2 + 2 * self.bias + self.projected
        weights = [tuple(rest[i : i + each]) for i in range(states, len(rest), each)]
        return x, lengths, tuple(rest[:states]), weights

    def infer(self, x: Any, *rest: Any) -> tuple[Spec, ...]:
        time, n, _ = x.shape
        out = Spec((time, n, self.directions * self.sizes[0]), x.dtype)
        return out, *[Spec((self.directions, n, size), x.dtype) for size in self.sizes]

    @property
    def outputs(self) -> int:
        return 1 + len(self.sizes)

    def has_kernel(self, *inputs: Tensor) -> bool:
        return not (self.lengths or self.projected) and alike(*inputs)

    def kernel(self, *arrays: Array) -> tuple[Array, ...]:
        x, _, _, weights = self.split(arrays)
        ways = [
            self.of_arrays.forward(self._turned(x, i), self._first(arrays, i), self._of_way(w))
            for i, w in enumerate(weights)
        ]
        outs = [self._turned(out, i) for i, (out, _, _) in enumerate(ways)]
        out = np.ascontiguousarray(outs[0]) if len(outs) == 1 else np.concatenate(outs, -1)
        last = [np.stack([end[k] for _, end, _ in ways]) for k in range(len(self.sizes))]
        saved = [array for _, _, kept in ways for array in kept] if grad_mode.enabled else []
        return out, *last, *saved

    def kernel_gradient(self, sent: Arrays, given: Any, inputs: Any, wanted: Sequence[bool]) -> Arrays:
        arrays = tuple(map(numbers, inputs))
        x, _, _, weights = self.split(arrays)
        saved, size = list(map(numbers, given[self.outputs :])), self.sizes[0]
        each = len(saved) // self.directions
        dx, firsts, dweights = None, [], []
        for i, w in enumerate(weights):
            turned, first, of_way = self._turned(x, i), self._first(arrays, i), self._of_way(w)
            h, dh = (
                self._turned(a[..., i * size : (i + 1) * size], i)
                for a in (numbers(given[0]), np.zeros_like(given[0]) if sent[0] is None else sent[0])
            )
            ends = tuple(np.zeros_like(f) if g is None else g[i] for f, g in zip(first, sent[1:], strict=False))
            kept = tuple(saved[i * each : (i + 1) * each])
            of_input, of_state, dfirst = self.of_arrays.gradient(first, of_way, h, kept, dh, ends)
            dweights += weight_gradients(turned, h, first[0], of_input, of_state, self.bias)
            firsts.append(dfirst)
            if wanted[0]:
                share = self._turned(of_input, i).reshape(-1, of_input.shape[-1]) @ of_way[0]
                dx = share if dx is None else dx + share
        states = [np.stack([way[k] for way in firsts]) for k in range(len(self.sizes))] if self.state else []
        return None if dx is None else dx.reshape(x.shape), *states, *dweights

    def _turned(self, x: Array, way: int) -> Array:
        """The steps in the order of a direction."""
        return x[::-1] if way else x

    def _first(self, arrays: tuple[Array, ...], way: int) -> tuple[Array, ...]:
        """The state that a direction begins with."""
        x, _, first, _ = self.split(arrays)
        if first:
            return tuple(h[way] for h in first)
        return tuple(np.zeros((x.shape[1], size), x.dtype) for size in self.sizes)

    def _of_way(self, weights: tuple[Array, ...]) -> Any:
        return weights if self.bias else (*weights, None, None)

    def plain(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        x, lengths, first, weights = self.split(inputs)
        shapes = [(self.directions, x.shape[1], size) for size in self.sizes]
        first = first or tuple(zeros(*shape, dtype=x.dtype) for shape in shapes)
        mask = None if lengths is None else arange(x.shape[0]).unsqueeze(1) < lengths
        ways = [self._along(x, mask, tuple(h[i] for h in first), w, i == 1) for i, w in enumerate(weights)]
        out = cat([y for y, _ in ways], -1) if len(ways) > 1 else ways[0][0]
        return out, *[stack([end[i] for _, end in ways]) for i in range(len(self.sizes))]

    def _along(
        self, x: Tensor, mask: Tensor | None, state: State, weights: tuple[Tensor, ...], backwards: bool
    ) -> tuple[Tensor, State]:
        """One direction: the input's share of the gates is one product for all steps."""
        share, of_state = self.gate_inputs(x, weights)
        if isinstance(x.shape[0], SymInt):
            return self._scanned(share, mask, state, of_state, backwards)
        parts = [share.unbind(0), [None] * x.shape[0] if mask is None else mask.unbind(0)]
        outputs: list[Tensor] = []
        for gate, counts in reversed(list(zip(*parts, strict=True))) if backwards else zip(*parts, strict=True):
            state, y = self._next(gate, state, of_state, counts)
            outputs.append(y)
        return stack(outputs[::-1] if backwards else outputs), state

    def _scanned(
        self, share: Tensor, mask: Tensor | None, state: State, of_state: Weights, backwards: bool
    ) -> tuple[Tensor, State]:
        """The same along a time axis that varies: a loop, which carries the state in one tensor."""
        width, count = share.shape[-1], 0 if mask is None else 1
        if mask is not None:
            share = cat([share, mask.to(share.dtype).unsqueeze(-1)], -1)

        def turn(carry: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
            before = tuple(carry.split(list(self.sizes), -1))
            new, y = self._next(row[..., :width], before, of_state, row[..., width] > 0 if count else None)
            return cat(list(new), -1), y

        last, out = scan(turn, cat(list(state), -1), share, reverse=backwards)
        return out, tuple(last.split(list(self.sizes), -1))

    def _next(self, gate: Tensor, state: State, of_state: Weights, counts: Tensor | None) -> tuple[State, Tensor]:
        """The next state and h; sequences that have ended, or not begun, keep their state."""
        new = self.step(gate, state, of_state)
        if counts is None:
            return new, new[0]
        keeps = counts.unsqueeze(-1)
        return tuple(where(keeps, a, b) for a, b in zip(new, state, strict=True)), where(keeps, new[0], 0.0)

    def gate_inputs(self, x: Tensor, weights: tuple[Tensor, ...]) -> tuple[Tensor, Weights]:
        """What x gives to the gates of all steps, and the weights of the state."""
        rest: Iterator[Tensor] = iter(weights)
        of_input, of_state = next(rest), next(rest)
        bias, state_bias = (next(rest), next(rest)) if self.bias else (None, None)
        return linear(x, of_input, bias), [of_state, state_bias, *rest]


class TanhLayer(Layer):
    """Elman 1990."""

    gates, step, of_arrays = 1, staticmethod(tanh_step), kernels.TANH


class ReluLayer(Layer):
    """Elman's with relu."""

    gates, step, of_arrays = 1, staticmethod(relu_step), kernels.RELU


class GruLayer(Layer):
    """Cho et al. 2014."""

    gates, step, of_arrays = 3, staticmethod(gru_step), kernels.GRU


class LstmLayer(Layer):
    """Hochreiter and Schmidhuber 1997."""

    gates, step, of_arrays = 4, staticmethod(lstm_step), kernels.LSTM

    def has_gradient_in_ops(self, *inputs: Tensor) -> bool:
        sizes = [n for t in inputs for n in t._value.data.shape]
        plain = self.directions == 1 and not (self.lengths or self.projected) and all(type(n) is int for n in sizes)
        return plain and {t._value.data.dtype for t in inputs} == {np.dtype("f4")}  # which is what runtimes have

    def gradient_in_ops(self, sent: Sequence[Tensor | None], given: Any, inputs: Any) -> tuple[Tensor | None, ...]:
        x, _, first, (weights,) = self.split(inputs)
        out, dh, dc = sent
        last = [None if d is None else d[0] for d in (dh, dc)]
        dx, states, of_weights = lstm_gradient(x, tuple(h[0] for h in first), weights, given[0], (out, *last))
        return dx, *[d.unsqueeze(0) for d in states if first], *of_weights
