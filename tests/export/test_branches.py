"""What the copy that counts says, beside what Python itself did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lampion.control import cond, scan, while_loop
from lampion_export.branches import Watch
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


def _lines_of(program: Callable[..., Any]) -> list[str]:
    """:line of the inner choice, the outer loop and the inner loop."""
    first = program.__code__.co_firstlineno
    return [f":{first + offset}" for offset in (2, 8, 6)]
