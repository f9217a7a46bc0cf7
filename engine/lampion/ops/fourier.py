"""Discrete Fourier transforms: X[k] = sum_j x[j] exp(-2 pi i j k / n), along one dim after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion import dtypes
from lampion.ops.complex import conj, real
from lampion.ops.create import new
from lampion.ops.dims import axis
from lampion.ops.promote import Op, as_tensor, cast, promoted
from lampion.ops.shape import narrow, pad_constant, roll
from lampion.symbolic import Size, Spec

if TYPE_CHECKING:
    from lampion.tensor import Tensor

Dims = int | Sequence[int] | None
Transform = Callable[..., "Tensor"]


class Fft(Op):
    """The transform of complex numbers along `dim`, or with `inverse` that of exp(+...); neither is scaled."""

    def __init__(self, dim: int, inverse: bool) -> None:
        self.dim, self.inverse = dim, inverse

    def forward(self, x: Any) -> Any:
        return np.fft.ifft(x, axis=self.dim, norm="forward") if self.inverse else np.fft.fft(x, axis=self.dim)

    def infer(self, x: Any) -> Spec:
        return Spec(x.shape, x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (Fft(self.dim, not self.inverse)(g),)


class Rfft(Op):
    """The first n // 2 + 1 terms of the transform of real numbers; the others are their conjugates."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, x: Any) -> Any:
        return np.fft.rfft(x, axis=self.dim)

    def infer(self, x: Any) -> Spec:
        return Spec(_with(x.shape, self.dim, x.shape[self.dim] // 2 + 1), np.result_type(x.dtype, np.complex64))

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (real(Fft(self.dim, True)(_resized(g, self.dim, x.shape[self.dim]))),)


class Irfft(Op):
    """`n` real numbers from the first n // 2 + 1 terms of their transform, not scaled."""

    def __init__(self, dim: int, n: Size) -> None:
        self.dim, self.n = dim, n

    def forward(self, x: Any) -> Any:
        return np.fft.irfft(x, self.n, axis=self.dim, norm="forward")

    def infer(self, x: Any) -> Spec:
        return Spec(_with(x.shape, self.dim, self.n), np.zeros(0, x.dtype).real.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        """Every term but those at frequency 0 and n / 2 stands for its conjugate too."""
        terms = self.n // 2 + 1
        twice = np.full(terms, 2.0)
        twice[:: terms - 1 if self.n % 2 == 0 and terms > 1 else terms] = 1
        weights = as_tensor(twice, g.dtype).reshape(-1, *[1] * (x.ndim - self.dim - 1))
        return (Rfft(self.dim)(g) * weights,)


# ---- along one dim --------------------------------------------------------------------------------------------------


def fft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The transform along `dim`, cut or filled with zeros to `n` terms.

    `norm` "backward" (None) scales the inverse by 1 / n, "forward" the transform, "ortho" both by 1 / sqrt(n).
    Raises RuntimeError for another norm or less than one term.
    """
    return _complex(input, n, dim, norm, inverse=False)


def ifft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of `fft`."""
    return _complex(input, n, dim, norm, inverse=True)


def rfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The first n // 2 + 1 terms of `fft` of real numbers."""
    return _from_real("rfft", input, n, dim, norm, inverse=False)


def irfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of `rfft`: `n` real numbers, by default 2 (terms - 1)."""
    return _to_real(input, n, dim, norm, inverse=True)


def hfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """`fft` of the first n // 2 + 1 of numbers whose others are their conjugates: `n` real numbers."""
    return _to_real(conj(input), n, dim, norm, inverse=False)


def ihfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of `hfft`: the first n // 2 + 1 terms of `ifft` of real numbers."""
    return conj(_from_real("ihfft", input, n, dim, norm, inverse=True))


# ---- along several --------------------------------------------------------------------------------------------------


def fftn(input: Tensor, s: Dims = None, dim: Dims = None, norm: str | None = None) -> Tensor:
    """`fft` along every dim in `dim` (all, or the last len(s)), cut or filled to sizes `s` (-1 keeps one)."""
    return _each(fft, input, _places(input, s, dim), norm)


def ifftn(input: Tensor, s: Dims = None, dim: Dims = None, norm: str | None = None) -> Tensor:
    """The inverse of `fftn`."""
    return _each(ifft, input, _places(input, s, dim), norm)


def rfftn(input: Tensor, s: Dims = None, dim: Dims = None, norm: str | None = None) -> Tensor:
    """`fftn` of real numbers: `rfft` along the last of the dims, `fft` along the others."""
    *others, last = _places(input, s, dim)
    return _each(fft, rfft(input, last[1], last[0], norm), others, norm)


def irfftn(input: Tensor, s: Dims = None, dim: Dims = None, norm: str | None = None) -> Tensor:
    """The inverse of `rfftn`."""
    *others, last = _places(input, s, dim)
    return irfft(_each(ifft, input, others, norm), last[1], last[0], norm)


def hfftn(input: Tensor, s: Dims = None, dim: Dims = None, norm: str | None = None) -> Tensor:
    """`hfft` along the last of the dims, `fft` along the others."""
    *others, last = _places(input, s, dim)
    return hfft(_each(fft, input, others, norm), last[1], last[0], norm)


def ihfftn(input: Tensor, s: Dims = None, dim: Dims = None, norm: str | None = None) -> Tensor:
    """The inverse of `hfftn`."""
    *others, last = _places(input, s, dim)
    return _each(ifft, ihfft(input, last[1], last[0], norm), others, norm)


def fft2(input: Tensor, s: Dims = None, dim: Dims = (-2, -1), norm: str | None = None) -> Tensor:
    """`fftn` along the last two dims."""
    return fftn(input, s, dim, norm)


def ifft2(input: Tensor, s: Dims = None, dim: Dims = (-2, -1), norm: str | None = None) -> Tensor:
    """`ifftn` along the last two dims."""
    return ifftn(input, s, dim, norm)


def rfft2(input: Tensor, s: Dims = None, dim: Dims = (-2, -1), norm: str | None = None) -> Tensor:
    """`rfftn` along the last two dims."""
    return rfftn(input, s, dim, norm)


def irfft2(input: Tensor, s: Dims = None, dim: Dims = (-2, -1), norm: str | None = None) -> Tensor:
    """`irfftn` along the last two dims."""
    return irfftn(input, s, dim, norm)


def hfft2(input: Tensor, s: Dims = None, dim: Dims = (-2, -1), norm: str | None = None) -> Tensor:
    """`hfftn` along the last two dims."""
    return hfftn(input, s, dim, norm)


def ihfft2(input: Tensor, s: Dims = None, dim: Dims = (-2, -1), norm: str | None = None) -> Tensor:
    """`ihfftn` along the last two dims."""
    return ihfftn(input, s, dim, norm)


# ---- frequencies ----------------------------------------------------------------------------------------------------


def fftfreq(n: int, d: float = 1.0, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """The frequencies of the `n` terms of `fft` of samples `d` apart: 0, 1, ... then from below 0, over n d."""
    kind = dtypes.of(dtype) if dtype is not None else dtypes.get_default_dtype()
    return new(np.fft.fftfreq(n, d).astype(kind.numpy), requires_grad)


def rfftfreq(n: int, d: float = 1.0, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """The frequencies of the n // 2 + 1 terms of `rfft` of `n` samples `d` apart."""
    kind = dtypes.of(dtype) if dtype is not None else dtypes.get_default_dtype()
    return new(np.fft.rfftfreq(n, d).astype(kind.numpy), requires_grad)


def fftshift(input: Tensor, dim: Dims = None) -> Tensor:
    """Moves the term of frequency 0 to the middle of every dim (all if None)."""
    dims = _dims(input, dim)
    return roll(input, [input.shape[d] // 2 for d in dims], dims)


def ifftshift(input: Tensor, dim: Dims = None) -> Tensor:
    """The inverse of `fftshift`."""
    dims = _dims(input, dim)
    return roll(input, [(input.shape[d] + 1) // 2 for d in dims], dims)


# ---- what they share ------------------------------------------------------------------------------------------------


def _complex(input: Tensor, n: Any, dim: int, norm: str | None, inverse: bool) -> Tensor:
    dim = axis(dim, input.ndim, "fft")
    x = _resized(_as_complex(input), dim, n)
    return _scaled(Fft(dim, inverse)(x), norm, x.shape[dim], inverse)


def _from_real(who: str, input: Tensor, n: Any, dim: int, norm: str | None, inverse: bool) -> Tensor:
    if input.dtype.is_complex:
        raise RuntimeError(f"{who}: expected real numbers, got {input.dtype}; take .real, or use fft")
    dim = axis(dim, input.ndim, who)
    x = _resized(promoted(input, floating=True)[0], dim, n)
    return _scaled(Rfft(dim)(x), norm, x.shape[dim], inverse)


def _to_real(input: Tensor, n: Any, dim: int, norm: str | None, inverse: bool) -> Tensor:
    dim = axis(dim, input.ndim, "irfft")
    size = 2 * (input.shape[dim] - 1) if n is None or (isinstance(n, int) and n == -1) else n
    _check_size(size)
    x = _resized(_as_complex(input), dim, size // 2 + 1)
    return _scaled(Irfft(dim, size)(x), norm, size, inverse)


def _as_complex(input: Tensor) -> Tensor:
    [x] = promoted(input, floating=True)
    return cast(x, dtypes.promote_types(x.dtype, dtypes.complex64))


def _resized(x: Tensor, dim: int, n: Any) -> Tensor:
    """Cut or filled with zeros to size `n` along `dim`."""
    size = x.shape[dim]
    if n is None or (isinstance(n, int) and n == -1):
        n = size
    _check_size(n)
    if isinstance(n, int) and isinstance(size, int) and n <= size:
        return x if n == size else narrow(x, dim, 0, n)
    return pad_constant(x, [*[0, 0] * (x.ndim - dim - 1), 0, n - size])


def _check_size(n: Any) -> None:
    if isinstance(n, int) and n < 1:
        raise RuntimeError(f"fft: invalid number of data points ({n}) specified; expected at least 1")


def _scaled(x: Tensor, norm: str | None, n: Any, inverse: bool) -> Tensor:
    if norm not in (None, "backward", "forward", "ortho"):
        raise RuntimeError(f"fft: invalid normalization mode {norm!r}; expected 'backward', 'forward' or 'ortho'")
    if norm == "ortho":
        return x / (math.sqrt(n) if isinstance(n, int) else as_tensor(n, dtypes.get_default_dtype()).sqrt())
    return x / n if (norm == "forward") != inverse else x


def _each(transform: Transform, x: Tensor, places: Sequence[tuple[int, Any]], norm: str | None) -> Tensor:
    for dim, n in reversed(places):
        x = transform(x, n, dim, norm)
    return x


def _places(input: Tensor, s: Dims, dim: Dims) -> list[tuple[int, Any]]:
    """(dim, size) of every dim to be transformed."""
    lengths = None if s is None else [s] if isinstance(s, int) else list(s)
    if dim is None and lengths is not None:
        dim = list(range(input.ndim - len(lengths), input.ndim))
    dims = _dims(input, dim)
    if lengths is None:
        return [(d, None) for d in dims]
    if len(lengths) != len(dims):
        raise RuntimeError(f"fftn: expected dim and s of one length, got dim {dim} and s {s}")
    return list(zip(dims, lengths, strict=True))


def _dims(input: Tensor, dim: Dims) -> list[int]:
    if dim is None:
        return list(range(input.ndim))
    dims = [axis(d, input.ndim, "fft") for d in ([dim] if isinstance(dim, int) else dim)]
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"fftn: a dim appears twice in {dim}")
    return dims


def _with(shape: tuple[Size, ...], dim: int, n: Size) -> tuple[Size, ...]:
    return (*shape[:dim], n, *shape[dim + 1 :])
