"""Checks of the data that a traced program makes: `assert`, and `raise` on a way that the data decides about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lampion.ops.promote import as_tensor
from lampion.symbolic import Spec, SymBool
from lampion.tape import Primitive, Trace, current

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class Checked(Primitive):
    """The first input as it is. Running it fails, with the message, where one of the others (bool, no dims) doesn't hold."""

    def __init__(self, messages: tuple[str, ...]) -> None:
        self.messages = messages

    def infer(self, x: Any, *holds: Any) -> Spec:
        return Spec(x.shape, x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, *holds: Tensor) -> tuple[Any, ...]:
        return (g, *[None for _ in holds])


def check(holds: SymBool, message: str) -> None:
    """What the trace that is being recorded must find true when it runs."""
    current().checks.append((as_tensor(holds), message))


def all_hold(trace: Trace) -> Tensor:
    """Whether everything that a trace checks holds; to be called while it is being recorded."""
    result = as_tensor(True)
    for holds, _ in trace.checks:
        result = result & holds
    return result


def messages(*traces: Trace) -> str:
    """What the checks of some traces say."""
    return "; ".join(message for trace in traces for _, message in trace.checks)
