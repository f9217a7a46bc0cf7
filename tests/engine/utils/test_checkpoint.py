"""checkpoint: the same gradients from fewer kept arrays."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

import lampion
from lampion import autograd, nn
from lampion.tape import Node
from lampion.utils.checkpoint import checkpoint, checkpoint_sequential


def kept(y: Any) -> int:
    """How many arrays the graph of `y` holds."""
    found: dict[int, Any] = {}
    nodes: list[Node] = [y._value.node]
    while nodes:
        node = nodes.pop()
        found |= {id(v.data): v for v in node.inputs or ()} | {id(d): d for d in node.data}
        nodes += [v.node for v in node.inputs or () if v.node is not None]
    return len(found)


def network() -> Any:
    lampion.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))


def test_gradients_are_those_without_it_and_less_is_kept() -> None:
    net, x = network(), lampion.ones(3, 4, requires_grad=True)
    wanted = [x, *net.parameters()]
    lampion.manual_seed(2)
    plain = net(x).square().sum()
    lampion.manual_seed(2)
    again = checkpoint(net, x, use_reentrant=False).square().sum()
    assert again.item() == plain.item()
    assert kept(again) < kept(plain)
    for got, want in zip(autograd.grad(again, wanted), autograd.grad(plain, wanted), strict=True):
        assert got is not None
        assert want is not None
        assert got.tolist() == want.tolist()


def test_what_lies_before_is_walked_once() -> None:
    w = lampion.tensor([2.0], requires_grad=True)
    before = w * w
    y = checkpoint(lambda x: (x * before).exp(), before)
    (y * before).sum().backward()
    v = w.detach().requires_grad_()
    ((v**4).exp() * v * v).sum().backward()
    assert w.grad is not None
    assert v.grad is not None
    assert w.grad.item() == pytest.approx(v.grad.item(), rel=1e-6)


def test_it_differentiates_twice() -> None:
    x, w = (lampion.tensor([a, 0.5], dtype=lampion.float64, requires_grad=True) for a in (0.3, 0.7))
    assert autograd.gradgradcheck(lambda x, w: checkpoint(lambda z: (z * w).exp(), x * x), (x, w))


def test_several_outputs_and_one_that_nobody_uses() -> None:
    x = lampion.tensor([1.0, 2.0], requires_grad=True)
    y, _ = checkpoint(lambda x: (x * x, x.exp()), x)
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 4.0]


def test_random_numbers_go_on_after_backward_as_without_it() -> None:
    x = lampion.ones(50, requires_grad=True)
    lampion.manual_seed(5)
    y = checkpoint(lambda x: nn.functional.dropout(x, 0.5), x)
    after = lampion.rand(3).tolist()
    lampion.manual_seed(5)
    y = checkpoint(lambda x: nn.functional.dropout(x, 0.5), x)
    y.sum().backward()
    assert lampion.rand(3).tolist() == after
    assert x.grad is not None
    assert x.grad.tolist() == y.tolist()


def test_segments_of_a_sequence() -> None:
    net, x = network().eval(), lampion.ones(3, 4, requires_grad=True)
    got = autograd.grad(checkpoint_sequential(net, 3, x).sum(), x)[0]
    want = autograd.grad(net(x).sum(), x)[0]
    assert got is not None
    assert want is not None
    assert got.tolist() == want.tolist()


def test_nothing_to_differentiate_is_passed_on() -> None:
    x = lampion.ones(2)
    assert checkpoint(lambda x: x * 2, x).grad_fn is None
    with autograd.no_grad():
        assert checkpoint(lambda x: x * 2, x.requires_grad_()).grad_fn is None


def test_other_results_are_refused() -> None:
    with pytest.raises(TypeError, match=r"expected function to give a Tensor, .* got dict"):
        checkpoint(lambda x: {"y": x}, lampion.ones(2, requires_grad=True))


def test_it_leaves_nothing_behind() -> None:
    x = lampion.ones(2, requires_grad=True)
    gc.collect()
    gc.disable()
    try:
        y = checkpoint(lambda x: x.exp(), x)
        node = weakref.ref(y._value.node)
        y.sum().backward()
        del y
        assert node() is None
    finally:
        gc.enable()
