from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path


def test_text(lampion_edge_command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"<!DOCTYPE html>")
    done = lampion_edge_command("doctor", "m.onnx", cwd=tmp_path)
    *others, wrong, cure = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (1, "")
    assert [line.split()[1] for line in others if line[0] != " "][:6] == [
        *("board", "python", "libc", "numpy", "onnxruntime", "pillow"),
    ]
    assert re.fullmatch(r"wrong    model        m\.onnx: not an ONNX model, or a damaged one \(.*\)", wrong)
    assert cure.strip().startswith("cure: was the file copied whole?")
