from __future__ import annotations

import subprocess
import sys

import pytest

HELD = """
import os
from lampion_edge.bench_worker import resident
from lampion_edge.runtime import give_back
blocks = [os.urandom(100_000) for _ in range(500)]  # too small to be mapped one by one
pin = os.urandom(100_000)  # behind them: the heap can't shrink from its end
del blocks
before = resident()
give_back()
print(before - resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_freed_memory_goes_back_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 30_000_000
