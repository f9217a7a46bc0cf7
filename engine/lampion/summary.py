"""`summary`: what a model's layers give, how many parameters they have, and how much they multiply."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from lampion.autograd import no_grad
from lampion.nn.module import Module
from lampion.ops.conv import Convolution, ConvolutionInput
from lampion.ops.fused import Fused
from lampion.ops.matmul import MatMul
from lampion.symbolic import Spec
from lampion.tape import Node, Primitive, Trace, Value, recording, wrap
from lampion.tensor import Tensor

# A product or convolution has these from the shapes of its inputs and of its output; all else counts as nothing.
_MULTIPLY_ADDS: dict[type[Primitive], Callable[..., int]] = {
    MatMul: lambda x, y, out: math.prod(out) * x[-1],
    Convolution: lambda x, weight, out: math.prod(out) * math.prod(weight[1:]),
    ConvolutionInput: lambda x, weight, out: math.prod(x) * math.prod(weight[1:]),
}


@dataclass
class Layer:
    """One row: a module without what its submodules do. `output` is None for one that was not called."""

    name: str
    kind: str
    output: tuple[int, ...] | None
    parameters: int
    multiply_adds: int

    def cells(self) -> list[str]:
        """The row as texts."""
        shape = "-" if self.output is None else str(list(self.output))
        return [self.name or "(model)", self.kind, shape, f"{self.parameters:,}", f"{self.multiply_adds:,}"]


@dataclass
class Summary:
    """The layers of a model; its text is a table."""

    layers: list[Layer]

    @property
    def parameters(self) -> int:
        """How many parameters there are, shared ones counted once."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """How many multiplications, each with an addition, one run takes."""
        return sum(layer.multiply_adds for layer in self.layers)

    def __str__(self) -> str:
        head = ["layer", "kind", "output", "parameters", "multiply-adds"]
        total = ["total", "", "", f"{self.parameters:,}", f"{self.multiply_adds:,}"]
        rows = [head, *(layer.cells() for layer in self.layers), total]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if i < 3 else cell.rjust(width) for i, (cell, width) in enumerate(pairs)
            ).rstrip()
            for pairs in (list(zip(row, widths, strict=True)) for row in rows)
        ]
        rule = "-" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

    __repr__ = __str__


def summary(model: Module, *inputs: Any) -> Summary:
    """The layers of `model` in the order of its definition, as a call with `inputs` uses them in eval mode.

    An input is a shape, which stands for float32 numbers, or an array or Tensor, of which only shape and dtype matter: nothing
    is computed. Multiply-adds are those of matrix products and convolutions. Raises UntraceableError for a model that looks at
    numbers to decide what to do.

        >>> print(lampion.summary(nn.Linear(4, 2), (1, 4)))
    """
    layers = {module: Layer(name, type(module).__name__, None, 0, 0) for name, module in model.named_modules()}
    seen: set[int] = set()
    for module, layer in layers.items():
        own = [p for p in module.parameters(recurse=False) if id(p) not in seen]
        seen |= {id(p) for p in own}
        layer.parameters = sum(math.prod(p.shape) for p in own)
    with no_grad(), _without_numbers(model), recording(Trace()) as trace, _attributed(layers, trace.nodes):
        model(*map(_symbol, inputs))
    shown = [layer for m, layer in layers.items() if layer.parameters or layer.multiply_adds or not list(m.children())]
    return Summary(shown)


@contextmanager
def _attributed(layers: dict[Module, Layer], nodes: list[Node]) -> Iterator[None]:
    """While open, gives every node to the innermost module that is being called, and every module its output's shape."""
    open_calls: list[Module] = []

    def multiplied() -> int:
        total = sum(map(_multiply_adds, nodes))
        nodes.clear()
        return total

    def enter(module: Module, args: Any) -> None:
        outside = multiplied()
        if open_calls:
            layers[open_calls[-1]].multiply_adds += outside
        open_calls.append(module)

    def leave(module: Module, args: Any, output: Any) -> None:
        layers[module].multiply_adds += multiplied()
        layers[module].output = _shape(output)
        open_calls.pop()

    handles = [m.register_forward_pre_hook(enter) for m in layers] + [m.register_forward_hook(leave) for m in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _without_numbers(model: Module) -> Iterator[None]:
    """While open, the model is in eval mode and its parameters are shapes, so that whatever uses them is on the tape."""
    modes = {module: module.training for module in model.modules()}
    values = {p: p._value for p in model.parameters()}
    model.eval()
    for p in values:
        p._value = Value(Spec(tuple(p.shape), p.dtype.numpy))
    try:
        yield
    finally:
        for p, value in values.items():
            p._value = value
        for module, training in modes.items():
            module.training = training


def _multiply_adds(node: Node) -> int:
    if isinstance(node.op, Fused) and node.inputs is not None:
        with recording(Trace()) as plain:
            node.op.plain(*map(wrap, node.inputs))
        return sum(map(_multiply_adds, plain.nodes))
    count = _MULTIPLY_ADDS.get(type(node.op))
    if count is None or node.inputs is None:
        return 0
    return count(*(value.data.shape for value in node.inputs), node.data[0].shape)


def _symbol(input: Any) -> Tensor:
    if isinstance(input, tuple) and all(isinstance(n, int) for n in input):
        return wrap(Value(Spec(input, np.float32)))
    array = input.detach().numpy() if isinstance(input, Tensor) else np.asarray(input)
    return wrap(Value(Spec(array.shape, array.dtype)))


def _shape(output: Any) -> tuple[int, ...] | None:
    """Of a Tensor, or of the first one in a tuple."""
    while isinstance(output, tuple | list) and output:
        output = output[0]
    return tuple(output.shape) if isinstance(output, Tensor) else None
