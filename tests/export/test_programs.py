"""The programs of tests/export/programs: what ran is what the file does, on every input, whichever way it takes."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

import pytest
from export.programs.program import HERE, Program, loaded, programs, programs_of

import lampion

ALL = programs()
FAMILIES = sorted({p.family for p in ALL})


def test_there_are_many_and_no_name_twice() -> None:
    assert len(ALL) > 250
    assert len({(p.family, p.name) for p in ALL}) == len(ALL)
    assert [p.name for p in ALL if len(p.inputs) < 4] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_the_inputs_take_every_way(family: str) -> None:
    """A branch that no input takes would prove nothing."""
    path = HERE / f"{family}.py"
    ran: set[int] = set()
    with lines_kept(str(path), ran):
        for program in programs_of(loaded(path, "export.programs.ways")):
            run_all(program)
    source = path.read_text()
    never = sorted(set(lines(compile(source, str(path), "exec"))) - ran)
    assert [f"{n}: {source.splitlines()[n - 1]}" for n in never] == []


def run_all(program: Program) -> None:
    """Eagerly, on what it answers and on what it refuses."""
    for inputs in program.inputs:
        program.answer(lampion, inputs)
    for inputs in program.violating:
        with pytest.raises((AssertionError, ValueError, IndexError)):
            program.answer(lampion, inputs)


@contextmanager
def lines_kept(file: str, ran: set[int]) -> Iterator[None]:
    """Adds to `ran` every line of `file` that runs inside."""

    def keep(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != file:
            return None
        ran.add(frame.f_lineno)
        return keep

    before = sys.gettrace()
    sys.settrace(keep)
    try:
        yield
    finally:
        sys.settrace(before)


def lines(code: CodeType) -> Iterator[int]:
    """The lines of all functions inside."""
    if code.co_flags & inspect.CO_OPTIMIZED:
        yield from (line for _, _, line in code.co_lines() if line)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from lines(constant)
