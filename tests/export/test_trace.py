"""Whatever would turn a traced value into a Python one refuses, with file, line, expression and remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lampion
from lampion import nn
from lampion.errors import UntraceableError
from lampion_export.errors import ExportError, UnsupportedError
from lampion_export.trace import check_dynamic, named_example, trace

X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
BATCH = {"x": {0: "batch"}}


def to_int(x: Any) -> Any:
    return x.sum(int(x.argmax() * 0))


def to_numpy(x: Any) -> Any:
    return x * x.numpy().mean()


def numpy_function(x: Any) -> Any:
    return lampion.tensor(np.exp(x))


def numpy_of_a_list(x: Any) -> Any:
    return lampion.tensor(np.stack([x, x]))


def to_list(x: Any) -> Any:
    return x * x.tolist()[0][0]


def other_dtype(x: Any) -> Any:
    y = x.long() if x.sum() > 0 else x
    return y * 2


def assigned_on_one_way(x: Any) -> Any:
    if x.sum() < 100:
        y = x
    return y + 1


def next_item_on_one_way(x: Any) -> Any:
    numbers = iter([1.0, 2.0])
    if x.sum() < 100:
        x = x * next(numbers)
    return x


def step_of_a_range(x: Any) -> Any:
    return sum(x[i] for i in range(0, 3, int(x.argmax()) + 1))


REFUSED = [
    (to_int, "x.sum("),
    (to_numpy, "x.numpy()"),
    (numpy_function, "np.exp(x)"),
    (numpy_of_a_list, "np.stack([x, x])"),
    (to_list, "x.tolist()"),
    (other_dtype, "y * 2"),
    (assigned_on_one_way, "y + 1"),
    (next_item_on_one_way, "next(numbers)"),
    (step_of_a_range, "range(0, 3"),
]


@pytest.mark.parametrize(("function", "expression"), REFUSED, ids=lambda v: getattr(v, "__name__", None))
def test_a_choice_is_never_baked_in(function: Callable[..., Any], expression: str) -> None:
    function(lampion.from_numpy(X))  # runs eagerly
    with pytest.raises(UntraceableError) as caught:
        trace(function, {"x": X}, BATCH)
    first = function.__code__.co_firstlineno
    line = int(caught.value.where.rpartition(":")[2])
    assert caught.value.where.startswith(__file__)
    assert first <= line <= first + 4
    assert expression in caught.value.expression
    assert "instead:" in str(caught.value)


FIXED = [
    ("shape of a fixed axis", lambda x: x * 2 if x.shape[1] == 3 else x),
    ("loop over a fixed axis", lambda x: sum(x[:, i] for i in range(x.shape[1]))),
    ("rows of a transposed tensor", lambda x: sum(column for column in x.t())),
    ("what holds at every size", lambda x: x * 2 if x.shape[0] + 1 > x.shape[0] else x),
    ("equal sizes", lambda x: x * 2 if x.shape[0] == (x + 1).shape[0] else x),
]


@pytest.mark.parametrize(("what", "function"), FIXED, ids=[what for what, _ in FIXED])
def test_what_is_known_stays_python(what: str, function: Callable[..., Any]) -> None:
    assert trace(function, {"x": X}, BATCH).nodes


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", lampion.zeros(1))

    def forward(self, x: Any) -> Any:
        self.calls += 1
        return x * self.calls


class Keeping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("last", lampion.zeros(4, 3))

    def forward(self, x: Any) -> Any:
        self.last.copy_(x)
        return self.last * 2


@pytest.mark.parametrize(("module", "dynamic"), [(Counting(), BATCH), (Keeping(), {})], ids=["counts", "keeps"])
def test_a_module_that_changes_its_state_is_refused_and_put_back(module: nn.Module, dynamic: Any) -> None:
    before = {name: t.numpy().copy() for name, t in module.named_buffers()}
    with pytest.raises((UnsupportedError, UntraceableError), match=r"forward changes|shares memory"):
        trace(module, {"x": X}, dynamic)
    assert {name: t.numpy().tolist() for name, t in module.named_buffers()} == {
        n: a.tolist() for n, a in before.items()
    }


def test_a_module_is_traced_in_eval_mode_and_left_as_it_was() -> None:
    module = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(3))
    module[1].eval()
    traced = trace(module, {"input": X}, {"input": {0: "batch"}})
    assert module.training
    assert module[0].training
    assert not module[1].training
    assert len(traced.nodes) == 2  # batch norm as one multiplication and one addition


def test_in_place_on_a_view_of_a_traced_value_changes_what_it_looks_at() -> None:
    def function(x: Any) -> Any:
        y = x * 1
        y[:, 0].add_(1.0)
        return y

    traced = trace(function, {"x": X}, BATCH)
    [output] = traced.outputs.values()
    assert type(output.node.op).__name__ == "Put"


def test_in_place_on_a_traced_value_is_an_ordinary_op() -> None:
    def function(x: Any) -> Any:
        y = x * 1
        y.add_(1.0)
        return y

    assert [type(n.op).__name__ for n in trace(function, {"x": X}, BATCH).nodes] == ["Mul", "Add"]


@pytest.mark.parametrize(
    ("dynamic", "message"),
    [
        ({"y": {0: "batch"}}, "no input 'y'; the inputs are x"),
        ({"x": {2: "batch"}}, r"axis 2 is outside the example's shape \[4, 3\]"),
        ({"x": {0: "n", 1: "n"}}, r"axis 'n' is 4 in x\[0\] and 3 in x\[1\]"),
    ],
)
def test_dynamic_axes_must_fit_the_example(dynamic: Any, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        check_dynamic({"x": X}, dynamic)


@pytest.mark.parametrize(
    ("example", "shapes"),
    [
        (X, {"x": (4, 3)}),
        ((2, 3), {"x": (2, 3)}),
        ((X, (5,)), {"x": (4, 3), "y": (5,)}),
        ({"y": X, "x": lampion.zeros(2)}, {"y": (4, 3), "x": (2,)}),
    ],
)
def test_examples_are_arrays_tensors_or_shapes(example: Any, shapes: dict[str, tuple[int, ...]]) -> None:
    def function(x: Any, y: Any = None) -> Any:
        return x

    assert {name: a.shape for name, a in named_example(function, example).items()} == shapes


@pytest.mark.parametrize("example", [(X, X, X), {"x": object()}])
def test_a_wrong_example_says_so(example: Any) -> None:
    def function(x: Any, y: Any) -> Any:
        return x

    with pytest.raises(ExportError, match="example"):
        named_example(function, example)
