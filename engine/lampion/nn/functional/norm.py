"""Normalization, as composites."""

from __future__ import annotations

from collections.abc import Sequence

from lampion import dtypes
from lampion.autograd import no_grad
from lampion.ops.analysis import rsqrt
from lampion.ops.reduce import mean
from lampion.symbolic import may_agree, numel, same
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
    centre = mean(input, dims, keepdim=True)
    centred = input - centre
    var = mean(centred * centred, dims, keepdim=True)
    if not same(count, 0):  # nothing to learn from
        _track(running_mean, centre, momentum)
        _track(running_var, var * count / (count - 1), momentum)
    around = (-1, *[1] * (input.ndim - 2))
    scale = rsqrt(var + eps) if weight is None else rsqrt(var + eps) * weight.reshape(around)
    out = centred * scale
    return out if bias is None else out + bias.reshape(around)


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
    normed, _, _ = _standardized(input, _tail(input, normalized_shape), eps)
    return _affine(normed, weight, bias, 0)


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
