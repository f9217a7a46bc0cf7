"""For loops: ranges of traced length, rows of a tensor, enumerate, zip, reversed, lists of modules, nests."""

from __future__ import annotations

from export.programs.inputs import COUNTS, ROWS, TOKENS, UP, VECTORS, floats, int_, ints, noise
from export.programs.program import program, refused

import lampion as torch
from lampion import Tensor, nn


@program(*ROWS)
def range_of_size(x: Tensor) -> Tensor:
    total = torch.zeros(3)
    for i in range(x.shape[0]):
        total = total * 0.5 + x[i] * (i + 1)
    return total


@program(*COUNTS)
def range_of_int(n: Tensor) -> Tensor:
    product = 1
    for i in range(int(n)):
        product *= i + 1
    return torch.tensor(product)


@program(*COUNTS)
def range_of_item(n: Tensor) -> Tensor:
    y = torch.ones(2)
    for i in range(1, n.item() + 1):
        y = y / i + 1
    return y


@program(*VECTORS)
def range_with_step(x: Tensor) -> Tensor:
    total = torch.tensor(0.0)
    for i in range(0, len(x), 2):
        total = total + x[i] * i
    for i in range(1, x.numel(), 3):
        total = total - x[i]
    return total


@program(*VECTORS)
def range_downwards(x: Tensor) -> Tensor:
    h = torch.tensor(0.0)
    for i in range(len(x) - 1, -1, -1):
        h = h * 0.5 + x[i]
    return h


@program(*VECTORS)
def range_downwards_by_two(x: Tensor) -> Tensor:
    h = torch.tensor(1.0)
    for i in range(x.size(0), 0, -2):
        h = h * 0.5 + x[i - 1]
    return h


@refused(
    "a known step",
    cases=[
        (int_(2), int_(9), int_(3)),
        (int_(5), int_(5), int_(1)),
        (int_(9), int_(-2), int_(-4)),
        (int_(0), int_(3), int_(1)),
    ],
)
def range_all_traced(start: Tensor, stop: Tensor, step: Tensor) -> Tensor:
    total = 0
    for i in range(int(start), int(stop), int(step)):
        total = total * 2 + i
    return torch.tensor(total)


@program(*ROWS)
def over_rows(x: Tensor) -> Tensor:
    h = torch.zeros(3)
    for row in x:
        h = torch.tanh(h + row)
    return h


@program(*VECTORS)
def over_elements(x: Tensor) -> Tensor:
    best = x[0]
    for v in x:
        if v > best:
            best = v
    return best


@program(*ROWS)
def over_enumerate(x: Tensor) -> Tensor:
    total = x[0] * 0
    for i, row in enumerate(x):
        total = total + row * i if i % 2 == 0 else total - row
    return total


@program(*ROWS)
def over_enumerate_from(x: Tensor) -> Tensor:
    total = torch.zeros(3)
    for n, row in enumerate(x, start=1):
        total = total + (row - total) / n
    return total


@program((UP, UP * 2), (-UP, UP[:2]), (UP[:1], UP), (UP[:3], -UP[:3]))
def over_zip(a: Tensor, b: Tensor) -> Tensor:
    total = torch.zeros(3)
    for u, v in zip(a, b):  # noqa: B905
        total = total + u * v
        if total.sum() > 4:
            total = total * 0.5
    return total


@program((UP, floats(1, 0, 1, 1)), (-UP, floats(0, 0)), (UP[:1], floats(1)), (UP - 1, floats(0, 1, 1, 0)))
def over_enumerate_zip(x: Tensor, keep: Tensor) -> Tensor:
    total = torch.zeros(3)
    for i, (row, k) in enumerate(zip(x, keep)):  # noqa: B905
        if k > 0:
            total = total + row * (i + 1)
    return total


@program(*ROWS)
def over_reversed(x: Tensor) -> Tensor:
    h = torch.zeros(3)
    for i in reversed(range(x.shape[0])):
        h = h * 0.3 + x[i]
    return h


@program(*ROWS)
def with_break(x: Tensor) -> Tensor:
    total = torch.zeros(3)
    for row in x:
        if row.sum() < 0:
            break
        total = total + row
    return total


@program(*ROWS)
def with_continue(x: Tensor) -> Tensor:
    total, kept = torch.zeros(3), 0
    for row in x:
        if row.amax() > 1:
            continue
        total = total + row
        kept += 1
    return total * kept


@program(*ROWS)
def with_else(x: Tensor) -> Tensor:
    for i in range(x.shape[0]):
        if x[i, 0] > 1.5:
            place = i
            break
    else:
        place = -1
    return torch.tensor(place)


@program(*VECTORS)
def returns_from_inside(x: Tensor) -> Tensor:
    for i in range(x.shape[0]):
        if x[i] < 0:
            return x[: i + 1] * 2
    return x


@program(*ROWS)
def returns_from_the_innermost(x: Tensor) -> Tensor:
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            if x[i, j] > 1.2:
                return torch.tensor([i, j])
    return torch.tensor([-1, -1])


