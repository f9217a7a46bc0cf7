"""Every op case of the engine, exported once and run at several sizes beside the eager run."""

from __future__ import annotations

import pytest
from export_cases import (
    EXPORTED,
    LATE,
    NEWEST,
    OLDEST,
    REFUSED,
    UNTRACEABLE,
    Subject,
    differences,
    primitives,
    recorded_axes,
    session_of,
)
from op_cases import Case

from lampion import UntraceableError
from lampion_export.convert import is_known
from lampion_export.errors import UnsupportedError
from lampion_export.exporter import build

AXES = recorded_axes()


@pytest.mark.parametrize("case", EXPORTED, ids=str)
def test_exported_equals_eager_at_three_other_batch_sizes(case: Case) -> None:
    subject = Subject(case)
    session = session_of(subject, subject.batch())
    assert differences(subject, session, subject.example()) == []
    others = subject.others(subject.batch())
    assert len(others) >= (3 if case.batch_axis else 0)
    assert [d for inputs in others for d in differences(subject, session, inputs)] == []


@pytest.mark.thorough
@pytest.mark.parametrize("case", [c for c in EXPORTED if AXES.get(c.name)], ids=str)
def test_every_axis_that_can_varies(case: Case) -> None:
    """All at once; the table of axes is found by coverage.py."""
    subject = Subject(case)
    session = session_of(subject, AXES[case.name])
    others = subject.others(AXES[case.name])
    assert len(others) >= 3
    assert [d for inputs in others for d in differences(subject, session, inputs)] == []


@pytest.mark.thorough
@pytest.mark.parametrize("opset", [OLDEST, NEWEST])
@pytest.mark.parametrize("case", EXPORTED, ids=str)
def test_other_opsets(case: Case, opset: int) -> None:
    subject = Subject(case)
    if opset == OLDEST and case.name in LATE:
        with pytest.raises(UnsupportedError, match=r"can't be exported at opset 17: .* from opset 18"):
            session_of(subject, subject.batch(), opset)
        return
    session = session_of(subject, subject.batch(), opset)
    assert differences(subject, session, subject.example()) == []


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_what_onnx_lacks_is_refused_by_name(case: Case) -> None:
    subject = Subject(case)
    with pytest.raises(UnsupportedError, match="can't be exported: "):
        build(subject, subject.example(), subject.batch())


@pytest.mark.parametrize("case", UNTRACEABLE, ids=str)
def test_what_looks_at_the_numbers_is_refused(case: Case) -> None:
    subject = Subject(case)
    with pytest.raises((UntraceableError, UnsupportedError), match=r"needs the numbers|can't be exported"):
        build(subject, subject.example(), {})


def test_every_primitive_converts_or_is_refused_for_a_reason() -> None:
    missing = sorted(kind.__name__ for kind in primitives() if not is_known(kind))
    assert missing == []
