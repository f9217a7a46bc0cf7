"""A start of the version that is current: counted until it has shown that it is healthy, taken back if it doesn't."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lampion_edge.update.repository import Repository
from lampion_edge.update.state import State


@dataclass(frozen=True)
class Start:
    """A version about to be opened; `confirm` is to be called at its first good answer, None if nobody waits for that."""

    repository: Repository
    id: str
    confirm: Callable[[], object] | None

    @property
    def model(self) -> Path:
        """The file to open. Raises ModelError if it can't be told."""
        return self.repository.model(self.id)

    def failed(self) -> bool:
        """To be called if it can't be opened: if its files are damaged, the version before is current now, and True."""
        if self.repository.proved(self.id) or not self.repository.whole(self.repository.state.previous):
            return False
        return _changed(self.repository, self._without_damage).current != self.id

    def _without_damage(self, state: State) -> State:
        return state.taken_back(remember=False) if state.current == self.id else state


def begin(repository: Repository) -> Start:
    """Counts a start of the current version, and takes it back first if it has no start left or isn't whole.

    Raises ModelError if no version is installed.
    """
    state = _changed(repository, lambda state: _next(repository, state))
    if state.current is None:
        raise repository.nothing
    id = state.current
    waits = state.starts_left is not None and not state.by_hand

    def healthy(state: State) -> State:
        return state.confirmed() if state.current == id else state

    return Start(repository, id, (lambda: _changed(repository, healthy)) if waits else None)


def _next(repository: Repository, state: State) -> State:
    exhausted = state.starts_left == 0
    if state.current and (exhausted or not repository.whole(state.current)) and repository.whole(state.previous):
        return state.taken_back(remember=exhausted)
    return state.started()


def _changed(repository: Repository, change: Callable[[State], State]) -> State:
    """The state changed on the disk, or where that can't be written, just for this start."""
    with suppress(OSError):
        return repository.change(change)
    return change(repository.state)
