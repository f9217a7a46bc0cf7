"""Batch norms worked into the layers before them."""

from __future__ import annotations

import copy
from typing import TypeVar

from lampion.autograd import no_grad
from lampion.nn.module import Module
from lampion.nn.parameter import Parameter
from lampion.ops.analysis import rsqrt
from lampion.ops.create import ones_like, zeros_like
from lampion.tensor import Tensor

M = TypeVar("M", bound=Module)


def fuse_conv_bn_eval(conv: M, bn: Module, transpose: bool = False) -> M:
    """A copy of the convolution that computes what both do in eval mode; `transpose` says that it is a transposed one.

    Raises RuntimeError unless both are in eval mode.
    """
    return _fused(conv, bn, 1 if transpose else 0)


def fuse_linear_bn_eval(linear: M, bn: Module) -> M:
    """A copy of the linear layer that computes what both do in eval mode. Raises RuntimeError unless both are in it."""
    return _fused(linear, bn, 0)


def _fused(layer: M, bn: Module, dim: int) -> M:
    if layer.training or bn.training:
        raise RuntimeError(
            f"fuse: expected {type(layer).__name__} and {type(bn).__name__} in eval mode; call eval() first"
        )
    fused = copy.deepcopy(layer)
    with no_grad():
        weight, bias = fuse_conv_bn_weights(
            fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, bool(dim)
        )
    del fused.weight, fused.bias
    fused.register_parameter("weight", weight)
    fused.register_parameter("bias", bias)
    return fused


def fuse_conv_bn_weights(
    conv_w: Tensor, conv_b: Tensor | None, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float, bn_w: Tensor | None,
    bn_b: Tensor | None, transpose: bool = False,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """Weight and bias of a convolution that computes what it and the batch norm behind it do."""
    bias = zeros_like(bn_rm) if conv_b is None else conv_b
    scale = (ones_like(bn_rm) if bn_w is None else bn_w) * rsqrt(bn_rv + bn_eps)
    shift = zeros_like(bn_rm) if bn_b is None else bn_b
    shape = [1] * conv_w.ndim
    shape[1 if transpose else 0] = -1
    weight = (conv_w * scale.reshape(shape)).to(conv_w.dtype)
    return Parameter(weight, conv_w.requires_grad), Parameter((bias - bn_rm) * scale + shift, conv_w.requires_grad)
