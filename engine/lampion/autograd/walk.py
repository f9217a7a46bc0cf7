"""Backward over the tape: one walk from the newest node to the oldest."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion import dtypes
from lampion.autograd.mode import SetGrad
from lampion.tape import Node, Value, grad_mode, tracing, wrap

if TYPE_CHECKING:
    from lampion.tensor import Tensor


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
) -> None:
    """Adds the gradient of `tensors` to `.grad` of every leaf that requires it.

    `grad_tensors` may be left out for one-element tensors. Raises RuntimeError where it may not, where a tensor does not
    require grad, and where the graph was freed by an earlier call without `retain_graph`.
    """
    roots, seeds = _roots(tensors, grad_tensors)
    run(roots, seeds, None, bool(create_graph if retain_graph is None else retain_graph), create_graph)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of `outputs` with respect to `inputs`, in a tuple, leaving every `.grad` as it was.

    With `create_graph` they can be differentiated again. Raises RuntimeError for an input that the outputs do not depend
    on, unless `allow_unused` gives None for it.
    """
    roots, seeds = _roots(outputs, grad_outputs)
    many: Sequence[Any] = inputs if isinstance(inputs, list | tuple) else [inputs]
    targets = [t._value for t in many]
    for value in targets:
        if not value.requires_grad:
            raise RuntimeError("grad: one of the inputs does not require grad; set requires_grad_() on it before use")
    found = run(roots, seeds, targets, bool(create_graph if retain_graph is None else retain_graph), create_graph)
    result = tuple(found.get(v.key) for v in targets)
    if not allow_unused and any(g is None for g in result):
        raise RuntimeError(
            f"grad: input {result.index(None)} was not used to compute the outputs; allow_unused=True gives None for it"
        )
    return result


def run(
    roots: Sequence[Value],
    seeds: Sequence[Tensor],
    targets: Sequence[Value] | None,
    retain_graph: bool,
    create_graph: bool,
    walks: Callable[[Node], bool] = lambda node: True,
    hooks: bool = True,
) -> dict[Any, Tensor]:
    """One walk from the newest node to the oldest. Accumulates into leaves, or into the result for `targets`.

    Of the nodes that are reached, it goes through those that it `walks`. Without `hooks` none is called: it is part of
    another walk.
    """
    walk = _Walk(None if targets is None else {v.key for v in targets}, create_graph, hooks)
    with SetGrad(create_graph):
        for value, seed in zip(roots, seeds, strict=True):
            walk.keep_apart(seed)
            walk.send(value, seed)
        while walk.queue:
            node, grads = walk.newest()
            if not walks(node):
                continue
            for value, g in _gradients(node, grads, create_graph):
                if grad_mode.anomaly:
                    _check_nan(node, value, g)
                walk.send(value, g)
            if not retain_graph:
                node.walked = True
                node.inputs = node.inputs if tracing() else None  # a trace is converted later
    return walk.found


class _Walk:
    """What is under way during one backward: gradients sent to nodes that were not visited yet."""

    def __init__(self, wanted: set[Any] | None, create_graph: bool, hooks: bool) -> None:
        self.wanted = wanted
        self.create_graph = create_graph
        self.hooks = hooks
        self.found: dict[Any, Tensor] = {}
        self.queue: list[tuple[int, Node]] = []
        self.sent: dict[Node, list[Any]] = {}
        self.observers: dict[Node, list[Value]] = {}
        self.taken: set[int] = set()

    def send(self, value: Value, g: Tensor) -> None:
        """Adds `g` to the gradient of `value`."""
        node = value.node
        if node is None:
            self.arrive(value, g)
            return
        grads = self.sent.get(node)
        if grads is None:
            grads = self.sent[node] = [None] * len(node.data)
            heapq.heappush(self.queue, (-node.order, node))
        before = grads[value.index]
        grads[value.index] = g if before is None else before + g
        if (value.hooks or value.retains_grad) and self.hooks:
            observers = self.observers.setdefault(node, [])
            if value not in observers:
                observers.append(value)

    def arrive(self, leaf: Value, g: Tensor) -> None:
        """A gradient has come to a leaf."""
        g = _hooked(leaf, g) if self.hooks else g
        if self.wanted is None:
            if leaf.grad is None:
                leaf.grad = self.keep_apart(g)
            elif self.create_graph or not _added(leaf.grad, g):
                leaf.grad = leaf.grad + g
        elif leaf.key in self.wanted:
            self.found[leaf.key] = _sum(self.found.get(leaf.key), g)

    def newest(self) -> tuple[Node, list[Any]]:
        """The newest node left, with its gradients complete."""
        _, node = heapq.heappop(self.queue)
        grads = self.sent.pop(node)
        for value in self.observers.pop(node, ()):
            g = grads[value.index] = _hooked(value, grads[value.index])
            if value.retains_grad:
                value.grad = _sum(value.grad, g)
        if self.wanted is not None:
            self.found |= {(node, i): g for i, g in enumerate(grads) if g is not None and (node, i) in self.wanted}
        return node, grads

    def keep_apart(self, g: Tensor) -> Tensor:
        """`g` as a leaf may keep it: in memory that nobody else writes to."""
        value = g._value
        if not isinstance(value.data, np.ndarray):
            return g
        data = value.data
        version = value.version
        apart = data.base is None and data.flags.writeable and not (version.shared or version.views)
        apart = apart and id(data) not in self.taken
        data = data if apart else data.copy()
        self.taken.add(id(data))
        if self.create_graph:
            return g if apart else g.clone()
        return wrap(Value(data))


