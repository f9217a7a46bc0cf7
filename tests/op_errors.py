"""The one table of refusals: calls that PyTorch refuses too, with the error's type and what the message names.

`call(t)` takes the module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Refusal(NamedTuple):
    """A call, and how it is refused."""

    name: str
    call: Callable[[Any], Any]
    error: type[Exception]
    message: str


def ints(t: Any) -> Any:
    return t.tensor([1, 2, 3])


def leaf(t: Any) -> Any:
    return t.ones(2, requires_grad=True)


def walked_twice(t: Any) -> None:
    y = leaf(t).exp().sum()
    y.backward()
    y.backward()


def gradient_walked_twice(t: Any) -> None:
    x = leaf(t)
    y = (x * x).sum()
    t.autograd.grad(y, x)
    t.autograd.grad(y, x)


def overwritten(t: Any) -> None:
    y = leaf(t).exp()
    y.detach().mul_(2)
    y.sum().backward()


REFUSALS = [
    Refusal(*row)
    for row in (
        ("add of shapes", lambda t: t.ones(2, 3) + t.ones(4), RuntimeError, r"\[2, 3\] and \[4\]"),
        ("where of shapes", lambda t: t.where(t.ones(2) > 0, t.ones(3), 0.0), RuntimeError, r"\[2\].*\[3\]"),
        ("where of floats", lambda t: t.where(t.ones(2), 1.0, 0.0), RuntimeError, "dtype bool, got .*float32"),
        ("sub of bools", lambda t: (t.ones(2) > 0) - (t.ones(2) > 0), RuntimeError, "bool"),
        ("neg of bools", lambda t: -(t.ones(2) > 0), RuntimeError, "neg.*bool"),
        ("not of floats", lambda t: t.bitwise_not(t.ones(2)), RuntimeError, "not.*float32"),
        ("and of floats", lambda t: t.ones(2) & t.ones(2), RuntimeError, "and.*float32"),
        ("floor of bools", lambda t: t.floor(t.ones(2) > 0), RuntimeError, "floor.*bool"),
        ("integer division by zero", lambda t: ints(t) // 0, RuntimeError, "division by zero"),
        ("integer remainder by zero", lambda t: ints(t) % 0, RuntimeError, "(?i)remainder.*by zero"),
        ("rounding mode", lambda t: t.div(ints(t), 2, rounding_mode="up"), RuntimeError, "'up'"),
        ("clamp without bounds", lambda t: t.clamp(t.ones(2)), RuntimeError, "min and max"),
        ("add of a string", lambda t: t.ones(2) + "1", TypeError, "str"),
        ("mean of ints", lambda t: ints(t).mean(), RuntimeError, "mean.*int64"),
        ("softmax of ints", lambda t: ints(t).softmax(0), RuntimeError, "softmax.*int64"),
        ("argmax of bools", lambda t: (t.ones(2) > 0).argmax(), RuntimeError, "argmax.*bool"),
        ("sum dim", lambda t: t.ones(2, 3).sum(2), IndexError, r"range of \[-2, 1\], but got 2"),
        ("sum dim twice", lambda t: t.ones(2, 3).sum((0, 0)), RuntimeError, "twice"),
        ("softmax dim", lambda t: t.ones(2).softmax(-2), IndexError, "but got -2"),
        ("max of nothing", lambda t: t.ones(0).max(), RuntimeError, "no elements|empty"),
        ("max along nothing", lambda t: t.ones(2, 0).max(1), IndexError, "dim 1.*no elements"),
        ("argmax of nothing", lambda t: t.ones(2, 0).argmax(1), IndexError, "dim 1.*no elements"),
        ("amax of nothing", lambda t: t.ones(2, 0).amax(1), IndexError, "dim 1.*no elements"),
        ("reshape", lambda t: t.ones(2, 3).reshape(4), RuntimeError, r"\[4\].*(6|\[2, 3\])"),
        ("reshape with two -1", lambda t: t.ones(2, 3).reshape(-1, -1), RuntimeError, "-1"),
        ("reshape by -2", lambda t: t.ones(2, 3).reshape(-2, 3), RuntimeError, "-2"),
        ("flatten backwards", lambda t: t.ones(2, 3).flatten(1, 0), RuntimeError, "start_dim"),
        ("permute of too few", lambda t: t.ones(2, 3).permute(0), RuntimeError, "(?i)dim"),
        ("permute twice", lambda t: t.ones(2, 3).permute(0, 0), RuntimeError, "permute"),
        ("transpose dim", lambda t: t.ones(2, 3).transpose(0, 2), IndexError, "but got 2"),
        ("t of three", lambda t: t.ones(2, 3, 4).t(), RuntimeError, "t"),
        ("squeeze dim", lambda t: t.ones(2, 1).squeeze(3), IndexError, "but got 3"),
        ("unsqueeze dim", lambda t: t.ones(2).unsqueeze(3), IndexError, "but got 3"),
        ("expand", lambda t: t.ones(2, 3).expand(4, 3), RuntimeError, "expand"),
        ("expand to fewer", lambda t: t.ones(2, 3).expand(3), RuntimeError, "expand"),
        ("cat of nothing", lambda t: t.cat([]), (RuntimeError, ValueError), "non-empty"),
        ("cat of shapes", lambda t: t.cat([t.ones(2, 3), t.ones(3, 4)]), RuntimeError, "(?i)sizes.*must match"),
        ("cat of ranks", lambda t: t.cat([t.ones(2, 3), t.ones(3)]), RuntimeError, "(?i)tensor"),
        ("stack of shapes", lambda t: t.stack([t.ones(2), t.ones(3)]), RuntimeError, "stack"),
        ("split sizes", lambda t: t.ones(5).split([2, 2]), RuntimeError, "split.*sum"),
        ("split into zeros", lambda t: t.ones(5).split(0), RuntimeError, "split"),
        ("chunk into none", lambda t: t.ones(5).chunk(0), RuntimeError, "chunk"),
        ("narrow beyond", lambda t: t.ones(5).narrow(0, 3, 4), RuntimeError, r"start \(?3\)?.*length \(?4\)?"),
        ("repeat too few", lambda t: t.ones(2, 3).repeat(2), RuntimeError, "repeat"),
        ("diag of three", lambda t: t.diag(t.ones(2, 2, 2)), RuntimeError, "diag"),
        ("tril of a vector", lambda t: t.tril(t.ones(2)), RuntimeError, "tril"),
        ("trace of a vector", lambda t: t.trace(t.ones(2)), RuntimeError, "trace"),
        ("index beyond", lambda t: t.ones(3)[3], IndexError, "index 3 is out of bounds for dimension 0 with"),
        ("index list beyond", lambda t: t.ones(3)[[0, 5]], IndexError, "index 5 is out of bounds"),
        ("too many indices", lambda t: t.ones(3)[0, 0], IndexError, "too many indices"),
        ("index by floats", lambda t: t.ones(3)[t.ones(1)], IndexError, "index"),
        ("mask of another shape", lambda t: t.ones(3)[t.ones(2) > 0], IndexError, r"mask \[2\].*\[3\]"),
        ("backward slice", lambda t: t.ones(3)[::-1], ValueError, "step"),
        ("setitem of shapes", lambda t: t.zeros(3).__setitem__(slice(0, 2), t.ones(3)), RuntimeError, r"\[3\].*\[2\]"),
        ("setitem beyond", lambda t: t.zeros(3).__setitem__(3, 1.0), IndexError, "index 3 is out of bounds"),
        ("gather rank", lambda t: t.ones(2, 3).gather(1, ints(t)), RuntimeError, "dimensions"),
        ("gather dtype", lambda t: t.ones(3).gather(0, t.ones(3)), RuntimeError, "int64"),
        ("gather beyond", lambda t: t.ones(3).gather(0, ints(t)), RuntimeError, "index 3 is out of bounds for dimension 0"),
        ("index_select beyond", lambda t: t.ones(3).index_select(0, ints(t)), IndexError, "out of (range|bounds)"),
        ("topk of too many", lambda t: t.ones(3).topk(4), RuntimeError, "k"),
        ("matmul of shapes", lambda t: t.ones(2, 3) @ t.ones(2, 3), RuntimeError, r"\[2, 3\] and \[2, 3\]|2x3 and 2x3"),
        ("matmul of dtypes", lambda t: t.ones(2, 2) @ t.ones(2, 2, dtype=t.float64), RuntimeError, "float.*(double|float64)"),
        ("matmul of a number", lambda t: t.matmul(t.ones(()), t.ones(2)), RuntimeError, "at least 1"),
        ("mm of a vector", lambda t: t.mm(t.ones(2), t.ones(2, 2)), RuntimeError, "mm"),
        ("bmm of matrices", lambda t: t.bmm(t.ones(2, 2), t.ones(2, 2)), RuntimeError, "bmm|3"),
        ("bmm of batches", lambda t: t.bmm(t.ones(1, 2, 2), t.ones(3, 2, 2)), RuntimeError, "batch"),
        ("mv of a matrix", lambda t: t.mv(t.ones(2, 2), t.ones(2, 2)), RuntimeError, "mv|vector"),
        ("dot of matrices", lambda t: t.dot(t.ones(2, 2), t.ones(2, 2)), RuntimeError, "dot|1D"),
        ("dot of lengths", lambda t: t.dot(t.ones(2), t.ones(3)), RuntimeError, "2.*3"),
        ("einsum operands", lambda t: t.einsum("ij,jk->ik", t.ones(2, 2)), (RuntimeError, ValueError), "operands"),
        ("einsum sizes", lambda t: t.einsum("ij,jk->ik", t.ones(2, 3), t.ones(2, 3)), RuntimeError, "3.*2|2.*3"),
        ("einsum result", lambda t: t.einsum("ij->ik", t.ones(2, 3)), RuntimeError, "(?i)result|output"),
        ("conv2d channels", lambda t: t.conv2d(t.ones(1, 3, 4, 4), t.ones(2, 2, 3, 3)), RuntimeError, "2 channels.*3"),
        ("conv2d rank", lambda t: t.conv2d(t.ones(4, 4), t.ones(2, 2, 3, 3)), RuntimeError, r"\[4, 4\]"),
        ("conv2d kernel too large", lambda t: t.conv2d(t.ones(1, 1, 2, 2), t.ones(1, 1, 3, 3)), RuntimeError, "(?i)kernel"),
        ("conv1d same", lambda t: t.conv1d(t.ones(1, 1, 4), t.ones(1, 1, 3), None, 2, "same"), RuntimeError, "same"),
        ("conv2d groups", lambda t: t.conv2d(t.ones(1, 2, 4, 4), t.ones(3, 1, 1, 1), groups=2), RuntimeError, "divisible"),
        ("pool padding", lambda t: t.nn.functional.max_pool1d(t.ones(1, 1, 4), 2, 1, 2), RuntimeError, "(?i)pad.* half"),
        ("item of several", lambda t: t.ones(2).item(), RuntimeError, "one element|2 elements"),
        ("bool of several", lambda t: bool(t.ones(2)), RuntimeError, "(?i)bool"),
        ("len of a number", lambda t: len(t.ones(())), TypeError, r"len\(\) of a 0-d tensor"),
        ("iteration of a number", lambda t: list(t.ones(())), TypeError, "iteration over a 0-d tensor"),
        ("index by a float tensor", lambda t: [1, 2][t.ones(())], TypeError, "integer"),
        ("ragged", lambda t: t.tensor([[1, 2], [3]]), ValueError, "length"),
        ("tensor of strings", lambda t: t.tensor(["a"]), (TypeError, ValueError), "str|number"),
        ("device", lambda t: t.ones(2, device="gpu0"), RuntimeError, "gpu0|device"),
        ("arange without step", lambda t: t.arange(0, 3, 0), RuntimeError, "(?i)step"),
        ("arange backwards", lambda t: t.arange(3, 0), RuntimeError, "bounds"),
        ("negative size", lambda t: t.ones(-1), RuntimeError, "-1"),
        ("in place shape", lambda t: t.ones(2).add_(t.ones(2, 2)), RuntimeError, r"\[2, 2\].*\[2\]"),
        ("in place dtype", lambda t: ints(t).add_(1.5), RuntimeError, "can't be cast"),
        ("in place on expanded", lambda t: t.ones(1).expand(3).add_(1), RuntimeError, "clone()"),
        ("in place on a leaf", lambda t: leaf(t).mul_(2), RuntimeError, "a leaf Variable that requires grad"),
        ("in place on a leaf's view", lambda t: leaf(t)[0].add_(1), RuntimeError, "leaf Variable that requires grad"),
        ("setitem of a leaf", lambda t: leaf(t).__setitem__(0, 1.0), RuntimeError, "leaf Variable that requires grad"),
        ("transposed in place leaf", lambda t: leaf(t).unsqueeze_(0), RuntimeError, "leaf"),
        ("freed graph", walked_twice, RuntimeError, "second time"),
        ("freed graph of a gradient", gradient_walked_twice, RuntimeError, "second time"),
        ("overwritten before backward", overwritten, RuntimeError, "modified by an inplace operation"),
        ("backward of several", lambda t: leaf(t).exp().backward(), RuntimeError, "scalar outputs"),
        ("backward of a constant", lambda t: t.ones(1).backward(), RuntimeError, "does not require grad"),
        ("gradient of another shape", lambda t: leaf(t).backward(t.ones(3)), RuntimeError, r"3.*2|2.*3"),
        ("unused input", lambda t: t.autograd.grad(leaf(t).sum(), leaf(t)), RuntimeError, "allow_unused"),
        ("numpy of a leaf", lambda t: leaf(t).numpy(), RuntimeError, "detach"),
        ("ints with gradient", lambda t: t.tensor([1], requires_grad=True), RuntimeError, "floating point"),
        ("device of a tensor", lambda t: t.ones(2).to("gpu0"), RuntimeError, "gpu0|device"),
        ("device of like", lambda t: t.zeros_like(t.ones(2), device="gpu0"), RuntimeError, "gpu0|device"),
        ("device of a generator", lambda t: t.Generator("gpu0"), RuntimeError, "gpu0|device"),
        ("no such function", lambda t: t.reluu, AttributeError, "'reluu'"),
        ("no such method", lambda t: t.ones(2).summ(), AttributeError, "'summ'"),
        ("no such layer", lambda t: t.nn.Linea, AttributeError, "'Linea'"),
        ("no such argument", lambda t: t.ones(2).sum(axes=0), TypeError, "axes"),
        ("no such attribute of a module", lambda t: t.nn.Linear(1, 1).wieght, AttributeError, "'Linear'.*'wieght'"),
        ("no such key", lambda t: t.nn.Linear(1, 1).load_state_dict({"w": t.ones(1, 1)}), RuntimeError, r"(?s)weight.*\bw\b"),
        ("reduce of a scatter", lambda t: t.ones(3).scatter(0, ints(t) - 1, t.ones(3), reduce="max"), RuntimeError,
         "max|multiply"),
        ("scatter dtypes", lambda t: t.ones(3).scatter(0, ints(t) - 1, ints(t)), RuntimeError, "dtype|type"),
        ("kthvalue of too many", lambda t: t.ones(3).kthvalue(4), RuntimeError, "out of range"),
        ("quantile of ints", lambda t: t.quantile(ints(t), 0.5), RuntimeError, "floating point|float or double"),
        ("diagonal of one dim", lambda t: t.ones(2, 2).diagonal(0, 1, 1), RuntimeError, "diagonal"),
        ("unfold too wide", lambda t: t.ones(3).unfold(0, 4, 1), RuntimeError, "size.* 4"),
        ("as_strided outside", lambda t: t.as_strided(t.ones(3), (4,), (1,)), RuntimeError, "outside|out of bounds"),
        ("hsplit uneven", lambda t: t.hsplit(t.ones(5), 2), RuntimeError, "5"),
        ("fliplr of a vector", lambda t: t.fliplr(t.ones(3)), RuntimeError, "(?i)fliplr|>= 2"),
        ("int to a negative power", lambda t: ints(t) ** -1, RuntimeError, "(?i)negative integer powers"),
        ("masked_scatter of too few", lambda t: t.zeros(3).masked_scatter(t.ones(3) > 0, t.ones(2)), RuntimeError,
         "source|elements"),
        ("lshift of floats", lambda t: t.bitwise_left_shift(t.ones(2), 1.0), RuntimeError,
         "(?i)not implemented|expected integers"),
        ("one_hot of floats", lambda t: t.nn.functional.one_hot(t.ones(2)), RuntimeError, "int64"),
        ("one_hot beyond", lambda t: t.nn.functional.one_hot(ints(t), 3), RuntimeError, "(?i)class"),
        ("dtype of int default", lambda t: t.set_default_dtype(t.int64), TypeError, "floating"),
        ("multinomial", lambda t: t.multinomial(t.ones(2), 3), RuntimeError, "sample"),
        ("memory for a GPU", lambda t: t.ones(2, pin_memory=True), RuntimeError, "accelerator|there is none"),
        ("ldl_solve of other rows", lambda t: t.linalg.ldl_solve(t.eye(3), ints(t).int(), t.ones(2, 2)), RuntimeError,
         "(?i)incompatible|expected pivots"),
        ("ldl_factor of a zero", lambda t: t.linalg.ldl_factor(t.zeros(2, 2)), RuntimeError, "(?i)singular|zero"),
        ("hash_tensor by another rule", lambda t: t.hash_tensor(t.ones(2), mode=1), RuntimeError, "(?i)mode"),
    )
]  # fmt: skip
