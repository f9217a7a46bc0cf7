"""Sizes that vary where an op's meaning hangs on them: right for every size, or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lampion
from lampion import UntraceableError
from lampion.nn import functional as F
from lampion_edge import Session
from lampion_export.card import complete_card
from lampion_export.exporter import build, serialized
from lampion_export.verification import run_eagerly

X = np.arange(12, dtype=np.float32).reshape(3, 4)
BOTH = {"x": {0: "n", 1: "m"}}


def diagonal_in_place(x: Any) -> Any:
    y = x * 1
    y.diagonal(1).mul_(10)
    y.diagonal().fill_(-1)
    return y


def windows_in_place(x: Any) -> Any:
    y = x * 1
    y.unfold(1, 2, 2).add_(100)
    return y


RIGHT: dict[str, Callable[[Any], Any]] = {
    "diagonal in place": diagonal_in_place,
    "windows in place": windows_in_place,
    "max_pool with ceil_mode": lambda x: F.max_pool1d(x, 2, ceil_mode=True),
    "avg_pool with ceil_mode": lambda x: F.avg_pool1d(x, 2, 2, 1, ceil_mode=True, count_include_pad=False),
    "adaptive_avg_pool": lambda x: F.adaptive_avg_pool1d(x, 3),
    "adaptive_max_pool": lambda x: F.adaptive_max_pool1d(x, 3),
    "squeeze of a known dim": lambda x: x.unsqueeze(1).squeeze(1),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_at_every_size(name: str) -> None:
    function = RIGHT[name]

    def named(x: Any) -> Any:
        return function(x)

    model = build(named, {"x": X}, BOTH)
    session = Session(serialized(model, complete_card(None, "sizes", model.graph)))
    for shape in ((3, 4), (5, 3), (2, 9), (7, 7)):
        inputs = {"x": np.random.default_rng(0).standard_normal(shape).astype(np.float32)}
        want = run_eagerly(named, inputs, ["output"])["output"]
        np.testing.assert_allclose(session.run(inputs)["output"], want, rtol=1e-5, atol=1e-6)


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "squeeze": (lambda x: x.squeeze(), r"whether the dim of size `n` is dropped .*\n.*\n.*squeeze\(dim\)"),
    "squeeze of a dim that varies": (lambda x: x.squeeze(0), "whether the dim of size `n` is dropped"),
    "places in adaptive windows": (lambda x: F.adaptive_max_pool1d(x, 2, True)[1], "return_indices=False"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_remedy(name: str) -> None:
    function, message = REFUSED[name]
    with pytest.raises(UntraceableError, match=message):
        build(lambda x: function(x), {"x": X}, BOTH)


def test_pooling_that_no_window_fits_is_refused_as_pytorch_does() -> None:
    with pytest.raises(RuntimeError, match=r"max_pool1d: no window of \[3\] fits .*\[1, 2\]"):
        F.max_pool1d(lampion.ones(1, 2), 3)
