"""Whole derivatives of functions, from one backward per output element."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lampion.autograd.walk import grad

if TYPE_CHECKING:
    from lampion.tensor import Tensor


def jacobian(func: Callable[..., Any], inputs: Any, create_graph: bool = False) -> Any:
    """d func / d inputs: shape [*output, *input], a tuple of them for a tuple of inputs, nested for several outputs.

    Raises TypeError where `func` gives something other than Tensors.
    """
    many, xs = _leaves(inputs, create_graph)
    result = func(*xs)
    rows: list[Any] = [_rows(y, xs, create_graph) for y in (result if isinstance(result, tuple) else (result,))]
    rows = rows if many else [row[0] for row in rows]
    return tuple(rows) if isinstance(result, tuple) else rows[0]


def hessian(func: Callable[..., Tensor], inputs: Any, create_graph: bool = False) -> Any:
    """The second derivatives of a function with one number as output: shape [*input, *input], nested for a tuple of inputs.

    Raises RuntimeError where the output has more than one element.
    """
    many = isinstance(inputs, tuple)

    def first(*xs: Tensor) -> Any:
        y = func(*xs)
        if y.numel() != 1:
            raise RuntimeError(f"hessian: expected an output of one element, got shape {list(y.shape)}")
        rows = _rows(y.reshape(()), xs, True)
        return rows if many else rows[0]

    return jacobian(first, inputs, create_graph)


def vjp(func: Callable[..., Any], inputs: Any, v: Any = None) -> tuple[Any, Any]:
    """`func(inputs)`, and `v` times its jacobian; `v` may be left out for an output of one element."""
    many, xs = _leaves(inputs, False)
    result = func(*xs)
    found = grad(result, xs, v, allow_unused=True)
    filled = tuple(x.detach() * 0 if g is None else g for g, x in zip(found, xs, strict=True))
    return result, filled if many else filled[0]


def hvp(func: Callable[..., Tensor], inputs: Any, v: Any) -> tuple[Tensor, Any]:
    """`func(inputs)`, one number, and its second derivatives times `v` (shaped as `inputs`), without forming them.

    The gradient of (first derivatives . v), by Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6
    (1994). Raises RuntimeError where the output has more than one element.
    """
    many, xs = _leaves(inputs, False)
    result = func(*xs)
    first = grad(result, xs, create_graph=True, allow_unused=True)
    pairs = [(g, w) for g, w in zip(first, v if many else (v,), strict=True) if g is not None and g.requires_grad]
    found: tuple[Any, ...] = (None,) * len(xs)
    if pairs:
        found = grad([g for g, _ in pairs], xs, [w for _, w in pairs], allow_unused=True)
    filled = tuple(x.detach() * 0 if h is None else h for h, x in zip(found, xs, strict=True))
    return result.detach(), filled if many else filled[0]


def _leaves(inputs: Any, create_graph: bool) -> tuple[bool, tuple[Tensor, ...]]:
    """The inputs as Tensors to differentiate by: themselves where the result is to depend on them, else copies."""
    many = isinstance(inputs, tuple)
    xs = inputs if many else (inputs,)
    if create_graph:
        return many, tuple(x if x.requires_grad else x.detach().requires_grad_() for x in xs)
    return many, tuple(x.detach().requires_grad_() for x in xs)


def _rows(y: Tensor, xs: tuple[Tensor, ...], create_graph: bool) -> tuple[Tensor, ...]:
    """For every input the gradients of all elements of `y`, as [*output, *input]."""
    from lampion.ops.create import zeros
    from lampion.ops.shape import stack

    if not hasattr(y, "requires_grad"):
        raise TypeError(f"jacobian: expected func to give Tensors, got {type(y).__name__}")
    rows: list[list[Tensor]] = [[] for _ in xs]
    for element in y.reshape(-1) if y.requires_grad else ():
        found = grad(element, xs, retain_graph=True, create_graph=create_graph, allow_unused=True)
        for row, g, x in zip(rows, found, xs, strict=True):
            row.append(zeros(*x.shape, dtype=x.dtype) if g is None else g)
    return tuple(
        stack(row).reshape(*y.shape, *x.shape) if row else zeros(*y.shape, *x.shape, dtype=x.dtype)
        for row, x in zip(rows, xs, strict=True)
    )
