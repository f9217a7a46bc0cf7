"""Python in a process of its own, which may die of what it is asked to do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_PATIENCE = 600  # seconds; a slow SD card and a large model take tens


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, what it printed, what it complained of."""

    code: int
    out: str
    err: str

    @property
    def signal(self) -> str | None:
        """The name of the signal that ended it, such as SIGILL."""
        return signal.Signals(-self.code).name if self.code < 0 else None

    @property
    def last_words(self) -> str:
        """The last line it complained with."""
        lines = [line for line in self.err.splitlines() if line.strip() and not line.startswith("qemu:")]
        return lines[-1].strip() if lines else f"it ended with code {self.code}"


def python(*words: str) -> Ended:
    """Runs this Python with these arguments, in no folder's way (-P), and with this very lampion_edge."""
    here = str(Path(__file__).parents[2])
    path = os.pathsep.join([here, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]).rstrip(os.pathsep)
    environment = os.environ | {"PYTHONPATH": path, "ORT_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-P", *words]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", env=environment, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return Ended(124, "", f"it didn't end within {_PATIENCE} seconds")
    return Ended(done.returncode, done.stdout, done.stderr)
