"""Changes of what is served, as values: what one process is told, every process can be told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from lampion_server.errors import BadRequestError
from lampion_server.model import UNLOADED
from lampion_server.repository import Repository
from lampion_server.traffic import Traffic

LOAD, UNLOAD, PROMOTE, ROLLBACK, CANARY, SHADOW = "load", "unload", "promote", "rollback", "canary", "shadow"
SETTLE = "settle"  # what a process hears that comes later: the end of all that happened before


@dataclass(frozen=True)
class Order:
    """One change: `action` is one of the words above; `version`, `percent` and `traffic` belong to some of them."""

    action: str
    model: str
    version: str | None = None
    percent: float = 0.0
    traffic: Traffic | None = None

    def carry_out(self, repository: Repository) -> None:
        """Blocks until it is done. Raises what the repository raises, and `BadRequestError` if a version is needed."""
        if self.action == LOAD:
            return repository.load(self.model)
        if self.action == UNLOAD:
            return repository.unload(self.model)
        if not self.version and self.action in (PROMOTE, CANARY):
            raise BadRequestError(f"version: expected the version to {self.action}, got nothing", field="version")
        repository.steer(self.model, self._steered)
        return None

    def _steered(self, traffic: Traffic) -> Traffic:
        version = traffic.labels().get(self.version or "", self.version or "")
        changes: dict[str, Callable[[], Traffic]] = {
            PROMOTE: partial(traffic.promoted, version),
            ROLLBACK: traffic.rolled_back,
            CANARY: partial(traffic.split, version, self.percent),
            SHADOW: partial(traffic.shadowed, version or None),
            SETTLE: lambda: self.traffic or traffic,
        }
        return changes[self.action]()


@dataclass(frozen=True)
class StandingQuestion:
    """Asks for `standing`."""


def standing(repository: Repository) -> list[Order]:
    """What makes another process, which has just loaded, answer as this one, whatever led to it: orders, or new versions."""
    unloaded = {entry.name for entry in repository.index() if entry.reason == UNLOADED}
    settled = [Order(SETTLE, name, traffic=repository.traffic(name)) for name in repository.names()]
    return [*(Order(UNLOAD, name) for name in sorted(unloaded)), *settled]


def lasting(orders: Sequence[Order], new: Order) -> list[Order]:
    """What a process that starts later is told if none is left that could be asked: a model's last load forgets the rest."""
    kept = [order for order in orders if order.model != new.model or new.action not in (LOAD, UNLOAD)]
    return [*kept, new]
