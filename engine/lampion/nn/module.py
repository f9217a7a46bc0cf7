"""`Module`: parameters, buffers and submodules under names, and a forward."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Self

from lampion import dtypes
from lampion.autograd import no_grad
from lampion.nn.hooks import ForwardHook, Hooks, register
from lampion.nn.parameter import Parameter
from lampion.ops.create import check_device
from lampion.ops.promote import as_tensor
from lampion.tape import as_called
from lampion.tensor import RemovableHandle, Tensor

_KINDS = ("_parameters", "_buffers", "_modules")


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict(strict=False)` did not match."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """Base of every layer and model. A subclass gives `__init__` (which calls this one first) and `forward`.

    Attributes that are Parameters or Modules are registered under their name, which is their key in `state_dict`.
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]

    def __init__(self) -> None:
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _modules={},
            _passing_buffers=set(),
            _module_hooks=Hooks(),
        )

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What calling the module computes."""
        raise NotImplementedError(f"{type(self).__name__}: expected a method `forward`, found none; define it")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self._module_hooks:
            return as_called(self.forward)(*args, **kwargs)
        return self._module_hooks.call(self, as_called(self.forward), args, kwargs)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls `hook(module, args)` before forward; what it returns replaces the arguments.

        `with_kwargs`: `hook(module, args, kwargs)`, which returns None or both. `prepend`: before the hooks that are there.
        """
        return register(self._module_hooks.before, ForwardHook(hook, with_kwargs), prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Calls `hook(module, args, output)` after forward; what it returns replaces the output.

        `with_kwargs`: `hook(module, args, kwargs, output)`. `always_call`: also where forward raised, with None as output.
        """
        return register(self._module_hooks.after, ForwardHook(hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls `hook(module, grad_output)` before gradients pass through; what it returns replaces them."""
        return register(self._module_hooks.backward_before, hook, prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls `hook(module, grad_input, grad_output)` once the gradients of the positional arguments are known.

        What it returns replaces them. Both are tuples, with None for what is no tensor or was sent no gradient.
        """
        return register(self._module_hooks.backward, hook, prepend)

    # ---- attributes -------------------------------------------------------------------------------------------------

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter; None keeps the name for one that this configuration has not."""
        self._check_name(name, "_parameters")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"register_parameter: expected a Parameter or None as {name!r}, got {type(param).__name__}")
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a tensor that belongs to the state but is not learned; outside `state_dict` unless `persistent`."""
        self._check_name(name, "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"register_buffer: expected a Tensor or None as {name!r}, got {type(tensor).__name__}")
        self._buffers[name] = tensor
        if not persistent:
            self._passing_buffers.add(name)

    def register_module(self, name: str, module: Module | None) -> None:
        """Adds a submodule."""
        self._check_name(name, "_modules")
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"add_module: expected a Module or None as {name!r}, got {type(module).__name__}")
        self._modules[name] = module

    add_module = register_module

    def _check_name(self, name: str, kind: str) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError(
                f"{type(self).__name__}: cannot assign {name!r} before Module.__init__() was called; "
                "call super().__init__() first"
            )
        if not isinstance(name, str) or not name or "." in name:
            raise KeyError(f'{type(self).__name__}: expected a name without ".", got {name!r}')
        if name not in self.__dict__[kind] and hasattr(self, name):
            raise KeyError(f"{type(self).__name__}: attribute {name!r} exists already; choose another name")

    def __setattr__(self, name: str, value: Any) -> None:
        kind = "_parameters" if isinstance(value, Parameter) else "_modules" if isinstance(value, Module) else None
        if kind is not None:
            self._forget(name, kind)
            self._check_name(name, kind)
            self.__dict__[kind][name] = value
            return
        for kind in _KINDS:
            if name in self.__dict__.get(kind, ()):
                self._replace(kind, name, value)
                return
        object.__setattr__(self, name, value)

    def _replace(self, kind: str, name: str, value: Any) -> None:
        """A registered name gets None, or, as a buffer, another Tensor."""
        expected = {"_parameters": "Parameter", "_buffers": "Tensor", "_modules": "Module"}[kind]
        if value is not None and not (kind == "_buffers" and isinstance(value, Tensor)):
            raise TypeError(
                f"{type(self).__name__}: cannot assign {type(value).__name__} as {name!r}: expected a {expected} or None; "
                "`del` the attribute first to make it something else"
            )
        self.__dict__[kind][name] = value

    def _forget(self, name: str, kind: str) -> None:
        """Drops what goes by `name`, except where it is of that kind: there it keeps its place in the order."""
        self.__dict__.pop(name, None)
        for other in _KINDS:
            if other != kind:
                self.__dict__.get(other, {}).pop(name, None)

    def __getattr__(self, name: str) -> Any:
        for kind in _KINDS:
            found = self.__dict__.get(kind, {})
            if name in found:
                return found[name]
        close = difflib.get_close_matches(name, dir(self), 1) if not name.startswith("__") else []
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")

    def __delattr__(self, name: str) -> None:
        for kind in _KINDS:
            if name in self.__dict__[kind]:
                del self.__dict__[kind][name]
                self._passing_buffers.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        own = [n for kind in _KINDS for n in self.__dict__.get(kind, ())]
        return sorted({*dir(type(self)), *self.__dict__, *own})

    # ---- walking ----------------------------------------------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Direct submodules with their names, each once."""
        seen: set[int] = set()
        for name, module in self._modules.items():
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Module]:
        """Direct submodules."""
        return (m for _, m in self.named_children())

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it, with dotted names."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, _join(prefix, name), remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it."""
        return (m for _, m in self.named_modules())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Parameters with dotted names; a shared one once unless told otherwise."""
        return self._members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Buffers with dotted names."""
        return self._members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def _members(self, kind: str, prefix: str, recurse: bool, remove_duplicate: bool) -> Iterator[tuple[str, Any]]:
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        seen: set[int] = set()
        for place, module in modules:
            for name, tensor in module.__dict__[kind].items():
                if tensor is None or (remove_duplicate and id(tensor) in seen):
                    continue
                seen.add(id(tensor))
                yield _join(place, name), tensor

    def get_submodule(self, target: str) -> Module:
        """The submodule of a dotted name. Raises AttributeError where there is none."""
        module: Module = self
        for name in target.split(".") if target else []:
            if name not in module._modules:
                raise AttributeError(f"{type(self).__name__}: no submodule {target!r}; see named_modules()")
            module = module.__getattr__(name)
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Puts a module under a dotted name; with `strict` one must be there already. Raises AttributeError where not."""
        place, _, name = target.rpartition(".")
        if not target or not isinstance(module, Module):
            raise ValueError(f"set_submodule: expected a name and a Module, got {target!r} and {type(module).__name__}")
        parent = self.get_submodule(place)
        if name not in parent._modules and (strict or hasattr(parent, name)):
            raise AttributeError(f"{type(self).__name__}: no submodule {target!r} to replace; see named_modules()")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter of a dotted name. Raises AttributeError where there is none."""
        place, _, name = target.rpartition(".")
        owner = self.get_submodule(place)
        if name not in owner._parameters:
            raise AttributeError(f"{type(self).__name__}: no parameter {target!r}; see named_parameters()")
        return owner.__getattr__(name)

    def get_buffer(self, target: str) -> Tensor:
        """The buffer of a dotted name. Raises AttributeError where there is none."""
        place, _, name = target.rpartition(".")
        owner = self.get_submodule(place)
        if name not in owner._buffers:
            raise AttributeError(f"{type(self).__name__}: no buffer {target!r}; see named_buffers()")
        return owner.__getattr__(name)

    # ---- changing all of it -----------------------------------------------------------------------------------------

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Calls `fn` with every submodule, then with this module."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Sets training mode, which dropout and batch norm heed, here and below."""
        if not isinstance(mode, bool):
            raise ValueError(f"train: expected a bool as mode, got {mode!r}")
        for module in self.modules():
            object.__setattr__(module, "training", mode)
        return self

    def eval(self) -> Self:
        """Sets evaluation mode here and below."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Whether gradients are wanted for all parameters."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients of all parameters."""
        for p in self.parameters():
            if p.grad is not None:
                p.grad = None if set_to_none else p.grad.detach() * 0

    def to(self, *args: Any, dtype: Any = None, device: Any = None) -> Self:
        """Converts floating point parameters and buffers to a dtype; "cpu" is the only device."""
        for arg in args:
            if isinstance(arg, str):
                device = arg
            else:
                dtype = arg.dtype if isinstance(arg, Tensor) else arg
        check_device(device)
        if dtype is None:
            return self
        kind = dtypes.of(dtype)
        if kind.category < dtypes.FLOAT:
            raise TypeError(f"{type(self).__name__}.to: expected a floating point dtype, got {kind}")
        for tensor in [*self.parameters(), *self.buffers()]:
            if tensor.is_floating_point() and tensor.dtype is not kind:
                tensor.data = tensor.data.to(kind)
                tensor.grad = None if tensor.grad is None else tensor.grad.to(kind)
        return self

    def float(self) -> Self:
        """As float32."""
        return self.to(dtypes.float32)

    def double(self) -> Self:
        """As float64."""
        return self.to(dtypes.float64)

    def half(self) -> Self:
        """As float16."""
        return self.to(dtypes.float16)

    def bfloat16(self) -> Self:
        """As bfloat16."""
        return self.to(dtypes.bfloat16)

    def cpu(self) -> Self:
        """Itself."""
        return self

    # ---- state ------------------------------------------------------------------------------------------------------

    def state_dict(self, *, prefix: str = "", keep_vars: bool = False) -> dict[str, Tensor]:
        """Parameters and persistent buffers by dotted name, sharing memory with the module."""
        return {k: t if keep_vars else t.detach() for k, t in self._state(prefix)}

    def _state(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        for name, p in self._parameters.items():
            if p is not None:
                yield prefix + name, p
        for name, b in self._buffers.items():
            if b is not None and name not in self._passing_buffers:
                yield prefix + name, b
        for name, module in self._modules.items():
            if module is not None:
                yield from module._state(f"{prefix}{name}.")

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copies the numbers of `state_dict` (Tensors or arrays) into the parameters and buffers of the same names.

        With `assign` its Tensors take the place of the module's, dtype and memory included. Raises RuntimeError that lists
        every missing key, unexpected key and shape that differs; nothing is copied then. With `strict=False` keys may be
        missing or too many, and are returned.
        """
        own = dict(self._state())
        missing = [k for k in own if k not in state_dict]
        unexpected = [k for k in state_dict if k not in own]
        new = {k: as_tensor(state_dict[k]) for k in own if k in state_dict}
        wrong = [
            f"size mismatch for {k}: the module has {list(own[k].shape)}, the state_dict {list(t.shape)}"
            for k, t in new.items()
            if tuple(t.shape) != tuple(own[k].shape)
        ]
        lines = [_listed("missing keys", missing), _listed("unexpected keys", unexpected)] if strict else []
        problems = [line for line in [*lines, *wrong] if line]
        if problems:
            raise RuntimeError(f"{type(self).__name__}.load_state_dict:\n  " + "\n  ".join(problems))
        with no_grad():
            for k, t in new.items():
                if assign:
                    self._assign(k, t, own[k])
                else:
                    own[k].copy_(t.detach().to(own[k].dtype))
        return IncompatibleKeys(missing, unexpected)

    def _assign(self, key: str, new: Tensor, old: Tensor) -> None:
        place, _, name = key.rpartition(".")
        owner = self.get_submodule(place)
        if name in owner._buffers:
            owner._buffers[name] = new
        elif isinstance(new, Parameter):
            new.requires_grad_(old.requires_grad)
            owner._parameters[name] = new
        else:
            owner._parameters[name] = Parameter(new.detach(), old.requires_grad)

    # ---- printing ---------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """The settings, as `repr` shows them."""
        return ""

    def __repr__(self) -> str:
        name, extra = type(self).__name__, self.extra_repr()
        if not self._modules:
            return f"{name}({extra})"
        lines = [extra] if extra else []
        lines += [f"({n}): {m!r}".replace("\n", "\n  ") for n, m in self._modules.items()]
        return f"{name}(\n  " + "\n  ".join(lines) + "\n)"


def describe(module: Module, positional: Iterable[str], **defaults: Any) -> str:
    """Text for `extra_repr`: the values of `positional`, then every attribute that differs from its default."""
    parts = [str(getattr(module, n)) for n in positional]
    return ", ".join(parts + [f"{n}={getattr(module, n)!r}" for n, d in defaults.items() if getattr(module, n) != d])


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _listed(what: str, keys: list[str]) -> str:
    return f"{what}: {', '.join(keys)}" if keys else ""
