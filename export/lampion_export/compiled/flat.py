"""An optimizer's step over all parameters at once: its formula runs on one long Tensor instead of on each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from lampion.autograd import enable_grad, no_grad
from lampion.ops.shape import cat
from lampion.optim.optimizer import Optimizer
from lampion.symbolic import Spec
from lampion.tape import Value, wrap
from lampion.tensor import Tensor
from lampion_export.compiled.updates import Update, afterwards, is_in_memory

Arrays = dict[int, Any]  # by the id of a Tensor, the numbers that it had before the trace


@dataclass
class Joint:
    """Tensors whose numbers lie side by side, with the one Value that stood for all of them before and after the step."""

    names: list[Tensor]
    before: Value
    after: Value | None = None
    pieces: tuple[Value, ...] = ()

    def current(self) -> Tensor:
        """All numbers in a row; those that were there before the trace where nobody has written since."""
        if all(t._value is first for t, first in zip(self.names, self.pieces, strict=True)):
            return wrap(self.after or self.before)
        return cat([t.detach().reshape(-1) for t in self.names])

    def become(self, new: Tensor) -> None:
        """Every Tensor takes its piece of `new`."""
        place = 0
        with no_grad():
            for t in self.names:
                piece = new[place : place + t.numel()].reshape(t.shape)
                place += t.numel()
                t._rename(piece, True)
        self.after, self.pieces = new._value, tuple(t._value for t in self.names)


class Joining:
    """The joints of one trace."""

    def __init__(self, arrays: Arrays, in_memory: bool) -> None:
        self.arrays, self.in_memory = arrays, in_memory
        self.updates: list[Update] = []
        self.inside: set[int] = set()  # ids of groups whose settings the graph knows
        self.joints: dict[tuple[int, ...], Joint] = {}
        self.equal: dict[int, list[Tensor]] = {}  # by the id of the first, Tensors without dims that stay equal

    def joint(self, names: list[Tensor]) -> Joint:
        """The one joint of these Tensors."""
        key = tuple(map(id, names))
        if key not in self.joints:
            spec = Spec((sum(t.numel() for t in names),), names[0]._value.data.dtype)
            self.joints[key] = Joint(names, Value(spec), pieces=tuple(t._value for t in names))
        return self.joints[key]

    @contextmanager
    def on(self, optimizers: Sequence[Optimizer]) -> Iterator[None]:
        """Their `step` for a while the joint one, where their formula goes element by element."""
        flat = [o for o in optimizers if type(o).step is Optimizer.step and hasattr(o.update, "elementwise")]
        for optimizer in flat:
            optimizer.__dict__["step"] = _step_of(optimizer, self)
        try:
            yield
        finally:
            for optimizer in flat:
                del optimizer.__dict__["step"]

    def update(self, optimizer: Optimizer, group: dict[str, Any], members: list[Tensor]) -> None:
        """One update of several parameters that are alike: in memory after the graph, or as a part of it."""
        if self.in_memory and is_in_memory(optimizer, group, members):
            self.postpone(optimizer, group, members)
        elif len(members) > 1:
            self.join(optimizer, group, members)
        else:
            self.inline(optimizer, group, members)

    def inline(self, optimizer: Optimizer, group: dict[str, Any], members: list[Tensor]) -> None:
        """Updates one by one."""
        self.inside.add(id(group))
        for p in members:
            optimizer.update(p, _gradient(p, group), group, optimizer.state[p])

    def postpone(self, optimizer: Optimizer, group: dict[str, Any], members: list[Tensor]) -> None:
        """Keeps an update for when the graph has run."""
        states = [optimizer.state[p] for p in members]
        parts = {key: [s[key] for s in states] for key in states[0]}
        state = {key: many for key, many in parts.items() if many[0].ndim}
        common = {key: many for key, many in parts.items() if not many[0].ndim}
        gradients = [p.grad.detach() for p in members]  # type: ignore[union-attr]
        for many in (members, *state.values()):
            self.joint(many)
        self.equal |= {id(many[0]): many for many in common.values()}
        update = Update(optimizer, group, members, [g._value for g in gradients], state, common)
        self.updates.append(update)
        for many in (members, *parts.values()):
            for t, gradient in zip(many, gradients, strict=True):
                afterwards(t, gradient)

    def join(self, optimizer: Optimizer, group: dict[str, Any], members: list[Tensor]) -> None:
        """One update whose formula runs on one long Tensor."""
        self.inside.add(id(group))
        params, states = self.joint(members), [optimizer.state[p] for p in members]
        gradient = cat([p.grad.detach().reshape(-1) for p in members])  # type: ignore[union-attr]
        joints = {key: self.joint([s[key] for s in states]) for key, x in states[0].items() if x.ndim}
        common = {key: [s[key] for s in states] for key, x in states[0].items() if not x.ndim}
        state = {key: j.current() for key, j in joints.items()} | {
            k: wrap(many[0]._value) for k, many in common.items()
        }
        new = params.current()
        optimizer.update(new, -gradient if group.get("maximize") else gradient, group, state)
        params.become(new)
        for key, joint in joints.items():
            joint.become(state[key])
        for key, many in common.items():
            self.equal[id(many[0])] = many
            for t in many:
                t._rename(state[key], True)


def _step_of(optimizer: Optimizer, joining: Joining) -> Callable[..., Any]:
    @no_grad()
    def step(closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in optimizer.param_groups:
            alike: dict[Any, list[Tensor]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    alike.setdefault(_kind(p, optimizer.state.get(p), joining.arrays), []).append(p)
            for kind, members in alike.items():
                (joining.inline if kind is None else joining.update)(optimizer, group, members)
        return loss

    return step


def _gradient(p: Tensor, group: dict[str, Any]) -> Tensor:
    grad = p.grad.detach()  # type: ignore[union-attr]
    return -grad if group.get("maximize") else grad


def _kind(p: Tensor, state: dict[str, Any] | None, arrays: Arrays) -> Any:
    """What parameters have in common that are updated together; None for one that is not."""
    if not p.ndim or id(p) not in arrays:
        return None
    parts: list[Any] = [p._value.data.dtype]
    for key, x in (state or {}).items():
        if not isinstance(x, Tensor) or id(x) not in arrays or (x.ndim and x.shape != p.shape):
            return None
        number = None if x.ndim else np.asarray(arrays[id(x)]).item()
        parts.append((key, x._value.data.dtype, number))
    return tuple(parts)
