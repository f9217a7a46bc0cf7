"""Gradients through recurrent layers: compiled beside Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lampion
from lampion import nn

LAYERS: dict[str, Callable[[], nn.Module]] = {
    "lstm": lambda: nn.LSTM(3, 4),
    "two without bias": lambda: nn.LSTM(3, 4, 2, bias=False, batch_first=True),
    "in both directions": lambda: nn.LSTM(3, 4, bidirectional=True),
    "projected": lambda: nn.LSTM(3, 4, proj_size=2),
    "gru": lambda: nn.GRU(3, 4),
}
# What is sent back: to every step, to the last one, to the last state alone, to all of them.
LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "every step": lambda out, last: out.square().sum(),
    "the last step": lambda out, last: out[-1].exp().sum(),
    "the last state": lambda out, last: sum(s.square().sum() for s in (last if isinstance(last, tuple) else (last,))),
    "all": lambda out, last: out.sum() + sum(s.exp().sum() for s in (last if isinstance(last, tuple) else (last,))),
}


@pytest.mark.parametrize("sends", LOSSES)
@pytest.mark.parametrize("name", LAYERS)
def test_gradients_of_weights_input_and_first_state(name: str, sends: str) -> None:
    lampion.manual_seed(0)
    layer, x = LAYERS[name](), lampion.randn(5, 2, 3)
    _, last = layer(x)
    first = (
        [lampion.randn(*s.shape) for s in (last if isinstance(last, tuple) else (last,))] if "two" not in name else []
    )

    def gradients(x: Any, *first: Any) -> Any:
        x, state = x.clone().requires_grad_(), [s.clone().requires_grad_() for s in first]
        out, end = layer(x, (tuple(state) if len(state) > 1 else state[0]) if state else None)
        wanted = [*layer.parameters(), x, *state]
        found = lampion.autograd.grad(LOSSES[sends](out, end), wanted, allow_unused=True)
        return [g if g is not None else p * 0 for g, p in zip(found, wanted, strict=True)]

    run = lampion.compile(gradients)
    for got, want in zip(run(x, *first), gradients(x, *first), strict=True):
        np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), 1e-4, 1e-6)
    assert run.why_not is None
