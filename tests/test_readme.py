"""The README's Python runs as it stands, and its file takes a photo."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from lampion_edge import Session

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_example_trains_and_exports_a_model_that_takes_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [code] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert "wrote model.onnx" in capsys.readouterr().out
    photo = np.zeros((50, 40, 3), np.uint8)
    prediction = Session("model.onnx").predict(photo)
    assert {label.name for label in prediction.labels} <= set("0123456789")


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)]+)\)", README))
def test_every_link_leads_somewhere(link: str) -> None:
    assert (Path(__file__).parents[1] / link).exists()


@pytest.mark.parametrize("mark", ["demo", "tests"])
def test_both_commands_are_one_line(mark: str) -> None:
    [block] = re.findall(rf"<!-- {mark} -->\n```sh\n(.*?)```", README, re.DOTALL)
    assert block.count("\n") == 1
