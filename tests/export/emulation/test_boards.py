from __future__ import annotations

from pathlib import Path

import pytest
from edge.boards import PI4, write

from lampion_edge import board
from lampion_export.emulation.boards import BOARDS, IDLE, Board, State, files


@pytest.mark.parametrize("simulated", BOARDS.values(), ids=BOARDS)
def test_a_board_is_known_by_its_files(tmp_path: Path, simulated: Board) -> None:
    root = write(tmp_path, files(simulated, IDLE))
    assert board.model(root) == simulated.model
    assert [core.max_clock for core in board.cores(root)] == [simulated.clock] * simulated.cores
    assert (board.temperature(root), board.throttling(root)) == (48.0, ([], []))


def test_how_it_is_doing(tmp_path: Path) -> None:
    root = write(tmp_path, files(BOARDS["pi4"], State(85.5, 0x50005, 600, 40)))
    assert board.temperature(root) == 85.5
    assert board.throttling(root) == (["under-voltage", "throttled"], ["under-voltage", "throttled"])
    assert board.cores(root)[3] == board.Core(3, 600.0, 1800.0, "ondemand")
    memory = board.memory(root)
    assert memory is not None
    assert (memory.available, memory.total > 3.5e9) == (40 * 2**20, True)


def test_it_shows_what_a_real_one_shows(tmp_path: Path) -> None:
    assert files(BOARDS["pi4"], IDLE).keys() > PI4.keys() - {"proc/cpuinfo"}
