"""Random programs, eager beside exported (python tests/export/fuzz tries more), and those that once failed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from export.fuzz.shrink import smaller
from export.fuzz.trial import Verdict, try_program
from export.fuzz.writer import write

KEPT = sorted((Path(__file__).parent / "fuzz" / "kept").glob("*.py"))
BATCH = 20

# what a program computes from the number of its own calls can't be in a file
DISAGREES = """\
import lampion as torch

seen = []

def calls():
    seen.append(1)
    return len(seen)

def program(x, k):
    n = calls()
    if k > 0:
        x = x + 1
    return x * n
"""


@pytest.mark.parametrize("first", [0, *(pytest.param(n, marks=pytest.mark.thorough) for n in range(BATCH, 100, BATCH))])
def test_random_programs_agree(first: int) -> None:
    trials = {seed: try_program(write(seed), f"fuzzed_{seed}") for seed in range(first, first + BATCH)}
    assert {seed: trial for seed, trial in trials.items() if trial.verdict is Verdict.FAILS} == {}
    assert Counter(trial.verdict for trial in trials.values())[Verdict.AGREES] > BATCH // 2


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_what_once_failed_does_so_no_longer(path: Path) -> None:
    trial = try_program(path.read_text(), path.stem)
    assert trial.verdict is not Verdict.FAILS, trial.why


def test_programs_are_those_of_their_seed_and_differ() -> None:
    assert write(7) == write(7)
    assert len({write(seed) for seed in range(50)}) == 50


def test_a_program_that_disagrees_is_told_and_made_small() -> None:
    assert fails(DISAGREES)
    small = smaller(DISAGREES, fails)
    assert fails(small)
    assert "if k > 0" not in small


def fails(source: str) -> bool:
    """Whether eager and exported answer differently."""
    try:
        return try_program(source).cause == "disagrees"
    except Exception:  # what can't even run does not disagree
        return False
