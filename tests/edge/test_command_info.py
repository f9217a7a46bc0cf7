from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from lampion_edge import METADATA_CARD, Card, ModelFile

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_text(lampion_edge_command: Run, digits_path: Path) -> None:
    done = lampion_edge_command("info", digits_path.name, cwd=digits_path.parent)
    size = digits_path.stat().st_size / 1000
    assert done.stdout.splitlines() == [
        "name           digits, version 1",
        "task           image-classification",
        "input          image: uint8 [batch, 28, 28, 1]  photo",
        "output         output: float32 [batch, 10]  logits",
        "preprocessing  L; stretch to 28 x 28 (bilinear)",
        "labels         10: zero, one, two, three, four, ...",
        "metrics        accuracy 0.9",
        "licence        MIT",
        f"file           digits.onnx, {size:.1f} kB, opset ai.onnx 21, IR 10",
        "checksum       ok",
        "golden         1 samples",
    ]
    assert done.returncode == 0


def test_json(lampion_edge_command: Run, digits_path: Path) -> None:
    facts = json.loads(lampion_edge_command("info", digits_path, "--json").stdout)
    file = ModelFile.open(digits_path)
    assert facts["card"] == json.loads(file.metadata[METADATA_CARD])
    assert (facts["size"], facts["opset"], facts["checksum"]) == (file.size, {"": 21}, "ok")
    assert facts["golden_samples"] == 1


def test_a_file_without_a_card(lampion_edge_command: Run, digits: Callable[..., bytes], tmp_path: Path) -> None:
    path = tmp_path / "plain.onnx"
    path.write_bytes(digits({}))
    lines = lampion_edge_command("info", path).stdout.splitlines()
    assert lines[0].split() == ["name", "plain,", "version", "1"]
    assert lines[1].split() == ["task", "tensor"]
    assert lines[-2].split() == ["checksum", "absent"]
    assert json.loads(lampion_edge_command("info", path, "--json").stdout)["card"] is None


def test_a_damaged_graph_still_shows_its_card(
    lampion_edge_command: Run, digits: Callable[..., bytes], card: Card, tmp_path: Path
) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(digits().replace(b"MatMul", b"MatMol"))
    assert "checksum       differs" in lampion_edge_command("info", path).stdout


def test_a_card_makes_onnxruntime_needless(digits_path: Path) -> None:
    code = f"""
import sys
from lampion_edge.cli import main
assert main(["info", {str(digits_path)!r}]) == 0
assert "onnxruntime" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
