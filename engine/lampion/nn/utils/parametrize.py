"""Parameters computed from others. PyTorch's `torch.nn.utils.parametrize`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from lampion.autograd import no_grad
from lampion.nn.containers import ModuleDict, ModuleList
from lampion.nn.module import Module
from lampion.nn.parameter import Parameter
from lampion.tensor import Tensor

_cache: dict[tuple[int, str], Any] | None = None


@contextmanager
def cached() -> Iterator[None]:
    """Inside, every parametrized tensor is computed once."""
    global _cache
    before, _cache = _cache, {} if _cache is None else _cache
    try:
        yield
    finally:
        _cache = before


class ParametrizationList(ModuleList):
    """The modules that compute one tensor, one after the other, from `original` (or `original0`, `original1`, ...).

    A module with `right_inverse` turns a value back into what it is computed from, several tensors too if it is the first.
    """

    def __init__(self, modules: list[Module], original: Tensor, unsafe: bool = False) -> None:
        super().__init__(modules)
        self.unsafe = unsafe
        new: Any = original
        with no_grad(), suppress(NotImplementedError):  # of one that can't be turned back the value is the original
            for module in reversed(modules):
                new = module.right_inverse(new) if hasattr(module, "right_inverse") else new
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        for i, tensor in enumerate([new] if self.is_tensor else new):
            name = "original" if self.is_tensor else f"original{i}"
            if isinstance(original, Parameter):
                self.register_parameter(name, Parameter(tensor.detach(), original.requires_grad))
            else:
                self.register_buffer(name, tensor)

    def originals(self) -> list[Tensor]:
        """What it is computed from."""
        names = ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]
        return [getattr(self, name) for name in names]

    def right_inverse(self, value: Tensor) -> None:
        """Sets the originals so that `value` comes out. Raises RuntimeError where a module has no right_inverse."""
        with no_grad():
            new: Any = value
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrize: {type(module).__name__} has no right_inverse, so the tensor can't be assigned"
                    )
                new = module.right_inverse(new)
            for original, tensor in zip(self.originals(), [new] if self.is_tensor else new, strict=True):
                original.copy_(tensor)

    def forward(self) -> Tensor:
        """The tensor."""
        first, *rest = list(self)
        x: Tensor = first(*self.originals())
        for module in rest:
            x = module(x)
        return x


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """From now on `module.tensor_name` is what `parametrization` computes from the present tensor; gives the module.

    A second one computes on with what the first gives. Raises ValueError for a name that is no parameter or buffer, and,
    unless `unsafe`, where shape or dtype would change.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        found = module.parametrizations[tensor_name]
        with no_grad():
            value = getattr(module, tensor_name)
            new = parametrization.right_inverse(value) if hasattr(parametrization, "right_inverse") else value
            _check(parametrization(new), value, unsafe)
        if list(found) and all(hasattr(m, "right_inverse") for m in found):
            found.right_inverse(new)
        found.append(parametrization)
        return module
    if tensor_name not in module._parameters and tensor_name not in module._buffers:
        raise ValueError(
            f"register_parametrization: {type(module).__name__} has no parameter or buffer {tensor_name!r}"
        )
    original = getattr(module, tensor_name)
    found = ParametrizationList([parametrization], original, unsafe)
    with no_grad():
        _check(found(), original, unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        _become_parametrized(module)
    module.parametrizations[tensor_name] = found
    setattr(type(module), tensor_name, _property(tensor_name))
    return module


def _check(new: Tensor, old: Tensor, unsafe: bool) -> None:
    if not unsafe and (tuple(new.shape) != tuple(old.shape) or new.dtype is not old.dtype):
        raise ValueError(
            f"register_parametrization: expected {old.dtype} {list(old.shape)}, got {new.dtype} {list(new.shape)}; "
            "pass unsafe=True if that is meant"
        )


def _become_parametrized(module: Module) -> None:
    """A class of its own, that properties can be set on."""
    kind = type(module)
    own = type(f"Parametrized{kind.__name__}", (kind,), {"__module__": kind.__module__, "parametrized": kind})
    object.__setattr__(module, "__class__", own)
    module.add_module("parametrizations", ModuleDict())


def _property(name: str) -> property:
    def get(self: Module) -> Tensor:
        if _cache is None:
            return self.parametrizations[name]()
        key = id(self), name
        if key not in _cache:
            _cache[key] = self.parametrizations[name]()
        return _cache[key]

    def assign(self: Module, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, assign)


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether some tensor of the module, or the one named, is parametrized."""
    found = module._modules.get("parametrizations")
    if not isinstance(found, ModuleDict):
        return False
    return tensor_name in found if tensor_name is not None else len(found) > 0


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Takes all parametrizations of a tensor off: what remains is the present value, or else the original."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"remove_parametrizations: {type(module).__name__} has no parametrized tensor {tensor_name!r}")
    found = module.parametrizations[tensor_name]
    if not leave_parametrized and not found.is_tensor:
        raise ValueError("remove_parametrizations: there are several originals; pass leave_parametrized=True")
    first = found.originals()[0]
    value = found().detach() if leave_parametrized else first.detach()
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    if not is_parametrized(module):
        del module.parametrizations
        object.__setattr__(module, "__class__", type(module).parametrized)  # type: ignore[attr-defined]
    if isinstance(first, Parameter):
        module.register_parameter(tensor_name, Parameter(value, first.requires_grad))
    else:
        module.register_buffer(tensor_name, value)
    return module


__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
]
