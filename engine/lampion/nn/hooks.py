"""What the hooks of a module see and change: its call, and the backward pass through it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from lampion.autograd import Function
from lampion.ops.create import zeros
from lampion.tape import grad_mode
from lampion.tensor import RemovableHandle, Tensor

Grads = tuple[Tensor | None, ...]


class ForwardHook(NamedTuple):
    """A function to call before or after forward."""

    function: Callable[..., Any]
    with_kwargs: bool = False
    always_call: bool = False  # also after forward raised


class Hooks:
    """The hooks of one module, by kind, each kind in the order of calling."""

    def __init__(self) -> None:
        self.before: dict[int, ForwardHook] = {}
        self.after: dict[int, ForwardHook] = {}
        self.backward_before: dict[int, Callable[..., Any]] = {}
        self.backward: dict[int, Callable[..., Any]] = {}

    def __bool__(self) -> bool:
        return bool(self.before or self.after or self.backward_before or self.backward)

    def call(self, module: Any, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """forward(*args, **kwargs) with everything that was hooked on to it."""
        seen = _Call(module, args, kwargs)
        try:
            return self._run(seen, forward)
        except Exception:
            _finish(seen, (hook for key, hook in self.after.items() if hook.always_call and key not in seen.ran))
            raise

    def _run(self, seen: _Call, forward: Callable[..., Any]) -> Any:
        for hook in list(self.before.values()):
            _change_arguments(seen, hook)
        crossing = None
        if self.backward or self.backward_before:
            crossing = _Crossing(seen.module, list(self.backward_before.values()), list(self.backward.values()))
            seen.args = crossing.enter(seen.args)
        seen.output = forward(*seen.args, **seen.kwargs)
        for key, hook in list(self.after.items()):
            seen.ran.add(key)
            _change_output(seen, hook)
        return seen.output if crossing is None else crossing.leave(seen.output)


def register(hooks: dict[int, Any], hook: Any, prepend: bool) -> RemovableHandle:
    """Adds a hook behind the others, or before them."""
    others = dict(hooks)
    handle = RemovableHandle(hooks, hook)
    if prepend:
        for key in others:
            hooks[key] = hooks.pop(key)
    return handle


# ---- forward --------------------------------------------------------------------------------------------------------


class _Call:
    """One call under way."""

    def __init__(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.module, self.args, self.kwargs = module, args, kwargs
        self.output: Any = None
        self.ran: set[int] = set()


def _change_arguments(seen: _Call, hook: ForwardHook) -> None:
    if not hook.with_kwargs:
        changed = hook.function(seen.module, seen.args)
        if changed is not None:
            seen.args = changed if isinstance(changed, tuple) else (changed,)
        return
    changed = hook.function(seen.module, seen.args, seen.kwargs)
    if changed is None:
        return
    if not isinstance(changed, tuple) or len(changed) != 2:
        raise RuntimeError(
            f"{type(seen.module).__name__}: expected None or (args, kwargs) from a forward pre-hook with kwargs, "
            f"got {type(changed).__name__}"
        )
    seen.args, seen.kwargs = changed


def _change_output(seen: _Call, hook: ForwardHook) -> None:
    given = (seen.args, seen.kwargs) if hook.with_kwargs else (seen.args,)
    changed = hook.function(seen.module, *given, seen.output)
    seen.output = seen.output if changed is None else changed


def _finish(seen: _Call, hooks: Iterable[ForwardHook]) -> None:
    """Hooks that are called in any case, while another error is on its way: theirs must not hide it."""
    for hook in hooks:
        try:
            _change_output(seen, hook)
        except Exception as error:
            name = type(seen.module).__name__
            warnings.warn(
                f"{name}: a forward hook with always_call=True raised {error!r} after forward had", stacklevel=5
            )


# ---- backward -------------------------------------------------------------------------------------------------------


class _Crossing:
    """The two gates through which gradients leave and enter a module in one call."""

    def __init__(self, module: Any, before: list[Callable[..., Any]], hooks: list[Callable[..., Any]]) -> None:
        self.module, self.before, self.hooks = module, before, hooks
        self.inputs: list[int] = []  # the places of the arguments with a gradient
        self.args: tuple[Any, ...] = ()
        self.outputs: list[int] = []
        self.count = 0
        self.grad_output: Grads | None = None

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments behind the inner gate."""
        result, self.inputs = _through(_Entrance, self, args)
        self.args = tuple(_outline(x) for x in args)
        return result

    def leave(self, output: Any) -> Any:
        """The output behind the outer gate."""
        if not isinstance(output, Tensor | tuple):
            warnings.warn(
                f"{type(self.module).__name__}: backward hooks need a Tensor or a tuple of them as output, "
                f"got {type(output).__name__}",
                stacklevel=5,
            )
            return output
        outputs = output if isinstance(output, tuple) else (output,)
        self.count = len(outputs)
        changed, self.outputs = _through(_Exit, self, outputs)
        if not isinstance(output, tuple):
            return changed[0]
        return changed if type(output) is tuple else type(output)(*changed)

    def arrived(self, grads: Grads) -> Grads:
        """The gradients of the output are known."""
        found = _spread(self.outputs, grads, self.count)
        for hook in self.before:
            found = self._checked("grad_output", hook(self.module, found), found)
        self.grad_output = found
        if not self.inputs:
            self.left(())
        return tuple(found[i] for i in self.outputs)

    def left(self, grads: Grads) -> Grads:
        """The gradients of the arguments are known; of a second backward through the gate nothing is told."""
        if self.grad_output is None:
            return grads
        found = _spread(self.inputs, grads, len(self.args))
        if self.inputs:  # else there is nothing to tell about the arguments at all
            pairs = zip(found, self.args, strict=True)
            found = tuple(x if g is None and x is not None else g for g, x in pairs)
        for hook in self.hooks:
            found = self._checked("grad_input", hook(self.module, found, self.grad_output), found)
        self.grad_output = None
        return tuple(found[i] for i in self.inputs)

    def _checked(self, what: str, new: Any, old: Grads) -> Grads:
        """What a hook returned in place of `old`, which None leaves as it is."""
        if new is None:
            return old
        new = new if isinstance(new, tuple) else (new,)
        if len(new) != len(old):
            raise RuntimeError(
                f"{type(self.module).__name__}: expected {len(old)} as {what} from a backward hook, got {len(new)}"
            )
        return new


