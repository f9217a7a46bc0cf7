"""`compile`: a function that runs as a graph wherever it can, and as Python wherever it can't."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from lampion.autograd import is_grad_enabled
from lampion.errors import LampionError
from lampion.nn.module import Module
from lampion.tape import Array, Value, tracing, wrap
from lampion.tensor import Tensor
from lampion_export.compiled.arguments import TENSOR, flattened, unflattened
from lampion_export.compiled.comparing import compared
from lampion_export.compiled.program import Program
from lampion_export.compiled.reach import Reached
from lampion_export.compiled.slots import DivergedError
from lampion_export.compiled.step import Axes, UnsettledError, traced
from lampion_export.errors import ExportError, UnsupportedError

Dynamic = Mapping[str, Mapping[int, str]]

PATIENCE = (
    2  # calls that may change Python objects, setting up what the function uses, before it runs as Python for good
)
FORMS = 16  # programs for different shapes, beyond which it runs as Python


class Entry:
    """What is known of one form of arguments: the program, and what its trace took for constant."""

    def __init__(self, program: Program, reached: Reached, with_gradients: bool) -> None:
        self.program, self.reached = program, reached
        self.assumed = reached.assumed()
        self.gradients = reached.gradients() if with_gradients else None

    def holds(self) -> bool:
        """Whether the program still does what the function would."""
        if self.gradients is not None and self.gradients != self.reached.gradients():
            return False
        return self.assumed == self.reached.assumed()


class Compiled:
    """A function that is traced once for every form of its arguments, and then runs in onnxruntime.

    `why_not` says why it runs as Python instead, where it does.
    """

    def __init__(self, function: Callable[..., Any], dynamic: Dynamic | None, verify: bool) -> None:
        functools.update_wrapper(self, function.forward if isinstance(function, Module) else function)
        self.name = getattr(function, "__name__", type(function).__name__)
        self.function, self.dynamic, self.verify = function, dynamic or {}, verify
        self._parameters = _parameters(self.name, function, self.dynamic)
        self.why_not: str | None = None
        self._entries: dict[Any, Entry] = {}
        self._unsettled = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.why_not is not None or tracing():
            return self.function(*args, **kwargs)
        leaves: list[Tensor] = []
        try:
            form = self._opened(flattened((args, kwargs), leaves))
            entry = self._entries.get(form)
        except TypeError as error:
            return self._as_python(f"an argument can't be compared with that of the next call: {error}", args, kwargs)
        if entry is not None and entry.holds():
            try:
                return self._finished(entry.program, leaves)
            except DivergedError:
                pass
        return self._first(form, leaves, args, kwargs)

    def _first(self, form: Any, leaves: list[Tensor], args: Any, kwargs: Any) -> Any:
        """A call whose form is new, or for which what its program took for constant is no more."""
        try:
            entry = self._traced(form, leaves)
        except UnsettledError as why:
            self._unsettled += 1
            if self._unsettled < PATIENCE:
                return self.function(*args, **kwargs)
            return self._as_python(str(why), args, kwargs)
        except (LampionError, ExportError) as why:
            return self._as_python(str(why), args, kwargs)
        if len(self._entries) == FORMS and form not in self._entries:
            return self._as_python(
                f"it was called with more than {FORMS} combinations of shapes and Python values; name the axes that vary: "
                'dynamic={"x": {0: "batch"}}',
                args,
                kwargs,
            )
        self._entries[form], self._unsettled = entry, 0
        if self.verify:
            return compared(self.function, lambda: self._finished(entry.program, leaves), entry.reached, args, kwargs)
        return self._finished(entry.program, leaves)

    def _traced(self, form: Any, leaves: list[Tensor]) -> Entry:
        names = [_argument(t) for t in leaves]
        reached = Reached(self.function, names)
        if any(id(t) in reached.heap.known for t in leaves):
            raise UnsupportedError("an argument is a Tensor that the function also reaches by itself")
        axes = self._axes(form, leaves)
        step = traced(self.function, form, names, reached, axes, True)
        program = Program(step)
        takes_gradients = program.takes_gradients
        if takes_gradients:
            step = traced(self.function, form, names, reached, axes, False)
            program = Program(step)
        reached.leave_out([u.group for u in step.updates if id(u.group) not in step.inside])
        return Entry(program, reached, takes_gradients)

    def _opened(self, form: Any) -> Any:
        """A form without the sizes that may vary."""
        if not self.dynamic:
            return form
        positional, named = form[1]
        many = [*zip(self._parameters, positional[1], strict=False), *zip(named[1], named[2], strict=True)]
        opened = [_without_sizes(part, self.dynamic.get(name, {})) for name, part in many]
        count = len(positional[1])
        return tuple, ((tuple, tuple(opened[:count])), (dict, named[1], tuple(opened[count:])))

    def _axes(self, form: Any, leaves: list[Tensor]) -> Axes:
        """The names of the axes that vary, by the place of each argument's Tensor."""
        if not self.dynamic:
            return {}
        args, kwargs = unflattened(form, iter(range(len(leaves))))
        given = dict(zip(self._parameters, args, strict=False)) | kwargs
        return {given[name]: dict(axes) for name, axes in self.dynamic.items()}

    def _finished(self, program: Program, leaves: list[Tensor]) -> Any:
        """The result of a run, after its effects on the arguments."""
        arrays = iter(program(leaves))
        result = unflattened(program.form, map(_tensor, arrays)) if program.form is not None else None
        for i in program.changed:
            leaves[i].data.copy_(_tensor(next(arrays)))
        for i in program.slopes:
            leaves[i].grad = _tensor(next(arrays))
        return result

    def _as_python(self, why: str, args: Any, kwargs: Any) -> Any:
        """Runs as Python from now on. Says so once, after the call: what is wrong with the function, it raises itself."""
        result = self.function(*args, **kwargs)
        self.why_not = why
        warnings.warn(f"compile: {self.name} runs as Python, uncompiled: {why}", stacklevel=4)
        return result


