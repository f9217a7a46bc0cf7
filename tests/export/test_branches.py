"""What the copy that counts says, beside what Python itself did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lampion
from lampion.blocks import Loop
from lampion.control import cond, scan, while_loop
from lampion_export import convert
from lampion_export.branches import Watch, has_branches, numbers
from lampion_export.exporter import build
from lampion_export.verification import run_eagerly

UP = np.linspace(0.5, 2, 12, dtype=np.float32).reshape(4, 3)
INPUTS = [UP, -UP, UP * 0.01, UP[:1], -UP[:2] * 3, UP - 1.2, UP * 0, np.concatenate([UP, -UP * 2])]

Went = Callable[[str, Any], Any]


def choices(x: Any, went: Went) -> Any:
    def big() -> Any:
        return cond(x.amax() > 1.5, lambda: went("0.0", x + 1), lambda: went("0.1", x - 1))

    y = cond(x.sum() > 0, lambda: went("1.0", big()), lambda: went("1.1", x))
    return cond(y.amin() > 0, lambda: went("2.0", y), lambda: went("2.1", -y))


def loops(x: Any, went: Went) -> Any:
    def inner(z: Any) -> Any:
        return cond(z.sum() > 0, lambda: went("1.0", z / 3), lambda: went("1.1", z / 2))

    def outer(y: Any) -> Any:
        went("turn 0", y)
        return while_loop(lambda z: z.abs().amax() > 1, lambda z: went("turn 2", inner(z)), (y,))[0] * 0.5

    return while_loop(lambda y: y.abs().amax() > 0.1, outer, (x,))[0]


def rows(x: Any, went: Went) -> Any:
    def step(h: Any, row: Any) -> Any:
        return cond(row.sum() > h.sum(), lambda: went("0.0", row), lambda: went("0.1", h)), h.sum()

    return scan(step, x[:1].sum(0), x)[1]


@pytest.mark.parametrize("x", INPUTS, ids=range(len(INPUTS)))
@pytest.mark.parametrize("program", [choices, loops, rows])
def test_the_copy_counts_what_python_did(program: Callable[..., Any], x: Any) -> None:
    seen: list[str] = []

    def went(name: str, result: Any) -> Any:
        seen.append(name)
        return result

    def function(x: Any) -> Any:
        return program(x, went)

    watch = Watch(build(function, {"x": UP}, {"x": {0: "batch"}}))
    seen.clear()
    run_eagerly(function, {"x": x}, ["output"])
    lines = {way.where: i for i, way in reversed(list(enumerate(watch.ways)))}
    taken, _ = watch.taken({"x": x}, 10_000)
    if program is choices:
        by_line = sorted(lines)  # the first cond in the source stands first
        names = {f"{line}.{way}" for line in range(3) for way in range(2) if lines[by_line[line]] + way in taken}
        assert names == set(seen)
    elif program is loops:
        inner_if, outer, inner_loop = (next(w for w in lines if w.endswith(s)) for s in _lines_of(loops))
        assert (lines[inner_if] in taken, lines[inner_if] + 1 in taken) == ("1.0" in seen, "1.1" in seen)
        turns = seen.count("turn 0")
        assert [lines[outer] + i in taken for i in range(3)] == [turns == 0, turns == 1, turns > 1]
        per_run = [run.count("turn 2") for run in " ".join(seen).split("turn 0")[1:]]
        assert [lines[inner_loop] + i in taken for i in range(3)] == [
            0 in per_run, 1 in per_run, max(per_run, default=0) > 1
        ]  # fmt: skip
    else:
        [choice] = [i for i, way in enumerate(watch.ways) if way.name == "true"]
        assert (choice in taken, choice + 1 in taken) == ("0.0" in seen, "0.1" in seen)


def halving(x: Any) -> Any:
    return while_loop(lambda y: y.amax() > 0.25, lambda y: y / 2, (x,))[0]


def test_what_can_never_happen_is_no_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that starts whatever the numbers are makes a turn."""
    loop = convert._converters[Loop]
    monkeypatch.setitem(
        convert._converters, Loop, lambda g, op, _, *inputs: loop(g, op, g.constant(np.array(True)), *inputs)
    )
    watch = Watch(build(halving, {"x": UP}, {}))
    assert [way.name for way in watch.ways] == ["one turn", "several turns"]
    assert [watch.taken({"x": UP * scale}, 100)[0] for scale in (0.1, 1)] == [{0}, {1}]


def test_all_loops_end_at_the_limit() -> None:
    watch = Watch(build(lambda x: halving(halving(x) * 0 + 1 - x.amin() * 0), {"x": UP}, {}))
    endless = np.full_like(UP, np.inf)
    assert watch.taken({"x": UP}, 50)[1] < 50
    assert watch.taken({"x": endless}, 50)[1] >= 50


def test_what_stands_on_one_line_is_numbered() -> None:
    model = build(lambda x: halving(cond(x.sum() > 0, lambda: x, lambda: -x)) + halving(x), {"x": UP}, {})
    line = f"test_branches.py:{halving.__code__.co_firstlineno + 1}"
    assert {way.where for way in Watch(model).ways if way.kind == "Loop"} == {line, f"{line} #2"}


def test_only_a_graph_with_if_or_loop_has_branches() -> None:
    assert has_branches(build(halving, {"x": UP}, {}))
    assert not has_branches(build(lambda x: x * 2, {"x": UP}, {}))


def test_the_single_numbers_of_a_graph_are_known() -> None:
    row = lampion.tensor([1.0, 2.0, 3.0])
    assert numbers(build(lambda x: (x + row) * 7.5 > x.sum() - 41, {"x": UP}, {})) == [7.5, 41.0]


def _lines_of(program: Callable[..., Any]) -> list[str]:
    """:line of the inner choice, the outer loop and the inner loop."""
    first = program.__code__.co_firstlineno
    return [f":{first + offset}" for offset in (2, 8, 6)]
