"""What all optimizers share: parameter groups, the loop over parameters, the state and its keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from lampion.autograd import enable_grad, no_grad
from lampion.tape import Array, Value, tracing
from lampion.tensor import Tensor

Update = TypeVar("Update", bound=Callable[..., None])
Params = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]


class Optimizer:
    """Base: a subclass gives `update`, the formula for one parameter.

    `params` are Tensors, (name, Tensor) pairs, or dicts {"params": [...], "lr": ...} whose settings stand before
    `defaults`. Raises ValueError for no parameters or a repeated one, TypeError for what is no leaf Tensor.
    """

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(f"{type(self).__name__}: expected several Tensors or dicts as params, got one Tensor")
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        many: list[Any] = list(params)
        if not many:
            raise ValueError(f"{type(self).__name__}: got an empty list of parameters; does the model have any?")
        for group in many if isinstance(many[0], dict) else [{"params": many}]:
            self.add_param_group(group)

    def __init_subclass__(cls) -> None:
        if "update" in cls.__dict__ and "update_arrays" not in cls.__dict__:
            cls.update_arrays = Optimizer.update_arrays  # type: ignore[method-assign]  # an inherited one is for another formula

    def update(self, p: Tensor, grad: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        """Changes `p` in place by its gradient, the settings of its group, and its own state, empty at first."""
        raise NotImplementedError(f"{type(self).__name__}: expected a method `update`, found none; define it")

    @no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of every parameter that has a gradient. Gives what `closure`, called first, gives."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None and not self._updated_in_memory(p, group):
                    grad = p.grad.detach()
                    self.update(p, -grad if group.get("maximize") else grad, group, self.state[p])
        return loss

    def update_arrays(self, p: Array, grad: Array, group: dict[str, Any], state: dict[str, Array]) -> bool:
        """`update` of what lies in memory, where the subclass has a quicker form for it. Whether that was done."""
        return False

    def _updated_in_memory(self, p: Tensor, group: dict[str, Any]) -> bool:
        if type(self).update_arrays is Optimizer.update_arrays or tracing():
            return False
        grad, state = p.grad._value.data, self.state[p]  # type: ignore[union-attr]
        values = [x._value for x in (p, *state.values()) if isinstance(x, Tensor)]
        if len(values) <= len(state) or grad.dtype != values[0].data.dtype or not all(map(_is_known, values)):
            return False
        arrays = [_own(value) for value in values]
        named = dict(zip(state, arrays[1:], strict=True))
        if not self.update_arrays(arrays[0], -grad if group["maximize"] else grad, group, named):
            return False
        for value, array in zip(values, arrays, strict=True):
            if value.data is not array:
                np.copyto(value.data, array)
            value.version.writes += 1
        return True

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets all gradients."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad = None if set_to_none else p.grad.detach() * 0

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Adds parameters with their own settings; what is not given comes from the defaults."""
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        params = [p[1] if isinstance(p, tuple) else p for p in params]
        known = {id(p) for group in self.param_groups for p in group["params"]}
        for p in params:
            if not isinstance(p, Tensor) or not p.is_leaf:
                what = "a computed Tensor" if isinstance(p, Tensor) else type(p).__name__
                raise TypeError(f"{type(self).__name__}: expected leaf Tensors as parameters, got {what}")
            if id(p) in known:
                raise ValueError(f"{type(self).__name__}: a parameter of shape {list(p.shape)} appears twice")
            known.add(id(p))
        self.param_groups.append(
            {"params": params, **self.defaults, **{k: v for k, v in param_group.items() if k != "params"}}
        )

    def state_dict(self) -> dict[str, Any]:
        """State and settings, with parameters as running numbers."""
        numbers = {id(p): i for i, p in enumerate(self._params())}
        groups = [
            {**{k: v for k, v in group.items() if k != "params"}, "params": [numbers[id(p)] for p in group["params"]]}
            for group in self.param_groups
        ]
        return {"state": {numbers[id(p)]: dict(s) for p, s in self.state.items() if s}, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Goes on from what `state_dict` gave. Raises ValueError where the groups differ in number or size."""
        mine = [len(g["params"]) for g in self.param_groups]
        saved = [len(g["params"]) for g in state_dict["param_groups"]]
        if mine != saved:
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: expected groups of {mine} parameters, got {saved}; "
                "build the optimizer over the same model"
            )
        for group, new in zip(self.param_groups, state_dict["param_groups"], strict=True):
            group.update({k: v for k, v in new.items() if k != "params"})
        params = self._params()
        order = [n for g in state_dict["param_groups"] for n in g["params"]]
        self.state.clear()
        for number, p in zip(order, params, strict=True):
            state = state_dict["state"].get(number, {})
            if state:
                self.state[p] = {k: v.clone() if isinstance(v, Tensor) else v for k, v in state.items()}

    def _params(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def __repr__(self) -> str:
        groups = [{k: v for k, v in g.items() if k != "params"} for g in self.param_groups]
        return f"{type(self).__name__}({'; '.join(', '.join(f'{k}={v}' for k, v in g.items()) for g in groups)})"


def elementwise(update: Update) -> Update:
    """Marks an `update` that treats every element by itself: a compiled step then runs it on many parameters in one row.

    Tensors without dims in the state (a count of steps) are one number for all of them.
    """
    update.elementwise = True  # type: ignore[attr-defined]
    return update


def _is_known(value: Value) -> bool:
    data = value.data
    return type(data) is np.ndarray and data.dtype.kind == "f" and data.flags.writeable


def _own(value: Value) -> Array:
    """A Value's array, to be written to: made its own where it may be somebody else's, a copy where others are to see it
    and it doesn't lie in a row.
    """
    data: Array = value.data
    if value.version.shared or value.version.views:
        return data if data.flags.c_contiguous else data.copy()
    if data.base is not None or not data.flags.c_contiguous:
        value.data = data = data.copy()
    return data


def at_least_zero(who: str, **settings: Any) -> None:
    """Raises ValueError for a setting below 0; Tensors are taken as they are."""
    for name, value in settings.items():
        if not isinstance(value, Tensor) and not value >= 0:
            raise ValueError(f"{who}: expected {name} of at least 0, got {value}")


def fractions(who: str, **settings: float) -> None:
    """Raises ValueError for a setting outside [0, 1)."""
    for name, value in settings.items():
        if not 0 <= value < 1:
            raise ValueError(f"{who}: expected {name} from 0 to below 1, got {value}")


def decayed(p: Tensor, grad: Tensor, group: Mapping[str, Any]) -> Tensor:
    """The gradient with weight decay in it; where that is decoupled, `p` itself decays instead."""
    if not group["weight_decay"]:
        return grad
    if group.get("decoupled_weight_decay"):
        p.mul_(1 - group["lr"] * group["weight_decay"])
        return grad
    return grad + p * group["weight_decay"]
