"""One function beside one file, on one input."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from types import FrameType
from typing import Any

import numpy as np

from lampion.tape import Primitive, grad_enabled
from lampion.tensor import Tensor
from lampion_edge import EdgeError, Session
from lampion_export.candidates import Array, cast, is_float
from lampion_export.trace import Example, evaluating

Outputs = dict[str, Array]

NEAR = 1e-6  # relative distance within which two runtimes may see an input on different sides of a boundary


@dataclass(frozen=True)
class Check:
    """One comparison: what was fed in, the largest difference, and what was allowed.

    `boundary` says that float noise alone (a change of the input by 1e-6 of each number) moves what the model itself answers
    as far: this input decides nothing. `note` tells in words what a number does not.
    """

    what: str
    error: float
    allowed: float
    note: str = ""
    boundary: bool = False

    @property
    def ok(self) -> bool:
        """Whether the difference is within what is allowed, or within what float noise does to the model itself."""
        return self.error <= self.allowed or self.boundary

    def __str__(self) -> str:
        mark = "on the boundary" if self.boundary else "ok" if self.ok else "DIFFERS"
        return f"{self.error:9.2e}  {self.allowed:9.2e}  {mark}" + (f": {self.note}" if self.note else "")


class Late(BaseException):
    """An eager run took too long. No Exception, so that no model catches it."""


class Reference:
    """What a file must agree with, where that is no function of Tensors: arrays by name in, arrays in order of outputs out."""

    def __init__(self, call: Callable[[Example], list[Array]]) -> None:
        self.call = call


Function = Callable[..., Any] | Reference


def run_eagerly(function: Function, inputs: Example, names: list[str], until: float = float("inf")) -> Outputs:
    """What the function gives for arrays, as arrays by output name. Raises Late if it still runs at that time."""
    from lampion.ops.create import from_numpy

    if isinstance(function, Reference):
        return dict(zip(names, function.call(inputs), strict=True))
    with evaluating(function), grad_enabled(False), _ended_by(until):
        result = function(**{name: from_numpy(array.copy()) for name, array in inputs.items()})
    many = (
        list(result.values())
        if isinstance(result, Mapping)
        else [result]
        if isinstance(result, Tensor)
        else list(result)
    )
    return {name: x.detach().numpy() for name, x in zip(names, many, strict=True)}


@contextmanager
def _ended_by(moment: float) -> Iterator[None]:
    """Raises Late from the first op after that time: a loop that the file ends need not end eagerly, to the last bit."""
    if moment == float("inf"):
        yield
        return

    def look(frame: FrameType, event: str, _: Any) -> None:
        if frame.f_code is Primitive.__call__.__code__ and event == "call" and perf_counter() > moment:
            raise Late

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(before)


class Pair:
    """The function beside the file. With `lenient`, an input on the boundary between two ways is no disagreement."""

    def __init__(
        self,
        function: Function,
        session: Session,
        rtol: float,
        atol: float,
        lenient: bool,
        drawn: Collection[str] = (),
    ) -> None:
        self.function, self.session, self.rtol, self.atol, self.lenient = function, session, rtol, atol, lenient
        self.drawn = drawn
        self.names = [spec.name for spec in session.outputs]

    def check(self, what: str, inputs: Example, until: float) -> Check:
        """The comparison on these inputs. Raises what the function raises, and Late if it takes longer than `until`."""
        try:
            want = run_eagerly(self.function, inputs, self.names, until)
        except AssertionError as error:
            if self._fails(inputs):
                raise
            said = str(error).partition("\n")[0]
            return Check(what, float("inf"), 0.0, f"the model fails an assert ({said}), the file answers")
        try:
            got = self.session.run(inputs)
        except EdgeError as error:
            return Check(what, float("inf"), 0.0, f"the file fails where the model does not: {error}")
        check = _compare(what, want, got, self.rtol, self.atol, self.drawn)
        return check if check.ok or not self.lenient else self._excused(check, inputs, want, got, until)

    def _fails(self, inputs: Example) -> bool:
        try:
            self.session.run(inputs)
        except EdgeError:
            return True
        return False

    def _excused(self, check: Check, inputs: Example, want: Outputs, got: Outputs, until: float) -> Check:
        """The check, on the boundary if a breath of noise makes one side answer as the other, or moves the model's as far."""
        moves = []
        for breathed in _breathed_on(inputs):
            try:
                moved, moved_file = run_eagerly(self.function, breathed, self.names, until), self.session.run(breathed)
            except (Late, Exception):  # what is refused or does not end there says nothing of the answers here
                continue
            if self._agree(moved, got) or self._agree(want, moved_file):
                return replace(check, boundary=True)
            moves.append(max(distance(want[name], moved[name]) for name in want))
        return replace(check, boundary=4 * min(moves, default=0.0) >= check.error)

    def _agree(self, want: Outputs, got: Outputs) -> bool:
        return _compare("", want, got, self.rtol, self.atol, self.drawn).ok


def _breathed_on(inputs: Example) -> Iterator[Example]:
    """Every floating point number changed by up to 1e-6 of it, or its last bits where it has fewer: all up, all down, any."""
    rng = np.random.default_rng(2)

    def changed(a: Array, low: int, high: int) -> Array:
        if not is_float(a):
            return a
        step = max(NEAR, 4 * float(np.finfo(a.dtype).eps)) if a.dtype.kind == "f" else 2.0**-6
        return cast(a * (1 + step * rng.uniform(low, high, a.shape)), a)

    for low, high in ((0, 1), (-1, 0), (-1, 1), (1, 1), (-1, -1), (-1, 1), (-1, 1), (-1, 1)):
        yield {name: changed(array, low, high) for name, array in inputs.items()}


def _compare(
    what: str, want: Outputs, got: Mapping[str, Array], rtol: float, atol: float, drawn: Collection[str]
) -> Check:
    """The output that uses up most of what it is allowed."""
    what = f"{what} (random numbers: dtype and shape alone)" if drawn else what
    worst = Check(what, 0.0, atol)
    for name, expected in want.items():
        compared = got[name] if name not in drawn or unlike(expected, got[name]) else expected
        check = Check(what, distance(expected, compared), allowance(expected, rtol, atol))
        if not check.ok or check.error * worst.allowed > worst.error * check.allowed:
            worst = check
        if not check.ok:
            break
    return worst


def allowance(expected: Array, rtol: float, atol: float) -> float:
    """How far an output may be off, by its largest finite magnitude; 0 for anything but floating point."""
    if expected.dtype.kind != "f":
        return 0.0
    finite = np.abs(expected[np.isfinite(expected)])
    return atol + rtol * float(finite.max(initial=0.0))


def unlike(expected: Array, got: Array) -> bool:
    """Whether two arrays differ in shape, or in dtype if they hold any numbers: a list that stayed empty has no dtype."""
    return expected.shape != got.shape or (expected.dtype != got.dtype and expected.size > 0)


def distance(expected: Array, got: Array) -> float:
    """The largest absolute difference; infinite for another shape or dtype, or nan and infinity in other places."""
    if unlike(expected, got):
        return float("inf")
    if expected.dtype.kind != "f":
        return float(np.count_nonzero(expected != got))
    equal = (expected == got) | (np.isnan(expected) & np.isnan(got))
    if equal.all():
        return 0.0
    difference = np.abs(expected[~equal].astype(np.float64) - got[~equal].astype(np.float64))
    return float("inf") if np.isnan(difference).any() else float(difference.max())
