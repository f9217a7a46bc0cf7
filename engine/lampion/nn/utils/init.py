"""Modules without the numbers they start from."""

from __future__ import annotations

from typing import Any, TypeVar

from lampion.nn.module import Module

M = TypeVar("M", bound=Module)


def skip_init(module_cls: type[M], *args: Any, **kwargs: Any) -> M:
    """A module that is to be filled, by `load_state_dict` say: made without drawing numbers. Its parameters are zeros."""

    class Blank(module_cls):  # type: ignore[valid-type, misc]
        def reset_parameters(self) -> None:
            """Leaves them."""

    module: M = Blank(*args, **kwargs)
    object.__setattr__(module, "__class__", module_cls)
    return module
