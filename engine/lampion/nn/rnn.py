"""Recurrent layers and their cells."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from lampion.nn import functional as F
from lampion.nn import init
from lampion.nn.functional.recurrent import (
    GruLayer,
    Layer,
    LstmLayer,
    ReluLayer,
    State,
    TanhLayer,
    gru_step,
    lstm_step,
    relu_step,
    tanh_step,
)
from lampion.nn.module import Module, describe
from lampion.nn.parameter import Parameter
from lampion.nn.utils.rnn import PackedSequence, is_traced, spread
from lampion.ops.create import check_device, empty, zeros
from lampion.ops.shape import cat, stack
from lampion.symbolic import may_agree
from lampion.tensor import Tensor

Step = Callable[[Tensor, State, list[Tensor | None]], State]


class _Recurrent(Module):
    """Base of layers and cells: how many gates there are, and what one step computes."""

    gates: ClassVar[int]
    step: Step

    def __init__(self, input_size: int, hidden_size: int, bias: bool, device: Any, dtype: Any) -> None:
        super().__init__()
        check_device(device)
        if input_size < 1 or hidden_size < 1:
            raise ValueError(
                f"{type(self).__name__}: expected sizes of at least 1, got input {input_size}, hidden {hidden_size}"
            )
        self.input_size, self.hidden_size, self.bias, self._dtype = input_size, hidden_size, bias, dtype

    def _add(self, suffix: str, input_size: int, state_size: int) -> list[str]:
        """Registers one layer's weights and gives their names: of the input, of the state, and the biases."""
        rows = self.gates * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, input_size), "weight_hh": (rows, state_size)}
        shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if self.bias else {}
        for name, shape in shapes.items():
            self.register_parameter(name + suffix, Parameter(empty(*shape, dtype=self._dtype)))
        return [name + suffix for name in shapes]

    def reset_parameters(self) -> None:
        """Draws everything uniformly from [-1 / sqrt(hidden), 1 / sqrt(hidden))."""
        bound = 1 / math.sqrt(self.hidden_size)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def _weights(self, suffix: str) -> tuple[Tensor, Tensor | None, list[Tensor | None]]:
        """Weight and bias of the input, and the weights of the state."""
        found = self._parameters
        w: Any = found["weight_ih" + suffix]
        state = [found["weight_hh" + suffix], found.get("bias_hh" + suffix), found.get("weight_hr" + suffix)]
        return w, found.get("bias_ih" + suffix), [*state]

    def _check_input(self, input: Tensor, ranks: tuple[int, int]) -> None:
        size = input.shape[-1] if input.ndim else 0
        if input.ndim not in ranks or (isinstance(size, int) and size != self.input_size):
            raise RuntimeError(
                f"{type(self).__name__}: expected input of {ranks[0]} or {ranks[1]} dimensions, the last of size "
                f"{self.input_size}, got shape {list(input.shape)}"
            )

    def _check_state(self, state: State, shapes: list[tuple[Any, ...]]) -> State:
        for h, shape in zip(state, shapes, strict=True):
            if not may_agree(h.shape, shape):
                raise RuntimeError(
                    f"{type(self).__name__}: expected a state of shape {list(shape)}, got {list(h.shape)}"
                )
        return state


# ---- layers ---------------------------------------------------------------------------------------------------------


