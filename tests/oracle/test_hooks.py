"""What hooks of a module are told, beside PyTorch: which gradients, how often, in which order."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

import lampion


def plain(x: Any) -> Any:
    """Numbers in place of tensors, whatever they stand in."""
    if isinstance(x, tuple | list):
        return [plain(y) for y in x]
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    return x.detach().tolist() if hasattr(x, "detach") else x


def told(t: Any, run: Callable[[Any, Any, Any], Any]) -> Any:
    class Scaled(t.nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.weight = t.nn.Parameter(t.tensor([2.0, 3.0]))

        def forward(self, x: Any, y: Any = None, factor: float = 1.0) -> Any:
            return x * self.weight * factor if y is None else (x * self.weight, y)

    module, calls = Scaled(), []
    module.register_full_backward_hook(lambda m, a, b: calls.append(("backward", plain(a), plain(b))))
    module.register_full_backward_pre_hook(lambda m, b: calls.append(("before backward", plain(b))))
    module.register_full_backward_pre_hook(lambda m, b: tuple(None if g is None else g * 2 for g in b), prepend=True)
    module.register_forward_hook(
        lambda m, a, k, y: calls.append(("after", plain(a), plain(k), plain(y))), with_kwargs=True
    )
    module.register_forward_pre_hook(lambda m, a, k: (a, {**k, "factor": 3.0}), with_kwargs=True, prepend=True)
    x = t.ones(2, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, where no input requires grad
        result = run(t, module, x)
    return calls, plain(result), plain(x.grad), plain(module.weight.grad)


def second(t: Any, m: Any, x: Any) -> Any:
    (g,) = t.autograd.grad((m(x) ** 3).sum(), x, create_graph=True)
    return t.autograd.grad(g.sum(), x)


@pytest.mark.parametrize(
    "run",
    [
        lambda t, m, x: m(x).sum().backward(),
        lambda t, m, x: m(x, factor=5.0).sum().backward(),
        lambda t, m, x: m(x, t.ones(2))[0].sum().backward(),
        lambda t, m, x: m(x, x)[1].sum().backward(),
        lambda t, m, x: m(x * 2, 4.0)[0].sum().backward(),
        lambda t, m, x: m(t.ones(2)).sum().backward(),
        lambda t, m, x: (m(m(x)) * x).sum().backward(),
        second,
    ],
    ids=["plain", "keyword", "no gradient", "second output", "number", "parameters only", "called twice", "second"],
)
def test_hooks_are_told_the_same(run: Callable[[Any, Any, Any], Any]) -> None:
    assert told(lampion, run) == told(torch, run)
