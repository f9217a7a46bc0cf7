"""A trial run in a process of its own: a model that hangs, crashes or eats the memory takes only that one down."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lampion_edge.errors import RefusedError
from lampion_edge.terminal import milliseconds


@dataclass(frozen=True)
class Trial:
    """What a model showed: a sentence about its golden samples, and the median milliseconds of a call."""

    said: str
    latency: float

    def __str__(self) -> str:
        return f"{self.said}; {milliseconds(self.latency)} a call"


def trial(model: Path, budget: float | None = None, patience: float = 120.0) -> Trial:
    """Runs the model on its golden samples within `patience` seconds.

    Raises RefusedError if it can't be opened or run, disagrees, takes more than `budget` milliseconds a call, or its process
    doesn't end well.
    """
    command = [sys.executable, "-P", "-m", "lampion_edge.update.trial_worker", str(model), str(patience)]
    # A session of its own: Ctrl-C reaches only this process, which then ends the worker (`run` kills it).
    try:
        done = subprocess.run(command, capture_output=True, timeout=patience, start_new_session=True, check=False)
    except subprocess.TimeoutExpired:
        raise _refused(f"no end after {patience:.0f} s") from None
    if done.returncode:
        raise _refused(_ended(done.returncode, done.stderr.decode(errors="replace")))
    answer = json.loads(done.stdout.splitlines()[-1])
    if "error" in answer:
        raise _refused(answer["error"])
    if answer["ok"] is False:
        raise _refused(answer["said"])
    if budget is not None and answer["latency"] > budget:
        raise _refused(f"{milliseconds(answer['latency'])} a call, expected at most {milliseconds(budget)}")
    return Trial(answer["said"], answer["latency"])


def _refused(why: str) -> RefusedError:
    return RefusedError(f"the trial run failed: {why}")


def _ended(code: int, stderr: str) -> str:
    if code == -signal.SIGKILL:
        return "its process was killed, which the system does to one that needs more memory than there is"
    if code < 0:
        return f"its process died of {signal.Signals(-code).name}"
    last = (stderr.strip().splitlines() or ["without a word"])[-1]
    return f"its process ended with code {code}: {last}"
