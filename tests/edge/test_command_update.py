"""`lampion-edge update`: what it says, and with which code it ends."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from edge.update.publishing import resign
from PIL import Image

from lampion_edge.cli import main
from lampion_edge.update.signature import new_key

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def lampion_edge_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """As the real one, but in this process, which is quicker; the trial run has one of its own anyway."""

    def run(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(cwd)
        try:
            code = main(args)
        except SystemExit as ended:  # argparse's
            code = int(ended.code or 0)
        return subprocess.CompletedProcess(args, code, *capsys.readouterr())

    return run


@pytest.fixture
def stick(tmp_path: Path, digits: Callable[..., bytes]) -> Path:
    """A folder to work in, with a signed version 1 in usb/, and its key."""
    (tmp_path / "usb").mkdir()
    (tmp_path / "usb" / "digits.onnx").write_bytes(digits())
    (tmp_path / "release.pub").write_text(new_key(tmp_path / "release.key"))
    resign(tmp_path / "usb" / "digits.onnx", tmp_path / "release.key")
    Image.new("L", (28, 28)).save(tmp_path / "photo.png")
    return tmp_path


def test_a_devices_first_version(lampion_edge_command: Run, stick: Path) -> None:
    def update(*args: str) -> tuple[int, str, str]:
        done = lampion_edge_command("update", *args, cwd=stick)
        return done.returncode, re.sub(r"[0-9a-f]{16}", "KEY", re.sub(r"[\d.]+ ms", "N ms", done.stdout)), done.stderr

    hint = "hint: lampion-edge update --models models --pin release.pub\n"
    assert update("usb") == (1, "", f"lampion: error: models: no key is pinned, so nothing can be trusted\n{hint}")
    trusts = "models   models\ntrusts   KEY\n"
    assert update("--pin", "release.pub") == (0, f"{trusts}current  no version is installed yet\n", "")
    size = f"{(stick / 'usb' / 'digits.onnx').stat().st_size / 1000:.1f} kB"
    assert update("usb", "--dry-run") == (0, f"digits 1 would be installed ({size}, signed by KEY)\n", "")
    assert not (stick / "models" / "state.json").exists()
    assert update("usb") == (
        0,
        "trial run: 1 of 1 golden samples agree, bit for bit; N ms a call\n"
        f"digits 1 is current ({size}, signed by KEY)\n"
        "it has 3 starts to show that it is healthy\n",
        "",
    )
    assert update("usb") == (3, "nothing new: digits 1 is what usb has\n", "")
    left = f"{trusts}current  digits 1, 3 starts left, until its first good answer\nbefore   none\n"
    assert update("--status") == (0, left, "")
    assert lampion_edge_command("run", "models", "photo.png", "--top", "1", cwd=stick).returncode == 0
    assert update("--status") == (0, f"{trusts}current  digits 1, known to be healthy\nbefore   none\n", "")
    hintless = "lampion: error: models: there is no version to go back to\n"
    assert update("--rollback") == (1, "", hintless)


def test_a_refusal_has_a_code_of_its_own_and_one_sentence(lampion_edge_command: Run, stick: Path) -> None:
    lampion_edge_command("update", "--pin", "release.pub", cwd=stick)
    (stick / "usb" / "digits.onnx").write_bytes(b"x")
    done = lampion_edge_command("update", "usb", cwd=stick)
    assert (done.returncode, done.stdout) == (4, "")
    assert re.fullmatch(r"lampion: error: digits.onnx: isn't whole: it ends after 1 of \d+ bytes\n", done.stderr)


def test_json(lampion_edge_command: Run, stick: Path) -> None:
    lampion_edge_command("update", "--pin", "release.pub", cwd=stick)
    told = json.loads(lampion_edge_command("update", "usb", "--json", "--by-hand", "--starts", "5", cwd=stick).stdout)
    assert (told["new"], told["current"], told["starts_left"], told["by_hand"]) == ("1", "1", 5, True)
    told = json.loads(lampion_edge_command("update", "--confirm", "--json", cwd=stick).stdout)
    assert (told["current"], told["starts_left"], told["previous"], told["taken_back"]) == ("1", None, None, [])
    assert json.loads(lampion_edge_command("update", "usb", "--json", cwd=stick).stdout)["new"] is None


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        ([], 1, "update: expected a SOURCE, or one of --pin, --status, --confirm, --rollback, got neither"),
        (["usb", "--status"], 1, "got both"),
        (["--status", "--confirm"], 2, "not allowed with argument"),
        (["--pin", "nowhere.pub"], 1, "nowhere.pub: can't be read (No such file or directory)"),
        (["--pin", "photo.png"], 1, "photo.png: expected public ed25519 keys as PEM"),
        (["--status"], 1, "models: no key is pinned"),
        (["usb", "--starts", "0"], 2, "expected an integer from 1 up, got '0'"),
        (["usb", "--models", "photo.png"], 1, "photo.png"),
    ],
)
def test_wrong_arguments(lampion_edge_command: Run, stick: Path, args: list[str], code: int, words: str) -> None:
    done = lampion_edge_command("update", *args, cwd=stick)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (stick / "models").exists()


def test_a_stick_that_is_full_of_other_things(lampion_edge_command: Run, stick: Path) -> None:
    lampion_edge_command("update", "--pin", "release.pub", cwd=stick)
    shutil.rmtree(stick / "usb")
    done = lampion_edge_command("update", "usb", cwd=stick)
    assert (done.returncode, done.stderr) == (
        1,
        "lampion: error: usb: there is no such file or folder\nhint: is the stick mounted?\n",
    )
