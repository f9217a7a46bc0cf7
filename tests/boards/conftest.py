"""Boards, models and answers, made once for all test processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lampion_export.emulation.boards import BOARDS
from lampion_export.emulation.machine import python
from lampion_export.emulation.making import made

HERE = Path(__file__).parent
Answers = tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]


def emulated(name: str, *words: str | Path, **how: Any) -> subprocess.CompletedProcess[str]:
    """What the board's Python makes of the words; `how` is what machine.python takes."""
    return subprocess.run([python(BOARDS[name], **how), *map(str, words)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run share."""
    return tmp_path_factory.getbasetemp().parent


@pytest.fixture(scope="session")
def models(shared: Path) -> Path:
    """The folder of models and photos."""

    def build(folder: Path) -> None:
        subprocess.run([sys.executable, "-c", "import models, pathlib, sys; models.make(pathlib.Path(sys.argv[1]))", folder],
                       cwd=HERE, check=True)  # fmt: skip

    return made(str(shared / "models"), build)


@pytest.fixture(scope="session")
def answers(shared: Path, models: Path) -> Callable[[str], Answers]:
    """What a board, or "here", answered."""

    def of(name: str) -> Answers:
        import json

        program = sys.executable if name == "here" else python(BOARDS[name])

        def build(folder: Path) -> None:
            subprocess.run([program, HERE / "on_board.py", models, folder], check=True)

        folder = made(str(shared / f"answers-{name}"), build)
        with np.load(folder / "arrays.npz") as arrays:
            return json.loads((folder / "answers.json").read_text()), dict(arrays)

    return of
