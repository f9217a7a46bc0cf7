"""The walk over the tape, and what steers it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lampion
from lampion import autograd
from lampion.autograd import functional


def leaf(*numbers: float) -> Any:
    return lampion.tensor(list(numbers), dtype=lampion.float64, requires_grad=True)


# ---- where gradients go ---------------------------------------------------------------------------------------------


def test_gradients_add_up_over_uses_and_calls() -> None:
    x = leaf(1.0, 2.0)
    (x * x + 3 * x).sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]
    x.sum().backward()
    assert x.grad.tolist() == [6.0, 8.0]


def test_a_leaf_may_change_its_gradient_without_changing_another_leafs() -> None:
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x + y).sum().backward()
    x.grad.numpy()[0] = 7.0
    assert y.grad.tolist() == [1.0, 1.0]


def test_backward_keeps_the_callers_gradient_apart() -> None:
    x, seed = leaf(1.0, 2.0), lampion.ones(2, dtype=lampion.float64)
    x.backward(seed)
    x.grad.mul_(5)
    assert seed.tolist() == [1.0, 1.0]


def test_grad_leaves_grad_alone_and_reaches_what_is_no_leaf() -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    z = (y * y).sum()
    by_y, by_x = autograd.grad(z, [y, x])
    assert by_y.tolist() == [2.0, 8.0]
    assert by_x.tolist() == [4.0, 32.0]
    assert x.grad is None


def test_grad_of_a_tensor_by_itself_is_one() -> None:
    x = leaf(3.0)
    y = x * 2
    assert autograd.grad(y, y)[0].item() == 1.0
    assert autograd.grad(x, x)[0].item() == 1.0


def test_several_outputs_share_one_walk() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    autograd.backward([y, y * x], [lampion.ones_like(y.detach())] * 2)
    assert x.grad.tolist() == [6.0, 10.0]


def test_retained_and_hooked_gradients() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3
    y.retain_grad()
    seen: list[Any] = []
    handle = y.register_hook(lambda g: seen.append(g.tolist()) or g * 10)
    (y * y).sum().backward()
    assert seen == [[6.0, 12.0]]
    assert y.grad.tolist() == [60.0, 120.0]
    assert x.grad.tolist() == [180.0, 360.0]
    handle.remove()
    (x * 1).sum().backward()
    assert len(seen) == 1


def test_a_leafs_hook_replaces_its_gradient() -> None:
    x = leaf(1.0)
    with x.register_hook(lambda g: g * 2):
        x.sum().backward()
    x.sum().backward()
    assert x.grad.tolist() == [3.0]


def test_no_grad_records_nothing_and_enable_grad_does_again() -> None:
    x = leaf(1.0)
    with autograd.no_grad():
        assert not (x * 2).requires_grad
        with autograd.enable_grad():
            assert (x * 2).requires_grad
    assert (x * 2).requires_grad

    @autograd.no_grad()
    def quiet() -> bool:
        return bool((x * 2).requires_grad)

    assert not quiet()
    assert autograd.is_grad_enabled()


def test_ints_and_bools_carry_no_gradient() -> None:
    x = leaf(1.0, 2.0)
    assert not (x > 1).requires_grad
    assert not x.argmax().requires_grad
    assert not x.long().requires_grad


def test_create_graph_goes_to_any_order() -> None:
    x = leaf(2.0)
    y = (x**4).sum()
    for wanted in (32.0, 48.0, 48.0, 24.0):
        [y] = autograd.grad(y, x, create_graph=True)
        assert y.item() == wanted
        y = y.sum()


# ---- refusals -------------------------------------------------------------------------------------------------------


def walked_twice() -> None:
    y = (leaf(1.0) * 2).exp().sum()
    y.backward()
    y.backward()


def overwritten_input() -> None:
    x, w = lampion.ones(2, dtype=lampion.float64), leaf(1.0, 2.0)
    y = x * w
    x[0] = 5.0
    y.sum().backward()


def overwritten_output() -> None:
    x = leaf(1.0, 2.0)
    y = x.exp()
    y.detach()[0] = 5.0
    y.sum().backward()


REFUSALS: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    ("freed graph", walked_twice, RuntimeError, "retain_graph=True"),
    ("overwritten input", overwritten_input, RuntimeError, "modified by an inplace operation"),
    ("overwritten output", overwritten_output, RuntimeError, "modified by an inplace operation"),
    ("no scalar", lambda: leaf(1.0, 2.0).exp().backward(), RuntimeError, "only for scalar outputs"),
    ("nothing requires grad", lambda: lampion.ones(1).backward(), RuntimeError, "does not require grad"),
    ("gradient's shape", lambda: leaf(1.0, 2.0).backward(lampion.ones(3)), RuntimeError, r"expected shape \[2\], got \[3\]"),
    ("unused", lambda: autograd.grad(leaf(1.0), leaf(1.0)), RuntimeError, "allow_unused=True"),
    ("by a constant", lambda: autograd.grad(leaf(1.0), lampion.ones(1)), RuntimeError, "does not require grad"),
    ("hook on a constant", lambda: lampion.ones(1).register_hook(print), RuntimeError, "doesn't require gradient"),
    ("int requires grad", lambda: lampion.tensor([1], requires_grad=True), RuntimeError, "floating point"),
    ("flag of a result", lambda: leaf(1.0).exp().requires_grad_(False), RuntimeError, "leaf"),
    ("leaf in place", lambda: leaf(1.0).add_(1), RuntimeError, "a leaf Variable that requires grad"),
    ("view of a leaf in place", lambda: leaf(1.0)[0].add_(1), RuntimeError, "a leaf Variable that requires grad"),
    ("leaf setitem", lambda: leaf(1.0).__setitem__(0, 2.0), RuntimeError, "a leaf Variable that requires grad"),
    ("numpy", lambda: leaf(1.0).numpy(), RuntimeError, r"detach\(\).numpy\(\)"),
    ("deepcopy of a result", lambda: leaf(1.0).exp().__deepcopy__({}), RuntimeError, "detach"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS])
def test_refusals(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_unused_inputs_give_none_on_request() -> None:
    x, y = leaf(1.0), leaf(1.0)
    assert autograd.grad(x * 2, [x, y], allow_unused=True)[1] is None


# ---- memory ---------------------------------------------------------------------------------------------------------


def test_a_training_loop_leaves_nothing_behind() -> None:
    """Without the collector's help: no reference cycles."""
    w = leaf(*range(8))
    watched: list[weakref.ref[Any]] = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            y = (w.reshape(2, 4)[0] * w[4:]).softmax(0)
            y[0] += 1
            z = y.sum(0, keepdim=True).max(0).values
            watched += [weakref.ref(y._value), weakref.ref(z._value.node), weakref.ref(y)]
            z.backward()
            w.grad = None
        del y, z
        assert [r for r in watched if r() is not None] == []
        assert len(w._value.version.views) < 20
    finally:
        gc.enable()


