"""`lampion-edge` running in a process of its own, until a test ends it."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

from edge.conftest import absolute_path


def running(*arguments: Any, stdin: int | None = None, **environment: str) -> subprocess.Popen[str]:
    """A started command; `environment` is added to this process's."""
    return subprocess.Popen(
        [sys.executable, "-m", "lampion_edge", *map(str, arguments)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=absolute_path() | environment,
        # A shell that starts the tests in the background has them ignore Ctrl-C, which their children would inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What it had printed when it ended; it is killed if it doesn't."""
    try:
        return process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