def _through(gate: type[Function], crossing: _Crossing, values: tuple[Any, ...]) -> tuple[tuple[Any, ...], list[int]]:
    """`values` with those that require grad passed through a gate, and their places."""
    places = [i for i, x in enumerate(values) if isinstance(x, Tensor) and x.requires_grad and grad_mode.enabled]
    if not places:
        return values, []
    passed = dict(zip(places, gate.apply(crossing, *[values[i] for i in places]), strict=True))
    return tuple(passed.get(i, x) for i, x in enumerate(values)), places


def _spread(places: list[int], grads: Grads, size: int) -> Grads:
    """Gradients at their places, None elsewhere."""
    found = dict(zip(places, grads, strict=True))
    return tuple(found.get(i) for i in range(size))


def _outline(x: Any) -> Tensor | None:
    """Zeros in the shape of a tensor, which take no memory; None for anything else."""
    return zeros((), dtype=x.dtype).expand(x.shape) if isinstance(x, Tensor) else None


class _Gate(Function):
    """Passes tensors on; their gradients pass by the hooks."""

    @staticmethod
    def forward(ctx: Any, crossing: _Crossing, *tensors: Tensor) -> Any:
        ctx.crossing = crossing
        ctx.set_materialize_grads(False)
        return tensors


class _Entrance(_Gate):
    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return (None, *ctx.crossing.left(grads))


class _Exit(_Gate):
    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return (None, *ctx.crossing.arrived(grads))
