"""Control flow in words: `cond`, `while_loop`, `scan`, `map`.

Eagerly they are plain Python and differentiate as such. While tracing, a choice or a number of turns that depends on a traced
value becomes one op that holds the traced blocks: `If` or `Loop`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion import dtypes
from lampion.blocks import Block, If, Loop, given
from lampion.errors import LampionError, UntraceableError
from lampion.ops.promote import as_tensor
from lampion.ops.shape import stack
from lampion.symbolic import Size, Spec, SymBool, SymInt, fresh_axis, same
from lampion.tape import Handle, Trace, Value, as_called, recording, tracing, wrap

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class BranchError(LampionError, TypeError):
    """Two ways through a program give values of different kinds."""


# ---- functions ------------------------------------------------------------------------------------------------------


def cond(pred: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any], operands: Sequence[Any] = ()) -> Any:
    """true_fn(*operands) if `pred` (a bool, or a bool Tensor with one element) holds, else false_fn(*operands).

    Both functions must give values of the same structure and dtypes; shapes may differ, and vary then. Raises BranchError,
    while tracing, where they don't.
    """
    if not _is_traced(pred):
        return true_fn(*operands) if bool(pred) else false_fn(*operands)
    sides = [_traced(lambda *_, f=f: f(*operands), ()) for f in (true_fn, false_fn)]
    (then, then_shape), (other, other_shape) = sides
    if then_shape != other_shape:
        raise BranchError(f"cond: true_fn gives {then_shape}, false_fn {other_shape}; both must give the same")
    names = (f"true_fn {_where(true_fn)}", f"false_fn {_where(false_fn)}")
    specs = [_joined("cond", names, a.data, b.data) for a, b in zip(then.outputs, other.outputs, strict=True)]
    return _unflattened(then_shape, iter(If(tuple(specs), then, other).on(_scalar(pred))))


def while_loop(
    cond_fn: Callable[..., Any], body_fn: Callable[..., Any], carried_inputs: Sequence[Any]
) -> tuple[Any, ...]:
    """Carries the inputs through `body_fn` as long as cond_fn(*carried) holds; gives what is carried in the end.

    `body_fn` gives as many values as it takes, of the same dtypes; a size that changes between turns varies.
    """
    carried = tuple(carried_inputs)
    first = cond_fn(*carried)
    if not _is_traced(first):
        while bool(first):
            carried = _as_tuple(body_fn(*carried))
            first = cond_fn(*carried)
            if _is_traced(first):
                return while_loop(cond_fn, body_fn, carried)
        return carried

    def turn(_: Any, *state: Any) -> tuple[Any, ...]:
        new = _as_tuple(body_fn(*state))
        if len(new) != len(state):
            raise BranchError(
                f"while_loop: body_fn takes {len(state)} values and gives {len(new)}; it must give as many"
            )
        return (_scalar(cond_fn(*new)), *new)

    return _loop("while_loop", turn, first, carried, 0, None)


def scan(combine_fn: Callable[..., Any], init: Any, xs: Any, *, dim: int = 0, reverse: bool = False) -> tuple[Any, Any]:
    """Carries `init` over the slices of `xs` along `dim`: (carry, y) = combine_fn(carry, x); gives (carry, stacked ys)."""
    rows = xs.movedim(dim, 0) if dim else xs
    rows = rows.flip(0) if reverse else rows
    length = rows.shape[0]
    if not isinstance(length, SymInt):
        ys = []
        for row in rows.unbind(0):
            init, y = combine_fn(init, row)
            ys.append(y)
        stacked = stack(ys, 0)
    else:

        def turn(i: Any, carry: Any) -> tuple[Any, ...]:
            new, y = combine_fn(carry, rows.index_select(0, i.reshape(1)).squeeze(0))
            return as_tensor(True), new, y

        init, stacked = _loop("scan", turn, True, (init,), 1, length)
    return init, stacked.flip(0) if reverse else stacked


def map(f: Callable[..., Any], xs: Any) -> Any:
    """f of every slice of `xs` along its first dim, stacked."""
    return scan(lambda carry, x: (carry, f(x)), as_tensor(0), xs)[1]


# ---- tracing blocks ---------------------------------------------------------------------------------------------------


def _loop(
    who: str, turn: Callable[..., Any], first: Any, carried: Sequence[Any], given: int, limit: Size | None
) -> tuple[Any, ...]:
    """A Loop over `turn`. Sizes that change between turns vary; the body is traced again until no new one does."""
    start = [as_tensor(x) for x in carried]
    specs = [Spec(tuple(x.shape), x.dtype.numpy) for x in start]
    varying: set[tuple[int, int]] = set()
    while True:
        body, _structure = _traced(turn, [Spec((), np.int64), *specs])
        after = [v.data for v in body.outputs[1 : 1 + len(specs)]]
        changed = _changes(who, specs, after) - varying
        if not changed:
            break
        varying |= changed
        specs = [_varied(spec, {d for j, d in changed if j == i}) for i, spec in enumerate(specs)]
    rows = [v.data for v in body.outputs[1 + len(specs) :]]
    count = limit if limit is not None else fresh_axis()
    stacked = [Spec((count, *row.shape), row.dtype) for row in rows[:given]]
    return Loop((*specs, *stacked), body, len(specs), limit).on(_scalar(first), *start)


def _changes(who: str, before: Sequence[Any], after: Sequence[Any]) -> set[tuple[int, int]]:
    """The (state, dim) whose sizes a turn changes. Raises BranchError where it changes a dtype or a number of dims."""
    for i, (x, y) in enumerate(zip(before, after, strict=True)):
        _check_kinds(f"{who}: value {i}", ("before the turn", "after it"), x, y)
    return {
        (i, d)
        for i, (x, y) in enumerate(zip(before, after, strict=True))
        for d, (n, m) in enumerate(zip(x.shape, y.shape, strict=True))
        if not same(n, m)
    }


def _varied(spec: Spec, dims: set[int]) -> Spec:
    return Spec(tuple(fresh_axis() if d in dims else n for d, n in enumerate(spec.shape)), spec.dtype)


def _traced(function: Callable[..., Any], specs: Sequence[Spec]) -> tuple[Block, Any]:
    """The block that `function` is on values without numbers, and the structure of what it gives."""
    inputs = given(specs)
    with recording(Trace()) as trace:
        result = as_called(function)(*[wrap(v) for v in inputs])
    if trace.checks:
        raise UntraceableError(
            "an assert on traced values stands inside of cond, while_loop, scan or map", "if, while or for"
        )
    leaves: list[Value] = []
    structure = _flattened(result, leaves)
    return Block(inputs, trace.nodes, leaves), structure


def _joined(who: str, names: tuple[str, str], x: Any, y: Any) -> Spec:
    """The Spec of a value that is one or the other."""
    _check_kinds(who, names, x, y)
    return Spec(tuple(n if same(n, m) else fresh_axis() for n, m in zip(x.shape, y.shape, strict=True)), x.dtype)


def _check_kinds(who: str, names: tuple[str, str], x: Any, y: Any) -> None:
    if x.dtype != y.dtype or len(x.shape) != len(y.shape):
        raise BranchError(f"{who}: {names[0]} {_shown(x)}, {names[1]} {_shown(y)}; dtype and number of dims must agree")


def _shown(x: Any) -> str:
    return f"{np.dtype(x.dtype).name} [{', '.join(str(n) for n in x.shape)}]"


def _is_traced(pred: Any) -> bool:
    if isinstance(pred, SymBool):
        return True
    return tracing() and isinstance(pred, Handle) and isinstance(pred._value.data, Spec)


def _scalar(pred: Any) -> Tensor:
    """A condition as a bool Tensor without dims."""
    return as_tensor(pred, dtypes.bool_).reshape(())


def _as_tuple(result: Any) -> tuple[Any, ...]:
    return tuple(result) if isinstance(result, tuple | list) else (result,)


def _where(function: Callable[..., Any]) -> str:
    code = getattr(function, "__code__", None)
    return f"({code.co_filename}:{code.co_firstlineno})" if code is not None else repr(function)


# ---- structures of tensors ------------------------------------------------------------------------------------------


def _flattened(result: Any, leaves: list[Value]) -> Any:
    """The structure of nested tuples, lists and dicts; the Tensors and numbers in it are appended to `leaves`."""
    if isinstance(result, tuple | list):
        return type(result).__name__, tuple(_flattened(x, leaves) for x in result)
    if isinstance(result, dict):
        return "dict", tuple((k, _flattened(x, leaves)) for k, x in result.items())
    if result is None:
        return "None", ()
    leaves.append(as_tensor(result)._value)
    return "tensor", ()


def _unflattened(structure: Any, leaves: Iterator[Tensor]) -> Any:
    kind, parts = structure
    if kind == "tensor":
        return next(leaves)
    if kind == "None":
        return None
    if kind == "dict":
        return {k: _unflattened(part, leaves) for k, part in parts}
    many = [_unflattened(part, leaves) for part in parts]
    return tuple(many) if kind == "tuple" else many
