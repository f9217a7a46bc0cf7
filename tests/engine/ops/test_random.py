"""Random numbers: the same seed gives the same ones, from the distribution that was asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import lampion
from lampion.symbolic import Spec, SymInt
from lampion.tape import Trace, Value, recording, wrap

DRAWS: dict[str, Callable[[Any], Any]] = {
    "rand": lambda g: lampion.rand(2000, generator=g),
    "randn": lambda g: lampion.randn(2000, generator=g),
    "randint": lambda g: lampion.randint(-2, 5, (2000,), generator=g),
    "randperm": lambda g: lampion.randperm(2000, generator=g),
    "normal": lambda g: lampion.normal(3.0, 0.5, (2000,), generator=g),
    "bernoulli": lambda g: lampion.bernoulli(lampion.full((2000,), 0.3), generator=g),
    "multinomial": lambda g: lampion.multinomial(lampion.tensor([1.0, 0.0, 3.0]), 2000, True, generator=g),
    "poisson": lambda g: lampion.poisson(lampion.full((2000,), 4.0), generator=g),
    "exponential_": lambda g: lampion.zeros(2000).exponential_(2.0, generator=g),
    "geometric_": lambda g: lampion.zeros(2000, dtype=lampion.int64).geometric_(0.5, generator=g),
    "log_normal_": lambda g: lampion.zeros(2000).log_normal_(0.0, 0.25, generator=g),
    "arctangents of cauchy_": lambda g: lampion.zeros(2000).cauchy_(1.0, 2.0, generator=g).sub(1).div(2).atan(),
    "bernoulli_": lambda g: lampion.zeros(2000).bernoulli_(0.3, generator=g),
    "random_": lambda g: lampion.zeros(2000, dtype=lampion.int32).random_(-2, 5, generator=g),
    "random_ of bools": lambda g: lampion.zeros(2000, dtype=lampion.bool).random_(generator=g),
    "real parts of complex randn": lambda g: lampion.randn(2000, dtype=lampion.complex64, generator=g).real,
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_seed_gives_the_same_numbers_twice_and_goes_on(draw: Callable[[Any], Any]) -> None:
    source = lampion.Generator().manual_seed(7)
    first, second = draw(source).tolist(), draw(source).tolist()
    assert first == draw(lampion.Generator().manual_seed(7)).tolist()
    assert first != second


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_state_is_gone_back_to(draw: Callable[[Any], Any]) -> None:
    source = lampion.Generator().manual_seed(7)
    draw(source)
    state = source.get_state()
    first = draw(source).tolist()
    source.set_state(state)
    assert draw(source).tolist() == first


@pytest.mark.parametrize(
    ("name", "low", "high", "mean", "std"),
    [
        ("rand", 0, 1, 0.5, 12**-0.5), ("randn", -6, 6, 0, 1), ("randint", -2, 4, 1, 2), ("randperm", 0, 1999, 999.5, 577.5),
        ("normal", 0, 6, 3, 0.5), ("bernoulli", 0, 1, 0.3, 0.21**0.5), ("multinomial", 0, 2, 1.5, 0.75**0.5),
        ("poisson", 0, 20, 4, 2), ("exponential_", 0, 10, 0.5, 0.5), ("geometric_", 1, 30, 2, 2**0.5),
        ("log_normal_", 0.3, 3, 1.0317, 0.2620), ("arctangents of cauchy_", -1.571, 1.571, 0, 3.1416 / 12**0.5),
        ("bernoulli_", 0, 1, 0.3, 0.21**0.5), ("random_", -2, 4, 1, 2), ("random_ of bools", 0, 1, 0.5, 0.5),
        ("real parts of complex randn", -4, 4, 0, 0.5**0.5),
    ],
)  # fmt: skip
def test_range_mean_and_deviation(name: str, low: float, high: float, mean: float, std: float) -> None:
    x = DRAWS[name](lampion.Generator().manual_seed(3)).double()
    assert low <= x.min().item()
    assert x.max().item() <= high
    assert abs(x.mean().item() - mean) < 5 * std / 2000**0.5 + 1e-9
    assert abs(x.std().item() / std - 1) < 0.1


def test_randperm_and_draws_without_replacement_hold_everything_once() -> None:
    assert sorted(lampion.randperm(50).tolist()) == list(range(50))
    assert sorted(lampion.multinomial(lampion.ones(50), 50).tolist()) == list(range(50))


@pytest.mark.parametrize(
    ("draw", "says"),
    [
        (lambda: lampion.randint(3, 3, (2,)), "low < high, got 3 and 3"),
        (lambda: lampion.poisson(lampion.tensor([-1.0])), "at least 0"),
        (lambda: lampion.zeros(2).exponential_(0.0), "lambd > 0"),
        (lambda: lampion.zeros(2).geometric_(1.0), r"p in \(0, 1\)"),
    ],
)
def test_impossible_distributions_are_refused(draw: Callable[[], Any], says: str) -> None:
    with pytest.raises(RuntimeError, match=says):
        draw()


def test_integers_fit_the_dtype_and_shapes_may_be_named() -> None:
    assert lampion.randint_like(lampion.zeros(50), 1, 3).unique().tolist() == [1.0, 2.0]
    assert lampion.zeros(50, dtype=lampion.uint8).random_().max().item() < 255
    assert lampion.rand(size=(2, 3)).shape == lampion.randn(2, 3).shape == (2, 3)


def test_a_tensor_is_filled_in_place_in_its_own_dtype() -> None:
    lampion.manual_seed(1)
    x = lampion.zeros(1000, dtype=lampion.float64)
    assert 2 <= x.uniform_(2, 3).min().item() <= x.max().item() < 3
    assert abs(x.normal_(5, 0.1).mean().item() - 5) < 0.02
    assert x.dtype is lampion.float64


def test_while_tracing_a_draw_is_recorded_with_its_shape() -> None:
    with recording(Trace()) as trace:
        x = wrap(Value(Spec((SymInt.axis("batch"), 3), "float32")))
        y = lampion.rand_like(x)
    assert [type(node.op).__name__ for node in trace.nodes] == ["Uniform"]
    assert str(y._value.data) == "float32[batch, 3]"
