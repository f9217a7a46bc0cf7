"""A real updater in a process of its own, ended by a real SIGKILL: the device starts, and the next update goes through."""

from __future__ import annotations

import shutil
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


def starts(folder: Path, *versions: str) -> None:
    session = Session(folder, threads=1)
    assert session.card.version in versions
    assert session.predict(np.zeros((28, 28), np.uint8)).labels


@pytest.fixture
def installed(device: Repository, publish: Publish) -> Path:
    assert ended(10**6, publish("1"), "--models", device.folder) == 0
    return device.folder


def test_killed_while_it_fetches_and_while_it_switches(installed: Path, publish: Publish) -> None:
    new = publish("2")
    for number in (6, 12):
        assert ended(number, new, "--models", installed) == -signal.SIGKILL
        starts(installed, "1", "2")
    assert ended(10**6, new, "--models", installed) in (0, 3)
    starts(installed, "2")


@pytest.mark.thorough
def test_killed_at_every_change(installed: Path, publish: Publish, tmp_path: Path) -> None:
    new = publish("2")
    for number in range(100):
        device = shutil.copytree(installed, tmp_path / "device")
        code = ended(number, new, "--models", device)
        starts(device, "1", "2")
        if code != -signal.SIGKILL:
            break
        if number % 3 == 0:
            assert ended(10**6, new, "--models", device) in (0, 3)
            starts(device, "2")
        shutil.rmtree(device)
    assert (code, number > 15) == (0, True), number
