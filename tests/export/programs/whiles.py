"""While loops: break, continue, else, while True, returns from inside, state of every kind."""

from __future__ import annotations

from export.programs.inputs import COUNTS, NUMBERS, ROWS, TOKENS, UP, VECTORS, float_, floats, int_, ints, noise
from export.programs.program import program

import lampion as torch
from lampion import Tensor


@program(*ROWS)
def halving(x: Tensor) -> Tensor:
    while x.abs().amax() > 0.1:
        x = x / 2
    return x


@program(*ROWS)
def counting(x: Tensor) -> Tensor:
    n = 0
    while x.abs().amax() > 0.1:
        x = x * 0.7
        n += 1
    return x * n


@program(*ROWS)
def with_break(x: Tensor) -> Tensor:
    turns = 0
    while turns < 10:
        x = x * 1.5 + 0.1
        if x.amax() > 5:
            break
        turns += 1
    return x + turns


@program(*ROWS)
def with_continue(x: Tensor) -> Tensor:
    i, total = 0, x.new_zeros(3)
    while i < 6:
        i += 1
        if (x.sum() * i) % 3 < 1:
            continue
        total = total + x[0] * i
    return total


@program(*ROWS)
def with_else(x: Tensor) -> Tensor:
    n = 0
    while n < x.shape[0]:
        if x[n].sum() < -4:
            x = x + 100
            break
        n += 1
    else:
        x = x - 100
    return x


@program(*ROWS)
def while_true(x: Tensor) -> Tensor:
    steps = 0
    while True:
        x = x / 3
        steps += 1
        if x.abs().sum() < 0.5:
            break
    return x * steps


@program(*ROWS)
def while_true_returns(x: Tensor) -> Tensor:
    i = 0
    while True:
        if i >= x.shape[0]:
            return x.sum(0)
        if x[i].sum() < 0:
            return x[i] * 10
        i += 1


@program(*ROWS, UP * 4 - 5)
def break_and_continue(x: Tensor) -> Tensor:
    i, kept, skipped = 0, x[0] * 0, 0
    while True:
        i += 1
        if i > x.shape[0]:
            break
        row = x[i - 1]
        if row.sum() < 2:
            skipped += 1
            continue
        if skipped > 1:
            break
        kept = kept + row
    return kept + skipped


@program(*TOKENS)
def python_condition_traced(x: Tensor) -> Tensor:
    n = int(x.sum())
    power = 1
    while power * 2 <= n:
        power *= 2
    return torch.tensor(power)


@program(*COUNTS, int_(27))
def collatz(n: Tensor) -> Tensor:
    steps = 0
    while n > 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        steps += 1
    return n + steps


