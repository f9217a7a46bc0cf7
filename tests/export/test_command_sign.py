"""`lampion sign`, as typed: a key, a signature, and what is refused in a sentence."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path

import pytest
from foreign_models import classifier

from lampion_edge.commands import run_command
from lampion_edge.update.signature import Signed, check
from lampion_export import commands


def typed(*arguments: str | Path) -> int:
    parser = ArgumentParser()
    commands.SIGN.arguments(parser)
    return run_command(commands.SIGN, parser.parse_args([str(a) for a in arguments]))


def carded(path: Path) -> Path:
    """A model with a card that names it flowers, version 3."""
    parser = ArgumentParser()
    commands.CARD.arguments(parser)
    source = classifier(path.with_name("source.onnx"), "nchw")
    words = ["add", str(source), "-o", str(path), "--name", "flowers", "--version", "3"]
    assert run_command(commands.CARD, parser.parse_args(words)) == 0
    return path


def test_a_key_and_a_signature(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, key = carded(tmp_path / "m.onnx"), tmp_path / "release.key"
    capsys.readouterr()
    assert typed("--new-key", key) == 0
    public = capsys.readouterr().out
    assert public.startswith("-----BEGIN PUBLIC KEY-----\n")
    assert typed(model, "--key", key, "--board", "Raspberry Pi 5", "--board", "aarch64") == 0
    signed = Signed.from_json((tmp_path / "m.onnx.sig").read_bytes(), "m.onnx.sig")
    told = f"signed flowers 3 for Raspberry Pi 5 or aarch64 with key {signed.key}: {model}.sig\n"
    assert capsys.readouterr().out == told
    check(signed, public.encode(), "m.onnx.sig")
    assert json.loads(signed.text)["boards"] == ["Raspberry Pi 5", "aarch64"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "sign: expected MODEL and --key FILE, or --new-key FILE alone"),
        (["m.onnx"], "sign: expected MODEL and --key FILE, or --new-key FILE alone"),
        (["m.onnx", "--key", "k", "--new-key", "n"], "sign: expected MODEL and --key FILE, or --new-key FILE alone"),
        (["m.onnx", "--key", "nowhere.key"], "nowhere.key: can't be read (No such file or directory)"),
        (["n.onnx", "--key", "nowhere.key"], "n.onnx: there is no such file"),
        (["source.onnx", "--key", "nowhere.key"], "source.onnx: has no card to tell its name and version"),
    ],
)
def test_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    carded(Path("m.onnx"))
    assert typed(*words) == 1
    assert capsys.readouterr().err.startswith(f"lampion: error: {sentence}\n")
    assert not Path("m.onnx.sig").exists()