def test_a_second_gradient_leaves_nothing_behind() -> None:
    x = leaf(1.0, 2.0)
    gc.collect()
    gc.disable()
    try:
        y = x.exp().sum()
        [g] = autograd.grad(y, x, create_graph=True)
        (g * g).sum().backward()
        node = weakref.ref(g._value.node)
        del y, g
        assert node() is None
    finally:
        gc.enable()


def test_a_gradient_written_by_hand_leaves_nothing_behind() -> None:
    x = leaf(1.0, 2.0)
    gc.collect()
    gc.disable()
    try:
        power, _ = Powers.apply(x, 3, lampion.ones(2, dtype=lampion.float64))
        [g] = autograd.grad(power.sum(), x, create_graph=True)
        node = weakref.ref(power._value.node)
        del power, g, _
        assert node() is None
    finally:
        gc.enable()


# ---- gradcheck ------------------------------------------------------------------------------------------------------


class Wrong(autograd.Function):
    """x squared, whose gradient forgets the 2 for the second element."""

    @staticmethod
    def forward(ctx: autograd.Context, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: autograd.Context, g: Any) -> Any:
        [x] = ctx.saved_tensors
        return g * x * lampion.tensor([2.0, 1.0], dtype=lampion.float64)


def test_gradcheck_names_the_elements_and_both_numbers() -> None:
    with pytest.raises(
        autograd.GradcheckError, match=r"output 0 element 1 / d input 0 element \[1\]: the gradient gives 3, .* 6"
    ):
        autograd.gradcheck(Wrong.apply, leaf(1.0, 3.0))
    assert not autograd.gradcheck(Wrong.apply, leaf(1.0, 3.0), raise_exception=False)
    with pytest.raises(RuntimeError, match="element"):
        autograd.gradcheck(Wrong.apply, leaf(1.0, 3.0), fast_mode=True)
    assert autograd.gradcheck(lambda x: x.exp(), leaf(1.0, 3.0), fast_mode=True)


def test_gradgradcheck_finds_a_second_gradient_that_is_cut_off() -> None:
    def cut(x: Any) -> Any:
        return x * x.detach() + x * x * 0

    assert autograd.gradgradcheck(lambda x: x * x, leaf(1.0, 3.0))
    with pytest.raises(autograd.GradcheckError):
        autograd.gradcheck(cut, leaf(1.0, 3.0))


