"""Layers that learn the size of their input from the first one."""

from __future__ import annotations

from typing import Any, ClassVar

from lampion.nn.conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from lampion.nn.linear import Linear
from lampion.nn.module import Module
from lampion.nn.norm import BatchNorm1d, BatchNorm2d, BatchNorm3d, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from lampion.nn.parameter import Parameter, UninitializedBuffer, UninitializedParameter
from lampion.tensor import Tensor


class _Lazy(Module):
    """Base: the first call, or the first `load_state_dict`, gives the parameters their shapes and the layer its class."""

    becomes: ClassVar[type[Module]]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        fresh = self.has_uninitialized_params()
        self.initialize_parameters(args[0])
        if fresh:
            self.reset_parameters()
        object.__setattr__(self, "__class__", self.becomes)
        return self(*args, **kwargs)

    def has_uninitialized_params(self) -> bool:
        """Whether some shape is still unknown."""
        return any(isinstance(p, _KINDS) for p in [*self.parameters(), *self.buffers()])

    def initialize_parameters(self, input: Tensor) -> None:
        """Gives every parameter the shape that `input` asks for."""
        raise NotImplementedError(f"{type(self).__name__}: expected initialize_parameters, found none; define it")

    def reset_parameters(self) -> None:
        """Draws the parameters, as soon as they have a shape."""
        if not self.has_uninitialized_params():
            super().reset_parameters()  # type: ignore[misc]

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        """As `Module.load_state_dict`; shapes not known yet are those of `state_dict`."""
        for name, tensor in self._state():
            if isinstance(tensor, _KINDS) and name in state_dict:
                tensor.materialize(tuple(state_dict[name].shape))
        return super().load_state_dict(state_dict, strict, assign)


_KINDS = (UninitializedParameter, UninitializedBuffer)


def _shape(weight: Tensor, *shape: int) -> None:
    if isinstance(weight, UninitializedParameter):  # unless loaded before
        weight.materialize(shape)


class LazyLinear(_Lazy, Linear):
    """`Linear` with in_features from the first input."""

    becomes = Linear

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        Linear.__init__(self, 1, out_features, bias, device, dtype)
        self.in_features = 0
        self.weight = UninitializedParameter(dtype=dtype)

    def initialize_parameters(self, input: Tensor) -> None:
        self.in_features = input.shape[-1]
        _shape(self.weight, self.out_features, self.in_features)


# ---- convolutions ---------------------------------------------------------------------------------------------------


class _LazyConv(_Lazy):
    def __init__(self, out_channels: int, *args: Any, **kwargs: Any) -> None:
        groups: int = kwargs.get("groups", args[self.groups_at] if len(args) > self.groups_at else 1)
        super().__init__(groups, out_channels, *args, **kwargs)  # type: ignore[call-arg]
        self.in_channels = 0
        self.weight = UninitializedParameter(dtype=kwargs.get("dtype"))

    groups_at: ClassVar[int] = 4  # kernel_size, stride, padding, dilation, groups
    transposed: ClassVar[bool]
    weight: Parameter

    def initialize_parameters(self, input: Tensor) -> None:
        batched = input.ndim == len(self.kernel_size) + 2
        self.in_channels = input.shape[1 if batched else 0]
        if self.in_channels % self.groups:
            raise ValueError(
                f"{type(self).__name__}: expected channels divisible by groups {self.groups}, got {self.in_channels}"
            )
        first, second = self.in_channels, self.out_channels
        if not self.transposed:
            first, second = second, first
        _shape(self.weight, first, second // self.groups, *self.kernel_size)


class LazyConv1d(_LazyConv, Conv1d):
    """`Conv1d` with in_channels from the first input."""

    becomes = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """`Conv2d` with in_channels from the first input."""

    becomes = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """`Conv3d` with in_channels from the first input."""

    becomes = Conv3d


class LazyConvTranspose1d(_LazyConv, ConvTranspose1d):
    """`ConvTranspose1d` with in_channels from the first input."""

    becomes = ConvTranspose1d


class LazyConvTranspose2d(_LazyConv, ConvTranspose2d):
    """`ConvTranspose2d` with in_channels from the first input."""

    becomes = ConvTranspose2d


class LazyConvTranspose3d(_LazyConv, ConvTranspose3d):
    """`ConvTranspose3d` with in_channels from the first input."""

    becomes = ConvTranspose3d


# ---- norms ----------------------------------------------------------------------------------------------------------


class _LazyNorm(_Lazy):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(1, *args, **kwargs)  # type: ignore[call-arg]
        self.num_features = 0
        for name, parameter in self._parameters.items():
            if parameter is not None:
                self._parameters[name] = UninitializedParameter(dtype=parameter.dtype)
        for name in ("running_mean", "running_var"):
            if self._buffers[name] is not None:
                self._buffers[name] = UninitializedBuffer(dtype=self._buffers[name].dtype)  # type: ignore[union-attr]

    def initialize_parameters(self, input: Tensor) -> None:
        self.num_features = input.shape[self._channels_at(input)]
        for tensor in [*self.parameters(), *self.buffers()]:
            if isinstance(tensor, _KINDS):
                tensor.materialize((self.num_features,))

    def _channels_at(self, input: Tensor) -> int:
        return 1 if len(self.ranks) == 1 or input.ndim == self.ranks[-1] else self._channel_dim


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """`BatchNorm1d` with num_features from the first input."""

    becomes = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """`BatchNorm2d` with num_features from the first input."""

    becomes = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """`BatchNorm3d` with num_features from the first input."""

    becomes = BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, InstanceNorm1d):
    """`InstanceNorm1d` with num_features from the first input."""

    becomes = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, InstanceNorm2d):
    """`InstanceNorm2d` with num_features from the first input."""

    becomes = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, InstanceNorm3d):
    """`InstanceNorm3d` with num_features from the first input."""

    becomes = InstanceNorm3d
