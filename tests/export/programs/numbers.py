"""Python's numbers and functions on traced values: int, float, bool, item, len, min, max, round, math, sizes."""

from __future__ import annotations

import math

from export.programs.inputs import COUNTS, NUMBERS, ROWS, TOKENS, UP, VECTORS, floats, int_, ints, noise
from export.programs.program import program

import lampion as torch
from lampion import Tensor


@program(*NUMBERS)
def int_of_float(x: Tensor) -> Tensor:
    n = int(x)
    if n > 1:
        return torch.tensor(n * 2)
    return torch.tensor(n - 1)


@program(*NUMBERS)
def float_of_item(x: Tensor) -> Tensor:
    v = x.item() * 2.0
    while v > 3:
        v = v / 2 - 0.1
    return torch.tensor(v)


@program(*COUNTS)
def true_division(n: Tensor) -> Tensor:
    k = n.item()
    if k / 2 > 1.4:
        return torch.tensor(k / 2)
    return torch.tensor(k / 4)


@program(*VECTORS)
def bool_of_tensor(x: Tensor) -> Tensor:
    some, every = bool((x > 3).any()), bool((x > 0).all())
    if some != every:
        return x + 1
    return x * int(some) - int(every)


@program(*VECTORS)
def minimum_of_sizes(x: Tensor) -> Tensor:
    n = min(len(x), 4)
    m = max(x.shape[0] - 3, 1)
    return x[:n].sum() * m


@program(*VECTORS)
def minimum_of_items(x: Tensor) -> Tensor:
    a, b = x[0].item(), x[-1].item()
    return torch.tensor(max(a, b) - min(a, b, 0.5))


@program(*VECTORS)
def maximum_of_tensors(x: Tensor) -> Tensor:
    best = max(x[0], x[-1])
    return best - min(x[0] * 2, x.sum(), x[-1])


@program(*VECTORS)
def builtins_over_a_tensor(x: Tensor) -> Tensor:
    return sum(x) + max(x) * min(x)


@program(*NUMBERS)
def absolute_and_round(x: Tensor) -> Tensor:
    v = abs(float(x))
    r = round(v)
    return torch.tensor(r) + torch.tensor(v)


@program(*NUMBERS)
def math_functions(x: Tensor) -> Tensor:
    v = x.item()
    y = math.exp(-abs(v)) + math.sin(v) + math.sqrt(v * v + 1)
    if math.floor(v) % 2 == 0:
        y = y + math.pi
    return torch.tensor(y + math.ceil(v))


@program(*COUNTS, int_(16))
def log_of_size(n: Tensor) -> Tensor:
    k = int(n) + 1
    bits = math.ceil(math.log2(k))
    return torch.zeros(bits + 1) + k


@program(*COUNTS)
def zeros_of_traced_size(n: Tensor) -> Tensor:
    k = int(n)
    return torch.cat([torch.zeros(k), torch.ones(2 * k + 1)])


@program(*COUNTS)
def arange_of_traced_size(n: Tensor) -> Tensor:
    return torch.arange(n.item() + 2) * 3 - torch.arange(1, n.item() + 3)


@program(*ROWS)
def ones_like_rows(x: Tensor) -> Tensor:
    mask = torch.ones(x.shape[0], x.shape[0])
    if x.shape[0] > 2:
        mask = torch.tril(mask)
    return mask @ x


@program(*ROWS)
def full_of_item(x: Tensor) -> Tensor:
    return torch.full((x.shape[0], 2), x.sum().item())


