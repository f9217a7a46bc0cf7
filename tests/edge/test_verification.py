from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from lampion_edge import Golden, RunError
from lampion_edge.verification import replay

FLOATS = np.array([1.0, np.nan, np.inf], np.float32)


def one(known: Any, got: Any, **tolerance: float) -> Any:
    """The check of one sample whose output is known to be `known` and came out as `got`."""
    golden = Golden((({}, {"y": np.asarray(known)}),), **tolerance)
    (sample,) = replay(golden, lambda _: {"y": np.asarray(got)}).samples
    return sample


@pytest.mark.parametrize(
    ("known", "got", "ok", "error"),
    [
        (FLOATS, FLOATS, True, 0),
        (np.float32([1]), np.float32([1.0009]), True, 0.0009),
        (np.float32([1]), np.float32([1.002]), False, 0.002),
        (np.float32([0]), np.float32([1e-6]), True, 1e-6),
        (np.float32([0]), np.float32([1e-3]), False, 1e-3),
        (np.float32([0]), np.float32([np.nan]), False, np.inf),
        (np.float32([np.inf]), np.float32([0]), False, np.inf),
        (np.float32([np.inf]), np.float32([-np.inf]), False, np.inf),
        ([2000], [2000], True, 0),
        ([2000], [2001], False, 1),
        ([True], [False], False, np.inf),
        (["a"], np.array(["a"], object), True, 0),
        (["a"], np.array(["b"], object), False, np.inf),
        (np.zeros((0, 3)), np.zeros((0, 3)), True, 0),
    ],
)
def test_comparison(known: Any, got: Any, ok: bool, error: float) -> None:
    sample = one(known, got)
    assert sample.ok is ok
    assert sample.max_abs_error == pytest.approx(error, rel=1e-2)


def test_tolerances_count() -> None:
    assert one([1.0], [1.4], rtol=0.5, atol=0).ok
    assert one([0.0], [0.4], rtol=0, atol=0.5).ok
    assert not one([1.0], [1.4], rtol=0, atol=0).ok


@pytest.mark.parametrize(
    ("known", "got", "words"),
    [
        (np.zeros(2), np.zeros(3), "output 'y': expected float64 [2], got float64 [3]"),
        (np.zeros(1), np.zeros(1, np.float32), "output 'y': expected float64 [1], got float32 [1]"),
    ],
)
def test_what_cannot_be_compared_is_not_ok(known: Any, got: Any, words: str) -> None:
    sample = one(known, got)
    assert (sample.ok, sample.max_abs_error, sample.error) == (False, None, words)


def test_a_missing_output_is_not_ok() -> None:
    (sample,) = replay(Golden((({}, {"y": np.zeros(1)}),)), lambda _: {}).samples
    assert (sample.ok, sample.error) == (False, "output 'y': expected float64 [1], got no such output")


def test_a_sample_that_fails_does_not_hide_the_others() -> None:
    def run(inputs: Mapping[str, object]) -> dict[str, Any]:
        if "bad" in inputs:
            raise RunError("no")
        return {"y": np.zeros(1)}

    known = {"y": np.zeros(1)}
    result = replay(Golden((({"bad": np.zeros(1)}, known), ({}, known))), run)
    assert [(sample.ok, sample.error) for sample in result.samples] == [(False, "no"), (True, None)]
    assert (result.ok, str(result)) == (False, "1 of 2 golden samples agree, largest error 0")


@pytest.mark.parametrize("golden", [None, Golden(())])
def test_nothing_to_replay_is_neither_good_nor_bad(golden: Golden | None) -> None:
    result = replay(golden, lambda _: {})
    assert result.ok is None
    assert "nothing to replay" in str(result)
