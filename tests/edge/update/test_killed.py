"""A real updater in a process of its own, ended by a real SIGKILL: the device starts, and the next update goes through."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lampion_edge import Session
from lampion_edge.update.repository import Repository

Publish = Callable[..., Path]
SCRIPT = Path(__file__).with_name("killed.py")


def ended(number: int, *args: str | Path) -> int:
    """Ends `lampion-edge update` before its change of this number; gives the exit code."""
    command = [sys.executable, SCRIPT, str(number), "update", *map(str, args)]
    return subprocess.run(command, capture_output=True, check=False).returncode


def starts(device: Repository, *versions: str) -> None:
    session = Session(device.folder, threads=1)
    assert session.card.version in versions
    assert session.predict(np.zeros((28, 28), np.uint8)).labels


def killed_at(device: Repository, publish: Publish, numbers: list[int]) -> None:
    old, new = publish("1"), publish("2")
    assert ended(10**6, old, "--models", device.folder) == 0
    for number in numbers:
        assert ended(number, new, "--models", device.folder) == -signal.SIGKILL
        starts(device, "1", "2")
    assert ended(10**6, new, "--models", device.folder) in (0, 3)
    starts(device, "2")


def test_killed_while_it_fetches_and_while_it_switches(device: Repository, publish: Publish) -> None:
    killed_at(device, publish, [6, 14])


@pytest.mark.thorough
def test_killed_at_every_change(device: Repository, publish: Publish) -> None:
    """Each kill leaves the next updater a little less to do, until one comes through."""
    old, new = publish("1"), publish("2")
    assert ended(10**6, old, "--models", device.folder) == 0
    for number in range(40):
        if (code := ended(number, new, "--models", device.folder)) != -signal.SIGKILL:
            break
        starts(device, "1", "2")
    assert (code in (0, 3), number > 10) == (True, True)
    starts(device, "2")
