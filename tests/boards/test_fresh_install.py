from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from boards import fresh_install

ROOT = Path(__file__).parents[2]


def test_a_fresh_raspberry_pi_4(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its own pip finds wheels for it, and the first photo is labelled as it is here."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, ROOT / "edge"]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    photo = next((models / "digits").glob("*-is-*.png"))
    fresh_install.main(wheel, models / "digits.int8.onnx", photo)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Raspberry Pi 4 Model B Rev 1.4"
    assert photo.stem[-1] in lines[1].split()
    packages = {line.split()[0] for line in lines[2:] if line}
    assert {"lampion_edge", "numpy", "onnxruntime", "PIL", "together"} <= packages
