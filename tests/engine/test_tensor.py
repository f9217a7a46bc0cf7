"""What a Tensor is, its way to Python and numpy, memory that is shared, and what it refuses."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from op_errors import REFUSALS, Refusal

import lampion


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda r: r.name)
def test_refusals_name_what_is_wrong(refusal: Refusal) -> None:
    with pytest.raises(refusal.error, match=refusal.message):
        refusal.call(lampion)


# ---- to Python and numpy --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype", "shape"),
    [
        (1, "int64", ()), (1.5, "float32", ()), (True, "bool", ()), (1j, "complex64", ()), ([], "float32", (0,)),
        ([1, 2], "int64", (2,)), ([1, 2.5], "float32", (2,)), ([[True], [False]], "bool", (2, 1)), ((1, 2), "int64", (2,)),
        (np.float64(1), "float64", ()), (np.ones(2), "float64", (2,)), (np.ones(2, np.uint8), "uint8", (2,)),
        ([np.float32(1), 2], "float32", (2,)),
    ],
)  # fmt: skip
def test_tensor_takes_pytorchs_dtype(data: Any, dtype: str, shape: tuple[int, ...]) -> None:
    x = lampion.tensor(data)
    assert (x.dtype.name, tuple(x.shape)) == (dtype, shape)


def test_tensor_copies_and_from_numpy_shares() -> None:
    array = np.zeros(2)
    copied, shared = lampion.tensor(array), lampion.from_numpy(array)
    array[0] = 1
    assert (copied.tolist(), shared.tolist()) == ([0, 0], [1, 0])
    shared.add_(1)
    assert array.tolist() == [2, 1]


def test_numpy_and_array_give_the_numbers() -> None:
    x = lampion.arange(3)
    x.numpy()[0] = 5
    assert x.tolist() == [5, 1, 2]
    assert np.asarray(x).tolist() == [5, 1, 2]
    assert np.add(x.numpy(), 1).tolist() == [6, 2, 3]


def test_python_numbers() -> None:
    x = lampion.tensor(2.5)
    assert (x.item(), int(x), float(x), complex(x), bool(x)) == (2.5, 2, 2.5, 2.5 + 0j, True)
    assert [10, 20, 30][lampion.tensor(1)] == 20
    assert list(range(lampion.tensor(3))) == [0, 1, 2]
    assert len(lampion.ones(2, 3)) == 2
    assert [row.tolist() for row in lampion.ones(2, 1)] == [[1.0], [1.0]]
    assert 2 in lampion.arange(3)
    assert f"{x:.1f}" == "2.5"


def test_repr_shows_numbers_dtype_and_place_on_the_tape() -> None:
    x = lampion.tensor([1.5, 2.0], requires_grad=True)
    assert repr(x) == "tensor([1.5, 2. ], requires_grad=True)"
    assert repr(x * 2) == "tensor([3., 4.], grad_fn=Mul)"
    assert repr(lampion.tensor([1], dtype=lampion.int32)) == "tensor([1], dtype=lampion.int32)"


def test_copies_and_pickles() -> None:
    x = lampion.tensor([1.0, 2.0], requires_grad=True)
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert (y.tolist(), y.requires_grad, y.dtype) == ([1.0, 2.0], True, lampion.float32)
        with lampion.no_grad():
            y.zero_()
    assert x.tolist() == [1.0, 2.0]


# ---- memory ---------------------------------------------------------------------------------------------------------

VIEWS = {
    "row": (lambda x: x[0], [0, 1, 2]),
    "column": (lambda x: x[:, 1], [1, 4]),
    "step": (lambda x: x[:, ::2], [0, 2, 3, 5]),
    "reshape": (lambda x: x.reshape(-1), [0, 1, 2, 3, 4, 5]),
    "transposed": (lambda x: x.t(), [0, 1, 2, 3, 4, 5]),
    "view of a view": (lambda x: x.t()[1:][0], [1, 4]),
    "detached": (lambda x: x.detach(), [0, 1, 2, 3, 4, 5]),
    "data": (lambda x: x.data, [0, 1, 2, 3, 4, 5]),
    "split": (lambda x: x.split(1)[1], [3, 4, 5]),
    "unsqueezed": (lambda x: x.unsqueeze(0)[0, 0], [0, 1, 2]),
    "numpy and back": (lambda x: lampion.from_numpy(x.numpy()), [0, 1, 2, 3, 4, 5]),
}


@pytest.mark.parametrize(("view", "places"), VIEWS.values(), ids=VIEWS)
def test_a_view_writes_into_its_base(view: Any, places: list[int]) -> None:
    x = lampion.zeros(2, 3)
    view(x).add_(1)
    assert np.flatnonzero(x.numpy()).tolist() == places


@pytest.mark.parametrize(("view", "places"), VIEWS.values(), ids=VIEWS)
def test_a_base_writes_into_its_views(view: Any, places: list[int]) -> None:
    x = lampion.zeros(2, 3)
    seen = view(x)
    x.add_(1)
    assert seen.sum().item() == len(places)
    x[:, :] = 2
    assert seen.sum().item() == 2 * len(places)


@pytest.mark.parametrize(
    "copied",
    [lambda x: x.clone(), lambda x: x[[0, 1]], lambda x: x.t().reshape(-1), lambda x: x.flip(0), lambda x: x.double()],
)
def test_what_copies_does_not_write_back(copied: Any) -> None:
    x = lampion.zeros(2, 3)
    copied(x).add_(1)
    assert x.sum().item() == 0


def test_in_place_keeps_the_name_and_the_dtype() -> None:
    x = lampion.zeros(2, dtype=lampion.float16)
    same = x
    x += lampion.ones(2, dtype=lampion.float64)
    assert x is same
    assert x.dtype is lampion.float16


def test_setitem_converts_as_it_writes() -> None:
    x = lampion.zeros(3, dtype=lampion.int64)
    x[0], x[lampion.tensor([1])], x[lampion.tensor([False, False, True])] = 1.7, lampion.tensor(2.9), -1
    assert x.tolist() == [1, 2, -1]


def test_a_parameter_is_updated_under_no_grad_and_stays_a_leaf() -> None:
    w = lampion.ones(2, requires_grad=True)
    (w * 3).sum().backward()
    before = w._value
    with lampion.no_grad():
        w.sub_(w.grad)
        w[0] = 7
    assert w.tolist() == [7.0, -2.0]
    assert w._value is before
    assert w.is_leaf
    assert w.requires_grad


def test_numbers_changed_under_no_grad_keep_their_history() -> None:
    x = lampion.ones(2, requires_grad=True)
    y = x * 3
    with lampion.no_grad():
        y.add_(1)
    assert y.tolist() == [4.0, 4.0]
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3.0, 3.0]


def test_a_detached_tensor_follows_a_recorded_change() -> None:
    x = lampion.ones(2, requires_grad=True)
    y = x * 1
    seen = y.detach()
    y.mul_(x * 5)
    assert seen.tolist() == [5.0, 5.0]
    assert not seen.requires_grad


def test_assigning_data_shares_memory() -> None:
    x, other = lampion.ones(2, requires_grad=True), lampion.zeros(2)
    x.data = other
    other[0] = 3
    assert x.tolist() == [3.0, 0.0]
    assert x.requires_grad


# ---- memory it shares -----------------------------------------------------------------------------------------------


def test_dlpack_shares_memory_both_ways() -> None:
    x = lampion.tensor([1.0, 2.0])
    array = np.from_dlpack(x)
    y = lampion.from_dlpack(array)
    y.add_(1)
    assert (array.tolist(), x.tolist()) == ([2.0, 3.0], [2.0, 3.0])
    assert x.__dlpack_device__() == (1, 0)
    with pytest.raises(RuntimeError, match="detach"):
        np.from_dlpack(lampion.ones(1, requires_grad=True))


def test_a_buffer_is_looked_at() -> None:
    buffer = bytearray(np.arange(4, dtype=np.float32).tobytes())
    x = lampion.frombuffer(buffer, dtype=lampion.float32, count=2, offset=4)
    x.zero_()
    assert np.frombuffer(buffer, np.float32).tolist() == [0.0, 0.0, 0.0, 3.0]


def test_where_its_elements_lie() -> None:
    x = lampion.zeros(2, 3, 4)
    part = x[1, :, 1:]
    assert (part.stride(), part.stride(0), part.storage_offset()) == ((4, 1), 4, 13)
    assert (x.nbytes, x.itemsize, x.nelement(), x.ndimension()) == (96, 4, 24, 3)
    assert x.permute(2, 0, 1).dim_order() == (1, 2, 0)
    assert part.layout is lampion.strided


def test_memory_formats_change_the_order_and_not_the_numbers() -> None:
    x = lampion.arange(24.0).reshape(1, 2, 3, 4)
    y = x.contiguous(memory_format=lampion.channels_last)
    assert (y.stride(), y.tolist()) == ((24, 1, 8, 2), x.tolist())
    assert y.is_contiguous(memory_format=lampion.channels_last)
    assert not y.is_contiguous()
    assert y.contiguous().stride() == x.stride()
    assert x.to(lampion.float64, memory_format=lampion.channels_last).stride() == (24, 1, 8, 2)


def test_views_write_to_what_they_look_at() -> None:
    x = lampion.zeros(3, 4)
    x.diagonal(1).fill_(1)
    x.unfold(1, 2, 2)[0].add_(2)
    x.as_strided((2,), (5,), 4).mul_(7)
    assert x.tolist() == [[2.0, 3.0, 2.0, 2.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]


def test_as_strided_counts_from_the_start_of_the_memory() -> None:
    x = lampion.arange(6.0)[2:]
    assert x.as_strided((2,), (1,)).tolist() == [2.0, 3.0]
    assert x.as_strided((2,), (1,), 3).tolist() == [3.0, 4.0]
    with pytest.raises(RuntimeError, match="reach outside the 4 elements"):
        x.as_strided((2,), (1,), 1)


# ---- in place -------------------------------------------------------------------------------------------------------


def test_every_method_with_an_underscore_has_one_without() -> None:
    methods = [n for n in dir(lampion.Tensor) if n.endswith("_") and not n.startswith("_")]
    own = {"apply_", "copy_", "fill_", "fill_diagonal_", "map_", "requires_grad_", "zero_"}
    own |= {
        n
        for n in methods
        if n[:-1] in ("cauchy", "exponential", "geometric", "log_normal", "normal", "random", "uniform")
    }
    assert [n for n in methods if not hasattr(lampion.Tensor, n[:-1]) and n not in own] == []


def test_python_functions_are_applied() -> None:
    x = lampion.tensor([1.0, 4.0])
    assert x.apply_(lambda n: n + 1).tolist() == [2.0, 5.0]
    assert x.map_(lampion.tensor(3.0), max).tolist() == [3.0, 5.0]


def test_shapes_change_in_place_and_the_memory_stays() -> None:
    x = lampion.arange(6.0).reshape(2, 3)
    row = x[0]
    assert x.t_().shape == (3, 2)
    assert x.unsqueeze_(0).squeeze_().swapaxes_(0, 1).shape == (2, 3)
    x.zero_()
    assert row.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda x: x.lt_(lampion.ones(2, 2)), RuntimeError, r"\[2, 2\] doesn't match"),
        (lambda x: x.long().exp_(), RuntimeError, "can't be cast"),
        (lambda x: x.expand(2, 2).sin_(), RuntimeError, r"clone\(\)"),
    ],
)
def test_what_does_not_fit_in_place_is_refused(change: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        change(lampion.ones(2))
