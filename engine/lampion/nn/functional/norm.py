"""Normalization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lampion import dtypes
from lampion.autograd import no_grad
from lampion.kernels import norm as kernel
from lampion.ops.analysis import rsqrt
from lampion.ops.fused import Arrays, Fused, alike, numbers
from lampion.ops.reduce import mean
from lampion.symbolic import may_agree, numel, same
from lampion.tape import Array, grad_mode
from lampion.tensor import Tensor


def batch_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None,
    bias: Tensor | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-05,
) -> Tensor:  # fmt: skip
    """(x - mean) / sqrt(var + eps) * weight + bias for every channel (dim 1) of x [n, c, ...] (Ioffe and Szegedy 2015).

    While training, mean and (biased) variance are the batch's, and the running ones move towards them in place by
    `momentum`, the variance unbiased. Otherwise the running ones count.
    """
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError("batch_norm: expected running_mean and running_var when training is False, got None")
        return _scaled(input, running_mean, running_var, weight, bias, eps)
    dims = [0, *range(2, input.ndim)]
    count = numel(tuple(input.shape[d] for d in dims))
    if isinstance(count, int) and count == 1:
        raise ValueError(
            f"batch_norm: expected more than 1 value per channel when training, got input {list(input.shape)}"
        )
    given = [x for x in (weight, bias) if x is not None]
    out, centre, var = BatchNorm(eps, weight is not None, bias is not None)(input, *given)
    if not same(count, 0):  # nothing to learn from
        _track(running_mean, centre, momentum)
        _track(running_var, var.detach() * count / (count - 1), momentum)
    result: Tensor = out
    return result


class _Standardizing(Fused):
    """Base: x with mean 0 and variance 1, then * weight and + bias, where they are given."""

    def __init__(self, eps: float, weight: bool, bias: bool) -> None:
        self.eps, self.weight, self.bias = eps, weight, bias

    def has_kernel(self, *inputs: Tensor) -> bool:
        return alike(*inputs) and inputs[0]._value.data.size > 0

    def split(self, affine: Sequence[Any]) -> tuple[Any, Any]:
        """Weight and bias by name, None for one that isn't given."""
        return affine[0] if self.weight else None, affine[-1] if self.bias else None


