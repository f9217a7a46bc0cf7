"""What a training loop holds stays the same, without the garbage collector."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any

import lampion
from lampion import nn, optim

STEPS = 2000


def test_two_thousand_steps_do_not_grow() -> None:
    lampion.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(0.1), nn.Linear(8, 3))
    optimizer = optim.AdamW(net.parameters(), lr=1e-3)
    x, target = lampion.randn(5, 6), lampion.tensor([0, 1, 2, 0, 1])
    graphs: list[weakref.ref[Any]] = []

    def step() -> None:
        loss = nn.functional.cross_entropy(net(x), target)
        graphs.append(weakref.ref(loss.grad_fn))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        del loss
        assert graphs.pop()() is None  # freed with the last name for it

    def held() -> int:
        assert gc.collect() == 0  # no cycle waited for the collector; this empties the interpreter's free lists
        return sys.getallocatedblocks()

    for _ in range(STEPS):  # caches and counters settle
        step()
    gc.collect()
    gc.disable()
    try:
        before = held()
        for _ in range(STEPS):
            step()
        assert held() - before < STEPS // 10  # a tensor forgotten in each step would be thousands of blocks
    finally:
        gc.enable()
