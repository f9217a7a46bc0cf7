"""One BLAS thread a test process: several processes with several threads each would only wait for one another."""

from __future__ import annotations

import os

import pytest

from lampion_edge import usable_cores

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One process more than there are cores, since many tests wait for another process, or for a clock."""
    return usable_cores() + 1
