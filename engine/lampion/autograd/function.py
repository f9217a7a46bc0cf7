"""`Function`: an op of the user's own, with the gradient written by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lampion.autograd.mode import no_grad
from lampion.ops.promote import Op
from lampion.symbolic import Spec
from lampion.tape import Handle

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class Context:
    """What `forward` leaves for `backward`: tensors through `save_for_backward`, anything else as plain attributes."""

    needs_input_grad: tuple[bool, ...]

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self.to_save: tuple[Any, ...] = ()
        self.saved_tensors: tuple[Any, ...] = ()
        self.materialize_grads = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps inputs and outputs, which `backward` finds in `saved_tensors`, as differentiable as they were."""
        self.to_save = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether a gradient that nobody sent comes as zeros (the default) or as None."""
        self.materialize_grads = value


class Function:
    """Base class: static `forward(ctx, *args)` and `backward(ctx, *gradients)`, called as `apply(*args)`.

    `backward` takes a gradient for every output and gives one (or None) for every argument of `forward`. Written in Tensor ops,
    it can be differentiated again. Raises RuntimeError where the number of gradients differs.

        class Cube(Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * x * x

            @staticmethod
            def backward(ctx, g):
                (x,) = ctx.saved_tensors
                return g * 3 * x * x
    """

    @staticmethod
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        """The outputs: a Tensor or a tuple of them."""
        raise NotImplementedError("Function: a subclass gives forward(ctx, *args)")

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """The gradient of every argument of `forward`."""
        raise NotImplementedError("Function: a subclass gives backward(ctx, *gradients)")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Runs `forward`, and records `backward` for it."""
        tensors: list[Any] = [a for a in args if isinstance(a, Handle)]
        ctx = Context(tuple(isinstance(a, Handle) and a._value.requires_grad for a in args))
        with no_grad():
            result = cls.forward(ctx, *args, **kwargs)
        outputs = result if isinstance(result, tuple) else (result,)
        recorded = Handwritten(cls, ctx, args, outputs)(*outputs, *tensors)
        return recorded if isinstance(result, tuple) else recorded[0]


class Handwritten(Op):
    """The outputs of a `Function`, passed on, with its arguments as further inputs, to which its gradients go."""

    stores = True

    def __init__(
        self, function: type[Function], ctx: Context, args: tuple[Any, ...], outputs: tuple[Tensor, ...]
    ) -> None:
        self.function, self.ctx = function, ctx
        self.count = len(outputs)
        self.places = [i for i, a in enumerate(args) if isinstance(a, Handle)]
        ids = [id(t) for t in (*outputs, *(args[i] for i in self.places))]
        self.saved = [ids.index(id(t)) if id(t) in ids else t for t in ctx.to_save]
        ctx.to_save = ()  # the tape has them already; holding them twice would tie a knot

    def forward(self, *arrays: Any) -> Any:
        return tuple(np.array(a) for a in arrays[: self.count])

    def infer(self, *inputs: Any) -> Any:
        return tuple(Spec(x.shape, x.dtype) for x in inputs[: self.count])

    def gradient(self, g: Any, out: Any, *inputs: Tensor) -> tuple[Any, ...]:
        # a single output comes without its tuple
        sent, outs = (g, out) if self.count > 1 else ((g,), (out,))
        known = (*outs, *inputs[self.count :])
        self.ctx.saved_tensors = tuple(known[s] if isinstance(s, int) else s for s in self.saved)
        if self.ctx.materialize_grads:
            sent = tuple(y.detach() * 0 if h is None else h for h, y in zip(sent, outs, strict=True))
        grads = self.function.backward(self.ctx, *sent)
        self.ctx.saved_tensors = ()  # an output among them would hold its own node
        grads = grads if isinstance(grads, tuple) else (grads,)
        if len(grads) < max(self.places, default=-1) + 1:
            raise RuntimeError(
                f"{self.function.__name__}.backward: expected a gradient or None for each of forward's arguments "
                f"({max(self.places) + 1} at least), got {len(grads)}"
            )
        return (None,) * self.count + tuple(grads[i] for i in self.places)
