"""Window functions: weights that let a frame of a signal fade in and out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion import dtypes
from lampion.ops.create import check_device, dense, new

if TYPE_CHECKING:
    from lampion.tensor import Tensor

Array = np.ndarray[Any, Any]

# The coefficients of general_cosine; A. H. Nuttall, IEEE Trans. ASSP 29 (1981) 84-91, for the last.
BLACKMAN = (0.42, 0.5, 0.08)
NUTTALL = (0.3635819, 0.4891775, 0.1365995, 0.0106411)


# ---- torch.signal.windows: symmetric unless told otherwise -----------------------------------------------------------


@dense
def general_cosine(M: int, *, a: Sequence[float], sym: bool = True, **settings: Any) -> Tensor:  # noqa: N803
    """sum_i (-1)^i a[i] cos(2 pi i n / (M - 1)), over M instead of M - 1 where not `sym`."""
    turn = 2 * np.pi * _steps("general_cosine", M, sym)
    terms = [(-1) ** i * weight * np.cos(i * turn) for i, weight in enumerate(a)]
    return _window(M, sum(terms, np.zeros(M)), **settings)


@dense
def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, **settings: Any) -> Tensor:  # noqa: N803
    """alpha - (1 - alpha) cos(2 pi n / (M - 1))"""
    return general_cosine(M, a=(alpha, 1 - alpha), sym=sym, **settings)


@dense
def hamming(M: int, *, sym: bool = True, **settings: Any) -> Tensor:  # noqa: N803
    """`general_hamming` with alpha 0.54."""
    return general_hamming(M, sym=sym, **settings)


@dense
def hann(M: int, *, sym: bool = True, **settings: Any) -> Tensor:  # noqa: N803
    """sin^2(pi n / (M - 1))"""
    return general_hamming(M, alpha=0.5, sym=sym, **settings)


@dense
def blackman(M: int, *, sym: bool = True, **settings: Any) -> Tensor:  # noqa: N803
    """Three cosine terms."""
    return general_cosine(M, a=BLACKMAN, sym=sym, **settings)


@dense
def nuttall(M: int, *, sym: bool = True, **settings: Any) -> Tensor:  # noqa: N803
    """Four cosine terms, side lobes under -93 dB."""
    return general_cosine(M, a=NUTTALL, sym=sym, **settings)


@dense
def bartlett(M: int, *, sym: bool = True, **settings: Any) -> Tensor:  # noqa: N803
    """A triangle."""
    return _window(M, 1 - np.abs(2 * _steps("bartlett", M, sym) - 1), **settings)


@dense
def cosine(M: int, *, sym: bool = True, **settings: Any) -> Tensor:  # noqa: N803
    """sin(pi (n + 1/2) / M)"""
    length = M if sym else M + 1
    return _window(M, np.sin(np.pi / max(length, 1) * (np.arange(M) + 0.5)), **settings)


@dense
def exponential(M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, **settings: Any) -> Tensor:  # noqa: N803
    """exp(-|n - center| / tau)

    Raises ValueError for tau <= 0, and for a centre of a symmetric window, which has one.
    """
    if tau <= 0:
        raise ValueError(f"exponential: expected tau > 0, got {tau}")
    if sym and center is not None:
        raise ValueError("exponential: a symmetric window has its own center; pass sym=False to choose one")
    middle = (M if not sym and M > 1 else M - 1) / 2 if center is None else center
    return _window(M, np.exp(-np.abs(np.arange(M) - middle) / tau), **settings)


@dense
def gaussian(M: int, *, std: float = 1.0, sym: bool = True, **settings: Any) -> Tensor:  # noqa: N803
    """exp(-(n - centre)^2 / (2 std^2)). Raises ValueError for std <= 0."""
    if std <= 0:
        raise ValueError(f"gaussian: expected std > 0, got {std}")
    middle = (M if not sym and M > 1 else M - 1) / 2
    return _window(M, np.exp(-(((np.arange(M) - middle) / std) ** 2) / 2), **settings)


@dense
def kaiser(M: int, *, beta: float = 12.0, sym: bool = True, **settings: Any) -> Tensor:  # noqa: N803
    """i0(beta sqrt(1 - x^2)) / i0(beta), x from -1 to 1. Raises ValueError for beta < 0."""
    if beta < 0:
        raise ValueError(f"kaiser: expected beta >= 0, got {beta}")
    x = 2 * _steps("kaiser", M, sym) - 1
    return _window(M, np.i0(beta * np.sqrt(np.maximum(1 - x * x, 0))) / np.i0(beta), **settings)


# ---- torch.*_window: periodic unless told otherwise ------------------------------------------------------------------


@dense
def hann_window(window_length: int, periodic: bool = True, **settings: Any) -> Tensor:
    """`signal.windows.hann`, periodic by default."""
    return hann(window_length, sym=not periodic, **settings)


@dense
def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, **settings: Any
) -> Tensor:
    """alpha - beta cos(2 pi n / N)"""
    return general_cosine(window_length, a=(alpha, beta), sym=not periodic, **settings)


@dense
def blackman_window(window_length: int, periodic: bool = True, **settings: Any) -> Tensor:
    """`signal.windows.blackman`, periodic by default."""
    return blackman(window_length, sym=not periodic, **settings)


@dense
def bartlett_window(window_length: int, periodic: bool = True, **settings: Any) -> Tensor:
    """`signal.windows.bartlett`, periodic by default."""
    return bartlett(window_length, sym=not periodic, **settings)


@dense
def kaiser_window(window_length: int, periodic: bool = True, beta: float = 12.0, **settings: Any) -> Tensor:
    """`signal.windows.kaiser`, periodic by default."""
    return kaiser(window_length, beta=beta, sym=not periodic, **settings)


def _steps(who: str, length: int, sym: bool) -> Array:
    """From 0 to 1 in `length` steps; without the last where not `sym`."""
    if length < 0:
        raise ValueError(f"{who}: expected a length of at least 0, got {length}")
    return np.arange(length) / max(length - 1 if sym else length, 1)


def _window(
    length: int, weights: Array, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Raises RuntimeError for a dtype that is not floating point."""
    check_device(device)
    kind = dtypes.of(dtype) if dtype is not None else dtypes.get_default_dtype()
    if not kind.is_floating_point:
        raise RuntimeError(f"window: expected a floating point dtype, got {kind}")
    return new(np.ones(length, kind.numpy) if length == 1 else weights.astype(kind.numpy), requires_grad)