class _Layers(_Recurrent):
    """Base: `num_layers` layers, each over the whole sequence, forwards or in both directions."""

    layer: type[Layer]

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, device, dtype)
        if num_layers < 1 or not 0 <= dropout <= 1 or not 0 <= proj_size < hidden_size:
            raise ValueError(
                f"{type(self).__name__}: expected num_layers of at least 1, dropout in [0, 1] and proj_size below "
                f"hidden_size, got {num_layers}, {dropout} and {proj_size}"
            )
        self.num_layers, self.batch_first, self.dropout = num_layers, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        self._suffixes = [[f"_l{i}{way}" for way in ("", "_reverse")[: 1 + bidirectional]] for i in range(num_layers)]
        size = proj_size or hidden_size
        self.all_weights_names: list[list[str]] = []
        for i, suffixes in enumerate(self._suffixes):
            for suffix in suffixes:
                names = self._add(suffix, input_size if i == 0 else size * len(suffixes), size)
                if proj_size:
                    self.register_parameter(f"weight_hr{suffix}", Parameter(empty(size, hidden_size, dtype=dtype)))
                    names.append(f"weight_hr{suffix}")
                self.all_weights_names.append(names)
        self.reset_parameters()

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """[time, n, in] (or [n, time, in] with batch_first, or [time, in]) to every step's h, and the last state.

        A PackedSequence gives one; the state is in the order before packing.
        """
        if isinstance(input, PackedSequence):
            return self._packed(input, hx)
        self._check_input(input, (2, 3))
        if input.ndim == 2:
            lifted = None if hx is None else self._like(hx, [h.unsqueeze(1) for h in self._parts(hx)])
            output, last = self._run(input.unsqueeze(1), lifted, 1, self._whole)
            return output.squeeze(1), self._like(last, [h.squeeze(1) for h in self._parts(last)])
        x = input.transpose(0, 1) if self.batch_first else input
        output, last = self._run(x, hx, x.shape[1], self._whole)
        return output.transpose(0, 1) if self.batch_first else output, last

    def _packed(self, input: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        data, sizes, order, back = input
        self._check_input(data, (2, 2))
        if hx is not None and order is not None:
            hx = self._like(hx, [h.index_select(1, order) for h in self._parts(hx)])
        if not is_traced(sizes):
            counts = [int(n) for n in sizes.numpy()]
            output, last = self._run(data, hx, counts[0], partial(self._stepwise, counts=counts))
        else:
            padded, lengths, places = spread(input)
            output, last = self._run(padded, hx, padded.shape[1], partial(self._whole, lengths=lengths))
            output = output[places]
        if back is not None:
            last = self._like(last, [h.index_select(1, back) for h in self._parts(last)])
        return PackedSequence(output, sizes, order, back), last

    def _run(self, x: Tensor, hx: Any, n: Any, layer: Callable[..., tuple[Tensor, State]]) -> tuple[Tensor, Any]:
        """All layers. `layer` takes input, n, first state (None for zeros) and suffixes, and gives output and last state."""
        start = None if hx is None else self._check_state(self._parts(hx), self._state_shapes(n))
        ends: list[State] = []
        for i, suffixes in enumerate(self._suffixes):
            if i and self.dropout:
                x = F.dropout(x, self.dropout, self.training)
            ways = len(suffixes)
            x, end = layer(x, n, start and tuple(h.narrow(0, i * ways, ways) for h in start), suffixes)
            ends.append(end)
        last = tuple(cat(list(parts)) if len(ends) > 1 else parts[0] for parts in zip(*ends, strict=True))
        return x, last[0] if len(last) == 1 else last

    def _whole(
        self, x: Tensor, n: Any, state: State | None, suffixes: list[str], lengths: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """One layer over [time, n, in]."""
        sizes = tuple(shape[-1] for shape in self._state_shapes(n))
        op = self.layer(sizes, len(suffixes), self.bias, state is not None, lengths is not None)
        given = [x, *([] if lengths is None else [lengths]), *(state or ())]
        for suffix in suffixes:
            weight, bias, of_state = self._weights(suffix)
            given += [w for w in (weight, of_state[0], bias, *of_state[1:]) if w is not None]
        output, *last = op(*given)
        return output, tuple(last)

    def _stepwise(
        self, x: Tensor, n: Any, state: State | None, suffixes: list[str], counts: list[int]
    ) -> tuple[Tensor, State]:
        """One layer over [all rows, in], with the `counts` of rows of every step: only sequences that go on are computed."""
        shapes = [(len(suffixes), n, *shape[2:]) for shape in self._state_shapes(n)]
        state = state or tuple(zeros(*shape, dtype=x.dtype) for shape in shapes)
        ways = []
        for backwards, suffix in enumerate(suffixes):
            ways.append(self._along(x, tuple(h[backwards] for h in state), suffix, bool(backwards), counts))
        last = tuple(stack(list(parts)) for parts in zip(*[end for _, end in ways], strict=True))
        return cat([y for y, _ in ways], -1) if len(ways) > 1 else ways[0][0], last

    def _along(self, x: Tensor, state: State, suffix: str, backwards: bool, counts: list[int]) -> tuple[Tensor, State]:
        """One direction: the input's share of the gates is one product for all steps."""
        weight, bias, of_state = self._weights(suffix)
        gates = F.linear(x, weight, bias).split(counts)
        outputs: list[Tensor] = []
        for gate in reversed(gates) if backwards else gates:
            rows = gate.shape[0]  # sequences that have ended, or not begun, keep their state
            new = self.step(gate, tuple(h[:rows] for h in state), of_state)
            outputs.append(new[0])
            state = tuple(cat([a, b[rows:]]) for a, b in zip(new, state, strict=True))
        return cat(outputs[::-1] if backwards else outputs), state

    def _state_shapes(self, n: Any) -> list[tuple[Any, ...]]:
        return [(self.num_layers * (1 + self.bidirectional), n, self.proj_size or self.hidden_size)]

    def _parts(self, hx: Any) -> State:
        return (hx,)

    def _like(self, hx: Any, parts: list[Tensor]) -> Any:
        return parts[0] if isinstance(hx, Tensor) else tuple(parts)

    def extra_repr(self) -> str:
        return describe(
            self, ["input_size", "hidden_size"], proj_size=0, num_layers=1, bias=True, batch_first=False, dropout=0.0,
            bidirectional=False,
        )  # fmt: skip


class RNN(_Layers):
    """h' = tanh(x + W h + b), or relu with nonlinearity="relu" (Elman 1990). See `forward` for shapes."""

    gates = 1

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh", bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
        self.nonlinearity, self.step = nonlinearity, _elman("RNN", nonlinearity)
        self.layer = ReluLayer if nonlinearity == "relu" else TanhLayer


class GRU(_Layers):
    """h' = (1 - z) n + z h with gates r and z (Cho et al. 2014). See `forward` for shapes."""

    gates = 3
    step = staticmethod(gru_step)
    layer = GruLayer

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )


class LSTM(_Layers):
    """c' = f c + i g, h' = o tanh(c') (Hochreiter and Schmidhuber 1997); the state is (h, c). See `forward` for shapes."""

    gates = 4
    step = staticmethod(lstm_step)
    layer = LstmLayer

    def _state_shapes(self, n: Any) -> list[tuple[Any, ...]]:
        [h] = super()._state_shapes(n)
        return [h, (*h[:2], self.hidden_size)]

    def _parts(self, hx: Any) -> State:
        return _pair("LSTM", hx)


# ---- cells ----------------------------------------------------------------------------------------------------------


class _Cell(_Recurrent):
    """Base: one step of one layer."""

    states: ClassVar[int] = 1

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self._add("", input_size, hidden_size)
        self.reset_parameters()

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        """[n, in] or [in] and a state to the next state."""
        self._check_input(input, (1, 2))
        shape = (*input.shape[:-1], self.hidden_size)
        zero = (zeros(*shape, dtype=input.dtype),) * self.states
        state = self._check_state(zero if hx is None else self._parts(hx), [shape] * self.states)
        weight, bias, of_state = self._weights("")
        result = self.step(F.linear(input, weight, bias), state, of_state)
        return result[0] if self.states == 1 else result

    def _parts(self, hx: Any) -> State:
        return (hx,)

    def extra_repr(self) -> str:
        return describe(self, ["input_size", "hidden_size"], bias=True)


class RNNCell(_Cell):
    """h' = tanh(x + W h + b), or relu"""

    gates = 1

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity, self.step = nonlinearity, _elman("RNNCell", nonlinearity)


class GRUCell(_Cell):
    """h' = (1 - z) n + z h"""

    gates = 3
    step = staticmethod(gru_step)


class LSTMCell(_Cell):
    """(h', c') from (h, c)"""

    gates = 4
    step = staticmethod(lstm_step)
    states = 2

    def _parts(self, hx: Any) -> State:
        return _pair("LSTMCell", hx)


def _pair(who: str, hx: Any) -> State:
    if not isinstance(hx, tuple | list) or len(hx) != 2:
        raise TypeError(f"{who}: expected the state as a pair (h, c), got {type(hx).__name__}")
    return tuple(hx)


def _elman(who: str, nonlinearity: str) -> Step:
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"{who}: expected nonlinearity 'tanh' or 'relu', got {nonlinearity!r}")
    return relu_step if nonlinearity == "relu" else tanh_step
