"""Several processes on one port: a supervisor that starts them, passes messages between them and replaces the dead.

All workers accept from one listening socket that they inherit. With a socket of its own (SO_REUSEPORT) a worker that is
killed would take the connections with it that wait for it; so they go to the others.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from multiprocessing import connection, context, get_context, resource_tracker, util
from multiprocessing.connection import Connection
from typing import Any

from lampion_server.common_folder import common_folder, forget_gauges
from lampion_server.door import ABSENT, Crowd
from lampion_server.errors import StartupError
from lampion_server.logs import set_up
from lampion_server.orders import Order, lasting
from lampion_server.relay import Answered, Asked, Failed, Ready, Refusal
from lampion_server.settings import Settings
from lampion_server.signals import caught, put_off, same_wish

log = logging.getLogger(__name__)

LASTED = 5.0  # seconds after which a worker's death counts as an accident, not as a worker that can't live
LONGEST = 30.0  # seconds between two attempts, at most


@dataclass(eq=False)
class Worker:
    """One process, our end of its connection, and when it was started."""

    number: int
    process: Any
    connection: Connection
    started: float = field(default_factory=time.monotonic)
    ready: bool = False


@dataclass
class Question:
    """A question on its way: who asked under which number, who hasn't answered yet, what the others said."""

    asker: Worker
    asked: Asked
    waiting: set[Worker]
    replies: list[Any] = field(default_factory=list)


