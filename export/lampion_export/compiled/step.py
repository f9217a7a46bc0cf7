"""Runs a function once on values without numbers, and keeps what it computed and what it left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lampion.blocks import Controlled
from lampion.symbolic import Shape, Spec, SymInt
from lampion.symbolic_float import SymFloat
from lampion.tape import Node, Primitive, Trace, Value, as_called, recording, wrap
from lampion.tensor import Tensor
from lampion_export.autograph import converted
from lampion_export.compiled.arguments import flattened, unflattened
from lampion_export.compiled.flat import Joining, Joint
from lampion_export.compiled.reach import Reached, changes
from lampion_export.compiled.updates import Afterwards, Update, asked_for, is_afterwards
from lampion_export.errors import UnsupportedError

Axes = dict[int, dict[int, str]]  # by the place of an argument's Tensor, the names of its axes that vary


class UnsettledError(Exception):
    """The function changed Python objects: it was setting up what it uses from then on, or does so in every call."""


@dataclass
class Step:
    """What a function did. Inputs and outputs are Values of the tape, by what they stand for."""

    arguments: list[Value]
    axes: Axes
    numbers: dict[int, tuple[Tensor, Value]]  # by id: a Tensor's numbers before
    gradients: dict[int, tuple[Tensor, Value]]
    settings: list[tuple[dict[str, Any], str, Value]]
    joints: list[Joint] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)  # that follow the graph
    inside: set[int] = field(default_factory=set)  # ids of optimizers' groups whose settings the graph knows
    equal: list[list[Tensor]] = field(default_factory=list)
    draws: list[tuple[Primitive, Value]] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    results: list[Value] = field(default_factory=list)
    form: Any = None
    written: dict[int, tuple[Tensor, Value]] = field(default_factory=dict)  # by id: a Tensor's numbers after
    left: dict[int, tuple[Tensor, Value | None]] = field(default_factory=dict)  # by id: its gradient after
    changed: dict[int, Value] = field(default_factory=dict)  # by place: an argument's numbers after
    slopes: dict[int, Value] = field(default_factory=dict)  # by place: an argument's gradient after


def traced(
    function: Callable[..., Any], form: Any, leaves: list[Tensor], reached: Reached, axes: Axes, gradients: bool,
    in_memory: bool = True,
) -> Step:  # fmt: skip
    """Runs `function` on Specs in place of the numbers of its arguments and of all Tensors that it reaches.

    With `gradients` every leaf has one when it starts, else those that have one now. With `in_memory` optimizers that can
    update arrays do so after the graph, where nothing in it asks for what they did. Raises UnsettledError where it changes
    Python objects, UntraceableError where Python would look at a number.
    """
    memory = reached.heap.remember()
    arrays = {id(t): t._value.data for t in reached.tensors}
    step = _prepared(leaves, reached, axes, gradients)
    with recording(Trace(converted)) as record:
        try:
            joining = Joining(arrays, in_memory)
            with joining.on(reached.optimizers), _as_inputs(step.settings):
                result = as_called(function)
                args, kwargs = unflattened(form, iter(leaves))
                result = result(*args, **kwargs)
            many: list[Tensor] = []
            step.form = flattened(result, many)
            step.results = [t._value for t in many]
            _check_results(step.results)
            changed = changes(memory.changed())
            step.updates, step.inside = joining.updates, joining.inside
            _keep_effects(step, leaves)
        finally:
            memory.put_back()
    if changed:
        names = ", ".join(sorted({place.name or "a variable" for place in changed}))
        raise UnsettledError(f"it changes Python objects, which a graph can't ({names})")
    if record.checks:
        raise UnsupportedError("assert and raise on traced values can't be compiled")
    step.joints, step.equal = list(joining.joints.values()), list(joining.equal.values())
    if step.updates and _asks_for_updated(step, record.nodes):
        return traced(function, form, leaves, reached, axes, gradients, False)
    _draw_outside(step, record.nodes)
    return step


def _prepared(leaves: list[Tensor], reached: Reached, axes: Axes, gradients: bool) -> Step:
    """Puts Specs in place of all numbers."""
    step = Step([], axes, {}, {}, [])
    for i, t in enumerate(leaves):
        step.arguments.append(_stand_in(t, axes.get(i, {})))
    for t in reached.state:
        had = t._value.grad
        step.numbers[id(t)] = (t, _stand_in(t, {}))
        if t.requires_grad and (gradients or had is not None):
            grad = Value(Spec(t._value.data.shape, t._value.data.dtype))
            t._value.grad = wrap(grad)
            step.gradients[id(t)] = (t, grad)
    step.settings = [(group, name, Value(Spec((), np.float64))) for group, name in reached.settings()]
    return step


def _stand_in(t: Tensor, axes: dict[int, str]) -> Value:
    """Gives a Tensor a Value without numbers."""
    old = t._value
    shape: Shape = tuple(SymInt.axis(axes[d]) if d in axes else n for d, n in enumerate(old.data.shape))
    new = Value(Spec(shape, old.data.dtype), old.requires_grad)
    new.hooks = old.hooks
    t._value = new
    return new


@contextmanager
def _as_inputs(settings: list[tuple[dict[str, Any], str, Value]]) -> Iterator[None]:
    """Optimizers' settings for a while as numbers that are not known."""
    before = [(group, name, group[name]) for group, name, _ in settings]
    for group, name, value in settings:
        group[name] = SymFloat(wrap(value))
    try:
        yield
    finally:
        for group, name, old in before:
            group[name] = old


