"""What a function can reach without being given it: Tensors, modules, optimizers, and what its trace took for constant."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from itertools import chain
from types import FunctionType
from typing import Any

import numpy as np

from lampion.nn.module import Module
from lampion.optim.optimizer import Optimizer
from lampion.tape import grad_mode
from lampion.tensor import Tensor
from lampion_export.autograph.heap import Heap
from lampion_export.autograph.objects import PLAIN
from lampion_export.autograph.places import Numbers, Place

TRACED_SETTINGS = ("lr",)  # of an optimizer's groups: schedules change them, so they are inputs of the graph


class Reached:
    """The Tensors, modules and optimizers behind a function, and all places that it may change."""

    def __init__(self, function: Callable[..., Any], given: list[Tensor]) -> None:
        self.heap = Heap(function, *given)
        self.given = {id(t) for t in given}
        self.tensors = [p.owner for p in self.heap if isinstance(p, Numbers) and isinstance(p.get().data, np.ndarray)]
        objects = self.heap.objects.values()
        self.modules = [x for x in objects if isinstance(x, Module)]
        self.optimizers = [x for x in objects if isinstance(x, Optimizer)]
        self.groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        self._outside = _outside(function)
        self._tables: list[dict[Any, Any]] = [
            table for m in self.modules for table in (m._parameters, m._buffers, m._modules)
        ]
        self._tables += [optimizer.state for optimizer in self.optimizers]
        self._settings = [(g, [n for n in g if n not in TRACED_SETTINGS and n != "params"]) for g in self.groups]
        self._nonzero: list[tuple[dict[str, Any], list[str]]] = []
        self._modes = [vars(module) for module in self.modules]
        states = {id(x) for o in self.optimizers for state in o.state.values() for x in state.values()}
        self._learning = [t for t in self.state if t.is_floating_point() and id(t) not in states]
        self._contents = list(chain.from_iterable(map(dict.values, self._tables)))  # kept, so that an id stays theirs

    @property
    def state(self) -> list[Tensor]:
        """The Tensors that are not among the arguments."""
        return [t for t in self.tensors if id(t) not in self.given]

    def settings(self) -> list[tuple[dict[str, Any], str]]:
        """The numbers in optimizers' groups that the graph takes as inputs."""
        return [(g, name) for g in self.groups for name in TRACED_SETTINGS if type(g.get(name)) in (int, float)]

    def gradients(self) -> list[bool]:
        """Which of the Tensors have a gradient now."""
        return [t._value.grad is not None for t in self.tensors]

    def leave_out(self, groups: list[dict[str, Any]]) -> None:
        """Takes optimizers' groups for what may change: of their numbers it only matters which are 0."""
        left = {id(group) for group in groups}
        plain = [
            (g, [n for n in names if isinstance(g[n], (int, float))]) for g, names in self._settings if id(g) in left
        ]
        self._settings = [(g, names) for g, names in self._settings if id(g) not in left]
        self._nonzero = [(g, names) for g, names in plain if names]

    def assumed(self) -> list[Any]:
        """What a trace takes for constant; another answer means that it has to be traced anew."""
        found: list[Any] = [grad_mode.enabled, *map(id, chain.from_iterable(map(dict.values, self._tables)))]
        found += [mode["training"] for mode in self._modes]
        found += [t._value.requires_grad for t in self._learning]
        for group, names in self._settings:
            found += [group[name] for name in names]
            found.append(len(group["params"]))
        for group, names in self._nonzero:
            found += [bool(group[name]) for name in names]
            found.append(len(group["params"]))
        for space, variables in self._outside:
            values = [space.get(name) for name in variables]
            found += [value if isinstance(value, PLAIN) else id(value) for value in values]
        return found


def changes(places: dict[Place, Any]) -> list[Place]:
    """The places among those that changed which are no Tensors: what a graph can't do for Python."""
    return [place for place in places if not isinstance(place, Numbers) and not place.internal]


def _outside(function: Any) -> list[tuple[dict[str, Any], tuple[str, ...]]]:
    """The variables around a function that it reads, by the dict they are in."""
    function = inspect.unwrap(getattr(function, "__func__", function))
    if not isinstance(function, FunctionType):
        return []
    names = tuple(n for n in function.__code__.co_names if n in function.__globals__)
    return [(function.__globals__, names), (_Cells(function), function.__code__.co_freevars)]


class _Cells(dict[str, Any]):
    """The variables of the functions around a function."""

    def __init__(self, function: FunctionType) -> None:
        super().__init__()
        self.cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self.cells[name].cell_contents
        except ValueError:
            return default
