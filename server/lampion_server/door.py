"""Who takes the next caller: several processes accept from one listener, and the one with the fewest connections goes first.

The kernel alone would wake all and give everybody to whoever is quickest, which on an idle machine is the same process
every time: a connection lasts for thousands of requests, so that one core would answer all of them.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Coroutine, MutableSequence
from typing import Any

log = logging.getLogger(__name__)

ABSENT = 2**31 - 1  # connections of a process that takes nobody
_ASIDE = 0.001  # seconds that others get to take a caller, for each one that is here and not there
_LONGEST = 0.005  # seconds after which it's taken all the same: the others may hang
_RECOVER = 0.5  # seconds until the next attempt, when there is no room for another connection
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Enter = Callable[[socket.socket], Coroutine[Any, Any, object]]


class Crowd:
    """How many callers each process has, in memory that they share; this one's place is `number`."""

    def __init__(self, counts: MutableSequence[int], number: int) -> None:
        self._counts = counts
        self._number = number
        self._here = 0

    def open(self) -> None:
        """This process takes callers."""
        self._counts[self._number] = self._here

    def close(self) -> None:
        """It takes none any more."""
        self._counts[self._number] = ABSENT

    def came(self, callers: int) -> None:
        """So many more are here, or less."""
        self._here += callers
        if self._counts[self._number] != ABSENT:
            self._counts[self._number] = self._here

    @property
    def ahead(self) -> int:
        """How many more are here than with the emptiest process, beyond a difference that matters to nobody."""
        return max(self._here - min(self._counts) - 1 - self._here // 8, 0)


class Connections(set[Any]):
    """A process's open connections; its crowd is told of those that end."""

    def __init__(self, crowd: Crowd) -> None:
        super().__init__()
        self._crowd = crowd

    def discard(self, connection: Any) -> None:
        """It has ended."""
        if connection in self:
            self._crowd.came(-1)
        super().discard(connection)


class Door:
    """Lets callers in one by one, `enter(caller)` each, and first of all leaves them to those of the `crowd` with fewer."""

    def __init__(self, listener: socket.socket, backlog: int, crowd: Crowd, enter: Enter) -> None:
        self._listener = listener
        self._crowd = crowd
        self._enter = enter
        self._loop = asyncio.get_running_loop()
        self._later: asyncio.TimerHandle | None = None
        self._entering: set[asyncio.Task[object]] = set()
        self._open = True
        listener.setblocking(False)
        listener.listen(backlog)
        crowd.open()
        self._watch()

    def close(self) -> None:
        """Takes nobody from now on; the listener stays open."""
        if self._open:
            self._open = False
            self._stop()
            self._crowd.close()

    async def wait_closed(self) -> None:
        """Until those who were let in can speak."""
        await asyncio.gather(*self._entering, return_exceptions=True)

    def _watch(self) -> None:
        self._later = None
        self._loop.add_reader(self._listener, self._knocked)

    def _stop(self) -> None:
        self._loop.remove_reader(self._listener)
        if self._later:
            self._later.cancel()

    def _rest(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop()
        self._later = self._loop.call_later(seconds, then)

    def _knocked(self) -> None:
        if ahead := self._crowd.ahead:
            self._rest(min(ahead * _ASIDE, _LONGEST), self._after_all)
        else:
            self._take()

    def _after_all(self) -> None:
        self._watch()
        self._take()

    def _take(self) -> None:
        try:
            caller, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            return  # somebody else was quicker, or the caller has left
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            log.error("callers have to wait: %s", error.strerror)
            self._rest(_RECOVER, self._watch)
            return
        caller.setblocking(False)
        self._crowd.came(1)
        task = self._loop.create_task(self._enter(caller))
        self._entering.add(task)
        task.add_done_callback(self._entered)

    def _entered(self, task: asyncio.Task[object]) -> None:
        self._entering.discard(task)
        if task.cancelled() or task.exception():  # TLS that came to nothing: the caller knows
            self._crowd.came(-1)
