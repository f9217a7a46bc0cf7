"""Layers that learn the size of their input."""

from __future__ import annotations

import pytest

import lampion
from lampion import nn
from lampion.nn.utils import skip_init

KINDS = [
    (nn.LazyLinear, (3,), nn.Linear, (5, 4)),
    (nn.LazyConv1d, (6, 3, 1, 1, 1, 2), nn.Conv1d, (5, 4, 8)),
    (nn.LazyConvTranspose2d, (6, 3), nn.ConvTranspose2d, (5, 4, 7, 7)),
    (nn.LazyBatchNorm2d, (), nn.BatchNorm2d, (5, 4, 7, 7)),
    (nn.LazyInstanceNorm1d, (), nn.InstanceNorm1d, (5, 4, 7)),
]


@pytest.mark.parametrize(("kind", "args", "becomes", "shape"), KINDS)
def test_the_first_input_decides(
    kind: type[nn.Module], args: tuple[int, ...], becomes: type[nn.Module], shape: tuple[int, ...]
) -> None:
    lazy = kind(*args)
    before = list(lazy.parameters())
    out = lazy(lampion.randn(*shape))
    assert type(lazy) is becomes
    assert [id(p) for p in lazy.parameters()] == [id(p) for p in before]  # an optimizer made before knows them
    assert all(type(p) is nn.Parameter and p.numel() for p in before)
    plain = becomes(4, *args)
    assert repr(lazy) == repr(plain)
    plain.load_state_dict(lazy.state_dict())
    assert out.shape == plain(lampion.randn(*shape)).shape


def test_parameters_are_drawn_after_the_first_input() -> None:
    lazy = nn.LazyLinear(3)
    assert isinstance(lazy.weight, nn.UninitializedParameter)
    lazy(lampion.randn(5, 4))
    assert tuple(lazy.weight.shape) == (3, 4)
    assert bool((lazy.weight != 0).all())


def test_a_state_decides_as_well() -> None:
    plain, lazy = nn.Linear(4, 3), nn.LazyLinear(3)
    lazy.load_state_dict(plain.state_dict())
    x = lampion.randn(5, 4)
    assert lampion.equal(lazy(x), plain(x))
    assert type(lazy) is nn.Linear
    assert lazy.in_features == 4


def test_lazy_convolution_checks_its_groups() -> None:
    with pytest.raises(ValueError, match="LazyConv1d: expected channels divisible by groups 2, got 3"):
        nn.LazyConv1d(6, 3, groups=2)(lampion.randn(5, 3, 8))


def test_skip_init_draws_nothing() -> None:
    lampion.manual_seed(0)
    before = lampion.rand(1)
    lampion.manual_seed(0)
    module = skip_init(nn.Linear, 4, 3)
    assert type(module) is nn.Linear
    assert lampion.equal(lampion.rand(1), before)
