"""The tape: `Value` (what was computed), `Node` (by which op, from what) and `Primitive` (how).

A `Tensor` is only a name for a Value, and in-place methods give the name to another Value. So a Value never changes its
place on the tape, and `backward`, the exporter and a printer read the same nodes.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lampion import dtypes
from lampion.errors import user_code
from lampion.symbolic import Spec, SymInt

if TYPE_CHECKING:
    from lampion.tensor import Tensor

Array = np.ndarray[Any, Any]
Data = Any  # Array, or Spec while tracing
Gradient = Any  # Tensor | None, or a function without arguments that gives one

BFLOAT16 = dtypes.bfloat16.numpy
DIFFERENTIABLE = "fcV"  # the kinds of dtype that gradients have; "V" is bfloat16

_order = count()


def moment() -> int:
    """A number between the orders of the nodes made before and those made after."""
    return next(_order)


class Version:
    """Shared by all Values over one piece of memory: how often it was written, and who else looks at it.

    `views` are the names made by view ops, which can be made anew; `shared` says that somebody looks who can't be told (a numpy
    array, a detached Tensor), so that only writing to the memory itself reaches all.
    """

    writes = 0
    shared = False
    views: Sequence[weakref.ref[Handle]] = ()
    room = 8

    def watch(self, name: Handle) -> None:
        """Remembers the name of a view, and now and then forgets those that are gone. What `views` was may be put back."""
        views = self.views
        if len(views) >= self.room:
            views = [view for view in views if view() is not None]
            self.room = 2 * len(views) + 8
        self.views = (*views, weakref.ref(name))

    def names(self) -> list[Handle]:
        """The names of views that are still in use, oldest first."""
        return [name for view in self.views if (name := view()) is not None]


class Value:
    """An array (or a Spec, while tracing) with its place on the tape."""

    __slots__ = ("__dict__", "__weakref__", "data", "index", "node", "requires_grad", "version")
    grad: Tensor | None = None
    retains_grad = False
    hooks: dict[int, Callable[[Tensor], Tensor | None]] | None = None
    same_as: Value | None = None  # the traced value that a name without its place on the tape stands for

    def __init__(self, data: Data, requires_grad: bool = False, node: Node | None = None, index: int = 0) -> None:
        self.data = data
        self.requires_grad = requires_grad
        self.node = node
        self.index = index
        self.version = Version()

    @property
    def key(self) -> Any:
        """What stays the same however often the Value is rebuilt from its node."""
        if self.node is not None:
            return self.node, self.index
        return self if self.same_as is None else self.same_as.key


class Node:
    """One entry of the tape: an op, the Values it took, and the data it gave (None in `data` once freed)."""

    __slots__ = ("__weakref__", "data", "inputs", "op", "order", "versions", "walked", "where", "writes")

    def __init__(self, op: Primitive, inputs: tuple[Value, ...], data: tuple[Data, ...]) -> None:
        self.op = op
        self.inputs: tuple[Value, ...] | None = inputs
        self.data: tuple[Data, ...] = data
        self.writes = [v.version.writes for v in inputs]
        self.versions: tuple[Version, ...] = ()  # of the outputs, which the node must not hold
        self.order = next(_order)
        self.walked = False  # by a backward that does not retain the graph
        self.where = user_code() if grad_mode.anomaly else None

    def outputs(self) -> tuple[Value, ...]:
        """The Values this node gave, rebuilt: the node holds only their data, so that no reference cycle arises."""
        return tuple(Value(d, True, self, i) for i, d in enumerate(self.data))


class Handle:
    """A name for a Value. `Tensor` is the one kind there is; it registers itself as `kind`."""

    __slots__ = ("__dict__", "__weakref__", "_value")
    _value: Value
    _origin: tuple[Tensor, Primitive] | None = None  # of a view: the Tensor it looks at, and through which op
    _aliases: Sequence[
        Callable[[], Any]
    ] = ()  # while tracing: the Tensors that this one is on some way through the program
    kind: ClassVar[type[Tensor]]


class _GradMode:
    __slots__ = ("anomaly", "enabled")

    def __init__(self) -> None:
        self.enabled = True
        self.anomaly = False  # whether nodes remember where they were made, and backward looks for nan


grad_mode = _GradMode()


@contextmanager
def grad_enabled(enabled: bool) -> Iterator[None]:
    """Whether what runs inside is recorded for `backward`."""
    before, grad_mode.enabled = grad_mode.enabled, enabled
    try:
        yield
    finally:
        grad_mode.enabled = before


class Trace:
    """The nodes that a traced function made, in order.

    `calls` gives the form in which the user's functions run inside: the exporter's converts their control flow. `checks` are
    bool Tensors that must hold when it runs, with what to say if they don't.
    """

    __slots__ = ("calls", "checks", "nodes")
    calls: Callable[[Any], Any]

    def __init__(self, calls: Callable[[Any], Any] | None = None) -> None:
        self.nodes: list[Node] = []
        self.checks: list[tuple[Tensor, str]] = []
        self.calls = calls or (_traces[-1].calls if _traces else _as_it_is)


def _as_it_is(function: Any) -> Any:
    return function


_traces: list[Trace] = []


def tracing() -> bool:
    """Whether a trace is being recorded."""
    return bool(_traces)


def current() -> Trace:
    """The innermost trace that is being recorded."""
    return _traces[-1]


def depth() -> int:
    """How many traces are being recorded, one inside the other: over 1 inside a branch or a loop."""
    return len(_traces)


def as_called(function: Callable[..., Any]) -> Callable[..., Any]:
    """The form in which one of the user's functions is called: itself, or what the trace makes of it."""
    return _traces[-1].calls(function) if _traces else function


