"""Linear algebra where there is no answer, and what PyTorch's oracle does not compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lampion
from lampion.autograd import gradcheck
from lampion.linalg import LinAlgError

SINGULAR = lampion.tensor([[1.0, 2.0], [2.0, 4.0]])


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda: lampion.linalg.inv(SINGULAR), "linalg.inv.*singular.*use pinv"),
        (lambda: lampion.linalg.solve(SINGULAR, SINGULAR), "linalg.solve.*singular"),
        (lambda: lampion.linalg.cholesky(-SINGULAR), "linalg.cholesky.*positive definite"),
        (lambda: lampion.linalg.inv_ex(SINGULAR, check_errors=True), "linalg.inv.*singular"),
        (lambda: lampion.linalg.lu_factor_ex(SINGULAR, check_errors=True), "zero on its diagonal"),
    ],
)
def test_what_does_not_exist_is_refused(function: Callable[[], Any], says: str) -> None:
    with pytest.raises(LinAlgError, match=says):
        function()


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda: lampion.linalg.det(lampion.ones(2, 3)), r"square matrices, got shape \[2, 3\]"),
        (lambda: lampion.linalg.svd(lampion.ones(3)), r"matrices \[..., n, m\], got shape \[3\]"),
        (lambda: lampion.linalg.inv(lampion.ones(2, 2, dtype=lampion.int64)), "got lampion.int64"),
        (lambda: lampion.linalg.solve(lampion.eye(2), lampion.ones(3, 1)), "don't fit"),
        (lambda: lampion.linalg.solve(lampion.eye(2), lampion.ones(2, 1).double()), "one dtype"),
        (lambda: lampion.linalg.cross(lampion.ones(2), lampion.ones(2)), "size 3"),
        (lambda: lampion.linalg.multi_dot([lampion.ones(2, 3), lampion.ones(2, 3)]), "tensor 1 of shape"),
        (lambda: lampion.linalg.matrix_norm(lampion.ones(2, 2), 3), "expected ord 'fro'"),
        (lambda: lampion.linalg.qr(lampion.ones(2, 2), "r2"), "expected mode"),
    ],
)
def test_what_does_not_fit_is_refused(function: Callable[[], Any], says: str) -> None:
    with pytest.raises(RuntimeError, match=says):
        function()


def test_info_tells_which_matrices_failed_and_the_others_are_solved() -> None:
    both = lampion.stack([SINGULAR, lampion.eye(2) * 2])
    inverse, info = lampion.linalg.inv_ex(both)
    assert info.tolist() == [1, 0]
    assert inverse.isnan()[0].all()
    assert inverse[1].tolist() == [[0.5, 0.0], [0.0, 0.5]]
    result, info = lampion.linalg.solve_ex(both, lampion.ones(2, 2))
    assert info.tolist() == [1, 0]
    assert result[1].tolist() == [0.5, 0.5]
    assert lampion.linalg.cholesky_ex(lampion.stack([-SINGULAR, lampion.eye(2)])).info.tolist() == [1, 0]


def test_lu_without_exchanges() -> None:
    rng = np.random.default_rng(0)
    x = lampion.tensor(rng.normal(size=(2, 3, 3)) + 4 * np.eye(3), requires_grad=True)
    p, lower, upper = lampion.linalg.lu(x, pivot=False)
    assert p.shape == (0,)
    np.testing.assert_allclose((lower @ upper).detach().numpy(), x.detach().numpy(), atol=1e-12)
    assert gradcheck(lambda a: lampion.linalg.lu(a, pivot=False)[1:], x)


def test_a_gradient_does_not_see_the_phase_of_vectors() -> None:
    x = lampion.tensor(np.random.default_rng(1).normal(size=(4, 3)), requires_grad=True)

    def projector(a: Any) -> Any:
        u = lampion.linalg.svd(a, False).U[:, :2]
        return u @ u.mT

    assert gradcheck(projector, x)