def _keep_effects(step: Step, leaves: list[Tensor]) -> None:
    """What has become of the Tensors' numbers and gradients."""
    for key, (t, before) in step.numbers.items():
        if t._value is not before:
            step.written[key] = (t, t._value)
        new = None if t._value.grad is None else t._value.grad._value
        if new is not (step.gradients[key][1] if key in step.gradients else None):
            step.left[key] = (t, new)
    first = {id(t): None for u in step.updates if u.is_left(step.left) for t in u.members}  # theirs in a row
    step.left = {key: step.left[key] for key in dict.fromkeys((*first, *step.left)) if key in step.left}
    for i, (t, before) in enumerate(zip(leaves, step.arguments, strict=True)):
        if t._value is not before:
            step.changed[i] = t._value
        if t._value.grad is not None:
            step.slopes[i] = t._value.grad._value


def _asks_for_updated(step: Step, nodes: list[Node]) -> bool:
    """Whether the graph would have to do what was left to optimizers; where not, what they leave is none of its business."""
    for update in step.updates:
        for t in update.changed():
            if not is_afterwards(step.written.pop(id(t), (t, step.numbers[id(t)][1]))[1]):
                return True
    every = (inner for node in nodes for inner in (node, *_inside(node)))
    values = [v for _, v in (*step.written.values(), *step.left.values()) if v is not None]
    return asked_for(every, [*values, *step.results, *step.changed.values(), *step.slopes.values()])


def _check_results(results: list[Value]) -> None:
    for value in results:
        if value.requires_grad and (value.node is None or not value.node.walked):
            raise UnsupportedError(
                "it gives a Tensor that backward can be called on, which would not reach what is inside: call backward() "
                "inside too, or compute under no_grad()"
            )


def _draw_outside(step: Step, nodes: list[Node]) -> None:
    """Random numbers are drawn by the engine's own generators before the graph runs: the same as without it."""
    for node in nodes:
        if any(inner.op.random for inner in _inside(node)):
            raise UnsupportedError(
                "random numbers inside of a loop or branch that the data decides about can't be compiled"
            )
        if isinstance(node.op, Afterwards):
            continue
        if node.op.random and not node.inputs:
            value = Value(node.data[0], False, node)
            step.draws.append((node.op, value))
        else:
            step.nodes.append(node)


def _inside(node: Node) -> Iterator[Node]:
    """All nodes in the blocks of a branch or loop."""
    for block in node.op.blocks if isinstance(node.op, Controlled) else ():
        for inner in block.nodes:
            yield inner
            yield from _inside(inner)