def _gradients(node: Node, grads: list[Any], create_graph: bool) -> Iterable[tuple[Value, Tensor]]:
    """What `node` sends to each of its inputs."""
    if node.inputs is None:
        raise RuntimeError(
            f"backward: the graph at {node.op!r} was already walked and freed: Trying to backward through the graph a second "
            "time; give the first call retain_graph=True"
        )
    inputs = [_as_saved(node, i, v) for i, v in enumerate(node.inputs)]
    if len(grads) == 1:
        results = node.op.gradient(grads[0], _as_given(node, 0, create_graph), *inputs)
    else:
        outs = tuple([_as_given(node, i, create_graph) for i in range(len(grads))])
        results = node.op.gradient(tuple(grads), outs, *inputs)
    for value, g in zip(node.inputs, results, strict=True):
        if value.requires_grad and g is not None:
            yield value, g() if callable(g) else g


def _check_nan(node: Node, value: Value, g: Tensor) -> None:
    """Raises RuntimeError for a gradient with nan, naming the op that it was computed for and where that ran."""
    array = g._value.data
    if not isinstance(array, np.ndarray) or dtypes.kind(array.dtype) not in "fc" or not np.isnan(array).any():
        return
    place, expression = node.where or ("a place not remembered, outside of detect_anomaly()", "")
    raise RuntimeError(
        f"backward: {node.op!r} returned nan values in its gradient for an input of shape {list(value.data.shape)}\n"
        f"  the op ran at {place}{f': `{expression}`' if expression else ''}"
    )


def _as_saved(node: Node, i: int, value: Value) -> Tensor:
    """The input for the gradient's formula; one that was overwritten since refuses to be computed with."""
    if value.version.writes != node.writes[i]:
        return wrap(Value(Overwritten(value.data, node)))
    return wrap(value)


def _as_given(node: Node, i: int, create_graph: bool) -> Tensor:
    """Output `i` for the gradient's formula; as `_as_saved`. Formulas of views don't look at their output."""
    data = node.data[i]
    if node.versions[i].writes and not node.op.view:
        data = Overwritten(data, node)
        return wrap(Value(data))
    return wrap(Value(data, create_graph, node, i))


class Overwritten:
    """Stands for an array that was changed in place after it was saved: it has a shape, but no numbers."""

    def __init__(self, data: Any, node: Node) -> None:
        self.shape, self.dtype, self.ndim, self.node = data.shape, data.dtype, data.ndim, node

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError(
            f"one of the variables needed for gradient computation has been modified by an inplace operation: an input or "
            f"output of {self.node.op!r} of shape {list(self.shape)}; change a copy of it instead"
        )


def _roots(tensors: Any, grads: Any) -> tuple[list[Value], list[Tensor]]:
    from lampion.ops.create import ones_like

    many = list(tensors) if isinstance(tensors, list | tuple) else [tensors]
    seeds = list(grads) if isinstance(grads, list | tuple) else [grads] * len(many)
    for i, (t, g) in enumerate(zip(many, seeds, strict=True)):
        if not t.requires_grad:
            raise RuntimeError(
                f"element {i} of tensors does not require grad and does not have a grad_fn: nothing it was computed from has "
                "requires_grad=True"
            )
        if g is None:
            if any(n != 1 for n in t.shape):
                raise RuntimeError(
                    f"grad can be implicitly created only for scalar outputs, got shape {list(t.shape)}; reduce it "
                    "(.sum(), .mean()) or pass the gradient"
                )
            data = t._value.data
            seeds[i] = wrap(Value(np.ones_like(data))) if isinstance(data, np.ndarray) else ones_like(t.detach())
        elif tuple(g.shape) != tuple(t.shape):
            raise RuntimeError(f"grad_tensors[{i}]: expected shape {list(t.shape)}, got {list(g.shape)}")
    return [t._value for t in many], seeds


def _sum(a: Tensor | None, b: Tensor) -> Tensor:
    return b if a is None else a + b


def _added(total: Tensor, g: Tensor) -> bool:
    """Adds `g` to the memory of `total`, as PyTorch does, where both are arrays that allow it. Whether that was done."""
    mine, theirs = total._value, g._value.data
    array = mine.data
    known = isinstance(array, np.ndarray) and isinstance(theirs, np.ndarray) and not tracing()
    if not known or array.shape != theirs.shape:
        return False
    if mine.requires_grad or not array.flags.writeable or array.dtype != theirs.dtype:
        return False
    np.add(array, theirs, out=array)
    mine.version.writes += 1
    return True


def _hooked(value: Value, g: Tensor) -> Tensor:
    if value.hooks:
        for hook in list(value.hooks.values()):
            new = hook(g)
            g = g if new is None else new
    return g
