"""Replays golden samples: does this machine compute what the exporting one did?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from lampion_edge.errors import EdgeError
from lampion_edge.golden import Array, Golden


@dataclass(frozen=True)
class SampleCheck:
    """One golden sample replayed; `error` says why it couldn't be compared, `max_abs_error` is None then."""

    index: int
    ok: bool
    max_abs_error: float | None
    error: str | None = None


@dataclass(frozen=True)
class Verification:
    """All golden samples replayed. `ok` is None when the file carries none: nothing was shown either way."""

    samples: tuple[SampleCheck, ...]

    @property
    def ok(self) -> bool | None:
        return all(sample.ok for sample in self.samples) if self.samples else None

    def __str__(self) -> str:
        if not self.samples:
            return "nothing to replay: the file carries no golden samples"
        good = sum(sample.ok for sample in self.samples)
        worst = max((sample.max_abs_error or 0.0 for sample in self.samples), default=0.0)
        how = "bit for bit" if good == len(self.samples) and not worst else f"largest error {worst:.3g}"
        return f"{good} of {len(self.samples)} golden samples agree, {how}"


Run = Callable[[Mapping[str, object]], dict[str, Array]]


def replay(golden: Golden | None, run: Run) -> Verification:
    """Runs every sample and compares; a sample that can't be run counts as not ok."""
    samples = golden.samples if golden else ()
    return Verification(tuple(_check(index, golden, run) for index in range(len(samples)) if golden))


def _check(index: int, golden: Golden, run: Run) -> SampleCheck:
    inputs, known = golden.samples[index]
    try:
        got = run(inputs)
    except EdgeError as error:
        return SampleCheck(index, False, None, str(error))
    for name, want in known.items():
        shown = _shown(got[name]) if name in got else "no such output"
        if shown != _shown(want):
            return SampleCheck(index, False, None, f"output {name!r}: expected {_shown(want)}, got {shown}")
    ok = all(_close(got[name], want, golden) for name, want in known.items())
    worst = max((_distance(got[name], want) for name, want in known.items()), default=0.0)
    return SampleCheck(index, ok, worst)


def _shown(array: Array) -> str:
    return f"{'string' if array.dtype.kind in 'OU' else array.dtype} {list(array.shape)}"


def _close(got: Array, want: Array, golden: Golden) -> bool:
    """Floats within the tolerance; integers, texts and truths exactly: class 7 is not nearly class 8."""
    if want.dtype.kind not in "fc":
        return bool(np.array_equal(got, want))
    return bool(np.allclose(got, want, rtol=golden.rtol, atol=golden.atol, equal_nan=True))


def _distance(got: Array, want: Array) -> float:
    """Largest absolute difference; what is equal (NaNs and infinities too) is 0 apart, unequal texts infinitely."""
    if want.dtype.kind not in "iufc":
        return 0.0 if np.array_equal(got, want) else np.inf
    with np.errstate(invalid="ignore"):
        apart = np.abs(got.astype(np.complex128) - want.astype(np.complex128))
    same = (got == want) | ((got != got) & (want != want))
    return float(np.max(np.nan_to_num(np.where(same, 0.0, apart), nan=np.inf, posinf=np.inf), initial=0.0))
