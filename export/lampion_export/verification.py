"""Eager beside exported: on the example, on fresh inputs, at other sizes of every dynamic axis."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lampion.tape import grad_enabled
from lampion.tensor import Tensor
from lampion_edge import EdgeError, Session
from lampion_export.errors import ExportError, MismatchError
from lampion_export.trace import Dynamic, Example, axis_names, evaluating

Array = np.ndarray[Any, Any]
Outputs = dict[str, Array]

OTHER_SIZES = (1, 2, 3, 5, 8)


@dataclass(frozen=True)
class Check:
    """One comparison: what was fed in, the largest difference, and what was allowed."""

    what: str
    error: float
    allowed: float

    @property
    def ok(self) -> bool:
        """Whether the difference is within what is allowed."""
        return self.error <= self.allowed


@dataclass(frozen=True)
class Report:
    """All comparisons of one verification."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every comparison agrees."""
        return all(check.ok for check in self.checks)

    def __str__(self) -> str:
        width = max(len(check.what) for check in self.checks)
        lines = [f"{'eager against exported':<{width}}  max error    allowed"]
        for check in self.checks:
            mark = "ok" if check.ok else "DIFFERS"
            lines.append(f"{check.what:<{width}}  {check.error:9.2e}  {check.allowed:9.2e}  {mark}")
        return "\n".join(lines)


def verify(
    function: Callable[..., Any] | Reference,
    session: Session,
    example: Example,
    dynamic: Dynamic,
    *,
    also: Mapping[str, Example] | None = None,
    rtol: float = 1e-4,
    atol: float = 1e-5,
    drawn: Collection[str] = (),
) -> Report:
    """Compares `function` run eagerly with the exported model in `session`, on further inputs `also`, by what they are called.

    Of outputs in `drawn`, which hang on random numbers, only dtype and shape are compared. The others may, where floating
    point, differ by atol + rtol * (largest magnitude of that output); all others not at all. Random
    inputs that the function itself refuses (an index that does not exist) are left out. Raises ExportError for a dynamic axis
    along which the function takes no size but the example's.
    """
    names = [spec.name for spec in session.outputs]
    rng = np.random.default_rng(0)
    wanted = [("example", example, run_eagerly(function, example, names))]
    for i in range(3):
        inputs = {name: _noise(array, array.shape, rng) for name, array in example.items()}
        wanted += _attempt(f"random {i + 1}", function, inputs, names)[0]
    for what, inputs in (also or {}).items():
        wanted += _attempt(what, function, inputs, names)[0]
    for axis in axis_names(dynamic):
        wanted += _at_other_sizes(function, names, example, dynamic, axis, rng)
    return Report(
        tuple(_compare(what, want, _answer(session, what, inputs), rtol, atol, drawn) for what, inputs, want in wanted)
    )


class Reference:
    """What a file must agree with, where that is no function of Tensors: arrays by name in, arrays in order of outputs out."""

    def __init__(self, call: Callable[[Example], list[Array]]) -> None:
        self.call = call


def run_eagerly(function: Callable[..., Any] | Reference, inputs: Example, names: list[str]) -> Outputs:
    """What the function gives for arrays, as arrays by output name."""
    from lampion.ops.create import from_numpy

    if isinstance(function, Reference):
        return dict(zip(names, function.call(inputs), strict=True))
    with evaluating(function), grad_enabled(False):
        result = function(**{name: from_numpy(array.copy()) for name, array in inputs.items()})
    many = (
        list(result.values())
        if isinstance(result, Mapping)
        else [result]
        if isinstance(result, Tensor)
        else list(result)
    )
    return {name: x.detach().numpy() for name, x in zip(names, many, strict=True)}


Wanted = tuple[str, Example, Outputs]


def _attempt(
    what: str, function: Callable[..., Any] | Reference, inputs: Example, names: list[str]
) -> tuple[list[Wanted], str]:
    """What the function gives, if it gives anything, or else why not."""
    try:
        return [(what, inputs, run_eagerly(function, inputs, names))], ""
    except Exception as error:  # whatever a user's model raises for an input it does not take
        return [], str(error)


def _answer(session: Session, what: str, inputs: Example) -> Mapping[str, Array]:
    try:
        return session.run(inputs)
    except EdgeError as error:
        raise MismatchError(f"the exported graph fails on {what!r}, where the model does not: {error}") from error


def _at_other_sizes(
    function: Callable[..., Any] | Reference,
    names: list[str],
    example: Example,
    dynamic: Dynamic,
    axis: str,
    rng: np.random.Generator,
) -> list[Wanted]:
    """The function at other sizes of one axis: small ones, or larger ones for a model that takes nothing that small."""
    found: list[Wanted] = []
    refusal = ""
    own = next(example[name].shape[i] for name, axes in dynamic.items() for i, other in axes.items() if other == axis)
    for i, size in enumerate((*OTHER_SIZES, own + 1, 2 * own + 1)):
        if found and i >= len(OTHER_SIZES):
            break
        shapes = {name: _resized(array.shape, dynamic.get(name, {}), axis, size) for name, array in example.items()}
        if all(shapes[name] == array.shape for name, array in example.items()):
            continue
        inputs = {name: _noise(array, shapes[name], rng) for name, array in example.items()}
        new, why = _attempt(f"{axis} = {size}", function, inputs, names)
        found += new
        refusal = why or refusal
    if not found:
        raise ExportError(
            f"dynamic: axis {axis!r} cannot vary: the model takes no size but the example's ({refusal})",
            hint=f"leave {axis!r} out of `dynamic`",
        )
    return found


def _resized(shape: tuple[int, ...], axes: Mapping[int, str], axis: str, size: int) -> tuple[int, ...]:
    return tuple(size if axes.get(i) == axis else n for i, n in enumerate(shape))


def _noise(like: Array, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Random numbers in the range of `like`: an example of indices gives indices that exist."""
    if like.dtype.kind == "b":
        return np.asarray(rng.random(shape) < 0.5)
    if like.dtype.kind in "iu":
        low, high = (like.min(), like.max()) if like.size else (0, 1)
        return np.asarray(rng.integers(low, high, shape, endpoint=True)).astype(like.dtype)
    if like.dtype.kind in "OUS":
        return rng.choice(like.ravel(), shape)
    finite = like[np.isfinite(like)]
    middle, spread = (finite.mean(), finite.std() or 1.0) if finite.size else (0.0, 1.0)
    return np.asarray(rng.standard_normal(shape) * spread + middle).astype(like.dtype)


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
    """Whether two arrays differ in shape or dtype."""
    return expected.shape != got.shape or expected.dtype != got.dtype


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
