"""The hunt for inputs that take other ways: what it finds, what it catches, what it forgives, and where it stops."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lampion
from lampion import nn
from lampion.blocks import If, Loop
from lampion.control import cond, map, while_loop
from lampion.tape import tracing
from lampion_edge import Session
from lampion_export import MismatchError, convert, export, hunting, verification
from lampion_export.branches import Watch, Way
from lampion_export.card import complete_card
from lampion_export.comparison import Pair, Reference
from lampion_export.exporter import build, serialized
from lampion_export.graph import Graph
from lampion_export.hunting import Log
from lampion_export.verification import Check, Report, distance, verify

UP = np.linspace(90, 110, 12, dtype=np.float32).reshape(4, 3)
IDS = np.array([[3, 1, 4], [1, 5, 9]])
BATCH = {"x": {0: "batch"}}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here hangs on how fast the machine is."""
    monkeypatch.setattr(hunting, "SECONDS", 100.0)


def verified(function: Any, example: Any = UP, exported: Any = None, dynamic: Any = BATCH, hunt: int = 400) -> Report:
    """The report on `function` beside the file of `exported`, its own by default."""
    model = build(exported or function, {"x": example}, dynamic)
    session = Session(serialized(model, complete_card(None, "m", model.graph)))
    return verify(function, session, {"x": example}, dynamic, model=model, hunt=hunt)


# ---- what is found ----------------------------------------------------------------------------------------------------


def sign(x: Any) -> Any:
    return cond(x.sum() > 0, lambda: x, lambda: -x)


def window(x: Any) -> Any:
    return cond(x.mean() > 7.0, lambda: cond(x.mean() < 7.5, lambda: x * 2, lambda: x), lambda: x - 1)


def one_element(x: Any) -> Any:
    return cond((x == 77).any(), lambda: x * 0, lambda: x + 1)


def all_equal(x: Any) -> Any:
    return cond((x == x.reshape(-1)[:1]).all(), lambda: x * 2, lambda: x)


def by_size(x: Any) -> Any:
    return cond(
        x.shape[0] > 6, lambda: x[:6].sum(), lambda: cond(x.shape[0] < 1, lambda: x.sum() - 1, lambda: x.amax())
    )


def token(x: Any) -> Any:
    return cond((x == 9).all(), lambda: x.sum(), lambda: cond((x[0] == 1).all(), lambda: x.amax(), lambda: x.amin()))


def halving(x: Any) -> Any:
    return while_loop(lambda y: y.abs().amax() > 1, lambda y: y / 3, (x,))[0]


def every_row(x: Any) -> Any:
    def row(r: Any) -> Any:
        return cond(r.sum() > 0, lambda: r, lambda: while_loop(lambda z: z.sum() < -1, lambda z: z / 2, (r,))[0])

    return map(row, x)


FOUND: list[tuple[Callable[..., Any], Any, int]] = [
    (sign, UP, 2), (window, UP, 4), (one_element, UP, 2), (all_equal, UP, 2), (by_size, UP, 4), (token, IDS, 4),
    (halving, UP, 3), (every_row, UP, 8),
]  # fmt: skip


@pytest.mark.parametrize(("function", "example", "ways"), FOUND, ids=lambda v: getattr(v, "__name__", ""))
def test_every_way_is_found_and_compared(function: Any, example: Any, ways: int) -> None:
    report = verified(function, example)
    assert report.ok, report
    assert len(report.ways) == ways
    assert report.never == (), report
    assert report.in_time


def test_without_the_hunt_the_example_shows_one_way() -> None:
    report = verified(sign, hunt=0)
    assert report.ways == ()
    assert report.hunted == 0


def test_the_same_hunt_twice_finds_the_same() -> None:
    assert verified(token, IDS) == verified(token, IDS)


def test_a_model_without_control_flow_is_not_hunted() -> None:
    report = verified(lambda x: x * 2)
    assert (report.ways, report.hunted) == ((), 0)
    assert "hunt" not in str(report)


# ---- what is said -----------------------------------------------------------------------------------------------------


