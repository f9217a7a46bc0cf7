"""Gradients limited, parameters as one vector."""

from __future__ import annotations

from collections.abc import Iterable

from lampion.autograd import no_grad
from lampion.ops.arithmetic import clamp
from lampion.ops.create import zeros
from lampion.ops.shape import cat, stack
from lampion.symbolic import numel
from lampion.tensor import Tensor


@no_grad()
def get_total_norm(
    tensors: Tensor | Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """The norm of all tensors as one vector. Raises RuntimeError for nan or infinity, if `error_if_nonfinite`."""
    many = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if not many:
        return zeros(())
    total = stack([t.norm(norm_type) for t in many]).norm(norm_type)
    if error_if_nonfinite and not total.isfinite():
        raise RuntimeError(
            f"get_total_norm: the norm of the gradients is {total.item()}; look for the first nan or inf"
        )
    return total


@no_grad()
def clip_grads_with_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor) -> None:
    """Scales all gradients so that `total_norm`, their joint norm, becomes at most `max_norm`."""
    scale = clamp(max_norm / (total_norm + 1e-6), max=1.0)
    for p in _with_grad(parameters):
        p.grad = None if p.grad is None else p.grad * scale


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Scales all gradients so that their joint norm is at most `max_norm`; gives the norm they had.

    Raises RuntimeError for a norm that is nan or infinite, if `error_if_nonfinite`.
    """
    with_grad = _with_grad(parameters)
    total = get_total_norm([p.grad for p in with_grad if p.grad is not None], norm_type, error_if_nonfinite)
    clip_grads_with_norm_(with_grad, max_norm, total)
    return total


@no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limits every element of every gradient to [-clip_value, clip_value]."""
    for p in _with_grad(parameters):
        p.grad = None if p.grad is None else clamp(p.grad, -clip_value, clip_value)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters, flattened and joined."""
    return cat([p.reshape(-1) for p in parameters])


@no_grad()
def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Takes the parameters out of a vector as `parameters_to_vector` makes it. Raises RuntimeError for another length."""
    many = list(parameters)
    total = sum(numel(p.shape) for p in many)
    if tuple(vec.shape) != (total,):
        raise RuntimeError(f"vector_to_parameters: expected a vector of {total} elements, got shape {list(vec.shape)}")
    start = 0
    for p in many:
        p.copy_(vec.narrow(0, start, numel(p.shape)).reshape(p.shape))
        start += numel(p.shape)


def _with_grad(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    many = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p for p in many if p.grad is not None]
