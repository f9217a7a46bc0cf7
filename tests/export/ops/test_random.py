"""Random numbers in the file: drawn anew in every run, of the distribution that eager ones have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lampion
from lampion.nn import functional as F
from lampion_edge import Session
from lampion_export import export
from lampion_export.card import complete_card
from lampion_export.errors import UnsupportedError
from lampion_export.exporter import build, serialized
from lampion_export.verification import verify

COUNT = 4000
WEIGHTS = [0.1, 0.0, 0.6, 0.3]


def weights_of(x: Any) -> Any:
    return lampion.tensor(WEIGHTS) + x[:, :1] * 0


# what is drawn for x [n, 4] of ones, whose rows are many; the means and deviations that its columns must have
DRAWN: dict[str, tuple[Callable[[Any], Any], float, float]] = {
    "rand": (lambda x: lampion.rand(x.shape[0], 2), 0.5, 12**-0.5),
    "rand_like": (lambda x: lampion.rand_like(x), 0.5, 12**-0.5),
    "rand float64": (lambda x: lampion.rand(x.shape[0], dtype=lampion.float64), 0.5, 12**-0.5),
    "randn": (lambda x: lampion.randn(x.shape[0], 2), 0, 1),
    "randn of a known shape": (lambda x: x[0, 0] * lampion.randn(COUNT), 0, 1),
    "normal": (lambda x: lampion.normal(x * 3, 2.0), 3, 2),
    "bernoulli": (lambda x: lampion.bernoulli(x * 0.25), 0.25, (0.25 * 0.75) ** 0.5),
    "randint": (lambda x: lampion.randint(-1, 4, (x.shape[0], 2)), 1, 2**0.5),
    "dropout": (lambda x: F.dropout(x, 0.25), 1, (1 / 0.75 - 1) ** 0.5),
    "exponential_": (lambda x: (x * 1).exponential_(2.0), 0.5, 0.5),
    "multinomial": (lambda x: weights_of(x).multinomial(1), 2.1, 0.83066),
    "multinomial with replacement": (lambda x: weights_of(x).multinomial(2, True), 2.1, 0.83066),
}


def session_of(function: Callable[[Any], Any], opset: int = 21) -> Session:
    model = build(function, {"x": np.ones((3, 4), np.float32)}, {"x": {0: "n"}}, opset)
    return Session(serialized(model, complete_card(None, "random", model.graph)))


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_drawn_has_the_distribution_of_the_eager_numbers(name: str) -> None:
    function, mean, deviation = DRAWN[name]
    x = np.ones((COUNT, 4), np.float32)
    session = session_of(lambda x: function(x))
    got = session.run({"x": x})["output"]
    eager = function(lampion.tensor(x)).numpy()
    assert (got.shape, got.dtype) == (eager.shape, eager.dtype)
    for numbers in (got, eager):
        columns = numbers.reshape(COUNT, -1).astype(np.float64)
        np.testing.assert_allclose(columns.mean(0), mean, atol=6 * deviation / COUNT**0.5)
        np.testing.assert_allclose(columns.std(0), deviation, rtol=0.15)
    again = session.run({"x": x})["output"]
    assert not np.array_equal(got, again)


def test_integers_take_every_value_in_range_and_no_other() -> None:
    got = session_of(lambda x: lampion.randint(-1, 4, (x.shape[0], 2))).run({"x": np.ones((COUNT, 4), np.float32)})
    assert set(np.unique(got["output"])) == {-1, 0, 1, 2, 3}


def test_multinomial_without_replacement_draws_each_class_once_and_none_of_weight_0() -> None:
    got = session_of(lambda x: weights_of(x).multinomial(3)).run({"x": np.ones((COUNT, 4), np.float32)})["output"]
    assert set(map(tuple, np.sort(got))) == {(0, 2, 3)}
    np.testing.assert_allclose(np.bincount(got[:, 0], minlength=4) / COUNT, WEIGHTS, atol=0.05)


def test_two_draws_differ() -> None:
    """The pass that joins equal nodes leaves random ones alone."""
    got = session_of(lambda x: (lampion.rand_like(x), lampion.rand_like(x))).run({"x": np.ones((3, 4), np.float32)})
    assert not np.array_equal(*got.values())


def test_randperm_is_drawn_in_the_graph() -> None:
    session = session_of(lambda x: lampion.randperm(20) + x[0, 0].to(lampion.int64) * 0)
    orders = [session.run({"x": np.ones((3, 4), np.float32)})["output"] for _ in range(2)]
    assert not np.array_equal(*orders)
    np.testing.assert_array_equal(np.sort(orders[0]), np.arange(20))


@pytest.mark.parametrize("name", ["rand", "randn", "randint", "dropout", "bernoulli"])
def test_opsets_for_which_there_are_no_kernels_are_refused_by_name(name: str) -> None:
    with pytest.raises(UnsupportedError, match=r"can't be exported at opset 22: .* up to opset 21"):
        session_of(DRAWN[name][0], 22)


def test_poisson_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"poisson can't be exported: .* draw outside"):
        session_of(lambda x: lampion.poisson(x))


def test_a_file_that_draws_is_compared_by_shape_and_has_no_golden_samples(tmp_path: Path) -> None:
    """What does not hang on the drawn numbers is compared as ever."""
    done = export(lambda x: (x * 2, F.dropout(x, 0.5)), (3, 4), tmp_path / "drawn.onnx", quiet=True)
    assert "dtype and shape alone" in str(done.report)
    session = Session(done.path)
    assert session.verify().ok is None
    x = np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(session.run({"x": x})["output_0"], x * 2)


def test_a_drawn_output_of_another_dtype_is_a_mismatch() -> None:
    session = session_of(lambda x: (x * 2, lampion.rand_like(x)))
    example = {"x": np.ones((3, 4), np.float32)}
    for function, ok in (
        (lambda x: (x * 2, lampion.rand_like(x)), True),
        (lambda x: (x * 2, lampion.rand_like(x).double()), False),
        (lambda x: (x * 3, lampion.rand_like(x)), False),
    ):
        assert verify(function, session, example, {}, drawn={"output_1"}).ok is ok
