"""Graphs that one process has optimized and another takes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import lampion
from lampion import nn, optim

lampion.manual_seed(0)
model = nn.Sequential(nn.Conv1d(2, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3))
optimizer = optim.Adam(model.parameters())

@lampion.compile
def step(x, y):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss

for _ in range(5):
    print(step(lampion.randn(4, 2, 8), lampion.tensor([0, 1, 2, 0])).item())
assert step.why_not is None
"""


def run(cache: Path) -> str:
    environment = os.environ | {"LAMPION_CACHE": str(cache)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_second_process_takes_what_the_first_has_optimized(tmp_path: Path) -> None:
    first = run(tmp_path)
    [kept] = (tmp_path / "compiled").iterdir()
    before = kept.stat()
    assert run(tmp_path) == first
    [same] = (tmp_path / "compiled").iterdir()
    assert (same.name, same.stat().st_ino) == (kept.name, before.st_ino)
    assert same.stat().st_mtime_ns > before.st_mtime_ns  # which is when it was last used


def test_what_was_cut_short_is_made_again(tmp_path: Path) -> None:
    first = run(tmp_path)
    [kept] = (tmp_path / "compiled").iterdir()
    whole = kept.read_bytes()
    for content in (b"", whole[: len(whole) // 2]):
        kept.write_bytes(content)
        assert run(tmp_path) == first
        assert len(kept.read_bytes()) == len(whole)


def test_a_folder_that_can_not_be_written_to_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert run(tmp_path / "file").count("\n") == 5
