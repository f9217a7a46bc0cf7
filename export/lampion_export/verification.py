"""Eager beside exported: on the example, on fresh inputs, at other sizes of every dynamic axis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lampion.tape import grad_enabled
from lampion.tensor import Tensor
from lampion_edge import Session
from lampion_export.errors import ExportError
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
    function: Callable[..., Any],
    session: Session,
    example: Example,
    dynamic: Dynamic,
    *,
    rtol: float = 1e-4,
    atol: float = 1e-5,
) -> Report:
    """Compares `function` run eagerly with the exported model in `session`.

    Floating point outputs may differ by atol + rtol * (largest magnitude of that output); all others not at all. Raises
    ExportError for a dynamic axis along which the function takes no size but the example's.
    """
    names = [spec.name for spec in session.outputs]
    checks = []
    for what, inputs in _cases(function, names, example, dynamic):
        checks.append(_compare(what, run_eagerly(function, inputs, names), session.run(inputs), rtol, atol))
    return Report(tuple(checks))


def run_eagerly(function: Callable[..., Any], inputs: Example, names: list[str]) -> Outputs:
    """What the function gives for arrays, as arrays by output name."""
    from lampion.ops.create import from_numpy

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


def _cases(
    function: Callable[..., Any], names: list[str], example: Example, dynamic: Dynamic
) -> Iterator[tuple[str, Example]]:
    """What to feed, with a name for each."""
    rng = np.random.default_rng(0)
    yield "example", example
    for i in range(3):
        yield f"random {i + 1}", {name: _noise(array, array.shape, rng) for name, array in example.items()}
    for axis in axis_names(dynamic):
        yield from _sizes(function, names, example, dynamic, axis, rng)


def _sizes(
    function: Callable[..., Any],
    names: list[str],
    example: Example,
    dynamic: Dynamic,
    axis: str,
    rng: np.random.Generator,
) -> Iterator[tuple[str, Example]]:
    """The inputs at other sizes of one axis; sizes that the function itself refuses are left out."""
    taken, refused = 0, ""
    for size in OTHER_SIZES:
        inputs = {
            name: _noise(
                array,
                tuple(size if dynamic.get(name, {}).get(i) == axis else n for i, n in enumerate(array.shape)),
                rng,
            )
            for name, array in example.items()
        }
        if all(inputs[name].shape == array.shape for name, array in example.items()):
            continue
        try:
            run_eagerly(function, inputs, names)
        except Exception as error:
            refused = str(error)
            continue
        taken += 1
        yield f"{axis} = {size}", inputs
    if not taken:
        raise ExportError(
            f"dynamic: axis {axis!r} cannot vary: the model takes no size but the example's ({refused})",
            hint=f"leave {axis!r} out of `dynamic`",
        )


def _noise(like: Array, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Random numbers in the range of `like`: an example of indices gives indices that exist."""
    if like.dtype.kind == "b":
        return rng.random(shape) < 0.5
    low, high = (like.min(), like.max()) if like.size else (0, 1)
    if like.dtype.kind in "iu":
        return rng.integers(low, high, shape, endpoint=True).astype(like.dtype)
    spread = like.std() or 1.0
    return (rng.standard_normal(shape) * spread + like.mean()).astype(like.dtype)


def _compare(what: str, want: Outputs, got: Mapping[str, Array], rtol: float, atol: float) -> Check:
    """The output that uses up most of what it is allowed."""
    worst = Check(what, 0.0, atol)
    for name, expected in want.items():
        check = Check(what, distance(expected, got[name]), allowance(expected, rtol, atol))
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


def distance(expected: Array, got: Array) -> float:
    """The largest absolute difference; infinite for another shape or dtype, or nan and infinity in other places."""
    if expected.shape != got.shape or expected.dtype != got.dtype:
        return float("inf")
    if expected.dtype.kind != "f":
        return float(np.count_nonzero(expected != got))
    equal = (expected == got) | (np.isnan(expected) & np.isnan(got))
    if equal.all():
        return 0.0
    difference = np.abs(expected.astype(np.float64) - got.astype(np.float64))[~equal]
    return float("inf") if np.isnan(difference).any() else float(difference.max())
