"""Ops that are one for numpy or a runtime, and several for a graph that has to know their gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lampion.autograd import walk
from lampion.ops.promote import Op
from lampion.tape import Array, Value, grad_enabled, grad_mode, moment, tracing, wrap

if TYPE_CHECKING:
    from lampion.tensor import Tensor

Arrays = tuple[Array | None, ...]


class Fused(Op):
    """Base of ops that are also written in plain ops, whose gradients are known.

    Those run in a trace, and where a gradient is to be differentiated. Otherwise the op is one node on the tape: `kernel` on
    arrays, and `kernel_gradient`. An `operator` of a runtime is whole in a trace too, where no gradient is recorded, or where
    `gradient_in_ops` is quicker than that of the plain ops; the exporter writes the runtime's own for it, or the plain ops
    where that lacks something.
    """

    operator: ClassVar[bool] = False

    @property
    def outputs(self) -> int:
        """How many there are; what `kernel` gives besides is for its gradient."""
        return 1

    def plain(self, *inputs: Tensor) -> Any:
        """The same in plain ops: one Tensor, or a tuple of them."""
        raise NotImplementedError(f"{type(self).__name__} has no plain form")

    def has_kernel(self, *inputs: Tensor) -> bool:
        """Whether `kernel` takes these inputs."""
        return True

    def kernel(self, *arrays: Any, **_: Any) -> Any:
        """The outputs of arrays; while `grad_mode` is enabled, in a tuple with what the gradient needs behind them."""
        raise NotImplementedError(f"{type(self).__name__} has no kernel")

    def kernel_gradient(self, sent: Arrays, given: Any, inputs: Any, wanted: Sequence[bool]) -> Arrays:
        """The gradients of the inputs that are `wanted`, by those of the outputs (None where nobody sent one).

        `given` is all that `kernel` gave. `numbers()` of it, or of an input, raises where that was overwritten since.
        """
        raise NotImplementedError(f"{type(self).__name__} has no kernel for its gradient")

    def has_gradient_in_ops(self, *inputs: Tensor) -> bool:
        """Whether a trace keeps the op whole for these inputs although their gradient is recorded."""
        return False

    def gradient_in_ops(self, sent: Sequence[Tensor | None], given: Any, inputs: Any) -> tuple[Tensor | None, ...]:
        """The gradients of the inputs in a trace, by those of the outputs."""
        raise NotImplementedError(f"{type(self).__name__} has no gradient in ops")

    def __call__(self, *inputs: Tensor) -> Any:
        recorded = grad_mode.enabled and True in [x._value.requires_grad for x in inputs]
        if tracing():
            whole = self.has_gradient_in_ops(*inputs) if recorded else self.operator
            return super().__call__(*inputs) if whole else self.plain(*inputs)
        if not self.has_kernel(*inputs) and (recorded or not self.operator):
            return self.plain(*inputs)
        result = super().__call__(*inputs)
        if type(result) is not tuple or len(result) == self.outputs:
            return result
        return result[0] if self.outputs == 1 else result[: self.outputs]

    def forward(self, *arrays: Array) -> Any:
        inputs = [wrap(Value(a)) for a in arrays]
        if self.has_kernel(*inputs):
            return self.kernel(*arrays)
        result = self.plain(*inputs)
        return tuple(t._value.data for t in result) if isinstance(result, tuple) else result._value.data

    def gradient(self, g: Any, out: Any, *inputs: Tensor) -> tuple[Any, ...]:
        sent, given = (g, out) if isinstance(out, tuple) else ((g,), (out,))
        if tracing() and self.has_gradient_in_ops(*inputs):
            return self.gradient_in_ops(sent, given, inputs)
        if grad_mode.enabled or tracing():
            return self._gradient_of_plain(sent, inputs)
        arrays = self.kernel_gradient(
            tuple([None if h is None else h._value.data for h in sent]),
            [y._value.data for y in given],
            [x._value.data for x in inputs],
            [x._value.requires_grad for x in inputs],
        )
        return tuple([None if a is None else wrap(Value(a)) for a in arrays])

    def _gradient_of_plain(self, sent: Sequence[Tensor | None], inputs: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
        """By way of the plain ops on the same inputs, each of which has a gradient of its own."""
        since = moment()
        with grad_enabled(True):
            result = self.plain(*inputs)
        outputs = result if isinstance(result, tuple) else (result,)
        roots = [(y._value, h) for y, h in zip(outputs, sent, strict=False) if h is not None and y.requires_grad]
        targets = {x._value.key: x._value for x in inputs if x.requires_grad}
        found = walk.run(
            [y for y, _ in roots], [h for _, h in roots], list(targets.values()), True, grad_mode.enabled,
            walks=lambda node: node.order > since, hooks=False,
        )  # fmt: skip
        # one that is there twice gets all of it the first time
        return tuple([found.pop(x._value.key, None) for x in inputs])


def alike(*inputs: Tensor) -> bool:
    """Whether all are float32, or all float64."""
    kind = inputs[0]._value.data.dtype
    return kind.kind == "f" and kind.itemsize > 2 and all([x._value.data.dtype is kind for x in inputs])


def numbers(data: Any) -> Array:
    """An array; raises RuntimeError for one that was overwritten since it was saved."""
    return data if type(data) is np.ndarray else np.asarray(data)