def unreachable(x: Any) -> Any:
    return cond((x * x).sum() < -1, lambda: x + 1, lambda: x)


LINE = f"test_verification.py:{unreachable.__code__.co_firstlineno + 1}"


def test_a_way_that_nothing_takes_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exported = export(unreachable, {"x": UP}, tmp_path / "m.onnx", hunt=60)
    [way] = exported.report.never
    assert (way.where, way.kind, way.name) == (LINE, "If", "true")
    out = capsys.readouterr().out
    assert f"  {LINE} If: true 0, false " in out
    assert "hunt for other ways: 60 inputs tried; " in out
    assert f"warning: 1 of 2 ways were never taken, so nothing was compared there: {LINE} If: true" in out


def test_a_way_whose_inputs_the_model_refuses_is_no_warning() -> None:
    def picky(x: Any) -> Any:
        if tracing() or float(x.detach().numpy().min(initial=1)) > 0:
            return cond(x.amin() > 0, lambda: x, lambda: -x)
        raise ValueError("only positive numbers")

    report = verified(picky)
    assert report.never == ()
    assert [(way.name, way.inputs > 0, way.refused > 0) for way in report.ways] == [
        ("true", True, False),
        ("false", False, True),
    ]
    assert "false 0 (the model refuses such inputs)" in str(report)


def test_many_ways_are_listed_only_where_one_is_missing() -> None:
    taken = [Way(f"m.py:{i}", "If", name, 3) for i in range(20) for name in ("true", "false")]
    text = str(Report((Check("example", 0, 0),), (*taken, Way("m.py:99", "Loop", "no turn"))))
    assert "m.py:99 Loop: no turn 0" in text
    assert "m.py:5 " not in text


# ---- what is caught ---------------------------------------------------------------------------------------------------


def inner_window(x: Any) -> Any:
    return cond(x.mean() > 7.0, lambda: cond(x.mean() > 7.5, lambda: x * 2, lambda: x), lambda: x * 2)


def none_at_all(x: Any) -> Any:
    return cond(x.shape[0] > 0, lambda: x.sum(), lambda: x.sum() - 1)


def wrong_if(g: Graph, op: If, condition: Any, *captured: Any) -> Any:
    """Both branches are the first."""
    return RIGHT[If](g, If(op.outputs, op.blocks[0], op.blocks[0]), condition, *captured)


def wrong_loop(g: Graph, op: Loop, condition: Any, *inputs: Any) -> Any:
    """The first turn is always made."""
    return RIGHT[Loop](g, op, g.constant(np.array(True)), *inputs)


def short_loop(g: Graph, op: Loop, condition: Any, *inputs: Any) -> Any:
    """Nine turns are enough for anybody."""
    short = Loop(op.outputs, op.blocks[0], op.states, 9)
    return RIGHT[Loop](g, short, condition, *inputs)


RIGHT = dict(convert._converters)
WRONG = [
    ("a choice that is none", If, wrong_if, sign),
    ("a choice inside a choice", If, wrong_if, inner_window),
    ("a choice of size", If, wrong_if, none_at_all),
    ("a loop that always turns", Loop, wrong_loop, halving),
    ("a loop that stops early", Loop, short_loop, halving),
]


