"""What ends a block from outside with an error of its own: a deadline, or a caller who leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType


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