@program(noise(4, 6), noise(2, 3, seed=1), noise(1, 4, seed=2), noise(6, 2, seed=3), axes={"x": {0: "n", 1: "m"}})
def reshape_by_size(x: Tensor) -> Tensor:
    n, m = x.shape
    if n % 2 == 0:
        return x.view(n // 2, 2 * m).sum(0)
    return x.reshape(m, n).sum(1)


@program(*VECTORS)
def traced_slices(x: Tensor) -> Tensor:
    k = int((x > 0).sum())
    return torch.cat([x[:k], x[k:] * 10, x[-1:]])


@program(*VECTORS)
def traced_slice_ends(x: Tensor) -> Tensor:
    start = int(x.argmax()) // 2
    stop = start + 2
    return x[start:stop] - x[start]


@program(*TOKENS)
def traced_index(x: Tensor) -> Tensor:
    place = 0
    for _ in range(4):
        place = int(x[place]) % len(x)
    return x[place] + place


@program(*VECTORS)
def pads_to_multiple(x: Tensor) -> Tensor:
    rest = len(x) % 8
    if rest:
        x = torch.nn.functional.pad(x, (0, 8 - rest))
    return x.reshape(-1, 8)


@program(*VECTORS)
def chunks(x: Tensor) -> Tensor:
    total = torch.zeros(3)
    for start in range(0, len(x), 3):
        piece = x[start : start + 3]
        total[: len(piece)] += piece
    return total


@program(*VECTORS)
def sliding_windows(x: Tensor) -> Tensor:
    width = min(3, len(x))
    return torch.stack([x[i : i + width].amax() for i in range(len(x) - width + 1)])


@program(*TOKENS)
def bits(x: Tensor) -> Tensor:
    n = int(x.sum())
    count = 0
    while n > 0:
        count += n & 1
        n >>= 1
    return torch.tensor(count)


@program(*TOKENS)
def floor_division_and_remainder(x: Tensor) -> Tensor:
    q, r = divmod(int(x.sum()) - 10, 4)
    return torch.tensor([q, r, -q // 3, -r % 5])


@program(*COUNTS)
def power_of_int(n: Tensor) -> Tensor:
    k = n.item()
    return torch.tensor([k**2, 2 * k**3, (-k) ** 2])


@program(*VECTORS)
def size_arithmetic(x: Tensor) -> Tensor:
    n = x.shape[0]
    m = (3 * n + 4) // 2 - n % 3
    if m >= 2 * n:
        m = n
    return torch.zeros(m) + n / m


@program(*VECTORS)
def mixes_int_and_float(x: Tensor) -> Tensor:
    n, v = len(x), x.sum().item()
    if v > n:
        v = v - n
    else:
        v = n - v
    return x * v / n


@program(*VECTORS)
def sorts_known(x: Tensor) -> Tensor:
    order = sorted([3, 1, 2])
    y = x
    for k in order:
        if x.sum() > k:
            y = y + k
    return y


@program(*VECTORS)
def any_and_all_of_list(x: Tensor) -> Tensor:
    signs = [x.sum() > 0, x[0] > 0, len(x) > 4]
    if all(signs):
        return x + 1
    if any(signs):
        return x - 1
    return x


@program((UP, ints(0, 2)), (-UP, ints(1)), (UP[:1], ints(0, 0, 0)), (UP[:2] * 2, ints(1, 0)))
def shapes_compared(x: Tensor, i: Tensor) -> Tensor:
    y = x[i]
    if y.shape == x.shape:
        return y - x
    if y.shape[0] < x.shape[0]:
        return y
    return y * 2


@program(*TOKENS)
def numbers_as_flags(x: Tensor) -> Tensor:
    seen_zero, seen_large = False, False
    for v in x:
        seen_zero = seen_zero or bool(v == 0)
        seen_large |= bool(v > 5)
    return torch.tensor(seen_zero and not seen_large)


@program(floats(3, 1, 2), floats(1), floats(-1, -5), floats(0.5, 0.25, 0.125, 1))
def infinity(x: Tensor) -> Tensor:
    best = float("inf")
    for v in x:
        best = min(best, v.item())
    worst = -math.inf
    for v in x:
        if v.item() > worst:
            worst = v.item()
    return torch.tensor([best, worst])