@pytest.mark.parametrize(("what", "op", "converter", "function"), WRONG, ids=[row[0] for row in WRONG])
def test_a_wrong_export_is_caught_by_the_hunt_alone(
    what: str, op: Any, converter: Any, function: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(convert._converters, op, converter)
    assert verified(function, hunt=0).ok
    with pytest.raises(MismatchError, match=r"hunted \d+: .*DIFFERS"):
        export(function, {"x": UP}, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("threshold", [99.0, 3.0, -2.5])
def test_a_threshold_that_moved_is_caught_between_two_inputs(threshold: float) -> None:
    def at(limit: float) -> Callable[..., Any]:
        return lambda x: cond(x.mean() > limit, lambda: x, lambda: -x)

    assert not verified(at(0.0), exported=at(threshold)).ok
    assert verified(at(threshold)).ok


def test_a_threshold_that_the_graph_does_not_show_is_found_by_halving() -> None:
    def at(power: float) -> Callable[..., Any]:
        return lambda x: cond(x.mean().abs().log() > power, lambda: x, lambda: -x)

    report = verified(at(2.0), exported=at(2.2))  # between 7.4 and 9.0, where nothing systematic lies
    assert "beside a boundary" in {check.what.split(": ")[1] for check in report.checks if not check.ok}


def test_a_comparison_that_takes_in_the_boundary_is_caught_at_it() -> None:
    report = verified(
        lambda x: cond(x.sum() > 0, lambda: x + 1, lambda: x),
        exported=lambda x: cond(x.sum() >= 0, lambda: x + 1, lambda: x),
    )
    assert "all 0" in [check.what.split(": ")[1] for check in report.checks if not check.ok]


# ---- what is forgiven -------------------------------------------------------------------------------------------------


def above(limit: Any) -> Callable[..., Any]:
    return lambda x: cond(x.amax() > float(limit), lambda: x, lambda: -x)


ONE = np.float32(1)
NEARLY = np.nextafter(ONE, np.float32(0))


def pair(function: Any, exported: Any, lenient: bool = True, example: Any = UP) -> Pair:
    model = build(exported, {"x": example}, BATCH)
    return Pair(function, Session(serialized(model, complete_card(None, "m", model.graph))), 1e-4, 1e-5, lenient)


@pytest.mark.parametrize(
    ("function", "exported", "lenient", "boundary"),
    [
        (above(ONE), above(NEARLY), True, True),
        (above(ONE), above(NEARLY), False, False),
        (above(1.01), above(0.9), True, False),
        (above(ONE), lambda x: x * 1.01, True, False),
    ],
    ids=["float noise", "no control flow", "another threshold", "another answer"],
)
def test_on_the_boundary(function: Any, exported: Any, lenient: bool, boundary: bool) -> None:
    x = np.full((2, 3), ONE)
    check = pair(function, exported, lenient).check("x", {"x": x}, float("inf"))
    assert check.error > check.allowed
    assert (check.boundary, check.ok) == (boundary, boundary)


def test_one_side_alone_may_be_on_the_boundary() -> None:
    """As where a kernel of onnxruntime gives 1.0000001 and numpy's gives 1: no noise on the input moves numpy's."""
    saturated = cond_of(lambda x: x.tanh() > 1)
    almost = cond_of(lambda x: x > 9.000001)
    x = np.full((2, 3), 9.000002, np.float32)
    for both in (pair(saturated, almost), pair(almost, saturated)):
        assert both.check("x", {"x": x}, float("inf")).boundary
        assert not both.check("x", {"x": x + 1}, float("inf")).ok


def cond_of(condition: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x: cond(condition(x).all(), lambda: x * 2, lambda: x)


def test_no_numbers_have_no_dtype() -> None:
    floats, ints = np.zeros((0, 2), np.float32), np.zeros((0, 2), np.int64)
    assert distance(floats, ints) == 0
    assert distance(floats, ints[:, :1]) == float("inf")
    assert distance(np.zeros(1, np.float32), np.zeros(1, np.int64)) == float("inf")


def test_an_input_on_the_boundary_is_no_evidence_for_its_way() -> None:
    report = verified(above(ONE), np.full((2, 3), ONE), exported=above(NEARLY), dynamic={})
    assert report.ok, report
    assert report.checks[0].boundary
    assert f", {report.on_boundary} on a boundary" in str(report)
    assert "on the boundary" in str(report)
    one = pair(above(ONE), above(NEARLY))
    log = Log(one.check, Watch(build(above(NEARLY), {"x": np.full((2, 3), ONE)}, {})))
    log.start({"x": np.full((2, 3), ONE)})
    assert [way.inputs for way in log.ways()] == [0, 0]


# ---- what fails on one side -------------------------------------------------------------------------------------------


def needs_positive(x: Any) -> Any:
    if not tracing():
        assert float(x.detach().numpy().min(initial=1)) > 0, "positive numbers"
    return cond(x.sum() > 0, lambda: x, lambda: x * 1)


def test_an_assert_that_the_file_does_not_keep_is_a_difference() -> None:
    report = verified(needs_positive)
    assert not report.ok
    assert "the model fails an assert (positive numbers), the file answers" in str(report)


def test_an_assert_that_the_file_keeps_agrees() -> None:
    def function(x: Any) -> Any:
        if not tracing():
            assert x.shape[0] > 2, "three rows"
        return x.index_select(0, lampion.tensor([2]))  # which onnxruntime refuses below three rows

    both = pair(function, function)
    assert both.check("three", {"x": UP[:3]}, float("inf")).ok
    with pytest.raises(AssertionError, match="three rows"):
        both.check("two", {"x": UP[:2]}, float("inf"))


def test_a_file_that_fails_where_the_model_does_not_is_a_difference() -> None:
    check = pair(lambda x: x[:1], lambda x: x.index_select(0, lampion.tensor([2]))).check("x", {"x": UP[:1]}, 1e9)
    assert not check.ok
    assert "the file fails where the model does not" in str(check)


def test_what_is_no_function_of_tensors_can_be_compared_too() -> None:
    assert pair(Reference(lambda inputs: [-inputs["x"]]), lambda x: -x).check("x", {"x": UP}, float("inf")).ok


# ---- where it stops ---------------------------------------------------------------------------------------------------


def doubling(x: Any) -> Any:
    return while_loop(lambda y: y.abs().amax() < 1000, lambda y: y * 2, (x,))[0]


def test_inputs_that_never_end_are_left_out() -> None:
    report = verified(doubling)
    assert report.ok, report
    assert not any(": all 0" in check.what for check in report.checks)
    assert report.hunted > 20


def test_random_inputs_that_never_end_are_left_out_too() -> None:
    swinging = np.array([[-1.1, 1], [1, -1.1]], np.float32)
    report = verified(lambda x: while_loop(lambda y: y.sum() > 0, lambda y: y.abs(), (x,))[0], swinging, hunt=40)
    assert report.ok, report
    assert len([check for check in report.checks if check.what.startswith("random")]) < 3


def test_a_file_that_does_not_end_on_the_example_is_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hunting, "STEPS", 1000)
    report = verified(lambda x: x, UP * 0, exported=doubling, dynamic={})
    assert not report.ok
    assert "the file makes more than 1000 choices and turns" in str(report)


def test_an_eager_run_that_does_not_end_is_left_out_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hunting, "SECONDS", 3.0)

    def endless_at_zero(x: Any) -> Any:
        return while_loop(lambda y: y.amax() == 0, lambda y: y * 2, (sign(x),))[0]

    report = verified(endless_at_zero, exported=sign, hunt=40)
    assert not report.in_time
    assert "until time ran out" in str(report)


def test_weights_beside_the_model_are_found_by_the_hunt(tmp_path: Path) -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(3, 200)

        def forward(self, x: Any) -> Any:
            return cond(x.sum() > 0, lambda: self.inner(x), lambda: self.inner(-x) * 2)

    exported = export(Gated(), UP, tmp_path / "m.onnx", external_data=True, quiet=True)
    assert exported.report.never == ()
    assert len(exported.report.ways) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx", "m.onnx.data"]


def test_the_documentation_shows_what_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = (Path(__file__).parents[2] / "docs/export.md").read_text().partition("## Verification")[2]
    code, shown = (block.partition("\n")[2] for block in section.split("```")[1:4:2])
    (tmp_path / "model.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "model", raising=False)
    model = importlib.import_module("model")
    printed = str(export(model.forward, {"x": UP}, tmp_path / "m.onnx", quiet=True).report)
    missing = set(counts_out(shown).splitlines()) - set(counts_out(printed).splitlines())
    assert missing == set(), printed


def counts_out(text: str) -> str:
    """How many inputs took a way may change; whether any did may not."""
    return re.sub(r"(compared|tried|equal|true|false|turns?) [1-9]\d*|[1-9]\d* (inputs|compared)", r"\1 some \2", text)


def test_the_names_that_others_import() -> None:
    assert set(verification.__all__) >= {"Check", "Report", "verify", "run_eagerly", "distance", "allowance"}
