from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lampion_edge.errors import EdgeError
from lampion_export.emulation.making import call, fingerprint, home, made

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="boards are emulated on Linux")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMPION_CACHE", str(tmp_path))


def test_once_even_if_several_ask() -> None:
    times: list[Path] = []

    def build(folder: Path) -> None:
        times.append(folder)
        (folder / "file").write_text("whole")

    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: made("thing", build), range(8)))
    assert (found, len(times)) == ({home() / "thing"}, 1)
    assert (home() / "thing/file").read_text() == "whole"


def test_whole_or_not_at_all() -> None:
    def half(folder: Path) -> None:
        (folder / "file").write_text("half")
        raise EdgeError("the network is gone")

    with pytest.raises(EdgeError, match="the network is gone"):
        made("thing", half)
    assert [path.name for path in home().iterdir()] == [".thing.lock"]
    assert made("thing", lambda folder: None).is_dir()


def test_names() -> None:
    assert fingerprint("a", "b") == fingerprint("a", "b") != fingerprint("ab")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["no-such-program"], "try: there is no program no-such-program here"),
        ([sys.executable, "-c", "import sys; sys.exit('no such package')"], "try: no such package"),
        (
            [sys.executable, "-c", "import sys; sys.exit('WARNING: slow\\nERROR: no such package\\nhint')"],
            "try: ERROR: no such package",
        ),
        ([sys.executable, "-c", "import sys; sys.exit(3)"], f"try: {sys.executable} ended with code 3"),
    ],
)
def test_a_program_that_fails(command: list[str], message: str) -> None:
    with pytest.raises(EdgeError) as raised:
        call(command, why="try")
    assert str(raised.value) == message


def test_what_a_program_prints() -> None:
    assert call([sys.executable, "-c", "print(7)"], why="try") == "7\n"
