"""Less memory for more time: what lies inside is computed again for backward. PyTorch's `torch.utils.checkpoint`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from lampion.autograd.mode import SetGrad
from lampion.autograd.walk import run
from lampion.ops.promote import Op
from lampion.ops.random import default_generator
from lampion.symbolic import Spec
from lampion.tape import Array, Value, grad_mode, moment, tracing, wrap
from lampion.tensor import Tensor


class Recomputed(Op):
    """What a function gave; its gradient calls the function again. The inputs are all Values that it depends on."""

    stores = True

    def __init__(self, function: Callable[..., Any], outputs: tuple[Array, ...]) -> None:
        self.function, self.outputs = function, outputs

    def forward(self, *arrays: Any) -> Any:
        outputs, self.outputs = self.outputs, ()  # kept once, by the node
        return outputs

    def infer(self, *inputs: Any) -> Any:
        return tuple(Spec(y.shape, y.dtype) for y in self.outputs)

    def gradient(self, g: Any, out: Any, *inputs: Tensor) -> tuple[Any, ...]:
        create_graph, since = grad_mode.enabled, moment()
        with SetGrad(True):
            again = _tensors(self.function())
        sent = g if isinstance(g, tuple) else (g,)
        pairs = [(y, h) for y, h in zip(again, sent, strict=True) if h is not None and y.requires_grad]
        targets = [x._value for x in inputs]
        roots, seeds = [y._value for y, _ in pairs], [h for _, h in pairs]
        found = run(roots, seeds, targets, create_graph, create_graph, lambda node: node.order >= since)
        return tuple(found.get(v.key) for v in targets)


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """`function(*args, **kwargs)`, whose intermediate values are computed again in backward instead of being kept.

    `function` gives a Tensor, or a tuple or list of Tensors. With `preserve_rng_state` it draws the same random numbers again.
    Gradients reach the arguments and whatever else it uses, such as parameters. `use_reentrant` changes nothing: there is one
    way. Raises TypeError for other results.
    """
    if not grad_mode.enabled or tracing():
        return function(*args, **kwargs)
    state = default_generator.get_state() if preserve_rng_state else None
    since = moment()
    result = function(*args, **kwargs)
    outputs = _tensors(result)
    sources = list(_sources([y._value for y in outputs], since))
    if not sources:
        return result

    def again() -> Any:
        with _drawing_from(state):
            return function(*args, **kwargs)

    arrays = tuple(y._value.data for y in outputs)
    recomputed = Recomputed(again, arrays)(*sources)
    return recomputed[0] if isinstance(result, Tensor) else type(result)(recomputed)


def checkpoint_sequential(functions: Any, segments: int, input: Tensor, **options: Any) -> Tensor:
    """The functions one after another, in as many checkpointed segments as asked for; the last is kept."""
    steps = list(functions)
    size = max(len(steps) // segments, 1)
    starts = [i * size for i in range(min(segments, len(steps)))]
    for first, last in pairwise(starts):
        input = checkpoint(_chain(steps[first:last]), input, **options)
    return _chain(steps[starts[-1] :])(input)


def _chain(steps: Sequence[Callable[[Tensor], Tensor]]) -> Callable[[Tensor], Tensor]:
    def function(x: Tensor) -> Tensor:
        for step in steps:
            x = step(x)
        return x

    return function


def _tensors(result: Any) -> list[Tensor]:
    many = [result] if isinstance(result, Tensor) else result
    if not isinstance(many, list | tuple) or not all(isinstance(y, Tensor) for y in many):
        raise TypeError(
            f"checkpoint: expected function to give a Tensor, or a tuple or list of them, got {type(result).__name__}"
        )
    return list(many)


def _sources(values: list[Value], since: int) -> Iterator[Tensor]:
    """The Values from before the moment `since` that require grad and that `values` were computed from, once each."""
    seen: set[Any] = set()
    while values:
        value = values.pop()
        if not value.requires_grad or value.key in seen:
            continue
        seen.add(value.key)
        if value.node is not None and value.node.order > since:
            values.extend(value.node.inputs or ())
        else:
            yield wrap(value)


@contextmanager
def _drawing_from(state: Any) -> Iterator[None]:
    """Random numbers from a former state inside, and on from the present one afterwards."""
    if state is None:
        yield
        return
    present = default_generator.get_state()
    default_generator.set_state(state)
    try:
        yield
    finally:
        default_generator.set_state(present)
