"""The gradient of pooling in its input, compiled beside the engine's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lampion
from lampion.nn import functional as F

CASES: dict[str, Any] = {
    "tiles": (F.max_pool2d, (2, 3, 4, 6), (2,), {}),
    "tiles of unequal sides": (F.max_pool2d, (2, 3, 4, 9), ((2, 3),), {}),
    "tiles in one dim": (F.max_pool1d, (2, 3, 6), (3,), {}),
    "tiles in three dims": (F.max_pool3d, (1, 2, 4, 2, 6), (2,), {}),
    "windows that overlap": (F.max_pool2d, (2, 3, 5, 6), (3, 1, 1), {}),
    "a rest": (F.max_pool2d, (2, 3, 5, 7), (2,), {}),
    "a rest with a window of its own": (F.max_pool2d, (2, 3, 5, 7), (2,), {"ceil_mode": True}),
    "means": (F.avg_pool2d, (2, 3, 4, 6), (2,), {}),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients_of_pooling(name: str) -> None:
    pool, shape, args, settings = CASES[name]

    def slopes(x: Any, weight: Any) -> Any:
        x = x.detach().requires_grad_()
        (pool(x, *args, **settings) * weight).sum().backward()
        return x.grad

    rng = np.random.default_rng(0)
    for numbers in (rng.standard_normal(shape), rng.integers(0, 2, shape)):  # the latter: many are largest
        x = lampion.tensor(numbers.astype(np.float32))
        weight = lampion.randn(*pool(x, *args, **settings).shape)
        run = lampion.compile(slopes)
        np.testing.assert_allclose(run(x, weight).numpy(), slopes(x, weight).numpy(), 1e-5, 1e-6)
        assert run.why_not is None