@pytest.mark.parametrize(
    ("x", "message"), [(lampion.ones(1), "requires_grad=True"), (lampion.ones(1, requires_grad=True), "float64")]
)
def test_gradcheck_wants_float64_that_requires_grad(x: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        autograd.gradcheck(lambda x: x, x)


# ---- Function -------------------------------------------------------------------------------------------------------


class Powers(autograd.Function):
    """(x ** n, y * x): two outputs, an argument that is no tensor, an output among the saved."""

    @staticmethod
    def forward(ctx: autograd.Context, x: Any, n: int, y: Any) -> Any:
        power = x**n
        ctx.n = n  # type: ignore[attr-defined]
        ctx.save_for_backward(x, y, power)
        return power, y * x

    @staticmethod
    def backward(ctx: autograd.Context, g: Any, h: Any) -> Any:
        x, y, power = ctx.saved_tensors
        return g * ctx.n * power / x + h * y, None, h * x if ctx.needs_input_grad[2] else None  # type: ignore[attr-defined]


def test_function_differentiates_twice() -> None:
    inputs = leaf(1.0, 2.0), leaf(3.0, 0.5)
    assert autograd.gradcheck(lambda x, y: Powers.apply(x, 3, y), inputs)
    assert autograd.gradgradcheck(lambda x, y: Powers.apply(x, 3, y), inputs)


def test_function_fills_gradients_that_nobody_sent() -> None:
    x = leaf(2.0)
    power, _ = Powers.apply(x, 3, lampion.ones(1, dtype=lampion.float64))
    power.backward()
    assert x.grad.tolist() == [12.0]


def test_function_needs_a_gradient_for_every_argument() -> None:
    class Short(autograd.Function):
        @staticmethod
        def forward(ctx: autograd.Context, x: Any, y: Any) -> Any:
            return x * y

        @staticmethod
        def backward(ctx: autograd.Context, g: Any) -> Any:
            return g

    with pytest.raises(RuntimeError, match=r"Short.backward: expected .* \(2 at least\), got 1"):
        Short.apply(leaf(1.0), leaf(1.0)).backward()


# ---- functional -----------------------------------------------------------------------------------------------------


def test_jacobian_and_hessian_of_polynomials() -> None:
    x, y = leaf(1.0, 2.0), leaf(3.0)
    assert functional.jacobian(lambda x: x * x, x).tolist() == [[2.0, 0.0], [0.0, 4.0]]
    by_x, by_y = functional.jacobian(lambda x, y: x * y, (x, y))
    assert (by_x.tolist(), by_y.tolist()) == ([[3.0, 0.0], [0.0, 3.0]], [[1.0], [2.0]])
    assert functional.hessian(lambda x: (x**3).sum(), x).tolist() == [[6.0, 0.0], [0.0, 12.0]]
    (xx, xy), (yx, yy) = functional.hessian(lambda x, y: (x * x * y).sum(), (x, y))
    np.testing.assert_array_equal(xx.numpy(), np.diag([6.0, 6.0]))
    assert (xy.tolist(), yx.tolist(), yy.tolist()) == ([[2.0], [4.0]], [[2.0, 4.0]], [[0.0]])


def test_vjp_is_a_row_of_the_jacobian() -> None:
    value, row = functional.vjp(lambda x: x * x, leaf(1.0, 2.0), lampion.tensor([0.0, 1.0], dtype=lampion.float64))
    assert (value.tolist(), row.tolist()) == ([1.0, 4.0], [0.0, 4.0])


def test_hessian_times_vector_is_the_hessians_product() -> None:
    def f(x: Any, y: Any) -> Any:
        return (x * x * y + x.exp() * y).sum()

    x, y = leaf(1.0, 2.0), leaf(0.5, -1.0)
    v = lampion.tensor([0.3, -0.7], dtype=lampion.float64)
    (xx, xy), (yx, yy) = functional.hessian(f, (x, y))
    value, (by_x, by_y) = functional.hvp(f, (x, y), (v, v))
    assert value.item() == f(x, y).item()
    np.testing.assert_allclose(by_x.numpy(), ((xx + xy) @ v).detach().numpy())
    np.testing.assert_allclose(by_y.numpy(), ((yx + yy) @ v).detach().numpy())
    assert functional.hvp(lambda x: x.sum(), x, v)[1].tolist() == [0.0, 0.0]


def test_jacobian_of_a_constant_is_zero() -> None:
    assert functional.jacobian(lambda x: lampion.ones(2), leaf(1.0)).tolist() == [[0.0], [0.0]]


def test_hessian_wants_one_number() -> None:
    with pytest.raises(RuntimeError, match=r"one element, got shape \[2\]"):
        functional.hessian(lambda x: x * x, leaf(1.0, 2.0))