@program(*ROWS)
def last_value_lives_on(x: Tensor) -> Tensor:
    row = x[0]
    for row in x:
        if row.sum() < 0:
            break
    return row * 2


@program(*VECTORS)
def index_lives_on(x: Tensor) -> Tensor:
    i = -1
    for i in range(len(x)):
        if x[i] <= 0:
            break
    return torch.tensor(i)


@program(ints(2, 3), ints(0, 4), ints(3, 0), ints(1, 1), ints(4, 2), axes={})
def nested_ranges(n: Tensor) -> Tensor:
    total = 0
    for i in range(int(n[0])):
        for j in range(int(n[1])):
            total += i * 10 + j
    return torch.tensor(total)


@program(*VECTORS)
def triangle(x: Tensor) -> Tensor:
    inversions = 0
    for i in range(len(x)):
        for j in range(i + 1, len(x)):
            if x[i] > x[j]:
                inversions += 1
    return torch.tensor(inversions)


@program(noise(3, 4), noise(1, 2, seed=1), noise(2, 2, seed=2), noise(5, 3, seed=3), axes={"x": {0: "n", 1: "m"}})
def three_deep(x: Tensor) -> Tensor:
    total = torch.tensor(0.0)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            k = 0
            while k < 3:
                k += 1
                if x[i, j] * k > 1:
                    break
                total = total + x[i, j] * k
    return total


@program(noise(3, 4), noise(1, 2, seed=1), noise(2, 2, seed=2), noise(5, 3, seed=3), axes={"x": {0: "n", 1: "m"}})
def skips_rows_and_columns(x: Tensor) -> Tensor:
    total = torch.zeros(x.shape[1])
    for row in x:
        if row.sum() < -1:
            continue
        for j in range(x.shape[1]):
            if row[j] < 0:
                continue
            if row[j] > 2:
                break
            total[j] += row[j]
    return total


@program(*ROWS)
def known_number_of_turns(x: Tensor) -> Tensor:
    for i in range(3):
        if x.sum() > i:
            x = x * 0.5
        else:
            x = x + i
    return x


@program(*ROWS)
def known_turns_left_early(x: Tensor) -> Tensor:
    for factor in (0.9, 0.5, 0.1):
        x = x * factor
        if x.abs().amax() < 0.5:
            break
    return x


@program(*ROWS)
def over_columns(x: Tensor) -> Tensor:
    total = torch.zeros(x.shape[0])
    for column in x.T:
        if column.sum() > 0:
            total = total + column
    return total


@program(*ROWS)
def over_split(x: Tensor) -> Tensor:
    a, b, c = x.unbind(1)
    for part in (a, b, c):
        if part.amax() > 1:
            a = a + part
    return a


@program(*VECTORS)
def exponential_moving_average(x: Tensor) -> Tensor:
    average = x[0]
    out = torch.zeros_like(x)
    for i in range(x.shape[0]):
        average = 0.9 * average + 0.1 * x[i]
        out[i] = average
    return out


@program(*ROWS)
def running_maximum(x: Tensor) -> Tensor:
    out = x.clone()
    for i in range(1, x.shape[0]):
        out[i] = torch.maximum(out[i - 1], out[i])
    return out


@program(noise(5, 4), noise(1, 4, seed=1), noise(3, 4, seed=2), noise(7, 4, seed=3))
class StepByStep(nn.Module):
    """A recurrent cell over a sequence of any length."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(4, 5)
        self.out = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(1, 5)
        for t in range(x.shape[0]):
            h = self.cell(x[t : t + 1], h)
        return self.out(h)


@program(noise(5, 4), noise(1, 4, seed=1), noise(3, 4, seed=2) * 0.1, noise(7, 4, seed=3) * 3)
class SkipsLayers(nn.Module):
    """A list of layers of which the data chooses those that run, and where to stop."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(4)])

    def forward(self, x: Tensor) -> Tensor:
        for i, layer in enumerate(self.layers):
            if x.abs().mean() < 0.3 * i:
                continue
            x = torch.relu(layer(x)) + 0.1
            if x.amax() > 4:
                break
        return x


@program(
    (noise(4, 6), ints(3, 1)),
    (noise(2, 6, seed=1), ints(0, 0, 0)),
    (noise(1, 6, seed=2), ints(5)),
    (noise(3, 6, seed=3), ints(2, 4, 1, 0)),
)
class LayersByNumber(nn.Module):
    """Runs the layers that a list of tokens names."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down, self.turn = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x: Tensor, names: Tensor) -> Tensor:
        for name in names:
            if name == 0:
                x = torch.tanh(self.up(x))
            elif name < 3:
                x = torch.tanh(self.down(x))
            else:
                x = torch.tanh(self.turn(x))
        return x


@program(*TOKENS)
def prime_count(x: Tensor) -> Tensor:
    found = 0
    for v in x:
        n = int(v)
        if n < 2:
            continue
        for d in range(2, n):
            if n % d == 0:
                break
        else:
            found += 1
    return torch.tensor(found)