@contextmanager
def recording(trace: Trace) -> Iterator[Trace]:
    """Records every node on a traced value into `trace`."""
    _traces.append(trace)
    try:
        yield trace
    finally:
        _traces.pop()


class Primitive:
    """Base class of every op. An op with settings (dimensions, strides) is an instance that carries them.

    A subclass gives `forward` on numpy arrays, `infer` of the output's Spec from inputs that may be Specs, and `gradient`
    in Tensor ops. Several outputs are a tuple in all three.
    """

    view: ClassVar[bool] = False  # the output shares memory with the first input
    random: ClassVar[bool] = False  # two calls differ, so while tracing it is recorded even when all inputs are known
    widens: ClassVar[bool] = False  # computes with numpy, which can't with bfloat16

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """numpy arrays in, one array or a tuple of them out."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def infer(self, *args: Any, **kwargs: Any) -> Any:
        """One Spec or a tuple of them. The inputs are Specs or arrays: only `shape` and `dtype` may be asked."""
        raise NotImplementedError(f"{type(self).__name__} has no shape inference")

    def gradient(self, *args: Any, **kwargs: Any) -> tuple[Gradient, ...]:
        """gradient(g, out, *inputs): the gradient of every input from `g`, that of the output.

        Each is a Tensor, None, or a function that gives the Tensor. Written in Tensor ops, so that it can be differentiated
        and traced. Expensive ones are functions, called only where needed. With several outputs `g` and `out` are tuples,
        and a `g` that nobody sent is None.
        """
        raise RuntimeError(f"{type(self).__name__.lower()} is not differentiable")

    def put_back(self, base: Tensor, new: Tensor) -> Tensor:
        """For a view op: what `base` must become so that this op gives `new`."""
        raise RuntimeError(f"{type(self).__name__.lower()} is no view")

    def varies(self) -> bool:
        """Whether a size among the settings is not known: then nothing can be computed, even from known inputs."""
        return any(_is_symbolic(setting) for setting in vars(self).values())

    def attributes(self) -> dict[str, Any]:
        """The settings of this op, for printing and conversion."""
        return dict(vars(self))

    def __call__(self, *inputs: Tensor) -> Any:
        values: list[Value] = []
        datas: list[Data] = []
        wants_grad = False
        for x in inputs:
            value = x._value
            data = value.data
            if data.dtype is BFLOAT16 and self.widens:
                return self.widened(*inputs)
            if value.requires_grad:
                wants_grad = True
            values.append(value)
            datas.append(data)
        wants_grad = wants_grad and grad_mode.enabled
        if _traces and (Spec in map(type, datas) or self.random or self.varies()):
            return self._traced(inputs, values, datas, wants_grad)
        try:
            result = self.forward(*datas)
        except ValueError:
            self.infer(*datas)  # says in our words which shapes don't fit
            raise
        if type(result) is tuple:
            return self._several(values, result, wants_grad)
        if type(result) is not np.ndarray:
            result = np.asarray(result)
        new = Value(result)
        if wants_grad:
            node = new.node = Node(self, tuple(values), (result,))
            node.versions = (new.version,)
            new.requires_grad = result.dtype.kind in DIFFERENTIABLE
        tensor = wrap(new)
        if self.view and _shares(datas[0], result):
            self._link(tensor, inputs[0])
        return tensor

    def _several(self, values: list[Value], outputs: tuple[Data, ...], wants_grad: bool) -> tuple[Tensor, ...]:
        """Names for several outputs of known numbers."""
        outputs = tuple([d if type(d) is np.ndarray else np.asarray(d) for d in outputs])
        node = Node(self, tuple(values), outputs) if wants_grad else None
        return self._named(node, outputs, wants_grad)

    def _traced(self, inputs: tuple[Tensor, ...], values: list[Value], datas: list[Data], wants_grad: bool) -> Any:
        """A node of the trace, whose outputs have shapes and no numbers."""
        result = self.infer(*datas)
        single = type(result) is not tuple
        outputs = (result,) if single else result
        node = Node(self, tuple(values), outputs)
        node.where = node.where or user_code()
        _traces[-1].nodes.append(node)
        tensors = self._named(node, outputs, wants_grad)
        if self.view:
            self._link(tensors[0], inputs[0])
        return tensors[0] if single else tensors

    def _named(self, node: Node | None, outputs: tuple[Data, ...], wants_grad: bool) -> tuple[Tensor, ...]:
        results = [Value(d, wants_grad and d.dtype.kind in DIFFERENTIABLE, node, i) for i, d in enumerate(outputs)]
        if node is not None:
            node.versions = tuple([v.version for v in results])
        return tuple(map(wrap, results))

    def widened(self, *inputs: Tensor) -> Any:
        """What the op gives where an input is bfloat16 and it `widens`."""
        raise NotImplementedError(f"{type(self).__name__} has no form for bfloat16")

    def _link(self, view: Tensor, base: Tensor) -> None:
        view._value.version = version = base._value.version
        view._origin = (base, self)
        version.watch(view)

    def __repr__(self) -> str:
        settings = ", ".join(f"{k}={v}" for k, v in self.attributes().items())
        return f"{type(self).__name__}({settings})"


def _is_symbolic(setting: Any) -> bool:
    return isinstance(setting, SymInt) or (isinstance(setting, tuple) and any(map(_is_symbolic, setting)))


def _shares(base: Array, view: Array) -> bool:
    """Whether a view op has really given a view: a reshaped array may have been copied."""
    root = view.base
    if root is None:
        return view is base
    return root is base or root is base.base or np.may_share_memory(base, view)


def wrap(value: Value) -> Tensor:
    """A Tensor that names `value`."""
    tensor = object.__new__(Handle.kind)
    tensor._value = value
    return tensor
