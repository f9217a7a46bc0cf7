"""The programs of tests/export/programs: what ran is what the file does, on every input, whichever way it takes."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

import pytest
from export.programs.program import HERE, Program, loaded, programs, programs_of

import lampion
from lampion.errors import LampionError
from lampion_edge import EdgeError, Session
from lampion_export.card import complete_card
from lampion_export.errors import ExportError
from lampion_export.exporter import build, serialized
from lampion_export.verification import allowance, distance

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


@pytest.mark.parametrize("program", [p for p in ALL if not p.terms.refused], ids=str)
def test_what_ran_is_what_the_file_does(program: Program) -> None:
    model = build(program.call, program.inputs[0], program.axes)
    session = Session(serialized(model, complete_card(None, program.name, model.graph)))
    for i, inputs in enumerate(program.inputs):
        want, got = program.answer(lampion, inputs), list(session.run(inputs).values())
        for expected, array in zip(want, got, strict=True):
            allowed = allowance(expected, program.terms.tolerance, program.terms.tolerance)
            assert distance(expected, array) <= allowed, f"input {i}: {expected} became {array}"
    for inputs in program.violating:
        with pytest.raises(EdgeError):
            session.run(inputs)


@pytest.mark.parametrize("program", [p for p in ALL if p.terms.refused], ids=str)
def test_what_is_refused_says_where_why_and_what_instead(program: Program) -> None:
    with pytest.raises((LampionError, ExportError)) as caught:
        build(program.call, program.inputs[0], program.axes)
    message = str(caught.value)
    assert [words for words in program.terms.refused if words not in message] == []
    at = [int(line) for line in re.findall(rf"{program.family}\.py:(\d+)", message)]
    own, first = inspect.getsourcelines(program.call)
    called = [first - 10, first + len(own)]  # what it calls stands just above it
    assert at
    assert all(called[0] <= line <= called[1] for line in at)
    assert "instead:" in message


def run_all(program: Program) -> None:
    """Eagerly, on what it answers and on what it refuses."""
    for inputs in program.inputs:
        program.answer(lampion, inputs)
    for inputs in program.violating:
        with pytest.raises((AssertionError, ValueError)):
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
