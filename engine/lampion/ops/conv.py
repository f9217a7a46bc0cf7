"""Convolution. It and its two transposes are each other's gradients, so three primitives close the family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lampion.kernels import convolution as kernel
from lampion.kernels.convolution import Geometry
from lampion.ops.promote import Op, promoted
from lampion.symbolic import Shape, Spec, same

if TYPE_CHECKING:
    from lampion.tensor import Tensor

Many = int | tuple[int, ...] | list[int]


class Convolution(Op):
    """x [n, c, *in], w [o, c / groups, *kernel] -> [n, o, *out]: the cross-correlation that deep learning calls so."""

    def __init__(self, at: Geometry) -> None:
        self.at = at

    def forward(self, x: Any, w: Any) -> Any:
        return kernel.forward(x, w, self.at)

    def infer(self, x: Any, w: Any) -> Spec:
        return Spec((x.shape[0], w.shape[0], *self.at.output_size(x.shape[2:], w.shape[2:])), x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, w: Tensor) -> tuple[Any, ...]:
        return (lambda: ConvolutionInput(self.at, x.shape[2:])(g, w)), (
            lambda: ConvolutionWeight(self.at, w.shape[2:])(x, g)
        )


class ConvolutionInput(Op):
    """g [n, o, *out], w [o, c / groups, *kernel] -> [n, c, *size]: `Convolution` transposed in its input."""

    def __init__(self, at: Geometry, size: Shape) -> None:
        self.at = at
        self.size = size

    def forward(self, g: Any, w: Any) -> Any:
        return kernel.input_gradient(g, w, self.size, self.at)

    def infer(self, g: Any, w: Any) -> Spec:
        return Spec((g.shape[0], w.shape[1] * self.at.groups, *self.size), g.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor, w: Tensor) -> tuple[Any, ...]:
        return (lambda: _cut(Convolution(self.at)(g, w), x)), (lambda: ConvolutionWeight(self.at, w.shape[2:])(g, x))


class ConvolutionWeight(Op):
    """x [n, c, *in], g [n, o, *out] -> [o, c / groups, *kernel]: `Convolution` transposed in its weight."""

    def __init__(self, at: Geometry, size: Shape) -> None:
        self.at = at
        self.size = size

    def forward(self, x: Any, g: Any) -> Any:
        return kernel.weight_gradient(x, g, self.size, self.at)

    def infer(self, x: Any, g: Any) -> Spec:
        return Spec((g.shape[1], x.shape[1] // self.at.groups, *self.size), x.dtype)

    def gradient(self, h: Tensor, out: Tensor, x: Tensor, g: Tensor) -> tuple[Any, ...]:
        return (lambda: ConvolutionInput(self.at, x.shape[2:])(g, h)), (lambda: _cut(Convolution(self.at)(x, h), g))


def _cut(x: Tensor, like: Tensor) -> Tensor:
    """Without the windows that output padding leaves room for."""
    return x[tuple(slice(0, n) for n in like.shape)]


# ---- functions ------------------------------------------------------------------------------------------------------


def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None,
    stride: Many = 1, padding: Many | str = 0, dilation: Many = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Convolution of [n, c, length] (or [c, length]) with weight [o, c / groups, k]."""
    return convolve(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None,
    stride: Many = 1, padding: Many | str = 0, dilation: Many = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Convolution of [n, c, height, width] (or without n) with weight [o, c / groups, kh, kw]."""
    return convolve(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None,
    stride: Many = 1, padding: Many | str = 0, dilation: Many = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Convolution of [n, c, depth, height, width] (or without n) with weight [o, c / groups, kd, kh, kw]."""
    return convolve(3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None,
    stride: Many = 1, padding: Many = 0, output_padding: Many = 0, groups: int = 1, dilation: Many = 1,
) -> Tensor:  # fmt: skip
    """The transpose of `conv1d`: [n, c, length] with weight [c, o / groups, k]."""
    return convolve_transposed(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None,
    stride: Many = 1, padding: Many = 0, output_padding: Many = 0, groups: int = 1, dilation: Many = 1,
) -> Tensor:  # fmt: skip
    """The transpose of `conv2d`: [n, c, height, width] with weight [c, o / groups, kh, kw]."""
    return convolve_transposed(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None,
    stride: Many = 1, padding: Many = 0, output_padding: Many = 0, groups: int = 1, dilation: Many = 1,
) -> Tensor:  # fmt: skip
    """The transpose of `conv3d`: [n, c, depth, height, width] with weight [c, o / groups, kd, kh, kw]."""
    return convolve_transposed(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def convolve(
    rank: int, input: Tensor, weight: Tensor, bias: Tensor | None,
    stride: Many, padding: Many | str, dilation: Many, groups: int,
) -> Tensor:  # fmt: skip
    """Convolution in `rank` spatial dims; `padding` may be "valid" or "same" (the odd element goes behind)."""
    who = f"conv{rank}d"
    if input.ndim == rank + 1:
        return convolve(rank, input.unsqueeze(0), weight, bias, stride, padding, dilation, groups).squeeze(0)
    _check(who, rank, input, weight, input.shape[1], weight.shape[1] * groups if weight.ndim > 1 else 0)
    if weight.shape[0] % groups:
        raise RuntimeError(
            f"{who}: expected output channels divisible by groups {groups}, got weight {list(weight.shape)}"
        )
    steps, spread = many(stride, rank, who), many(dilation, rank, who)
    if padding == "same":
        if set(steps) != {1}:
            raise RuntimeError(f"{who}: padding='same' is not supported for strided convolutions, got stride {steps}")
        total = [d * (k - 1) for d, k in zip(spread, weight.shape[2:], strict=True)]
        input = input.pad_constant([n for t in reversed(total) for n in (t // 2, t - t // 2)])
    around = (0,) * rank if isinstance(padding, str) else many(padding, rank, who)
    at = Geometry(steps, around, spread, groups)
    for n, size in zip(at.output_size(input.shape[2:], weight.shape[2:]), input.shape[2:], strict=True):
        if isinstance(n, int) and n < 1:
            raise RuntimeError(
                f"{who}: kernel {list(weight.shape[2:])} is larger than the padded input: size {size} + padding {around}"
            )
    out: Tensor = Convolution(at)(*promoted(input, weight))
    return out if bias is None else out + bias.reshape(-1, *[1] * rank)


def convolve_transposed(
    rank: int, input: Tensor, weight: Tensor, bias: Tensor | None,
    stride: Many, padding: Many, output_padding: Many, groups: int, dilation: Many,
) -> Tensor:  # fmt: skip
    """Transposed convolution in `rank` spatial dims."""
    who = f"conv_transpose{rank}d"
    if input.ndim == rank + 1:
        lifted = input.unsqueeze(0)
        return convolve_transposed(
            rank, lifted, weight, bias, stride, padding, output_padding, groups, dilation
        ).squeeze(0)
    _check(who, rank, input, weight, input.shape[1], weight.shape[0])
    at = Geometry(many(stride, rank, who), many(padding, rank, who), many(dilation, rank, who), groups)
    extra = many(output_padding, rank, who)
    size = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, s, p, d, k, e in zip(
            input.shape[2:], at.stride, at.padding, at.dilation, weight.shape[2:], extra, strict=True
        )
    )
    out: Tensor = ConvolutionInput(at, size)(*promoted(input, weight))
    return out if bias is None else out + bias.reshape(-1, *[1] * rank)


def many(value: Any, rank: int, who: str) -> tuple[int, ...]:
    """One number per spatial dim from one number or a sequence."""
    result = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(result) == 1:
        result *= rank
    if len(result) != rank:
        raise RuntimeError(f"{who}: expected 1 or {rank} numbers, got {value}")
    return result


def _check(who: str, rank: int, input: Tensor, weight: Tensor, got: Any, expected: Any) -> None:
    if input.ndim != rank + 2 or weight.ndim != rank + 2:
        raise RuntimeError(
            f"{who}: expected input of {rank + 1} or {rank + 2} dimensions and weight of {rank + 2}, "
            f"got {list(input.shape)} and {list(weight.shape)}"
        )
    if not same(got, expected):
        raise RuntimeError(
            f"{who}: weight {list(weight.shape)} expects input {list(input.shape)} to have {expected} channels, got {got}"
        )
