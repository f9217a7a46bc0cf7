"""Writing in place: augmented assignment, index assignment, in-place methods, views that alias, in branches and loops."""

from __future__ import annotations

from export.programs.inputs import COUNTS, ROWS, TOKENS, UP, VECTORS, floats, int_, ints, noise
from export.programs.program import program, refused

import lampion as torch
from lampion import Tensor


@program(*ROWS)
def augmented(x: Tensor) -> Tensor:
    y = x * 1
    if x.sum() > 0:
        y += 1
    else:
        y *= 2
    y -= x
    return y


@program(*ROWS)
def method_in_branch(x: Tensor) -> Tensor:
    y = x.clone()
    if y.amax() > 1:
        y.mul_(0.5).add_(1)
    else:
        y.clamp_(min=-1)
    return y


@program(*ROWS)
def method_in_loop(x: Tensor) -> Tensor:
    y = x.clone()
    while y.abs().amax() > 0.2:
        y.div_(2)
    return y


@program(*ROWS)
def writes_a_row(x: Tensor) -> Tensor:
    y = x.clone()
    for i in range(y.shape[0]):
        if y[i].sum() > 2:
            y[i] = y[i] * 10
        else:
            y[i] = 0
    return y


@program(*ROWS)
def writes_elements(x: Tensor) -> Tensor:
    y = torch.zeros_like(x)
    for i in range(x.shape[0]):
        for j in range(3):
            y[i, j] = x[i, 2 - j] * (i + j)
    return y


@program(*ROWS)
def writes_by_mask(x: Tensor) -> Tensor:
    y = x.clone()
    y[y > 1] = 0
    if y.sum() > 0:
        y[y < 0.8] = -1
    return y


@program(*ROWS)
def writes_a_slice(x: Tensor) -> Tensor:
    n = x.shape[0] // 2
    buffer = torch.zeros(x.shape[0], 3)
    buffer[:n] = x[:n]
    if x.sum() > 0:
        buffer[n:] = x[n:] * 2
    return buffer


@program(*VECTORS)
def writes_into_a_buffer(x: Tensor) -> Tensor:
    buffer = torch.zeros(12)
    n = len(x)
    buffer[:n] = x
    if n < 6:
        buffer[n : 2 * n] += x.flip(0)
    return buffer


@program(*ROWS)
def through_a_view(x: Tensor) -> Tensor:
    y = x.clone()
    first = y[0]
    if y.sum() > 0:
        first += 100
    else:
        first.zero_()
    return y


@program(*ROWS)
def through_a_view_in_a_loop(x: Tensor) -> Tensor:
    y = x.clone()
    column = y[:, 1]
    for i in range(y.shape[0]):
        column[i] = column[i] * 2 + i
    return y


@program(*ROWS)
def seen_through_a_view(x: Tensor) -> Tensor:
    y = x.clone()
    last = y[-1]
    if x.sum() > 0:
        y *= 2
    return last + y[0]


@program(*ROWS)
def rows_are_views(x: Tensor) -> Tensor:
    y = x.clone()
    for row in y:
        if row.sum() > 0:
            row *= -1
    return y


@program(*ROWS)
def alias_of_a_name(x: Tensor) -> Tensor:
    y = x.clone()
    z = y
    if x.sum() > 0:
        z += 5
    return y + z


@program(*ROWS)
def rebinds_instead(x: Tensor) -> Tensor:
    y = x.clone()
    z = y
    if x.sum() > 0:
        z = z + 5
    return y + z


@program(*ROWS)
def helper_writes(x: Tensor) -> Tensor:
    def normalize(row: Tensor) -> None:
        if row.abs().sum() > 1:
            row /= row.abs().sum()

    y = x.clone()
    for i in range(len(y)):
        normalize(y[i])
    return y


@program(*TOKENS)
def histogram(x: Tensor) -> Tensor:
    counts = torch.zeros(10, dtype=torch.long)
    for v in x:
        counts[v] += 1
    return counts


@refused("prime[2 * i :: i]", cases=TOKENS)
def sieve(x: Tensor) -> Tensor:
    n = int(x.sum()) + 2
    prime = torch.ones(n, dtype=torch.bool)
    prime[:2] = False
    for i in range(2, n):
        if prime[i]:
            prime[2 * i :: i] = False
    return prime


@program(*VECTORS)
def prefix_sums(x: Tensor) -> Tensor:
    y = x.clone()
    for i in range(1, len(y)):
        y[i] += y[i - 1]
    return y


@program(*VECTORS)
def insertion_sort(x: Tensor) -> Tensor:
    y = x.clone()
    for i in range(1, len(y)):
        v = y[i].clone()
        j = i - 1
        while j >= 0 and y[j] > v:
            y[j + 1] = y[j]
            j -= 1
        y[j + 1] = v
    return y


@program(*VECTORS)
def swaps_ends(x: Tensor) -> Tensor:
    y = x.clone()
    left, right = 0, len(y) - 1
    while left < right:
        if y[left] < y[right]:
            kept = y[left].item()
            y[left] = y[right]
            y[right] = kept
        left += 1
        right -= 1
    return y


@program(*COUNTS)
def copies_into(n: Tensor) -> Tensor:
    y = torch.zeros(3, dtype=torch.long)
    if n > 2:
        y.copy_(n * torch.ones(3, dtype=torch.long))
    else:
        y.fill_(7)
    y[-1] = n
    return y


@program(*ROWS)
def state_of_the_input(x: Tensor) -> Tensor:
    x[0] = 0
    if x.sum() > 0:
        x[:, 2] += 3
    return x


@program(noise(3, 4), noise(1, 2, seed=1), noise(2, 3, seed=2), noise(5, 2, seed=3), axes={"x": {0: "n", 1: "m"}})
def path_sums(x: Tensor) -> Tensor:
    """The cheapest way from the top left to the bottom right."""
    n, m = x.shape
    cost = torch.zeros(n, m)
    for i in range(n):
        for j in range(m):
            if i == 0 and j == 0:
                best = torch.tensor(0.0)
            elif i == 0:
                best = cost[i, j - 1]
            elif j == 0:
                best = cost[i - 1, j]
            else:
                best = torch.minimum(cost[i - 1, j], cost[i, j - 1])
            cost[i, j] = best + x[i, j]
    return cost[-1, -1]


@program((UP, ints(0, 2)), (-UP, ints(1)), (UP[:1], ints(0, 0, 0)), (UP * 2, ints(3, 1)))
def writes_at_indices(x: Tensor, i: Tensor) -> Tensor:
    y = x.clone()
    y[i] = -1
    if y.sum() > 0:
        y[i, 0] = 50
    return y


@program((floats(1, 2, 3, 4), int_(2)), (floats(5), int_(1)), (floats(1, 2, 3), int_(0)), (floats(4, 4), int_(5)))
def rotates(x: Tensor, k: Tensor) -> Tensor:
    y = x.clone()
    for _ in range(int(k)):
        last = y[-1].clone()
        y[1:] = y[:-1].clone()
        y[0] = last
    return y
