"""The training examples, as they are and with `import torch` in place of `import lampion as torch`: the same losses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
LINE = "import lampion as torch\n"
STEPS = 50
# How far each falls within those steps, so that two scripts that both learn nothing don't agree.
FALLS = {
    "train_cnn": 0.3,
    "train_fashion": 0.6,
    "train_tagger": 0.5,
    "train_transformer": 0.9,
    "train_vae": 0.5,
    "train_languages": 0.8,
}
# Adam divides a gradient by its own size. Where that is 0 but for rounding (a bias before batch norm) it makes steps of
# noise, and two ways of adding up part: behind so many steps only the mean of the last losses is compared.
TOGETHER = {"train_fashion": 12}
SCRIPTS = [*FALLS, "train_cartpole"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One thread, since two would add in another order; data is fetched once."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(tmp_path_factory.mktemp("cache"))
    path = os.pathsep.join(filter(None, (str(EXAMPLES), os.environ.get("PYTHONPATH"))))
    return os.environ | {"XDG_CACHE_HOME": cache, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def run(source: str, folder: Path, environment: dict[str, str], *arguments: str) -> tuple[list[float], str]:
    """The losses and the last lines of a script in a process of its own."""
    folder.mkdir()
    (folder / "script.py").write_text(source)
    command = [sys.executable, str(folder / "script.py"), "--losses", str(folder / "losses"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    records: list[dict[str, Any]] = [json.loads(line) for line in (folder / "losses").read_text().splitlines()]
    assert [record["step"] for record in records] == list(range(len(records)))
    return [record["loss"] for record in records], done.stdout


def test_every_example_is_compared() -> None:
    assert sorted(SCRIPTS) == sorted(path.stem for path in EXAMPLES.glob("train_*.py"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_losses_are_pytorchs(name: str, tmp_path: Path, environment: dict[str, str]) -> None:
    source = (EXAMPLES / f"{name}.py").read_text()
    assert source.count(LINE) == 1
    assert "lampion" not in source.split('"""', 2)[2].replace(LINE, "")
    ours, report = run(source, tmp_path / "lampion", environment, "--steps", str(STEPS))
    theirs, _ = run(source.replace(LINE, "import torch\n"), tmp_path / "torch", environment, "--steps", str(STEPS))
    assert len(ours) == STEPS
    together = TOGETHER.get(name, STEPS)
    np.testing.assert_allclose(ours[:together], theirs[:together], rtol=1e-4)
    np.testing.assert_allclose(np.mean(ours[-10:]), np.mean(theirs[-10:]), rtol=0.02)
    assert np.mean(ours[-10:]) < FALLS.get(name, np.inf) * ours[0], report


def test_languages_are_told_apart(tmp_path: Path, environment: dict[str, str]) -> None:
    """At least .80 of 15,000 words that training never saw; a tenth would be chance."""
    _, report = run((EXAMPLES / "train_languages.py").read_text(), tmp_path / "lampion", environment)
    accuracy = re.search(r"held-out accuracy ([\d.]+) of (\d+)", report)
    assert accuracy is not None, report
    assert float(accuracy[1]) >= 0.80
    assert int(accuracy[2]) > 10_000


def test_a_pole_is_balanced(tmp_path: Path, environment: dict[str, str]) -> None:
    _, report = run((EXAMPLES / "train_cartpole.py").read_text(), tmp_path / "lampion", environment)
    length = re.search(r"-> ([\d.]+) of 200", report)
    assert length is not None, report
    assert float(length[1]) > 150
