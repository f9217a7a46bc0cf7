"""Gradients beside central differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion import dtypes
from lampion.autograd.walk import grad
from lampion.tape import Array, Value, wrap

if TYPE_CHECKING:
    from lampion.tensor import Tensor

Function = Callable[..., Any]


class GradcheckError(RuntimeError):
    """A gradient that the numbers contradict; names output, input and element, and both values."""


def gradcheck(
    fn: Function, inputs: Any, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3, raise_exception: bool = True,
    *, fast_mode: bool = False,
) -> bool:  # fmt: skip
    """Whether the gradients of `fn(*inputs)` agree with central differences (f(x + eps) - f(x - eps)) / 2 eps.

    Looks at every floating point input that requires grad, which should be float64, and at every such output. Disagreement by
    more than atol + rtol * |numeric| raises GradcheckError (a RuntimeError), or gives False without `raise_exception`; no
    input that requires grad raises ValueError. With `fast_mode` every element is looked at only where a derivative along one
    direction, with one weighting of the outputs, disagrees.
    """
    many = tuple(inputs) if isinstance(inputs, list | tuple) else (inputs,)
    wanted = [i for i, x in enumerate(many) if _differentiable(x)]
    if not wanted:
        raise ValueError("gradcheck: expected at least one floating point input with requires_grad=True")
    for i in wanted:
        if many[i].dtype is not dtypes.float64:
            raise ValueError(
                f"gradcheck: input {i}: differences need float64, got {many[i].dtype}; convert with .double()"
            )
    for i in wanted:
        if fast_mode and _agrees_along_a_direction(fn, many, i, eps, atol, rtol / 100):
            continue
        numeric = _numeric(fn, many, i, eps)
        for o, (exact, near) in enumerate(zip(_exact(fn, many, i), numeric, strict=True)):
            wrong = ~(np.abs(exact - near) <= atol + rtol * np.abs(near))
            if wrong.any() and raise_exception:
                raise GradcheckError(_message(wrong, exact, near, o, i, many[i].shape))
            if wrong.any():
                return False
    return True


def gradgradcheck(
    fn: Function,
    inputs: Any,
    grad_outputs: Sequence[Tensor] | None = None,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    *,
    fast_mode: bool = False,
) -> bool:
    """Whether the gradients of the gradients of `fn(*inputs)` agree with central differences. See `gradcheck`.

    `grad_outputs` are the gradients that are sent to the outputs, by default fixed numbers around 1.
    """
    many = tuple(inputs) if isinstance(inputs, list | tuple) else (inputs,)
    seeds = list(grad_outputs) if grad_outputs is not None else [_seed(y) for y in _outputs(fn(*many))]

    def gradients(*arguments: Any) -> tuple[Any, ...]:
        xs, gs = arguments[: len(many)], arguments[len(many) :]
        outputs = _outputs(fn(*xs))
        targets = [x for x in xs if _differentiable(x)]
        found = grad(outputs, targets, gs, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None and g.requires_grad)

    if not gradients(*many, *seeds):
        return True
    return gradcheck(gradients, (*many, *seeds), eps, atol, rtol, raise_exception, fast_mode=fast_mode)


def _differentiable(x: Any) -> bool:
    return hasattr(x, "_value") and bool(x.requires_grad)


def _outputs(result: Any) -> list[Tensor]:
    """The outputs that carry a gradient."""
    return [y for y in (result if isinstance(result, tuple | list) else [result]) if _differentiable(y)]


def _seed(y: Tensor) -> Tensor:
    numbers = 1 + 0.3 * np.sin(np.arange(y._value.data.size, dtype=y._value.data.dtype))
    return wrap(Value(numbers.reshape(y.shape), requires_grad=True))


def _one_hot(shape: Any, place: int) -> Tensor:
    array = np.zeros(shape)
    array.reshape(-1)[place] = 1
    return wrap(Value(array))


def _exact(fn: Function, inputs: tuple[Any, ...], i: int) -> Iterator[Array]:
    """[inputs' elements, output's elements] for every output, from one backward per output element."""
    for y in _outputs(fn(*inputs)):
        columns = []
        for place in range(y._value.data.size):
            [g] = grad(y, inputs[i], _one_hot(y.shape, place), retain_graph=True, allow_unused=True)
            columns.append(np.zeros(inputs[i].shape).reshape(-1) if g is None else g._value.data.reshape(-1))
        yield np.array(columns).reshape(len(columns), inputs[i]._value.data.size).T


def _numeric(fn: Function, inputs: tuple[Any, ...], i: int, eps: float) -> list[Array]:
    """[input's elements, output's elements] for every output, by central differences."""
    array = inputs[i]._value.data
    rows = []
    for place in range(array.size):
        ends = []
        for step in (eps, -eps):
            moved = array.copy()
            moved.reshape(-1)[place] += step
            nearby = [*inputs[:i], wrap(Value(moved, requires_grad=True)), *inputs[i + 1 :]]
            ends.append([y._value.data.reshape(-1) for y in _outputs(fn(*nearby))])
        rows.append([(up - down) / (2 * eps) for up, down in zip(*ends, strict=True)])
    sizes = [y._value.data.size for y in _outputs(fn(*inputs))]
    return [np.array([row[o] for row in rows]).reshape(array.size, n) for o, n in enumerate(sizes)]


def _agrees_along_a_direction(
    fn: Function, inputs: tuple[Any, ...], i: int, eps: float, atol: float, rtol: float
) -> bool:
    """Whether u^T J v is the same both ways, J the derivatives of an output by input i, u and v drawn away from 0."""
    rng = np.random.default_rng(0)
    array = inputs[i]._value.data
    direction = _away_from_0(rng, array.shape)
    ends = []
    for step in (eps, -eps):
        moved = wrap(Value(array + step * direction, requires_grad=True))
        ends.append([y._value.data for y in _outputs(fn(*inputs[:i], moved, *inputs[i + 1 :]))])
    for y, up, down in zip(_outputs(fn(*inputs)), *ends, strict=True):
        weights = _away_from_0(rng, up.shape)
        [g] = grad(y, inputs[i], wrap(Value(weights)), retain_graph=True, allow_unused=True)
        exact = 0.0 if g is None else (g._value.data * direction).sum()
        near = (weights * (up - down)).sum() / (2 * eps)
        if not abs(exact - near) <= atol + rtol * abs(near):
            return False
    return True


def _away_from_0(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)


def _message(wrong: Array, exact: Array, near: Array, output: int, input: int, shape: Any) -> str:
    row, column = np.argwhere(wrong)[0]
    place = [int(p) for p in np.unravel_index(row, tuple(shape))]
    return (
        f"gradcheck: d output {output} element {column} / d input {input} element {place}: "
        f"the gradient gives {exact[row, column]:.9g}, central differences give {near[row, column]:.9g} "
        f"({int(wrong.sum())} of {wrong.size} disagree); look at the gradient of the op, or stay away from kinks"
    )
