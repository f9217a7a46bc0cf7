"""The arguments of functions that make tensors, which numbers don't depend on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import lampion

MAKERS: dict[str, Callable[..., Any]] = {
    "tensor": lambda **k: lampion.tensor([1.0], **k),
    "zeros": lambda **k: lampion.zeros(2, **k),
    "full": lambda **k: lampion.full((2,), 1.0, **k),
    "ones_like": lambda **k: lampion.ones_like(lampion.zeros(2), **k),
    "arange": lambda **k: lampion.arange(3, **k),
    "linspace": lambda **k: lampion.linspace(0, 1, 3, **k),
    "eye": lambda **k: lampion.eye(2, **k),
    "randn": lambda **k: lampion.randn(2, **k),
    "normal": lambda **k: lampion.normal(0.0, 1.0, (2,), **k),
    "empty_strided": lambda **k: lampion.empty_strided((2,), (1,), **k),
    "new_zeros": lambda **k: lampion.zeros(2).new_zeros(3, **k),
    "hann_window": lambda **k: lampion.hann_window(4, **k),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_dense_layout_is_the_one_there_is(make: Callable[..., Any]) -> None:
    x = make(layout=lampion.strided, pin_memory=False, device="cpu")
    assert (x.layout, x.device) == (lampion.strided, "cpu")
    with pytest.raises(RuntimeError, match=r"layout lampion\.sparse_coo is not available"):
        make(layout=lampion.layout("sparse_coo"))
    with pytest.raises(RuntimeError, match="pin_memory is for copies to a GPU"):
        make(pin_memory=True)
