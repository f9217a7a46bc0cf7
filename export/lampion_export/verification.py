"""Eager beside exported: on the example, on fresh inputs, at other sizes, and on inputs that take other branches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from lampion_edge import Session
from lampion_export.branches import Watch, Way, has_branches, numbers
from lampion_export.candidates import Array, noise, resized
from lampion_export.comparison import Check, Pair, Reference, allowance, distance, run_eagerly
from lampion_export.errors import ExportError
from lampion_export.hunting import TRIES, Hunt, Log
from lampion_export.trace import Dynamic, Example, axis_names

__all__ = ["Array", "Check", "Reference", "Report", "allowance", "distance", "run_eagerly", "verify"]

OTHER_SIZES = (1, 2, 3, 5, 8)
SHOWN = 12  # choices and loops that are listed even though every way through them was taken


@dataclass(frozen=True)
class Report:
    """All comparisons of one verification, and the ways through the model's control flow with how many inputs took each.

    `hunted` is the number of inputs tried in search of other ways; `in_time` is False where time ended the search.
    """

    checks: tuple[Check, ...]
    ways: tuple[Way, ...] = ()
    hunted: int = 0
    in_time: bool = True

    @property
    def ok(self) -> bool:
        """Whether every comparison agrees."""
        return all(check.ok for check in self.checks)

    @property
    def never(self) -> tuple[Way, ...]:
        """The ways that no input took, except those whose inputs the model itself refuses."""
        return tuple(way for way in self.ways if not way.inputs and not way.refused)

    @property
    def on_boundary(self) -> int:
        """How many inputs lay where float noise alone changes the way."""
        return sum(check.boundary for check in self.checks)

    def __str__(self) -> str:
        shown = [c for c in self.checks if not c.what.startswith("hunted") or not c.ok]
        width = max([len(c.what) for c in shown] + [21])
        lines = [f"{'eager against exported':<{width}}  max error    allowed"]
        lines += [f"{check.what:<{width}}  {check}" for check in shown]
        return "\n".join([*lines, *self._hunt_lines(), *self._way_lines(), *self._warnings()])

    def _hunt_lines(self) -> list[str]:
        if not self.ways:
            return []
        hunted = [c for c in self.checks if c.what.startswith("hunted")]
        late = "" if self.in_time else ", until time ran out"
        boundary = f", {self.on_boundary} on a boundary" if self.on_boundary else ""
        agree = sum(check.ok and not check.boundary for check in hunted)
        return [f"hunt for other ways: {self.hunted} inputs tried{late}; {agree} compared and equal{boundary}"]

    def _way_lines(self) -> list[str]:
        forks: dict[str, list[Way]] = {}
        for way in self.ways:
            forks.setdefault(f"{way.where} {way.kind}", []).append(way)
        if len(forks) > SHOWN:
            forks = {name: ways for name, ways in forks.items() if any(not way.inputs for way in ways)}
        return [f"  {name}: " + ", ".join(map(_counted, ways)) for name, ways in forks.items()]

    def _warnings(self) -> list[str]:
        if not self.never:
            return []
        named = "; ".join(map(str, self.never))
        return [
            f"warning: {len(self.never)} of {len(self.ways)} ways were never taken, so nothing was compared there: {named}"
        ]


def _counted(way: Way) -> str:
    return f"{way.name} {way.inputs}" + (" (the model refuses such inputs)" if way.refused and not way.inputs else "")


def verify(
    function: Callable[..., Any] | Reference,
    session: Session,
    example: Example,
    dynamic: Dynamic,
    *,
    also: Mapping[str, Example] | None = None,
    model: ir.Model | None = None,
    hunt: int = TRIES,
    rtol: float = 1e-4,
    atol: float = 1e-5,
    drawn: Collection[str] = (),
) -> Report:
    """Compares `function` run eagerly with the exported model in `session`, on further inputs `also`, by what they are called.

    Of outputs in `drawn`, which hang on random numbers, only dtype and shape are compared. The others may, where floating
    point, differ by atol + rtol * (largest magnitude of that output); all others not at all. Inputs other than the example
    that the function itself refuses (an index that does not exist) are left out, except that where it fails an assert the file
    must fail too. With `model`, the graph in the session, up to `hunt` more inputs are tried in search of ways through its If
    and Loop that nothing took yet, for 3 seconds per 400; 0 tries none. Raises ExportError for a dynamic axis along which the
    function takes no size but the example's, and what the function raises for the example.
    """
    watch = Watch(model) if model is not None and hunt and has_branches(model) else None
    log = Log(Pair(function, session, rtol, atol, watch is not None, drawn).check, watch)
    log.start(example)
    rng = np.random.default_rng(0)
    for i in range(3):
        log.compare(f"random {i + 1}", {name: noise(array, array.shape, rng) for name, array in example.items()})
    for what, inputs in (also or {}).items():
        log.compare(what, inputs)
    for axis in axis_names(dynamic):
        _at_other_sizes(log, example, dynamic, axis, rng)
    if watch is None or model is None:
        return Report(tuple(log.checks))
    if not all(check.ok for check in log.checks):
        return Report(tuple(log.checks), log.ways())
    search = Hunt(log, example, dynamic, numbers(model), hunt)
    search.run()
    return Report(tuple(log.checks), log.ways(), log.tried, search.in_time)


def _at_other_sizes(log: Log, example: Example, dynamic: Dynamic, axis: str, rng: np.random.Generator) -> None:
    """The function at other sizes of one axis: small ones, or larger ones for a model that takes nothing that small."""
    before, refusal = len(log.checks), ""
    own = next(example[name].shape[i] for name, axes in dynamic.items() for i, other in axes.items() if other == axis)
    for i, size in enumerate((*OTHER_SIZES, own + 1, 2 * own + 1)):
        if len(log.checks) > before and i >= len(OTHER_SIZES):
            break
        shapes = {name: resized(array.shape, dynamic.get(name, {}), axis, size) for name, array in example.items()}
        if all(shapes[name] == array.shape for name, array in example.items()):
            continue
        inputs = {name: noise(array, shapes[name], rng) for name, array in example.items()}
        refusal = log.compare(f"{axis} = {size}", inputs) or refusal
    if len(log.checks) == before:
        raise ExportError(
            f"dynamic: axis {axis!r} cannot vary: the model takes no size but the example's ({refusal})",
            hint=f"leave {axis!r} out of `dynamic`",
        )
