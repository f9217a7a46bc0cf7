"""Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict."""

from __future__ import annotations

from itertools import pairwise

import pytest

import lampion
from lampion import nn


def layers(*sizes: int) -> list[nn.Linear]:
    return [nn.Linear(a, b) for a, b in pairwise(sizes)]


@pytest.mark.parametrize("kind", [lambda ms: nn.Sequential(*ms), nn.ModuleList])
def test_lists_of_modules(kind: object) -> None:
    a, b, c = layers(2, 3, 4, 5)
    several = kind([a, b])  # type: ignore[operator]
    several.append(c)
    assert list(several) == [a, b, c]
    assert (len(several), several[-1], several[0]) == (3, c, a)
    assert list(several[1:]) == [b, c]
    assert type(several[1:]) is type(several)
    new = nn.Identity()
    several[1] = new
    assert list(several) == [a, new, c]
    several.insert(1, b)
    assert list(several) == [a, b, new, c]
    assert several.pop(2) is new
    del several[0]
    assert list(several.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert list(several.extend([a])) == [b, c, a]
    with pytest.raises(IndexError, match="index 3 is out of range for 3 modules"):
        several[3]


def test_sequential_runs_in_order_and_takes_names() -> None:
    net = nn.Sequential({"first": nn.Linear(2, 3), "second": nn.ReLU()})
    assert list(net.state_dict()) == ["first.weight", "first.bias"]
    assert net.second is net[1]
    assert net(lampion.zeros(4, 2)).shape == (4, 3)
    assert list(net[:1].state_dict()) == ["first.weight", "first.bias"]
    assert nn.Sequential()(5) == 5


def test_module_dict() -> None:
    a, b = layers(2, 3, 4)
    named = nn.ModuleDict({"a": a})
    named["b"] = b
    named.update({"c": nn.ReLU()})
    assert list(named) == list(named.keys()) == ["a", "b", "c"]
    assert list(named.values())[:2] == [a, b]
    assert dict(named.items())["a"] is a
    del named["c"]
    assert ("c" in named, "a" in named, len(named)) == (False, True, 2)
    assert list(named.state_dict()) == ["a.weight", "a.bias", "b.weight", "b.bias"]
    with pytest.raises(KeyError):
        named["c"]


def test_parameter_list_and_dict() -> None:
    several = nn.ParameterList([lampion.zeros(2), nn.Parameter(lampion.ones(3))]).append(lampion.zeros(1))
    assert list(several.state_dict()) == ["0", "1", "2"]
    assert (len(several), several[-1].shape, [len(p) for p in several]) == (3, (1,), [2, 3, 1])
    assert all(p.requires_grad for p in several)
    with pytest.raises(IndexError, match="index 3 is out of range for 3 parameters"):
        several[3]
    named = nn.ParameterDict({"w": lampion.zeros(2)})
    named["b"] = nn.Parameter(lampion.zeros(1))
    assert list(named.state_dict()) == list(named) == ["w", "b"]
    assert ("w" in named, len(named), named["b"].shape) == (True, 2, (1,))
    assert [k for k, _ in named.items()] == list(named.keys())
    assert [len(p) for p in named.values()] == [2, 1]