class Supervisor:
    """Keeps `settings.workers` processes running `main(settings, listener, crowd, connection, orders, first)` until a signal.

    `started(Ready)` hears when all of them serve. Raises `StartupError` with the reason if one can't start.
    """

    def __init__(
        self, settings: Settings, listener: socket.socket, main: Any, started: Callable[[Ready], None]
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._main = main
        self._started = started
        self._workers: list[Worker] = []
        self._due: dict[int, float] = {}  # when to start a worker again, by its number
        self._deaths: dict[int, int] = {}
        self._questions: dict[int, Question] = {}
        self._numbers = count(1)
        self._orders: list[Order] = []
        self._announced = self._ending = False
        self._told = 0.0  # when the end was asked for
        # A handler that did more than write to it could do so amid a start.
        self._signals, self._signalled = connection.Pipe(duplex=False)
        self._killed: int | None = None  # the signal that ended it at once

    def run(self) -> None:
        """Blocks until every worker has ended."""
        set_up(self._settings)
        with common_folder(util.get_temp_dir()), caught(lambda number, frame: self._signalled.send(number)):
            processes = _context()
            self._callers = processes.RawArray("i", [ABSENT] * self._settings.workers)
            try:
                for number in range(self._settings.workers):
                    self._start(number, processes)
                while self._workers or (self._due and not self._ending):
                    self._turn(processes)
            except BaseException:
                self._kill()
                raise
        if self._killed:
            sys.exit(128 + self._killed)

    # --- the processes ---

    def _start(self, number: int, processes: context.BaseContext) -> None:
        # The process that workers are forked from is started in here, so no signal ends it: with it would go all that it
        # knows of their ends.
        with put_off():
            ours, theirs = processes.Pipe()
            crowd = Crowd(self._callers, number)
            arguments = (self._settings, self._listener, crowd, theirs, list(self._orders), not self._announced)
            process = processes.Process(target=self._main, args=arguments, name=f"lampion-worker-{number}")  # type: ignore[attr-defined]
            process.start()
            theirs.close()
            self._workers.append(Worker(number, process, ours))

    def _turn(self, processes: context.BaseContext) -> None:
        """Waits for whatever comes next: a message, a death, a worker's time to start again."""
        now = time.monotonic()
        for number in [number for number, due in self._due.items() if due <= now and not self._ending]:
            del self._due[number]
            self._start(number, processes)
        pause = min([due - now for due in self._due.values()], default=1.0)
        ends: dict[Any, Worker] = {worker.connection: worker for worker in self._workers}
        ends |= {worker.process.sentinel: worker for worker in self._workers}
        for end in connection.wait([self._signals, *ends], min(max(pause, 0.0), 1.0)):
            if end is self._signals:
                self._end(self._signals.recv())
            elif end is (worker := ends[end]).connection:
                with suppress(EOFError, OSError):
                    while worker.connection.poll():
                        self._hear(worker, worker.connection.recv())
        for worker in [worker for worker in self._workers if not worker.process.is_alive()]:
            self._bury(worker)

    def _bury(self, worker: Worker) -> None:
        """A worker has ended: what it was asked is settled without it, and another takes its place."""
        worker.process.join()
        worker.connection.close()
        self._workers.remove(worker)
        Crowd(self._callers, worker.number).close()
        forget_gauges(worker.process.pid)
        for number, question in list(self._questions.items()):
            question.waiting.discard(worker)
            self._settle(number, question)
        if self._ending:
            return
        lasted = time.monotonic() - worker.started
        short = lasted < LASTED or not worker.ready
        self._deaths[worker.number] = deaths = self._deaths.get(worker.number, 0) + 1 if short else 0
        pause = min(LONGEST, 0.5 * 2 ** (deaths - 2)) if deaths > 1 else 0.0
        self._due[worker.number] = time.monotonic() + pause
        end = _how(worker.process.exitcode)
        log.error("worker %d ended (%s) after %.1f s; another starts in %.1f s", worker.number, end, lasted, pause)

    def _end(self, number: int) -> None:
        """The first signal is passed on to the workers, who drain; a second one kills them."""
        again, self._ending = self._ending, True
        if again and same_wish(self._told):
            return
        self._told, self._killed = time.monotonic(), number if again else None
        self._listener.close()  # when the last worker closes it too, nobody can queue for a server that is gone
        for worker in self._workers:
            with suppress(ProcessLookupError):
                os.kill(worker.process.pid, signal.SIGKILL if again else signal.SIGTERM)

    def _kill(self) -> None:
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()

    # --- the messages ---

    def _hear(self, worker: Worker, message: object) -> None:
        if isinstance(message, Ready):
            worker.ready = True
            if not self._announced and all(other.ready for other in self._workers):
                self._announced = True
                self._started(message)
        elif isinstance(message, Failed) and not self._announced:
            raise StartupError(message.reason, hint=message.hint)
        elif isinstance(message, Failed):
            log.error("worker %d can't start: %s", worker.number, message.reason)
        elif isinstance(message, Asked):
            self._pass_on(worker, message)
        elif isinstance(message, Answered) and message.number in self._questions:
            question = self._questions[message.number]
            question.waiting.discard(worker)
            question.replies.append(message.reply)
            self._settle(message.number, question)

    def _pass_on(self, asker: Worker, asked: Asked) -> None:
        number = next(self._numbers)
        question = self._questions[number] = Question(asker, asked, {w for w in self._workers if w.ready})
        for worker in list(question.waiting):
            if not _sent(worker, Asked(number, asked.question)):
                question.waiting.discard(worker)
        self._settle(number, question)

    def _settle(self, number: int, question: Question) -> None:
        """When all have answered, the asker hears it; a change that was made must also reach workers of later."""
        if question.waiting:
            return
        del self._questions[number]
        order = question.asked.question
        if isinstance(order, Order) and not any(isinstance(reply, Refusal) for reply in question.replies):
            self._orders = lasting(self._orders, order)
        _sent(question.asker, Answered(question.asked.number, question.replies))


def _sent(worker: Worker, message: object) -> bool:
    try:
        worker.connection.send(message)
    except OSError:  # it has died; its burial follows
        return False
    return True


def _context() -> context.BaseContext:
    """Processes that are forked from one which has imported everything and done nothing: they start in a moment."""
    resource_tracker.ensure_running()  # would let in again what `put_off` keeps out, if it was started there
    processes = get_context("forkserver")
    processes.set_forkserver_preload(["lampion_server.worker"])
    return processes


def _how(code: int | None) -> str:
    """How a process ended, in words."""
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"code {code}"
