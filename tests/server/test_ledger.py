"""What replicas on Ray are told when they start later than the others."""

from __future__ import annotations

import pytest

from lampion_server.on_ray.ledger import Ledger
from lampion_server.orders import Order

PROMOTE, SHADOW, OTHER = Order("promote", "a", "2"), Order("shadow", "a", "1"), Order("canary", "b", "1", 10)
UNLOAD, LOAD = Order("unload", "a"), Order("load", "a")


@pytest.mark.parametrize(
    ("orders", "done", "missed"),
    [
        ([], set(), []),
        ([PROMOTE, OTHER], set(), [PROMOTE, OTHER]),
        ([PROMOTE, OTHER, SHADOW], {1, 3}, [OTHER]),
        ([PROMOTE, OTHER, UNLOAD], set(), [OTHER, UNLOAD]),
        ([PROMOTE, UNLOAD, LOAD, SHADOW], {3}, [SHADOW]),
    ],
)
def test_what_was_missed(orders: list[Order], done: set[int], missed: list[Order]) -> None:
    ledger = Ledger()
    for order in orders:
        ledger.keep(ledger.number(), order)
    assert [order for _, order in ledger.missed(done)] == missed
