"""Changes of what is served, as values: what one process is told, every process can be told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from lampion_server.errors import BadRequestError
from lampion_server.repository import Repository
from lampion_server.traffic import Traffic

LOAD, UNLOAD, PROMOTE, ROLLBACK, CANARY, SHADOW = "load", "unload", "promote", "rollback", "canary", "shadow"


@dataclass(frozen=True)
class Order:
    """One change: `action` is one of the words above, `version` and `percent` belong to some of them."""

    action: str
    model: str
    version: str | None = None
    percent: float = 0.0

    def carry_out(self, repository: Repository) -> None:
        """Blocks until it is done. Raises what the repository raises, and `BadRequestError` if a version is needed."""
        if self.action == LOAD:
            return repository.load(self.model)
        if self.action == UNLOAD:
            return repository.unload(self.model)
        if self.version is None and self.action in (PROMOTE, CANARY):
            raise BadRequestError(f"version: expected the version to {self.action}, got nothing", field="version")
        repository.steer(self.model, self._steered)
        return None

    def _steered(self, traffic: Traffic) -> Traffic:
        changes: dict[str, Callable[[], Traffic]] = {
            PROMOTE: partial(traffic.promoted, self.version or ""),
            ROLLBACK: traffic.rolled_back,
            CANARY: partial(traffic.split, self.version or "", self.percent),
            SHADOW: partial(traffic.shadowed, self.version),
        }
        return changes[self.action]()


def lasting(orders: Sequence[Order], new: Order) -> list[Order]:
    """What a process that starts later must be told to be where the others are: a model's last load forgets the rest."""
    kept = [order for order in orders if order.model != new.model or new.action not in (LOAD, UNLOAD)]
    return [*kept, new]
