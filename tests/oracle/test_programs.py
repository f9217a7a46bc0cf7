"""The programs of tests/export/programs give eagerly what they give with PyTorch."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from export.programs.program import Program, programs  # noqa: E402
from oracle.programs import report  # noqa: E402
from oracle.programs.twin import twins  # noqa: E402

import lampion  # noqa: E402
from lampion_export.verification import allowance, distance  # noqa: E402

TWINS = twins()


@pytest.mark.parametrize("program", programs(), ids=str)
def test_eager_equals_pytorch(program: Program) -> None:
    twin = TWINS[program.family, program.name]
    for inputs in program.inputs:
        for got, want in zip(program.answer(lampion, inputs), twin.answer(torch, inputs), strict=True):
            assert distance(want, got) <= allowance(want, 1e-4, 1e-5)
    for inputs in program.violating:
        with pytest.raises((AssertionError, ValueError, IndexError)):
            twin.answer(torch, inputs)


def test_the_table_is_of_these_programs() -> None:
    """Its column of lampion is what tests/export/test_programs.py holds."""
    rows = [line.split(" | ") for line in report.TABLE.read_text().split("## Program by program")[1].splitlines()[4:]]
    assert [(name.removeprefix("| "), ours) for name, ours, *_ in rows] == [
        (str(p), "refused" if p.terms.refused else "right") for p in programs()
    ]
