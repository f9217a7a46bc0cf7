from __future__ import annotations

import configparser
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_a_unit(lampion_edge_command: Run, tmp_path: Path) -> None:
    (tmp_path / "my model.onnx").write_bytes(b"")
    (tmp_path / "kept").mkdir()
    done = lampion_edge_command(
        *(
            "unit",
            "--user",
            "pi",
            "--watchdog",
            "20",
            "camera",
            "my model.onnx",
            "--stream",
            "8080",
            "--only",
            "100%",
            "--keep",
            "kept",
        ),
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(done.stdout)
    service = dict(unit["Service"])
    start = service["ExecStart"]
    assert start.endswith(f' camera "{tmp_path}/my model.onnx" --stream 8080 --only 100%% --keep {tmp_path}/kept')
    assert (service["ReadWritePaths"], service["WorkingDirectory"]) == (f"{tmp_path}/kept", "%S/lampion")
    assert Path(start.split()[0]).is_absolute()
    assert (service["Type"], service["WatchdogSec"], service["User"]) == ("notify", "20", "pi")
    assert done.stdout.startswith("# /etc/systemd/system/lampion-camera.service")


@pytest.mark.parametrize(("line", "got"), [([], "nothing"), (["run", "m.onnx"], "run")])
def test_what_does_not_run_for_days(lampion_edge_command: Run, line: list[str], got: str) -> None:
    done = lampion_edge_command("unit", *line)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"expected one of camera, listen, serve and its arguments, got {got}" in done.stderr
