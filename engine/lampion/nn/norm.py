"""Normalization layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from lampion import dtypes
from lampion.autograd import no_grad
from lampion.nn import functional as F
from lampion.nn.module import Module, describe
from lampion.nn.parameter import Parameter
from lampion.ops.create import check_device, ones, tensor, zeros
from lampion.tensor import Tensor


class _Norm(Module):
    """Base: weight and bias of ones and zeros, or none."""

    def _affine(self, shape: Sequence[int], weight: bool, bias: bool, device: Any, dtype: Any) -> None:
        check_device(device)
        self.register_parameter("weight", Parameter(ones(*shape, dtype=dtype)) if weight else None)
        self.register_parameter("bias", Parameter(zeros(*shape, dtype=dtype)) if bias else None)

    def reset_parameters(self) -> None:
        """Sets weights to 1 and biases to 0."""
        with no_grad():
            if self.weight is not None:
                self.weight.fill_(1)
            if self._parameters.get("bias") is not None:
                self.bias.fill_(0)


class _Running(_Norm):
    """Base of the norms that keep running statistics of every channel."""

    ranks: ClassVar[tuple[int, ...]]

    def __init__(
        self, num_features: int, eps: float, momentum: float | None, affine: bool, track_running_stats: bool,
        bias: bool, device: Any, dtype: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self._affine([num_features], affine, affine and bias, device, dtype)
        track = track_running_stats
        self.register_buffer("running_mean", zeros(num_features, dtype=dtype) if track else None)
        self.register_buffer("running_var", ones(num_features, dtype=dtype) if track else None)
        self.register_buffer("num_batches_tracked", tensor(0, dtype=dtypes.int64) if track else None)

    def reset_running_stats(self) -> None:
        """Starts the running statistics over."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Starts weight, bias and running statistics over."""
        self.reset_running_stats()
        super().reset_parameters()

    def _check(self, input: Tensor) -> None:
        if input.ndim not in self.ranks:
            wanted = " or ".join(map(str, self.ranks))
            raise ValueError(
                f"{type(self).__name__}: expected input of {wanted} dimensions, got shape {list(input.shape)}"
            )
        channels = input.shape[1 if len(self.ranks) == 1 or input.ndim == self.ranks[-1] else self._channel_dim]
        if isinstance(channels, int) and channels != self.num_features:
            raise RuntimeError(
                f"{type(self).__name__}: expected {self.num_features} channels, got input {list(input.shape)}"
            )

    _channel_dim: ClassVar[int] = 1

    def extra_repr(self) -> str:
        return describe(
            self, ["num_features"], eps=None, momentum="none", affine=None, track_running_stats=None
        )  # fmt: skip


class _BatchNorm(_Running):
    def __init__(
        self, num_features: int, eps: float = 1e-05, momentum: float | None = 0.1, affine: bool = True,
        track_running_stats: bool = True, device: Any = None, dtype: Any = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        batch = self.training or not self.track_running_stats
        update = self.training and self.track_running_stats
        momentum: Any = self.momentum
        if update:
            self.num_batches_tracked.add_(1)
            momentum = 1 / self.num_batches_tracked if momentum is None else momentum
        used = update or not batch
        mean, var = self.running_mean if used else None, self.running_var if used else None
        return F.batch_norm(input, mean, var, self.weight, self.bias, batch, momentum, self.eps)


class BatchNorm1d(_BatchNorm):
    """Every channel of [n, c] or [n, c, length] gets mean 0 and variance 1 over the batch (Ioffe and Szegedy 2015)."""

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Every channel of [n, c, height, width] gets mean 0 and variance 1 over the batch (Ioffe and Szegedy 2015)."""

    ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Every channel of [n, c, depth, height, width] gets mean 0 and variance 1 over the batch."""

    ranks = (5,)


class _InstanceNorm(_Running):
    def __init__(
        self, num_features: int, eps: float = 1e-05, momentum: float = 0.1, affine: bool = False,
        track_running_stats: bool = False, device: Any = None, dtype: Any = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias, device, dtype)

    _channel_dim = 0

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        if input.ndim == self.ranks[0]:
            return self._normed(input.unsqueeze(0)).squeeze(0)
        return self._normed(input)

    def _normed(self, input: Tensor) -> Tensor:
        own = self.training or not self.track_running_stats
        assert self.momentum is not None
        return F.instance_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, own, self.momentum, self.eps
        )


class InstanceNorm1d(_InstanceNorm):
    """Every channel of every sample of [n, c, length] gets mean 0 and variance 1 (Ulyanov et al. 2016)."""

    ranks = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Every channel of every sample of [n, c, height, width] gets mean 0 and variance 1 (Ulyanov et al. 2016)."""

    ranks = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Every channel of every sample of [n, c, depth, height, width] gets mean 0 and variance 1."""

    ranks = (4, 5)


# ---- of one sample --------------------------------------------------------------------------------------------------


class LayerNorm(_Norm):
    """The last dims, `normalized_shape`, get mean 0 and variance 1 (Ba et al. 2016)."""

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float = 1e-05, elementwise_affine: bool = True,
        bias: bool = True, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.normalized_shape = _shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self._affine(self.normalized_shape, elementwise_affine, elementwise_affine and bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return describe(self, ["normalized_shape"], eps=None, elementwise_affine=None)


class RMSNorm(_Norm):
    """The last dims, `normalized_shape`, are divided by the root of their mean square (Zhang and Sennrich 2019)."""

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float | None = None, elementwise_affine: bool = True,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        check_device(device)
        self.normalized_shape = _shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        weight = Parameter(ones(*self.normalized_shape, dtype=dtype)) if elementwise_affine else None
        self.register_parameter("weight", weight)

    def forward(self, input: Tensor) -> Tensor:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return describe(self, ["normalized_shape"], eps="", elementwise_affine=None)


class GroupNorm(_Norm):
    """Each of `num_groups` groups of channels of a sample gets mean 0 and variance 1 (Wu and He 2018)."""

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-05, affine: bool = True, device: Any = None,
        dtype: Any = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: expected channels divisible by {num_groups} groups, got {num_channels}")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self._affine([num_channels], affine, affine and bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return describe(self, ["num_groups", "num_channels"], eps=None, affine=None)


def _shape(shape: int | Sequence[int]) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)
