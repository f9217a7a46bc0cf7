"""Ends: of the server by SIGTERM, and of one of its workers by SIGKILL."""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from server.callers import calling
from server.processes import running

from serve_load.processes import answers, workers
from serve_load.scene import RATE, Row, either, latencies, models, row, until

SETTINGS = ("--port", 0, "--workers", 2, "--tune-seconds", 0.02, "--log-level", "error")

IN_HAND = 4  # requests that one of two workers may have, when 200 come in a second and each takes some milliseconds


def terminated(folder: Path) -> list[Row]:
    """SIGTERM under load; who comes after that is refused by the system."""
    rows = []
    for keep in (True, False):
        server = running(models(folder), *SETTINGS, "--drain-delay", 0.5)
        with server as (process, url), calling(url, either, RATE, keep=keep) as tally:
            time.sleep(3)
            sent = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
            took = time.monotonic() - sent
            time.sleep(0.1)
        kind = "kept" if keep else "new"
        figures = f"gone {took:.2f} s after the signal (0.5 s of them wanted), exit code {process.returncode}"
        held = tally.outcomes.keys() <= {"right", "refused"} and not process.returncode
        wanted = "nothing accepted is lost (refused: nobody listens any more)"
        rows.append(row(f"SIGTERM, {kind} connections", wanted, held, tally.outcomes, figures))
    return rows


def killed(folder: Path) -> list[Row]:
    """kill -9 of one of two workers; only what it had in hand may be lost."""
    rows = []
    for keep in (True, False):
        with running(models(folder), *SETTINGS) as (process, url):
            port, first = urlsplit(url).port or 0, set(workers(process.pid))
            with calling(url, either, RATE, keep=keep) as tally:
                time.sleep(3)
                os.kill(min(first), signal.SIGKILL)
                at = time.monotonic()
                with ExitStack() as probes:  # new connections, since kept ones stay with the worker that lives

                    def back() -> bool:
                        probes.enter_context(socket.create_connection(("127.0.0.1", port)))  # noqa: B023
                        return any(answers(pid, port) for pid in set(workers(process.pid)) - first)  # noqa: B023

                    until(back)
                    took = time.monotonic() - at
                time.sleep(3)
        name = f"kill -9 of a worker, {'kept' if keep else 'new'} connections"
        held = tally.outcomes.keys() <= {"right", "lost"} and tally.outcomes["lost"] <= IN_HAND and took < 2
        wanted = "back within 2 s, lost is only what it had in hand"
        figures = f"another answers after {took:.2f} s; {latencies(tally)}"
        rows.append(row(name, wanted, held, tally.outcomes, figures))
    return rows
