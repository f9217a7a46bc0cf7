"""The benchmarks run, and the sides whose time they compare compute the same."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_training_prints_its_tables_and_writes_nothing_when_quick() -> None:
    page = (ROOT / "docs/performance.md").read_text()
    command = [sys.executable, str(ROOT / "benchmarks/train"), "--quick", "--only", "tiny", "word RNN"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    distances = re.findall(r"^\| (?:tiny|word RNN) .* (\S+e-\d+) \|$", done.stdout, re.MULTILINE)
    assert len(distances) == 4
    assert max(map(float, distances)) < 1e-4
    assert "ran as Python" not in done.stdout
    assert (ROOT / "docs/performance.md").read_text() == page


def test_forms_are_compared_on_the_same_numbers() -> None:
    command = [sys.executable, str(ROOT / "benchmarks/lowering.py"), "--only", "gradient", "--rounds", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(re.findall(r"^\| \w.* \|$", done.stdout, re.MULTILINE)) > 12


def test_nothing_goes_wrong_in_a_short_soak() -> None:
    command = [sys.executable, str(ROOT / "benchmarks/serve_load/soak.py"), "--minutes", "0.3", "--rate", "40", "--dry"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "otherwise: none." in done.stdout, done.stdout


def test_serving_says_what_it_takes() -> None:
    """Whether its modules can be imported: what it measures, peers in environments of their own, would take minutes."""
    command = [sys.executable, str(ROOT / "benchmarks/serve"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, "--quick" in done.stdout) == (0, "", True)
