"""Runs a function on values without numbers, and keeps what it did."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from lampion.checks import Checked
from lampion.nn.module import Module
from lampion.symbolic import Shape, Spec, SymInt
from lampion.tape import Node, Trace, Value, as_called, grad_enabled, recording, wrap
from lampion.tensor import Tensor
from lampion_export.autograph import converted
from lampion_export.autograph.heap import Heap
from lampion_export.autograph.proxies import Unusable, plain
from lampion_export.errors import ExportError, UnsupportedError

Example = dict[str, np.ndarray[Any, Any]]
Dynamic = Mapping[str, Mapping[int, str]]


@dataclass
class Traced:
    """What a function did: its inputs and outputs by name, and every op between them in order."""

    inputs: dict[str, Value]
    outputs: dict[str, Value]
    nodes: list[Node]


def named_example(function: Callable[..., Any], example: Any) -> Example:
    """The example as arrays by the names of the function's parameters.

    `example` is an array, a Tensor or a shape, a tuple of such, or a dict of such by name. Shapes stand for float32 noise.
    """
    names = _parameter_names(function)
    if isinstance(example, Mapping):
        parts = dict(example)
    else:
        many = example if isinstance(example, tuple) and not _is_shape(example) else (example,)
        if len(many) > len(names):
            raise ExportError(f"example: {_name(function)} takes {len(names)} arguments, got {len(many)} examples")
        parts = dict(zip(names, many, strict=False))
    return {name: _array(name, part) for name, part in parts.items()}


def trace(function: Callable[..., Any], example: Example, dynamic: Dynamic) -> Traced:
    """Runs `function` on Specs shaped as the example, with the axes of `dynamic` as SymInts.

    Modules run in eval mode. Raises UntraceableError where Python would look at a traced value, UnsupportedError where the
    function changes a module's state, ExportError for axes and outputs that make no sense.
    """
    inputs = {name: Value(Spec(_shape(name, array, dynamic), array.dtype)) for name, array in example.items()}
    memory = Heap(function).remember()
    with evaluating(function), grad_enabled(False), recording(Trace(converted)) as record:
        try:
            result = as_called(function)(**{name: wrap(value) for name, value in inputs.items()})
        finally:
            memory.put_back()
        outputs = _checked(_outputs(result), record)
    return Traced(inputs, outputs, record.nodes)


@contextmanager
def evaluating(function: Callable[..., Any]) -> Iterator[None]:
    """Modules in eval mode for a while. Raises UnsupportedError, with the state put back, if it was changed inside."""
    if not isinstance(function, Module):
        yield
        return
    modes = [(module, module.training) for module in function.modules()]
    state = {name: _Kept(t) for name, t in state_of(function)}
    function.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        changed = [name for name, kept in state.items() if kept.put_back()]
    if changed:
        raise UnsupportedError(
            f"{type(function).__name__}: forward changes {', '.join(changed)} in eval mode, which a file can't keep",
            hint="pass the state in as an input and give it back as an output",
        )


class _Kept:
    """A parameter or buffer as it was."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor, self.value = tensor, tensor._value
        self.data, self.writes, self.numbers = self.value.data, self.value.version.writes, self.value.data.copy()

    def put_back(self) -> bool:
        """Undoes what was done to it since; whether anything was."""
        value = self.value
        if self.tensor._value is value and value.data is self.data and value.version.writes == self.writes:
            return False
        self.tensor._value, value.data = value, self.data
        self.data[...] = self.numbers
        return True


def state_of(module: Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers by name."""
    yield from module.named_parameters()
    yield from module.named_buffers()


def axis_names(dynamic: Dynamic) -> list[str]:
    """The names of the dynamic axes, each once."""
    return list(dict.fromkeys(name for axes in dynamic.values() for name in axes.values()))


def check_dynamic(example: Example, dynamic: Dynamic) -> None:
    """Raises ExportError for an input or axis that the example does not have, or sizes that contradict each other."""
    sizes: dict[str, tuple[int, str]] = {}
    for name, axes in dynamic.items():
        if name not in example:
            raise ExportError(f"dynamic: no input {name!r}; the inputs are {', '.join(example)}")
        for dim, axis in axes.items():
            if not isinstance(dim, int) or not 0 <= dim < example[name].ndim:
                raise ExportError(
                    f"dynamic[{name!r}]: axis {dim!r} is outside the example's shape {list(example[name].shape)}"
                )
            size = example[name].shape[dim]
            before, where = sizes.setdefault(axis, (size, f"{name}[{dim}]"))
            if before != size:
                raise ExportError(
                    f"dynamic: axis {axis!r} is {before} in {where} and {size} in {name}[{dim}]; they must agree"
                )


def _shape(name: str, array: np.ndarray[Any, Any], dynamic: Dynamic) -> Shape:
    axes = dynamic.get(name, {})
    return tuple(SymInt.axis(axes[i]) if i in axes else n for i, n in enumerate(array.shape))


def _checked(outputs: dict[str, Value], record: Trace) -> dict[str, Value]:
    """The outputs, the first of them only where all that the program asserts holds."""
    if record.checks:
        name, value = next(iter(outputs.items()))
        checked: Tensor = Checked(tuple(m for _, m in record.checks))(
            wrap(value), *[holds for holds, _ in record.checks]
        )
        outputs = outputs | {name: checked._value}
    return outputs


def _outputs(result: Any) -> dict[str, Value]:
    if isinstance(result, Mapping):
        many = dict(result)
    elif isinstance(result, Sequence):
        many = {f"output_{i}": x for i, x in enumerate(result)} if len(result) != 1 else {"output": result[0]}
    else:
        many = {"output": result}
    many = {name: plain(x) for name, x in many.items()}
    for name, x in many.items():
        if isinstance(x, Unusable):
            x.refuse_output()
        if not isinstance(x, Tensor):
            raise ExportError(f"{name}: expected the model to return Tensors, got {type(x).__name__}")
    return {name: x._value for name, x in many.items()}


def _parameter_names(function: Callable[..., Any]) -> list[str]:
    call = function.forward if isinstance(function, Module) else function
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in inspect.signature(call).parameters.values() if p.kind in kinds]


def _is_shape(example: tuple[Any, ...]) -> bool:
    return bool(example) and all(isinstance(n, int) for n in example)


def _array(name: str, part: Any) -> np.ndarray[Any, Any]:
    if isinstance(part, tuple) and _is_shape(part):
        return np.random.default_rng(0).standard_normal(part).astype(np.float32)
    array = part.detach().numpy() if isinstance(part, Tensor) else np.asarray(part)
    if array.dtype == object:
        raise ExportError(f"example {name!r}: expected an array, a Tensor or a shape, got {type(part).__name__}")
    return array


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)