def _parameters(name: str, function: Callable[..., Any], dynamic: Dynamic) -> list[str]:
    """The names of the parameters. Raises ValueError where `dynamic` names another."""
    if not dynamic:
        return []
    names = list(inspect.signature(function.forward if isinstance(function, Module) else function).parameters)
    for wrong in dynamic.keys() - set(names):
        raise ValueError(f"compile: dynamic: {name} has no parameter {wrong!r}; it has {', '.join(names)}")
    return names


def _without_sizes(form: Any, axes: Mapping[int, str]) -> Any:
    """The form of a Tensor with names in place of the sizes that vary."""
    if not axes or form[0] != TENSOR:
        return form
    kind, dtype, shape, wants_grad = form
    return kind, dtype, tuple(axes.get(d, n) for d, n in enumerate(shape)), wants_grad


def _argument(t: Tensor) -> Tensor:
    """A Tensor in place of an argument, which nobody else has."""
    if t._value.node is not None and t.requires_grad and is_grad_enabled():
        raise UnsupportedError("an argument was computed from what requires grad: detach() it, or compute it inside")
    if t.grad is not None:
        raise UnsupportedError("an argument has a gradient already")
    return wrap(Value(t._value.data, t._value.requires_grad))


def _tensor(array: Array) -> Tensor:
    return wrap(Value(array))


def compile(function: Callable[..., Any] | None = None, *, dynamic: Dynamic | None = None, verify: bool = False) -> Any:
    """`function` as one graph in onnxruntime: of Tensors, a Module, or a whole training step with backward and optimizer.

    The first call with new shapes, dtypes or Python values traces it, control flow on the data included; calls that are alike
    then run the graph. Parameters, buffers, gradients and the optimizer's state are seen to change as they always do, and may
    be read and written in between. Random numbers come from the engine's generators, so they are those of an uncompiled run.

    dynamic: axes of arguments that may vary without a new trace, as {"x": {0: "batch"}}.
    verify: runs every first call also as Python and raises MismatchError where the two differ.

    What can't be a graph runs as Python, and a RuntimeWarning says once why.

        @lampion.compile
        def step(x, y):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss
    """
    if function is None:
        return functools.partial(compile, dynamic=dynamic, verify=verify)
    return Compiled(function, dynamic, verify)
