"""Module: registration, walking, state, hooks, conversion, printing."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import lampion
from lampion import nn


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(lampion.ones(2))
        self.inner = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2, bias=False))
        self.register_buffer("count", lampion.tensor(0))
        self.register_buffer("passing", lampion.zeros(1), persistent=False)
        self.plain = [1, 2]

    def forward(self, x: lampion.Tensor, factor: float = 1.0) -> lampion.Tensor:
        return self.inner(x) * self.scale * factor


KEYS = ["scale", "count", "inner.0.weight", "inner.0.bias", "inner.2.weight"]


def test_names_and_order() -> None:
    block = Block()
    assert list(block.state_dict()) == KEYS
    assert [n for n, _ in block.named_parameters()] == [k for k in KEYS if k != "count"]
    assert [n for n, _ in block.named_parameters(prefix="m", recurse=False)] == ["m.scale"]
    assert [n for n, _ in block.named_buffers()] == ["count", "passing"]
    assert [n for n, _ in block.named_modules()] == ["", "inner", "inner.0", "inner.1", "inner.2"]
    assert [n for n, _ in block.named_children()] == ["inner"]
    assert block.get_submodule("inner.0") is block.inner[0]
    assert block.get_parameter("inner.0.bias") is block.inner[0].bias
    assert block.get_buffer("count") is block.count


def test_shared_modules_and_parameters_come_once() -> None:
    layer = nn.Linear(2, 2)
    both = nn.Sequential(layer, layer)
    assert len(list(both.parameters())) == 2
    assert len(list(both.named_parameters(remove_duplicate=False))) == 4
    assert list(both.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    tied = nn.Sequential(nn.Embedding(4, 3), nn.Linear(3, 4, bias=False))
    tied[1].weight = tied[0].weight
    assert [n for n, _ in tied.named_parameters()] == ["0.weight"]
    assert list(tied.state_dict()) == ["0.weight", "1.weight"]


def test_calling_passes_arguments_and_hooks_change_them() -> None:
    block, x = Block(), lampion.randn(4, 2)
    plain = block(x, factor=2.0).detach().numpy()
    seen: list[Any] = []
    before = block.register_forward_pre_hook(lambda module, args: (args[0] * 2, *args[1:]))
    after = block.register_forward_hook(lambda module, args, output: seen.append(args) or output + 1)
    hooked = block(x)
    np.testing.assert_array_equal(seen[0][0].numpy(), (x * 2).numpy())
    before.remove()
    after.remove()
    np.testing.assert_allclose(block(x * 2).detach().numpy() + 1, hooked.detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(block(x, 2.0).detach().numpy(), plain)


def test_assigned_state_keeps_its_dtype_and_memory() -> None:
    block, other = Block(), Block().double()
    block.scale.requires_grad_(False)
    state = other.state_dict() | {"inner.0.bias": other.inner[0].bias}
    block.load_state_dict(state, assign=True)
    assert {k: t.dtype for k, t in block.state_dict().items()} == {k: t.dtype for k, t in state.items()}
    assert [n for n, p in block.named_parameters() if not p.requires_grad] == ["scale"]
    assert block.inner[0].bias is other.inner[0].bias
    assert isinstance(block.inner[0].weight, nn.Parameter)
    with lampion.no_grad():
        state["scale"].add_(1)
    assert block.scale.tolist() == [2, 2]


def test_a_submodule_is_replaced_or_added_by_its_name() -> None:
    block = Block()
    relu, gelu = nn.ReLU(), nn.GELU()
    block.set_submodule("inner.1", gelu)
    block.set_submodule("inner.last", relu)
    assert (block.inner[1], block.inner.last) == (gelu, relu)
    for target, kind, strict in (
        ("inner.other", AttributeError, True),
        ("nowhere.x", AttributeError, False),
        ("", ValueError, False),
        ("plain", AttributeError, False),
    ):
        with pytest.raises(kind, match="submodule"):
            block.set_submodule(target, relu, strict)


def test_state_dict_round_trip_copies_and_shares() -> None:
    one, two = Block(), Block()
    state = one.state_dict()
    assert two.load_state_dict(state) == ([], [])
    for k, t in two.state_dict().items():
        np.testing.assert_array_equal(t.numpy(), state[k].numpy())
    with lampion.no_grad():
        one.scale.add_(1)
    np.testing.assert_array_equal(state["scale"].numpy(), [2, 2])  # a state dict looks at the module's memory
    np.testing.assert_array_equal(two.scale.detach().numpy(), [1, 1])  # a load copies


def test_load_state_dict_takes_arrays_and_other_dtypes() -> None:
    layer = nn.Linear(2, 1)
    layer.load_state_dict({"weight": np.array([[1.0, 2.0]]), "bias": lampion.tensor([3], dtype=lampion.float16)})
    assert layer.weight.dtype is lampion.float32
    assert layer.weight.tolist() == [[1.0, 2.0]]
    assert layer.bias.tolist() == [3.0]


def test_load_state_dict_tells_everything_that_differs_and_changes_nothing() -> None:
    block = Block()
    before = {k: t.clone() for k, t in block.state_dict().items()}
    state: dict[str, Any] = {k: t + 1 for k, t in before.items()}
    del state["inner.0.bias"]
    state["other"] = lampion.zeros(1)
    state["scale"] = lampion.zeros(5)
    with pytest.raises(RuntimeError) as caught:
        block.load_state_dict(state)
    for part in ("Block", "missing keys: inner.0.bias", "unexpected keys: other", "scale: the module has [2]", "[5]"):
        assert part in str(caught.value)
    for k, t in block.state_dict().items():
        np.testing.assert_array_equal(t.numpy(), before[k].numpy())
    state["scale"] = before["scale"] + 1
    assert block.load_state_dict(state, strict=False) == (["inner.0.bias"], ["other"])
    assert block.count.item() == 1


def test_train_eval_apply_and_gradients() -> None:
    block = Block()
    assert block.eval() is block
    assert not any(m.training for m in block.modules())
    assert all(m.training for m in block.train().modules())
    seen: list[Any] = []
    block.apply(seen.append)
    assert seen[-1] is block
    assert len(seen) == 5
    block(lampion.randn(3, 2)).sum().backward()
    assert all(p.grad is not None for p in block.parameters())
    block.zero_grad(set_to_none=False)
    assert all(p.grad is not None and not p.grad.numpy().any() for p in block.parameters())
    block.zero_grad()
    assert all(p.grad is None for p in block.parameters())
    assert not any(p.requires_grad for p in block.requires_grad_(False).parameters())


def test_to_converts_floating_point_only_and_keeps_identity() -> None:
    block = Block()
    scale = block.scale
    block.to("cpu", dtype=lampion.float64)
    assert block.scale is scale
    assert {p.dtype for p in block.parameters()} == {lampion.float64}
    assert block.count.dtype is lampion.int64
    assert block.half().scale.dtype is lampion.float16
    assert block.float().passing.dtype is lampion.float32


def test_attributes_are_replaced_and_deleted() -> None:
    block = Block()
    block.scale = nn.Parameter(lampion.zeros(2))
    assert list(block.state_dict()) == KEYS  # in its old place
    block.inner = nn.Identity()
    assert list(block.state_dict()) == ["scale", "count"]
    block.count = lampion.tensor(7)
    assert block.state_dict()["count"].item() == 7
    block.scale = None
    assert list(block.state_dict()) == ["count"]
    del block.count
    assert not hasattr(block, "count")
    block.plain = nn.Linear(1, 1)
    assert "plain.weight" in block.state_dict()


def test_copies_are_independent() -> None:
    block = Block()
    for twin in (copy.deepcopy(block), pickle.loads(pickle.dumps(block))):
        assert list(twin.state_dict()) == KEYS
        with lampion.no_grad():
            twin.scale.add_(1)
        assert block.scale.tolist() == [1, 1]
        assert all(isinstance(p, nn.Parameter) for p in twin.parameters())


def test_repr_is_a_tree() -> None:
    assert repr(Block()) == (
        "Block(\n  (inner): Sequential(\n    (0): Linear(in_features=2, out_features=3, bias=True)\n    (1): ReLU()\n"
        "    (2): Linear(in_features=3, out_features=2, bias=False)\n  )\n)"
    )
    assert repr(nn.Conv2d(1, 2, 3, padding=1, bias=False)) == (
        "Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)"
    )
    assert repr(nn.LSTM(2, 3, num_layers=2)) == "LSTM(2, 3, num_layers=2)"
    assert repr(nn.Parameter(lampion.zeros(1))).startswith("Parameter containing:\ntensor([0.]")


def test_parameter_shares_memory_and_stays_a_leaf() -> None:
    data = lampion.zeros(3)
    p = nn.Parameter(data)
    with lampion.no_grad():
        p.add_(1)
    assert data.tolist() == [1, 1, 1]
    assert p.is_leaf
    assert p.requires_grad
    assert not nn.Parameter(lampion.tensor([1]), requires_grad=False).requires_grad
