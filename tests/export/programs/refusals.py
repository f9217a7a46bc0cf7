"""What can't become a graph, or would need what ONNX has not: refused, with the place, the reason and a remedy."""

from __future__ import annotations

from typing import Any

from export.programs.inputs import COUNTS, ROWS, TOKENS, VECTORS
from export.programs.program import refused

import lampion as torch
from lampion import Tensor


def countdown(n: Tensor) -> Tensor:
    if n <= 0:
        return n
    return countdown(n - 2)


@refused("a loop", cases=COUNTS)
def recursion_by_data(n: Tensor) -> Tensor:
    return countdown(n)


@refused("float32", "int64", cases=ROWS)
def another_dtype(x: Tensor) -> Tensor:
    if x.sum() > 0:
        y = x * 2
    else:
        y = x.long()
    return y


@refused("float32", "int64", cases=ROWS)
def another_dtype_in_a_loop(x: Tensor) -> Tensor:
    total = torch.zeros(3, dtype=torch.long)
    for row in x:
        total = total + row
    return total


@refused("dims", cases=ROWS)
def another_rank(x: Tensor) -> Tensor:
    if x.sum() > 0:
        return x
    return x.sum(0)


@refused("dims", cases=ROWS)
def another_rank_in_a_loop(x: Tensor) -> Tensor:
    y = x
    while y.sum() > 1:
        y = y[None] * 0.5
    return y.sum()


@refused("tuple", cases=ROWS)
def another_structure(x: Tensor) -> Any:
    if x.sum() > 0:
        return x, x
    return x


@refused("numpy", cases=ROWS)
def leaves_for_numpy(x: Tensor) -> Tensor:
    total = float(x.numpy().sum())
    return x * total


@refused("missing", cases=ROWS)
def undefined_on_one_way(x: Tensor) -> Tensor:
    if x.sum() > -1000:
        missing = x * 2
    return missing


@refused("sorted", cases=VECTORS)
def sorts_traced_items(x: Tensor) -> Tensor:
    return torch.stack(sorted(x, key=lambda v: v.item()))


@refused("{n.item()}", "printed", cases=COUNTS)
def text_of_a_number(n: Tensor) -> Tensor:
    return torch.tensor(len(f"{n.item()}"))


@refused("dict", cases=TOKENS)
def dict_by_traced_key(x: Tensor) -> Tensor:
    seen: dict[int, int] = {}
    for token in x:
        key = int(token)
        seen[key] = seen.get(key, 0) + 1
    return torch.tensor(max(seen.values()))


@refused("set", cases=TOKENS)
def set_of_traced_items(x: Tensor) -> Tensor:
    return torch.tensor(len({int(token) for token in x}))


@refused("try", cases=VECTORS)
def catches_by_data(x: Tensor) -> Tensor:
    try:
        if x.sum() > 0:
            raise ValueError("positive")
    except ValueError:
        return x * 2
    return x
