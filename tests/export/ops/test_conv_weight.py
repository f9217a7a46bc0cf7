"""The gradient of a convolution in its weight: every form that it is exported in, beside the engine's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lampion
from lampion.kernels.convolution import Geometry
from lampion.ops.conv import ConvolutionWeight
from lampion_export.ops import conv_weight

# channels, outputs, size, kernel, stride, padding, dilation, groups
CASES = {
    "one place for each product": (9, 4, (6, 7), (3, 2), (1, 1), (1, 0), (1, 1), 1),
    "stride and dilation": (8, 3, (9, 8), (2, 3), (2, 1), (1, 2), (2, 1), 1),
    "a rest that no window reaches": (8, 2, (8, 8), (3, 3), (2, 2), (0, 0), (1, 1), 1),
    "one dim": (8, 5, (11,), (4,), (3,), (2,), (1,), 1),
    "three dims": (8, 2, (4, 3, 5), (2, 2, 3), (1, 1, 2), (1, 0, 1), (1, 1, 1), 1),
    "few channels": (3, 4, (6, 5), (3, 3), (2, 1), (1, 1), (1, 1), 1),
    "one pixel": (8, 4, (5, 6), (1, 1), (1, 1), (0, 0), (1, 1), 1),
    "one pixel in two": (8, 4, (5, 6), (1, 1), (2, 2), (0, 0), (1, 1), 1),
    "groups": (6, 4, (5, 5), (3, 3), (1, 1), (1, 1), (1, 1), 2),
    "each channel by itself": (6, 6, (5, 5), (3, 3), (2, 2), (1, 1), (1, 1), 6),
}


def arrays(name: str, batch: int = 2) -> tuple[ConvolutionWeight, Any, Any]:
    channels, outputs, size, kernel, *geometry, groups = CASES[name]
    at = Geometry(*geometry, groups)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, channels, *size)).astype(np.float32)
    y = rng.standard_normal((batch, outputs, *at.output_size(size, kernel))).astype(np.float32)
    return ConvolutionWeight(at, kernel), lampion.tensor(x), lampion.tensor(y)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("axes", [{}, {"x": {0: "batch"}, "y": {0: "batch"}}], ids=["known", "open"])
def test_it_is_what_the_engine_computes(name: str, axes: Any) -> None:
    op, *_ = arrays(name)
    run = lampion.compile(lambda x, y: op(x, y), dynamic=axes)
    for batch in (2, 3):
        _, x, y = arrays(name, batch)
        np.testing.assert_allclose(run(x, y).numpy(), op(x, y).numpy(), 1e-4, 1e-5)
    assert run.why_not is None
    assert len(run._entries) == 2 - len(axes) // 2


@pytest.mark.parametrize("form", ["by_place", "as_columns", "as_convolution"])
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[-1] == 1])
def test_all_forms_agree(form: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {"by_place": 0, "as_columns": math.inf}.get(form, conv_weight.FEW)
    monkeypatch.setattr(conv_weight, "FEW", few)
    if form == "as_convolution":
        monkeypatch.setattr(conv_weight, "by_place", conv_weight.as_convolution)
        monkeypatch.setattr(conv_weight, "as_columns", conv_weight.as_convolution)
    op, x, y = arrays(name)
    np.testing.assert_allclose(lampion.compile(lambda x, y: op(x, y))(x, y).numpy(), op(x, y).numpy(), 1e-4, 1e-5)
