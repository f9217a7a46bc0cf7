"""Complex numbers: their parts, conjugates and angles.

Gradients of complex numbers follow PyTorch's convention: the gradient of a real L at z = x + iy is dL/dx + i dL/dy, so that
an analytic f passes g on as g * conj(f'(z)).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion import dtypes
from lampion.ops.elementwise import Elementwise
from lampion.ops.promote import Op, cast, promoted
from lampion.ops.shape import stack
from lampion.symbolic import Spec, broadcast_shapes

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class Conj(Elementwise):
    """The complex conjugate"""

    kinds = "c"
    function = np.conjugate

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (conj(g),)


class AsReal(Op):
    """Complex numbers [...] as pairs (real, imaginary) [..., 2] in the same memory."""

    view = True

    def forward(self, x: Any) -> Any:
        return x[..., None].view(x.real.dtype)

    def infer(self, x: Any) -> Spec:
        return Spec((*x.shape, 2), np.zeros(0, x.dtype).real.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (view_as_complex(g),)

    def put_back(self, base: Tensor, new: Tensor) -> Tensor:
        return view_as_complex(new)


class AsComplex(Op):
    """Pairs (real, imaginary) [..., 2] as complex numbers [...]."""

    view = True

    def forward(self, x: Any) -> Any:
        pairs = x if x.strides[-1] == x.itemsize else np.ascontiguousarray(x)
        return pairs.view(np.result_type(x.dtype, np.complex64))[..., 0]

    def infer(self, x: Any) -> Spec:
        return Spec(x.shape[:-1], np.result_type(x.dtype, np.complex64))

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (view_as_real(g),)

    def put_back(self, base: Tensor, new: Tensor) -> Tensor:
        return view_as_real(new)


# ---- functions ------------------------------------------------------------------------------------------------------


def is_complex(input: Tensor) -> bool:
    """Whether the elements are complex numbers."""
    return input.dtype.is_complex


def conj(input: Tensor) -> Tensor:
    """The complex conjugate; real numbers stay as they are."""
    return Conj()(input) if input._value.data.dtype.kind == "c" else input


def conj_physical(input: Tensor) -> Tensor:
    """The complex conjugate; of real numbers a copy."""
    return conj(input) if is_complex(input) else input.clone()


def resolve_conj(input: Tensor) -> Tensor:
    """Itself: conjugation is never put off."""
    return input


resolve_neg = resolve_conj


def view_as_real(input: Tensor) -> Tensor:
    """Complex numbers as pairs (real, imaginary) along a new last dim. Raises RuntimeError for real numbers."""
    if not is_complex(input):
        raise RuntimeError(f"view_as_real: expected a complex tensor, got {input.dtype}")
    return AsReal()(input)


def view_as_complex(input: Tensor) -> Tensor:
    """Pairs (real, imaginary) in the last dim as complex numbers. Raises RuntimeError for another last size or dtype."""
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(f"view_as_complex: expected float32 or float64, got {input.dtype}; convert with .to() first")
    if not input.ndim or input.shape[-1] != 2:
        raise RuntimeError(f"view_as_complex: expected a last dim of size 2, got shape {list(input.shape)}")
    return AsComplex()(input)


def real(input: Tensor) -> Tensor:
    """The real part."""
    return view_as_real(input)[..., 0] if is_complex(input) else input


def imag(input: Tensor) -> Tensor:
    """The imaginary part. Raises RuntimeError for real numbers, as PyTorch does."""
    if not is_complex(input):
        raise RuntimeError(f"imag: expected a complex tensor, got {input.dtype}")
    return view_as_real(input)[..., 1]


def complex(real: Tensor, imag: Tensor) -> Tensor:
    """real + i imag. Raises RuntimeError unless both are of one floating point dtype."""
    if real.dtype is not imag.dtype or real.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(f"complex: expected two float32 or two float64 tensors, got {real.dtype} and {imag.dtype}")
    shape = broadcast_shapes(real.shape, imag.shape)
    return view_as_complex(stack([real.expand(shape), imag.expand(shape)], -1))


def polar(abs: Tensor, angle: Tensor) -> Tensor:
    """abs * (cos(angle) + i sin(angle))"""
    return complex(abs * angle.cos(), abs * angle.sin())


def angle(input: Tensor) -> Tensor:
    """The angle from the positive real axis, in radians; pi for negative real numbers, nan for nan."""
    if is_complex(input):
        return imag(input).atan2(real(input))
    [x] = promoted(input, floating=True)
    return cast(x < 0, x.dtype) * math.pi + x.sign() * 0


def sgn(input: Tensor) -> Tensor:
    """x / |x|, 0 at 0: `sign` for complex numbers too."""
    if not is_complex(input):
        return input.sign()
    size = input.abs()
    zero = size == 0
    return input * (1 / size.masked_fill(zero, 1)).masked_fill(zero, 0)
