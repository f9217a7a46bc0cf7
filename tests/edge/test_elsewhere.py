"""What the package lampion brings; tests/oracle/edge/test_wheel.py does without it for real."""

from __future__ import annotations

import pytest

from lampion_edge import elsewhere
from lampion_edge.cli import main

SAID = "needs the package lampion, which isn't installed here\nhint: pip install lampion\n"


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a device that has nothing but lampion-edge."""
    monkeypatch.setattr(elsewhere, "find_spec", lambda name: None)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("typed", "what"),
    [
        ("emulate", "emulate"),
        ("emulate --help", "emulate"),
        ("emulate --board pi4 -- run model.onnx --top 1", "emulate"),
        ("bench http://127.0.0.1:1", "bench of a server"),
        ("bench https://pi.local --connections 4 --rate 50", "bench of a server"),
        ("bench unix:/run/lampion.sock --json", "bench of a server"),
    ],
)
def test_one_sentence_says_what_to_install(typed: str, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(typed.split()) == 1
    assert capsys.readouterr() == ("", f"lampion: error: {what} {SAID}")


def test_help_shows_what_works_here(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> None:
    def told() -> str:
        with pytest.raises(SystemExit):
            main(["bench", "--help"])
        return capsys.readouterr().out

    assert "--connections" in told()
    request.getfixturevalue("alone")
    assert "--connections" not in told()
    assert "--threads" in told()