@program(*TOKENS)
def collatz_of_each(x: Tensor) -> Tensor:
    steps = torch.zeros_like(x)
    while (x > 1).any():
        going = x > 1
        x = torch.where(going, torch.where(x % 2 == 0, x // 2, 3 * x + 1), x)
        steps = steps + going.long()
    return steps


@program(*NUMBERS)
def newton_root(a: Tensor) -> Tensor:
    a = a.abs()
    if a == 0:
        return a
    guess = a / 2 + 0.5
    for _ in range(5):
        better = (guess + a / guess) / 2
        if (better - guess).abs() < 1e-4:
            return better
        guess = better
    return guess


@program(noise(4, 4), noise(4, 4, seed=1), noise(4, 4, seed=2), noise(4, 4, seed=3), axes={}, tolerance=2e-3)
def power_iteration(a: Tensor) -> Tensor:
    a = a @ a.T + torch.eye(4)
    v = torch.ones(4) / 2
    value = torch.tensor(0.0)
    for _ in range(200):
        w = a @ v
        new = w.norm()
        v = w / new
        if (new - value).abs() < 1e-4 * new:
            value = new
            break
        value = new
    return value


@program(
    (floats(1, 3, 5, 7, 9), float_(6)),
    (floats(1, 3, 5, 7, 9), float_(0)),
    (floats(1, 3, 5, 7, 9, 11, 13), float_(20)),
    (floats(2), float_(2)),
    (floats(), float_(1)),
)
def binary_search(x: Tensor, wanted: Tensor) -> Tensor:
    low, high = 0, x.shape[0]
    while low < high:
        middle = (low + high) // 2
        if x[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return torch.tensor(low)


@program((int_(48), int_(36)), (int_(7), int_(3)), (int_(0), int_(5)), (int_(12), int_(12)), (int_(270), int_(192)))
def greatest_common_divisor(a: Tensor, b: Tensor) -> Tensor:
    while b != 0:
        a, b = b, a % b
    return a


@program(*COUNTS, int_(10))
def fibonacci(n: Tensor) -> Tensor:
    a, b = 0, 1
    k = n.item()
    while k > 0:
        a, b = b, a + b
        k -= 1
    return torch.tensor(a)


@program(*VECTORS)
def bisection(x: Tensor) -> Tensor:
    """Where a line through the numbers crosses zero."""
    low, high = -10.0, 10.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        if x.mean() + middle > 0:
            high = middle
        else:
            low = middle
    return torch.tensor(low)


@program(*ROWS)
def grows_a_tensor(x: Tensor) -> Tensor:
    while x.shape[0] < 7:
        x = torch.cat([x, x[-1:] * 0.5])
    return x


@program(*ROWS)
def shrinks_a_tensor(x: Tensor) -> Tensor:
    while x.shape[0] > 1 and x[0].sum() < x[-1].sum():
        x = x[1:]
    return x


@program(*ROWS)
def flag(x: Tensor) -> Tensor:
    done = False
    rounds = 0
    while not done:
        x = x * 0.6
        rounds += 1
        done = bool(x.abs().amax() < 0.2) or rounds >= 5
    return x + rounds


@program(*ROWS)
def two_states_swap(x: Tensor) -> Tensor:
    a, b = x, x.flip(0)
    while (a - b).abs().amax() > 0.05:
        a, b = (a * 2 + b) / 3, (a + b * 2) / 3
    return torch.stack([a, b])


@program(*ROWS)
def nested_whiles(x: Tensor) -> Tensor:
    outer = 0
    while x.abs().amax() > 0.1 and outer < 5:
        inner = 0
        while x.abs().amax() > 1:
            x = x / 3
            inner += 1
            if inner > 1:
                break
        x = x * 0.5 - inner
        outer += 1
    return x + outer


@program(*ROWS)
def variable_from_inside(x: Tensor) -> Tensor:
    last = x[0]
    i = 0
    while i < x.shape[0]:
        last = x[i]
        if last.sum() > 4:
            found = last * 2
            break
        i += 1
    else:
        found = last - 1
    return found


@program(noise(8, 8), noise(8, 8, seed=4), noise(8, 8, seed=5) * 0, noise(8, 8) ** 0, axes={})
def game_of_life(x: Tensor) -> Tensor:
    """Until nothing moves, or 12 generations have passed."""
    cells = (x > 0).float()
    for _ in range(12):
        padded = torch.nn.functional.pad(cells[None, None], (1, 1, 1, 1))[0, 0]
        around = -cells
        for i in range(3):
            for j in range(3):
                around = around + padded[i : i + 8, j : j + 8]
        new = ((around == 3) | ((around == 2) & (cells > 0))).float()
        if torch.equal(new, cells):
            break
        cells = new
    return cells


@program(noise(9, 2) * 3, noise(4, 2, seed=1), noise(20, 2, seed=2) * 2, noise(2, 2, seed=3))
def k_means(x: Tensor) -> Tensor:
    """Two means, until no point changes sides."""
    means = torch.stack([x[0], x[-1]])
    sides = torch.zeros(x.shape[0], dtype=torch.long)
    while True:
        new = ((x[:, None] - means[None]) ** 2).sum(-1).argmin(1)
        if (new == sides).all():
            break
        sides = new
        for k in range(2):
            mine = (sides == k).float()[:, None]
            if mine.sum() > 0:
                means[k] = (x * mine).sum(0) / mine.sum()
    return means


@program(*TOKENS)
def digits(x: Tensor) -> Tensor:
    n = int(x.sum()) * 37
    total, count = 0, 0
    while n:
        total += n % 10
        n //= 10
        count += 1
    return torch.tensor([total, count])


@program(ints(5, 3, 8, 1, 9, 2), ints(1, 2, 3), ints(3, 2, 1), ints(4), ints(2, 2, 1, 1))
def bubble_sort(x: Tensor) -> Tensor:
    x = x.clone()
    swapped = True
    while swapped:
        swapped = False
        for i in range(len(x) - 1):
            if x[i] > x[i + 1]:
                a, b = x[i].clone(), x[i + 1].clone()
                x[i], x[i + 1] = b, a
                swapped = True
    return x


@program(
    (floats(0.5, 0.2, 0.4), floats(1)),
    (floats(0.9), floats(1)),
    (floats(0.1, 0.1, 0.1, 0.1), floats(2)),
    (floats(0, 0), floats(3)),
)
def adaptive_computation_time(halts: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """Ponders until the probability of going on is used up."""
    budget, n = torch.tensor(0.0), 0
    answer = torch.zeros_like(state)
    while n < halts.shape[0]:
        p = halts[n]
        state = torch.tanh(state * 1.1 + 0.1)
        if budget + p >= 1.0:
            answer = answer + (1 - budget) * state
            budget = torch.ones_like(budget)
            break
        answer = answer + p * state
        budget = budget + p
        n += 1
    return answer, budget


@program(*COUNTS, int_(100))
def integer_square_root(n: Tensor) -> Tensor:
    k = n.item()
    r = 0
    while (r + 1) * (r + 1) <= k:
        r += 1
    return torch.tensor(r)
