"""What ends a block from outside with an error of its own: a deadline, or a caller who leaves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Generator
from types import TracebackType, coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_PATIENCE = 0.02  # seconds after which something counts as staying


class Ending:
    """`with ending:` the block, and whoever calls `ending.end(error)` meanwhile ends it with that error.

    As asyncio.timeout does it (a cancellation that is taken back), with any cause, and without a coroutine for it.
    """

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._before = task.cancelling()
        self._error: Exception | None = None

    def end(self, error: Exception) -> None:
        """Ends the block."""
        self._error = error
        self._task.cancel()

    def __enter__(self) -> Ending:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._error is None or self._task.uncancel() > self._before:
            return  # nobody ended it, or somebody else ended the whole task as well
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            raise self._error from None


class Within(Ending):
    """Ends the block with the error that `late` makes after so many seconds."""

    def __init__(self, seconds: float, late: Callable[[], Exception]) -> None:
        super().__init__()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._expire, late)

    def _expire(self, late: Callable[[], Exception]) -> None:
        self.end(late())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()
        super().__exit__(kind, error, at)


@coroutine
def unless_done(work: Coroutine[Any, Any, T], ending: Callable[[], Ending]) -> Generator[Any, Any, T]:
    """Await `work`; what doesn't have to wait at all is done without the cost of an `ending`, the rest is inside it."""
    try:
        step = work.send(None)
    except StopIteration as done:
        return done.value
    with ending():
        try:
            while True:
                try:
                    given = yield step
                except BaseException as error:  # for the work to handle, as cancellation is
                    step = work.throw(error)
                else:
                    step = work.send(given)
        except StopIteration as done:
            return done.value


# --- who stays ---


class Sweep:
    """Calls what was added, unless it was discarded within 20 to 40 milliseconds: one timer for a whole event loop.

    A timer for each would cost more, and hardly anything stays so long.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._turning = False
        self._new: set[Callable[[], None]] = set()
        self._old: set[Callable[[], None]] = set()

    def add(self, call: Callable[[], None]) -> None:
        """From now on it stays."""
        self._new.add(call)
        if not self._turning:
            self._turning = True
            self.loop.call_later(_PATIENCE, self._turn)

    def discard(self, call: Callable[[], None]) -> None:
        """It stays no longer."""
        self._new.discard(call)
        self._old.discard(call)

    def _turn(self) -> None:
        calls, self._old, self._new = self._old, self._new, set()
        self._turning = bool(self._old)
        if self._turning:
            self.loop.call_later(_PATIENCE, self._turn)
        for call in calls:
            call()


_here = threading.local()


def sweep() -> Sweep:
    """That of the running event loop."""
    loop = asyncio.get_running_loop()
    known: Sweep | None = getattr(_here, "sweep", None)
    if known is None or known.loop is not loop:
        known = _here.sweep = Sweep(loop)
    return known
