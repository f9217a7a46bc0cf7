"""The rest of the language: assert, try, with, del, print, f-strings, walrus in loops, star assignments, globals."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

from export.programs.inputs import COUNTS, NUMBERS, ROWS, TOKENS, UP, VECTORS, floats, int_, ints
from export.programs.program import program

import lampion as torch
from lampion import Tensor

SCALE = 3


@program(*VECTORS[2:4], floats(1, 2), floats(0.5, 0.1, 9), violating=[floats(-1, 1), floats(0, 0, 0)])
def asserts_values(x: Tensor) -> Tensor:
    assert x.amin() > 0, "only positive numbers have a logarithm"
    return x.log()


@program(*ROWS[:4], violating=[UP[:0], -UP[:0]])
def asserts_a_size(x: Tensor) -> Tensor:
    assert x.shape[0] > 0
    if x.sum() < 0:
        assert x.shape[0] < 100, f"{x.shape[0]} rows are too many"
    return x.amax(0)


@program(floats(1, 2, 3), floats(4), floats(2, 2), floats(-1, 5), violating=[floats(-3, 1), floats(0)])
def raises(x: Tensor) -> Tensor:
    if x.sum() <= 0:
        raise ValueError("the numbers must have a positive sum")
    return x / x.sum()


@program(floats(1, 2, 3), floats(4), floats(2, 2), floats(8, 5), violating=[floats(-3, 1), floats(5, 0, 1)])
def asserts_in_a_loop(x: Tensor) -> Tensor:
    total = torch.tensor(0.0)
    for v in x:
        assert v > 0
        if v > 2:
            total = total + v
    return total


@program(*ROWS)
def try_around(x: Tensor) -> Tensor:
    try:
        y = x.missing_method()
    except AttributeError:
        y = x * 2
    finally:
        z = y + 1
    return z


@program(*ROWS)
def with_no_grad(x: Tensor) -> Tensor:
    with torch.no_grad():
        if x.sum() > 0:
            x = x * 2
    return x


@contextlib.contextmanager
def nothing_around() -> Iterator[int]:
    yield 5


@program(*ROWS)
def with_as(x: Tensor) -> Tensor:
    with nothing_around() as five, contextlib.suppress(KeyError):
        while x.abs().amax() > 0.5:
            x = x / five
    return x


@program(*ROWS)
def deletes(x: Tensor) -> Tensor:
    temporary = x * 2
    if temporary.sum() > 0:
        y = temporary + 1
    else:
        y = temporary - 1
    del temporary
    return y


@program(*ROWS)
def prints(x: Tensor) -> Tensor:
    if x.sum() > 0:
        print("positive")
        x = x + 1
    return x


@program(*ROWS)
def global_constant(x: Tensor) -> Tensor:
    for _ in range(SCALE):
        if x.sum() < SCALE:
            x = x + 0.5
    return x * SCALE


@program(*TOKENS)
def walrus_in_while(x: Tensor) -> Tensor:
    i, total = 0, 0
    while (v := int(x[i % len(x)]) + i) < 12:
        total += v
        i += 1
    return torch.tensor(total)


@program(*ROWS)
def swaps_and_stars(x: Tensor) -> Tensor:
    a, (b, *c) = x[:, 0], x.unbind(1)
    if a.sum() > 0:
        a, c[0] = c[0], a
    return a - c[0] + b


@program(*ROWS)
def product_and_chain(x: Tensor) -> Tensor:
    for i, j in itertools.product(range(2), range(3)):
        if x.sum() > i * j:
            x = x - 0.1 * j
    for k in itertools.chain((1, 2), [3]):
        x = x + k if x.sum() < 0 else x
    return x


@program(*COUNTS)
def annotated(n: Tensor) -> Tensor:
    total: int = 0
    i: int
    for i in range(n.item()):
        total += i
    return torch.tensor(total)


@program(*NUMBERS)
def types_asked(x: Tensor) -> Tensor:
    if isinstance(x, Tensor) and x.dtype == torch.float32 and x.ndim == 0:
        x = x * 2
    if hasattr(x, "sum") and x > 1:
        x = x + 1
    return x


@program((floats(1, 2, 3), int_(1)), (floats(4, 5), int_(0)), (floats(1), int_(0)), (floats(6, 7, 8, 9), int_(3)))
def string_by_static_name(x: Tensor, i: Tensor) -> Tensor:
    f = {"a": torch.sin, "b": torch.cos}[f"{'ab'[1]}"]
    return f(x)[i] if x.sum() > 8 else f(x)[0]


@program((UP, ints(0, 1)), (-UP, ints(1, 1, 1)), (UP[:1], ints(0)), (UP * 3, ints(1, 0, 1, 0)))
def several_loops_in_a_row(x: Tensor, flags: Tensor) -> Tensor:
    n = 0
    for f in flags:
        if f > 0:
            n += 1
    for _ in range(n):
        x = x * 0.5
    while x.abs().amax() > 1:
        x = x - x.sign() * 0.25
        n -= 1
    return x + n
