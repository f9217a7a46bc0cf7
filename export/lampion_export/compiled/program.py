"""A step as a graph in onnxruntime, bound to the memory of what it reads and writes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import numpy as np
import onnx_ir as ir

import lampion
from lampion.symbolic import Spec, SymInt
from lampion.tape import Array, Primitive, Value
from lampion.tensor import Tensor
from lampion_export import ops as _converters  # noqa: F401 - registers them
from lampion_export.compiled import cache
from lampion_export.compiled.layout import is_used, places, ports
from lampion_export.compiled.results import Results
from lampion_export.compiled.runtime import Binding, Session, runtime_version, serialized
from lampion_export.compiled.slots import Buffer, Gradients, Slot, State
from lampion_export.compiled.step import Step
from lampion_export.compiled.sums import put_together
from lampion_export.compiled.updates import InMemory, Update
from lampion_export.convert import convert_nodes
from lampion_export.graph import Graph
from lampion_export.passes import optimize

OPSET, IR_VERSION = 21, 10


def graph_of(step: Step, inputs: dict[str, Value], outputs: dict[str, Value]) -> ir.Model:
    """The graph of a step as it was traced."""
    put_together(step.nodes, outputs.values())
    graph = Graph(OPSET)
    for name, value in inputs.items():
        graph.input(name, value)
    convert_nodes(graph, step.nodes)
    for name, value in outputs.items():
        graph.output(name, value)
    return ir.Model(graph.graph, ir_version=IR_VERSION, producer_name="lampion", producer_version=lampion.__version__)


def session_of(model: ir.Model) -> Session:
    """A session over the optimized graph, without the inputs that nothing depends on; kept for other processes."""
    kept = cache.place(serialized(model), lampion.__version__, runtime_version())
    found = None if kept is None else cache.take(kept)
    if found is not None:
        with suppress(Exception):  # onnxruntime has many words for a file that was cut short; it is made again
            return Session(found, optimized=True)
    optimize(model)
    for unused in [v for v in model.graph.inputs if not v.uses() and not v.is_graph_output()]:
        model.graph.inputs.remove(unused)
    data = serialized(model)
    if kept is None:
        return Session(data)
    made: list[Session] = []
    cache.keep(kept, lambda path: made.append(Session(data, keep=path)))
    return made[0] if made else Session(data)


class Program:
    """What runs in place of a function, for one form of its arguments."""

    def __init__(self, step: Step) -> None:
        every = places(step)
        inputs, outputs = ports(step, every)
        session = session_of(graph_of(step, inputs, outputs))
        used = session.inputs
        self.form = step.form
        self._arguments = [(i, f"argument_{i}") for i in range(len(step.arguments)) if f"argument_{i}" in used]
        self._draws = [(op, f"draw_{i}" if f"draw_{i}" in used else None) for i, (op, _) in enumerate(step.draws)]
        self._axes = step.axes
        self._settings = [(i, g, key) for i, (g, key, _) in enumerate(step.settings) if f"setting_{i}" in used]
        self._numbers = np.empty(len(step.settings), np.float64)
        self._before = [
            (t, f"gradient_{i}") for i, (t, _) in enumerate(step.gradients.values()) if f"gradient_{i}" in used
        ]
        self._forgotten = [t for t, value in step.left.values() if value is None]
        kept = [t for t, value in step.left.values() if value is not None]
        self._gradients = Gradients(kept) if kept else None
        here = [place for place in every if is_used(place, step, used)]
        slots = [Slot(place.parts, bool(place.outputs(step))) for place in here]
        self._state = State(slots)
        self.changed, self.slopes = list(step.changed), list(step.slopes)
        self._results = Results(
            [(n, v.data) for n, v in outputs.items() if n.startswith(("result_", "changed_", "slope_"))]
        )
        self._bindings = [Binding(session) for _ in (0, 1)]
        for phase, binding in enumerate(self._bindings):
            self._results.bind(binding)
            for i, _, _ in self._settings:
                binding.input(f"setting_{i}", self._numbers[i : i + 1].reshape(()))
            for place, slot in zip(here, slots, strict=True):
                for name in place.inputs(step).keys() & used:
                    binding.input(name, slot.buffer(phase).at(name, place.name))
                for name in place.outputs(step):
                    binding.output(name, slot.buffer(1 - phase).at(name, f"next_{place.name}"))
        self._bind_gradients()
        by_name = {id(t): slot for slot in slots for part in slot.parts for t in part.names}
        self._updates = [InMemory(u, by_name, self._gradient_of(step, i, u)) for i, u in enumerate(step.updates)]

    def _gradient_of(self, step: Step, number: int, update: Update) -> Callable[[], Array]:
        """Where the gradients of an update are in a row after a run: among those that are left, or in memory of their own."""
        if self._gradients is not None and update.is_left(step.left):
            gradients, dtype = self._gradients, update.dtype
            before = [u for u in step.updates[:number] if u.is_left(step.left) and u.dtype == dtype]
            start = sum(t.numel() for u in before for t in u.members)
            row = slice(start, start + sum(t.numel() for t in update.members))
            return lambda: gradients.rows[dtype][row]
        buffer = Buffer([Spec(p._value.data.shape, p._value.data.dtype) for p in update.members])
        for i, array in enumerate(buffer.parts):
            for binding in self._bindings:
                binding.output(f"update_{number}_{i}", array)
        return lambda: buffer.whole

    @property
    def takes_gradients(self) -> bool:
        """Whether it depends on the gradients that are there when it starts."""
        return bool(self._before)

    def __call__(self, leaves: Sequence[Tensor]) -> list[Array]:
        """Runs on the Tensors of the arguments.

        Gives the arrays of the results, of arguments that were changed, and of gradients of arguments. Raises DivergedError
        before anything was done.
        """
        self._state.enter()
        binding = self._bindings[self._state.phase]
        for i, name in self._arguments:
            binding.input(name, leaves[i]._value.data)
        for i, group, key in self._settings:
            self._numbers[i] = group[key]
        if self._draws:
            self._draw(binding, leaves)
        if self._gradients is not None and (self._before or self._gradients.kept()):
            self._gradients.renew()
            self._bind_gradients()
        for t, name in self._before:
            binding.input(name, t._value.grad._value.data)  # type: ignore[union-attr]
        self._results.before(binding)
        binding.run()
        for update in self._updates:
            update()
        self._state.leave()
        if self._gradients is not None:
            self._gradients.leave()
        for t in self._forgotten:
            t._value.grad = None
        return self._results.after(binding)

    def _draw(self, binding: Binding, leaves: Sequence[Tensor]) -> None:
        """Random numbers from the engine's own generators, also those that nothing depends on."""
        sizes = {name: leaves[i].shape[d] for i, axes in self._axes.items() for d, name in axes.items()}
        for op, name in self._draws:
            numbers = op.forward() if not op.varies() else _sized(op, sizes).forward()
            if name is not None:
                binding.input(name, numbers)

    def _bind_gradients(self) -> None:
        for i, array in enumerate(self._gradients.parts if self._gradients is not None else ()):
            for binding in self._bindings:
                binding.output(f"left_{i}", array)


def _sized(op: Primitive, sizes: Mapping[str, int]) -> Primitive:
    """A random op with the sizes of this call."""
    known = copy.copy(op)
    known.shape = tuple(n.evaluate(sizes) if isinstance(n, SymInt) else n for n in op.shape)  # type: ignore[attr-defined]
    return known
