from __future__ import annotations

import signal
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lampion_edge import EdgeError
from lampion_edge.commands import COMMANDS, PREDICT, RUN, Command, run_command


def fails_with(error: BaseException) -> Command:
    def run(_: Namespace) -> int:
        raise error

    return Command("fails", "", lambda _: None, run)


class HintedError(Exception):
    """What another package's errors look like from here."""

    hint = "do this"


@pytest.mark.parametrize(
    ("error", "code", "stderr"),
    [
        (EdgeError("broken"), 1, "lampion: error: broken\n"),
        (EdgeError("broken", hint="mend it"), 1, "lampion: error: broken\nhint: mend it\n"),
        (HintedError("broken"), 1, "lampion: error: broken\nhint: do this\n"),
        (FileNotFoundError(2, "No such file", "x"), 1, "lampion: error: [Errno 2] No such file: 'x'\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_in_one_line(error: BaseException, code: int, stderr: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(fails_with(error), Namespace()) == code
    assert capsys.readouterr().err == stderr


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run_command(fails_with(ZeroDivisionError()), Namespace())


def test_predict_is_run_under_another_name() -> None:
    assert (PREDICT.name, PREDICT.run, PREDICT.arguments) == ("predict", RUN.run, RUN.arguments)
    names = {command.name for command in COMMANDS}
    assert {"run", "bench", "tune", "verify", "info", "camera", "update", "emulate"} <= names


def test_a_command_that_is_not_typed_is_not_imported() -> None:
    """`doctor` has to start where numpy doesn't."""
    code = "import sys, lampion_edge.cli as c\ntry: c.main(['doctor', '--help'])\nexcept SystemExit: pass\n"
    command = [sys.executable, "-c", code + "print('numpy' in sys.modules)"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.endswith("\nFalse\n")


def heed_ctrl_c() -> None:
    """A shell that starts the tests in the background has them ignore Ctrl-C, which their children would inherit."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def waiting(digits_path: Path, tmp_path: Path) -> subprocess.Popen[bytes]:
    """A `run` that has printed its first photo's label and waits for the second on stdin."""
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(tmp_path / "p.png")
    command = [sys.executable, "-m", "lampion_edge", "run", digits_path, tmp_path / "p.png", "-", "--top", "1"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, preexec_fn=heed_ctrl_c)
    assert process.stdout is not None
    assert b"p.png" in process.stdout.readline()
    return process


def test_ctrl_c_is_quiet(waiting: subprocess.Popen[bytes]) -> None:
    with waiting:
        waiting.send_signal(signal.SIGINT)
        assert waiting.stderr is not None
        assert waiting.stderr.read() == b""
    assert waiting.returncode == 130


def test_a_closed_pipe_is_quiet(waiting: subprocess.Popen[bytes], tmp_path: Path) -> None:
    with waiting:
        assert waiting.stdout is not None
        assert waiting.stdin is not None
        assert waiting.stderr is not None
        waiting.stdout.close()
        waiting.stdin.write((tmp_path / "p.png").read_bytes())
        waiting.stdin.close()
        assert waiting.stderr.read() == b""
    assert waiting.returncode == 141
