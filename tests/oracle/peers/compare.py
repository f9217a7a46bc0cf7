"""Whether lampion's result is PyTorch's: structure, dtype, shape, numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from oracle.peers.convert import MissingError, array, find

import lampion

# rtol, atol. PyTorch keeps some constants as float32 even in float64 kernels, hence no less than 1e-6 there.
TOLERANCES = {
    "float16": (2e-3, 1e-3),
    "bfloat16": (1.6e-2, 1e-3),
    "float32": (1e-4, 1e-5),
    "complex64": (1e-4, 1e-5),
    "float64": (1e-6, 1e-8),
    "complex128": (1e-6, 1e-8),
}


class DisagreementError(Exception):
    """Where two results differ first."""


def compare(ours: Any, theirs: Any, *, numbers: bool = True, where: str = "output") -> None:
    """Raises DisagreementError where they differ first; without `numbers` only structure, dtype and shape count."""
    if isinstance(theirs, torch.Tensor):
        _compare_tensors(ours, theirs, numbers, where)
    elif isinstance(theirs, list | tuple):
        _compare_sequences(ours, theirs, numbers, where)
    elif isinstance(theirs, torch.dtype):
        if not isinstance(ours, lampion.dtype) or ours.name != name_of(theirs):
            raise DisagreementError(f"{where}: expected {theirs}, got {ours!r}")
    elif type(ours) is not type(theirs):
        raise DisagreementError(f"{where}: expected {type(theirs).__name__} {theirs!r}, got {type(ours).__name__}")
    elif numbers and not _same(ours, theirs):
        raise DisagreementError(f"{where}: expected {theirs!r}, got {ours!r}")


def equal(a: Any, b: Any) -> bool:
    """Whether two results of PyTorch have the same numbers bit for bit: what is drawn at random has not."""
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, torch.Tensor) and a.layout is torch.strided:
        return a.shape == b.shape and bool(torch.allclose(a.detach(), b.detach(), 0, 0, equal_nan=True))
    return True


def tensors(x: Any) -> list[Any]:
    """All tensors of a result, in order."""
    if isinstance(x, list | tuple):
        return [t for part in x for t in tensors(part)]
    return [x] if isinstance(x, torch.Tensor | lampion.Tensor) else []


def name_of(dtype: torch.dtype) -> str:
    """float32 for torch.float32"""
    return str(dtype).removeprefix("torch.")


def _same(a: Any, b: Any) -> bool:
    close = isinstance(b, float | complex) and np.isclose(a, b, *TOLERANCES["float32"], equal_nan=True)
    return bool(close or a == b)


def _compare_sequences(ours: Any, theirs: Any, numbers: bool, where: str) -> None:
    if not isinstance(ours, list | tuple) or len(ours) != len(theirs):
        got = f"{len(ours)}" if isinstance(ours, list | tuple) else type(ours).__name__
        raise DisagreementError(f"{where}: expected {len(theirs)} results, got {got}")
    fields = getattr(theirs, "_fields", ())
    if type(theirs).__module__ == "torch.return_types":
        fields = type(theirs).__match_args__
    lacking = [f for f in fields if not hasattr(ours, f)]
    if lacking:
        raise DisagreementError(f"{where}: expected fields {', '.join(fields)}, {', '.join(lacking)} not there")
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        compare(a, b, numbers=numbers, where=f"{where}[{i}]")


def _compare_tensors(ours: Any, theirs: Any, numbers: bool, where: str) -> None:
    if theirs.layout is not torch.strided:
        raise MissingError(f"lampion.{str(theirs.layout).removeprefix('torch.')} (a result of that layout)")
    if not isinstance(ours, lampion.Tensor):
        raise DisagreementError(f"{where}: expected a Tensor, got {type(ours).__name__}")
    dtype = name_of(theirs.dtype)
    find(dtype)
    if ours.dtype.name != dtype:
        raise DisagreementError(f"{where}: expected dtype {dtype}, got {ours.dtype.name}")
    if tuple(ours.shape) != tuple(theirs.shape):
        raise DisagreementError(f"{where}: expected shape {list(theirs.shape)}, got {list(ours.shape)}")
    if numbers:
        compare_numbers(ours, theirs, where)


def compare_numbers(ours: Any, theirs: Any, where: str) -> None:
    """Raises DisagreementError where an element is off by more than its dtype's tolerance; integers are exact."""
    rtol, atol = TOLERANCES.get(name_of(theirs.dtype), (0, 0))
    got, expected = ours.detach().numpy(), array(theirs)
    if ours.dtype is lampion.bfloat16:
        got, expected = got.astype(np.float32), expected.astype(np.float32)
    with np.errstate(all="ignore"):
        off = ~np.isclose(got, expected, rtol, atol, equal_nan=True) if rtol else got != expected
    if not off.any():
        return
    first = tuple(int(i) for i in np.argwhere(off)[0])
    raise DisagreementError(
        f"{where}: {int(off.sum())} of {off.size} {name_of(theirs.dtype)} numbers differ, "
        f"first at {list(first)}: expected {expected[first]!s}, got {got[first]!s}"
    )
