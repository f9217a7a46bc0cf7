"""The arguments; tests/boards runs it."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path

import pytest

from lampion_edge.cli import main
from lampion_edge.errors import EdgeError
from lampion_export.emulation import command
from lampion_export.emulation.command import words


@pytest.mark.parametrize(
    ("typed", "rest"),
    [
        (
            ["--", "run", "m.onnx", "p.png", "--top", "3"],
            ["-m", "lampion_edge", "run", "m.onnx", "p.png", "--top", "3"],
        ),
        (["run", "-", "--", "x"], ["-m", "lampion_edge", "run", "-", "--", "x"]),
        (["--", "python", "script.py", "--flag"], ["script.py", "--flag"]),
        (["--", "python"], []),
        ([], None),
        (["--"], None),
    ],
)
def test_what_the_boards_python_is_given(typed: list[str], rest: list[str] | None) -> None:
    parser = ArgumentParser()
    command.arguments(parser)
    args = parser.parse_args(["--board", "pi4", "--throttled", "throttled=0x50005", *typed])
    assert (words(args.command_line), args.throttled) == (rest, 0x50005)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--board", "pi9"], "argument --board: invalid choice: 'pi9'"),
        (["--throttled", "hot"], "argument --throttled: expected a hexadecimal number such as 0x50005, got 'hot'"),
        (["--", "run"], "the following arguments are required: --board"),
    ],
)
def test_misspelt_arguments(args: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["emulate", *args])
    out, error = capsys.readouterr()
    assert (out, said in error) == ("", True)


def test_on_another_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    parser = ArgumentParser()
    command.arguments(parser)
    with pytest.raises(EdgeError, match="boards are emulated on Linux only, this is darwin"):
        command.run(parser.parse_args(["--board", "pi4"]))


def test_a_host_without_debians_tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("LAMPION_CACHE", str(tmp_path))
    parser = ArgumentParser()
    command.arguments(parser)
    with pytest.raises(EdgeError, match=r"there is no program \S+ here") as raised:
        command.run(parser.parse_args(["--board", "pi2"]))
    assert raised.value.hint == "boards are emulated on Debian and what descends from it, with apt-get and dpkg-deb"
