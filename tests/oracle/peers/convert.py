"""From PyTorch's objects to lampion's, and PyTorch's own test wrappers run over lampion."""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import lampion


class MissingError(Exception):
    """lampion has no such name."""


def find(path: str) -> Any:
    """The object of lampion under a dotted name. Raises MissingError."""
    at: Any = lampion
    for name in path.split("."):
        at = getattr(at, name, None)
        if at is None:
            raise MissingError(f"lampion.{path}")
    return at


class Converter:
    """Copies tensors, in whatever they stand, to lampion. A tensor met twice stays one tensor.

    Keeps the tensors that require grad as pairs (theirs, ours) in `leaves`.
    """

    def __init__(self) -> None:
        self.leaves: list[tuple[Any, Any]] = []
        self._known: dict[int, Any] = {}

    def __call__(self, x: Any) -> Any:
        if isinstance(x, torch.Tensor):
            return self._tensor(x)
        if isinstance(x, torch.Size):
            return lampion.Size(x)
        if isinstance(x, list | tuple):
            return type(x)(map(self, x))
        if isinstance(x, dict):
            return {k: self(v) for k, v in x.items()}
        if isinstance(x, slice):
            return slice(self(x.start), self(x.stop), self(x.step))
        return self._other(x)

    def _other(self, x: Any) -> Any:
        if isinstance(x, torch.dtype | torch.layout | torch.memory_format):
            return find(str(x).removeprefix("torch."))
        if isinstance(x, torch.device):
            return str(x)
        if isinstance(x, torch.nn.Module):
            args, kwargs = x.__dict__["made_of"]
            return find(public_name(type(x)))(*self(args), **self(kwargs))
        if callable(x) or type(x).__module__.startswith("torch"):
            if dataclass_fields := getattr(x, "__dataclass_fields__", None):
                return find(public_name(type(x)))(**{f: self(getattr(x, f)) for f in dataclass_fields})
            return find(public_name(x))
        return x

    def _tensor(self, x: Any) -> Any:
        if id(x) not in self._known:
            ours = lampion.from_numpy(array(x).copy(order="K"))
            if isinstance(x, torch.nn.Parameter):
                ours = lampion.nn.Parameter(ours)
            elif x.requires_grad:
                ours.requires_grad_()
            if x.requires_grad:
                self.leaves.append((x, ours))
            self._known[id(x)] = ours, x  # x too: an id is only its own while the object lives
        return self._known[id(x)][0]


def array(x: Any) -> np.ndarray[Any, Any]:
    """The numbers of a torch tensor. Raises MissingError for what lampion has no form of: sparse, complex of two halves."""
    if x.layout is not torch.strided:
        raise MissingError(f"lampion.{str(x.layout).removeprefix('torch.')} (a tensor of that layout)")
    if x.dtype is torch.complex32:
        find("complex32")
    if x.dtype is torch.bfloat16:
        bits = x.detach().resolve_neg().contiguous().view(torch.int16).numpy(force=True)
        return bits.view(lampion.bfloat16.numpy)
    return x.numpy(force=True)  # also of conjugated, negated and all-zero tensors, which torch keeps as flags


def public_name(x: Any) -> str:
    """Where users find an object of torch: torch.nn.modules.distance.PairwiseDistance is nn.PairwiseDistance."""
    module = x.__module__.removeprefix("torch").removeprefix(".")
    module = "nn" if module.startswith("nn.modules") else "nn.functional" if module == "_C._nn" else module
    return ".".join(filter(None, (module, x.__name__)))


def is_wrapper(f: Any) -> bool:
    """Whether PyTorch's test suite wrote this function around what it tests."""
    return inspect.isfunction(f) and f.__module__.startswith("torch.testing")


def rebind(f: Any, module: Any = lampion) -> Any:
    """The same test wrapper with another module under the name `torch`, and without its fixed seed."""
    if isinstance(f, functools.partial):
        return functools.partial(rebind(f.func, module), *f.args, **f.keywords)
    if not is_wrapper(f):
        return f if module is torch or not is_torchs(f) else find(public_name(f))
    names = {"torch": module, "F": getattr(module.nn, "functional", None), "wrapper_set_seed": _plain_call}
    cells = tuple(types.CellType(_rebound_cell(c, module)) for c in f.__closure__ or ()) or None
    new = types.FunctionType(f.__code__, {**f.__globals__, **names}, f.__name__, f.__defaults__, cells)
    new.__kwdefaults__ = f.__kwdefaults__
    return new


def is_torchs(f: Any) -> bool:
    """Whether a function is one of torch's own."""
    return callable(f) and str(getattr(f, "__module__", "")).startswith("torch")


def lacks_a_name(error: BaseException) -> bool:
    """Whether an AttributeError came from asking lampion for a name in a test wrapper, not from inside lampion."""
    if not isinstance(error, AttributeError):
        return False
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code if trace is not None else None
    ours = str(sys.modules["lampion"].__file__)
    return code is not None and (
        code.co_filename.startswith(torch.testing.__path__[0])
        or (code.co_filename, code.co_name) == (ours, "__getattr__")
    )


def remember_arguments() -> None:
    """From now on a torch module knows the arguments it was made with, so that it can be made again in lampion."""

    def new(cls: type, *args: Any, **kwargs: Any) -> Any:
        self: Any = object.__new__(cls)
        self.__dict__["made_of"] = args, kwargs
        return self

    torch.nn.Module.__new__ = new  # type: ignore[method-assign]


def _rebound_cell(cell: Any, module: Any) -> Any:
    content = cell.cell_contents
    return rebind(content, module) if is_wrapper(content) else content


def _plain_call(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return f(*args, **kwargs)