class BatchNorm(_Standardizing):
    """`batch_norm` while training: [n, c, ...] to the same, and mean and variance [1, c, 1...] of every channel."""

    @property
    def outputs(self) -> int:
        return 3

    def plain(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, *affine = inputs
        weight, bias = self.split(affine)
        dims, around = [0, *range(2, x.ndim)], (-1, *[1] * (x.ndim - 2))
        centre = mean(x, dims, keepdim=True)
        centred = x - centre
        var = mean(centred * centred, dims, keepdim=True)
        scale = rsqrt(var + self.eps) if weight is None else rsqrt(var + self.eps) * weight.reshape(around)
        out = centred * scale
        return out if bias is None else out + bias.reshape(around), centre, var

    def kernel(self, x: Array, *affine: Array) -> Any:
        weight, bias = self.split(affine)
        out, centre, var, normed, deviation = kernel.batch_norm(x, weight, bias, self.eps)
        return (out, centre, var, normed, deviation) if grad_mode.enabled else (out, centre, var)

    def kernel_gradient(self, sent: Arrays, given: Any, inputs: Any, wanted: Sequence[bool]) -> Arrays:
        weight, _ = self.split([None if w is None else numbers(w) for w in inputs[1:]])
        normed, deviation = map(numbers, given[3:])
        dx, dw, db = kernel.batch_norm_gradient(sent[0], normed, deviation, weight, wanted[0])
        return dx, *[dw] * self.weight, *[db] * self.bias


class LayerNorm(_Standardizing):
    """`layer_norm` over the last `dims` dims."""

    def __init__(self, eps: float, weight: bool, bias: bool, dims: int) -> None:
        super().__init__(eps, weight, bias)
        self.dims = dims

    def plain(self, *inputs: Tensor) -> Tensor:
        x, *affine = inputs
        normed, _, _ = _standardized(x, list(range(x.ndim - self.dims, x.ndim)), self.eps)
        return _affine(normed, *self.split(affine), 0)

    def kernel(self, x: Array, *affine: Array) -> Any:
        out, normed, deviation = kernel.layer_norm(x, *self.split(affine), self.dims, self.eps)
        return (out, normed, deviation) if grad_mode.enabled else out

    def kernel_gradient(self, sent: Arrays, given: Any, inputs: Any, wanted: Sequence[bool]) -> Arrays:
        weight, _ = self.split([None if w is None else numbers(w) for w in inputs[1:]])
        normed, deviation = map(numbers, given[1:])
        dx, dw, db = kernel.layer_norm_gradient(sent[0], normed, deviation, weight, self.dims)
        return dx, *[dw] * self.weight, *[db] * self.bias


def _scaled(
    x: Tensor, running_mean: Tensor, running_var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """What parameters alone give is computed first: one multiplication and one addition are left for x."""
    scale = rsqrt(running_var + eps)
    scale = scale if weight is None else weight * scale
    shift = -running_mean * scale
    shift = shift if bias is None else bias + shift
    around = (-1, *[1] * (x.ndim - 2))
    return x * scale.reshape(around) + shift.reshape(around)


def _track(running: Tensor | None, batch: Tensor, momentum: float) -> None:
    if running is not None:
        with no_grad():
            running.mul_(1 - momentum).add_(batch.reshape(-1) * momentum)


def instance_norm(
    input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None, weight: Tensor | None = None,
    bias: Tensor | None = None, use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-05,
) -> Tensor:  # fmt: skip
    """As `batch_norm`, with mean and variance for every channel of every sample (Ulyanov et al. 2016)."""
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ValueError("instance_norm: expected running_mean and running_var without input stats, got None")
        return _scaled(input, running_mean, running_var, weight, bias, eps)
    dims = list(range(2, input.ndim))
    count = numel(tuple(input.shape[2:]))
    if isinstance(count, int) and count == 1:
        raise ValueError(
            f"instance_norm: expected more than 1 spatial element when training, got input {list(input.shape)}"
        )
    normed, centre, var = _standardized(input, dims, eps)
    _track(running_mean, mean(centre, 0), momentum)
    _track(running_var, mean(var * count / (count - 1), 0), momentum)
    return _affine(normed, weight, bias, input.ndim - 2)


def layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-05,
) -> Tensor:  # fmt: skip
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dims, which are `normalized_shape` (Ba et al. 2016)."""
    _check_tail("layer_norm", input, normalized_shape)
    given = [x for x in (weight, bias) if x is not None]
    out: Tensor = LayerNorm(eps, weight is not None, bias is not None, len(normalized_shape))(input, *given)
    return out


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """x / sqrt(mean(x^2) + eps) * weight over the last dims (Zhang and Sennrich 2019); eps None is the dtype's."""
    _check_tail("rms_norm", input, normalized_shape)
    eps = float(dtypes.finfo(input.dtype).eps) if eps is None else eps
    power = mean(input * input, _tail(input, normalized_shape), keepdim=True)
    return _affine(input * rsqrt(power + eps), weight, None, 0)


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-05
) -> Tensor:
    """As `layer_norm` over each of `num_groups` groups of channels (dim 1) of every sample (Wu and He 2018)."""
    if input.ndim < 2 or input.shape[1] % num_groups:
        raise RuntimeError(
            f"group_norm: expected channels divisible by num_groups {num_groups}, got input {list(input.shape)}"
        )
    grouped = input.reshape(input.shape[0], num_groups, numel(input.shape[1:]) // num_groups)
    normed, _, _ = _standardized(grouped, [2], eps)
    return _affine(normed.reshape(input.shape), weight, bias, input.ndim - 2)


def _standardized(x: Tensor, dims: list[int], eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """x with mean 0 and variance 1 over `dims`, and the mean and (biased) variance it had."""
    centre = mean(x, dims, keepdim=True)
    centred = x - centre
    var = mean(centred * centred, dims, keepdim=True)
    return centred * rsqrt(var + eps), centre, var


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None, behind: int) -> Tensor:
    """x * weight + bias, where `behind` more dims follow those of weight and bias."""
    ones = [1] * behind
    x = x if weight is None else x * weight.reshape(*weight.shape, *ones)
    return x if bias is None else x + bias.reshape(*bias.shape, *ones)


def _tail(x: Tensor, shape: Sequence[int]) -> list[int]:
    return list(range(x.ndim - len(shape), x.ndim))


def _check_tail(who: str, x: Tensor, shape: Sequence[int]) -> None:
    if not may_agree(x.shape[max(0, x.ndim - len(shape)) :], tuple(shape)):
        sizes = ", ".join(map(str, shape))
        raise RuntimeError(f"{who}: normalized_shape {list(shape)} expects input [..., {sizes}], got {list(x.shape)}")
