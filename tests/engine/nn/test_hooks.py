"""Hooks of a module: what they see, what they change, in which order, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lampion
from lampion import nn


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(lampion.tensor([2.0, 3.0]))

    def forward(self, x: Any, y: Any = None, factor: float = 1.0) -> Any:
        if factor < 0:
            raise ValueError("negative")
        return x * self.weight * factor if y is None else (x * self.weight, y * factor)


ONES = lampion.ones(2)


def test_prepended_hooks_come_first_and_removed_ones_not_at_all() -> None:
    module, order = Scaled(), []
    module.register_forward_hook(lambda *_: order.append("b"))
    module.register_forward_hook(lambda *_: order.append("a"), prepend=True)
    gone = module.register_forward_hook(lambda *_: order.append("c"))
    gone.remove()
    module(ONES)
    assert order == ["a", "b"]


def test_hooks_with_kwargs_see_and_change_them() -> None:
    module, seen = Scaled(), []
    module.register_forward_pre_hook(lambda m, args, kwargs: (args, {"factor": kwargs["factor"] * 2}), with_kwargs=True)
    module.register_forward_hook(lambda m, args, kwargs, out: seen.append(kwargs), with_kwargs=True)
    assert module(ONES, factor=2.0).tolist() == [8, 12]
    assert seen == [{"factor": 4.0}]


def test_a_hook_that_is_always_called_sees_a_failure() -> None:
    module, seen = Scaled(), []
    module.register_forward_hook(lambda m, args, out: seen.append(out), always_call=True)
    module.register_forward_hook(lambda m, args, out: seen.append("never"))
    with pytest.raises(ValueError, match="negative"):
        module(ONES, factor=-1.0)
    assert seen == [None]


def test_an_error_in_such_a_hook_does_not_hide_the_first() -> None:
    module = Scaled()
    module.register_forward_hook(lambda *_: 1 / 0, always_call=True)
    with pytest.warns(UserWarning, match="always_call=True raised ZeroDivisionError"):  # noqa: SIM117
        with pytest.raises(ValueError, match="negative"):
            module(ONES, factor=-1.0)


def test_backward_hooks_see_and_replace_gradients() -> None:
    module, seen = Scaled(), []
    module.register_full_backward_pre_hook(lambda m, grad_output: (grad_output[0] * 10,))
    module.register_full_backward_hook(lambda m, grad_input, grad_output: seen.append((grad_input, grad_output)))
    module.register_full_backward_hook(lambda m, grad_input, grad_output: (grad_input[0] + 1,))
    x = lampion.ones(2, requires_grad=True)
    module(x).sum().backward()
    [((grad_input,), (grad_output,))] = seen
    assert (grad_output.tolist(), grad_input.tolist()) == ([10, 10], [20, 30])
    assert x.grad is not None
    assert x.grad.tolist() == [21, 31]
    assert module.weight.grad is not None
    assert module.weight.grad.tolist() == [10, 10]


def test_what_has_no_gradient_is_zero_or_none() -> None:
    module, seen = Scaled(), []
    module.register_full_backward_hook(lambda m, *grads: seen.append(grads))
    x = lampion.ones(2, requires_grad=True)
    module(x, ONES)[0].sum().backward()
    module(ONES, 3.0)[0].sum().backward()  # no argument requires grad: told with the gradient of the output
    assert [[[None if g is None else g.tolist() for g in grads] for grads in call] for call in seen] == [
        [[[2, 3], [0, 0]], [[1, 1], None]],
        [[None, None], [[1, 1], None]],
    ]


def test_a_second_gradient_passes_and_nothing_is_told_without_grad() -> None:
    module, seen = Scaled(), []
    module.register_full_backward_hook(lambda m, *grads: seen.append(grads))
    x = lampion.ones(2, requires_grad=True)
    (g,) = lampion.autograd.grad((module(x) ** 3).sum(), x, create_graph=True)
    (second,) = lampion.autograd.grad(g.sum(), x)
    np.testing.assert_allclose(second.numpy(), [6 * 2.0**3, 6 * 3.0**3])
    with lampion.no_grad():
        module(x)
    assert len(seen) == 2  # once a walk


@pytest.mark.parametrize(
    ("register", "says"),
    [
        (lambda m: m.register_full_backward_hook(lambda *_: (None, None)), "expected 1 as grad_input .* got 2"),
        (lambda m: m.register_full_backward_pre_hook(lambda *_: ()), "expected 1 as grad_output .* got 0"),
        (
            lambda m: m.register_forward_pre_hook(lambda m, a, k: a, with_kwargs=True),
            r"expected None or \(args, kwargs\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(register: Callable[[Any], Any], says: str) -> None:
    module = Scaled()
    register(module)
    with pytest.raises(RuntimeError, match=f"Scaled: {says}"):
        module(lampion.ones(2, requires_grad=True)).sum().backward()


def test_an_output_without_tensors_is_told() -> None:
    class Listed(nn.Module):
        def forward(self, x: Any) -> Any:
            return [x]

    module = Listed()
    module.register_full_backward_hook(lambda *_: None)
    with pytest.warns(UserWarning, match="need a Tensor or a tuple"):
        module(ONES)
