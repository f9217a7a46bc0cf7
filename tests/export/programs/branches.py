"""Choices: if, elif, else, ternary, and, or, not, comparison chains, match, early returns."""

from __future__ import annotations

from export.programs.inputs import COUNTS, NUMBERS, ROWS, TOKENS, UP, VECTORS, floats, int_, ints, noise
from export.programs.program import program

import lampion as torch
from lampion import Tensor, nn


@program(*ROWS)
def if_else(x: Tensor) -> Tensor:
    if x.sum() > 0:
        y = x * 2
    else:
        y = x - 1
    return y


@program(*ROWS)
def if_alone(x: Tensor) -> Tensor:
    y = x + 1
    if x.amax() > 1.5:
        y = y * 10
    return y


@program(*ROWS)
def elif_chain(x: Tensor) -> Tensor:
    total = x.sum()
    if total > 10:
        y = x / total
    elif total > 0:
        y = x * total
    elif x.amin() > -2.5:
        y = x.abs()
    else:
        y = x.clamp(min=-1)
    return y + 1


@program(*ROWS)
def nested_ifs(x: Tensor) -> Tensor:
    if x.sum() > 0:
        if x.amax() > 1.5:
            y = x + 10
        else:
            y = x + 20
        y = y * 2
    else:
        y = -x
        if x.amin() < -2:
            if x.shape[0] > 2:
                y = y - 3
            else:
                y = y / 2
    return y


@program(*ROWS)
def by_size(x: Tensor) -> Tensor:
    if x.shape[0] > 2:
        return x.sum(0)
    return x.amax(0)


@program(*ROWS)
def by_size_several(x: Tensor) -> Tensor:
    n = x.size(0)
    if n == 1:
        return x[0] * 100
    elif n % 2 == 0 and n < 5:  # noqa: RET505
        return x[: n // 2].sum(0) - x[n // 2 :].sum(0)
    else:
        return x.mean(0)


@program(
    (floats(1, 2, 3), floats(4, 5)), (floats(1), floats(2, 3, 4)), (floats(1, 2), floats(3, 4)), (floats(), floats(7))
)
def by_two_sizes(a: Tensor, b: Tensor) -> Tensor:
    if len(a) > len(b):
        longer, shorter = a, b
    elif len(a) < len(b):
        longer, shorter = b, a
    else:
        return a * b
    return torch.cat([longer[: len(shorter)] + shorter, longer[len(shorter) :]])


@program(*ROWS)
def ternary(x: Tensor) -> Tensor:
    scale = 2.0 if x.mean() > 0 else 0.5
    return x * scale


@program(*ROWS)
def ternary_nested(x: Tensor) -> Tensor:
    return x + 1 if x.sum() > 3 else x - 1 if x.sum() < -3 else x * 0


@program(*ROWS)
def ternary_in_argument(x: Tensor) -> Tensor:
    return torch.clamp(x, max=1.0 if x.shape[0] > 3 else 0.5).sum(0)


@program(*ROWS)
def both_hold(x: Tensor) -> Tensor:
    if x.sum() > 0 and x.amax() > 1:
        return x * 2
    return x


@program(*ROWS)
def either_holds(x: Tensor) -> Tensor:
    if x.sum() < -5 or x.amax() < 0.1 or x.shape[0] == 1:
        return x + 100
    return x


@program(*ROWS)
def not_and_or(x: Tensor) -> Tensor:
    if not (x.sum() > 0) and (x.shape[0] > 2 or not x.amin() < -3):
        return x.flip(0)
    return x.cumsum(0)


@program(*ROWS)
def chained_comparison(x: Tensor) -> Tensor:
    if 0 < x.mean() <= 1.2:
        return x * 3
    if -3 <= x.mean() < 0 < x.shape[0] < 4:
        return x * 5
    return x * 7


@program(floats(4, 0, 1), floats(0, 1), floats(0), floats(5, 6), floats(0, 0, 2))
def guard_by_short_circuit(x: Tensor) -> Tensor:
    if x.shape[0] > 1 and x[1] == 0:
        return x[1:] + 1
    return x * 2


@program(*ROWS)
def early_returns(x: Tensor) -> Tensor:
    if x.shape[0] == 1:
        return x * 0
    y = x.abs()
    if y.amax() < 0.5:
        return y + 7
    y = y.sqrt()
    if x.sum() > 0:
        if x.amin() > 0.4:
            return y + 1
        y = y + 2
    return y - 3


@program(*ROWS)
def returns_tuples(x: Tensor) -> tuple[Tensor, Tensor]:
    if x.sum() > 0:
        return x.amax(0), x.argmax(0)
    return x.amin(0), x.argmin(0)


@program(*ROWS)
def assigns_several(x: Tensor) -> Tensor:
    a, b, n = x, x + 1, 1
    if x.sum() > 0:
        a, b = b, a
        n = 2
    else:
        n += 4
    return a * n - b


@program(*ROWS)
def chooses_numbers(x: Tensor) -> Tensor:
    if x.amax() > 1:
        steps, factor, flip = 3, 0.5, True
    else:
        steps, factor, flip = 1, 2.0, False
    y = x * factor + steps
    if flip:
        y = -y
    return y


@program(*ROWS)
def chooses_an_axis(x: Tensor) -> Tensor:
    rows = x.shape[0]
    if rows > 3:
        start = rows - 3
    else:
        start = 0
    return x[start:].prod(0)


@program(*ROWS)
def other_shapes(x: Tensor) -> Tensor:
    if x.sum() > 0:
        y = x[:2]
    else:
        y = torch.cat([x, x, x])
    return y * 2


@program(*VECTORS)
def truth_of_a_tensor(x: Tensor) -> Tensor:
    if (x > 2).any():
        x = x / 2
    if (x < 0).sum():
        x = x + 1
    if not x.sum():
        x = x - 5
    return x


@program(*VECTORS)
def truth_of_a_size(x: Tensor) -> Tensor:
    rest = x[3:]
    if rest.shape[0]:
        return rest * 2
    return x


@program(*VECTORS, floats())
def truth_of_length(x: Tensor) -> Tensor:
    if not len(x):
        return torch.zeros(1)
    return x.sum().reshape(1)


@program(*VECTORS)
def compares_items(x: Tensor) -> Tensor:
    first, last = x[0].item(), x[-1].item()
    if first > last:
        return x.flip(0)
    if first == last:
        return x * 2
    return x


@program(*TOKENS)
def walrus(x: Tensor) -> Tensor:
    if (n := x.sum()) > 10:
        return n * 2
    if (m := x.amax() * 2) > n:
        return m - n
    return n + m


@program(*COUNTS, int_(2), int_(5), int_(12))
def member_of(n: Tensor) -> Tensor:
    k = n.item()
    if k in (1, 2, 3):
        return n * 10
    if k not in [5, 7]:
        return n - 1
    return n


@program(*COUNTS, int_(2), int_(-3))
def match_statement(n: Tensor) -> Tensor:
    match n.item():
        case 0:
            return n + 100
        case 1 | 3:
            return n * 7
        case k if k < 0:
            return n - k
        case _:
            return n + 5


@program(*ROWS)
def some_known(x: Tensor, double: bool = True) -> Tensor:
    if double and x.sum() > 0:
        x = x * 2
    if not double or x.shape[1] == 3:
        x = x + 1
    return x if double else -x


@program(*ROWS)
def none_until_chosen(x: Tensor) -> Tensor:
    scale = None
    if x.sum() > 0:
        scale = x.amax()
    if scale is None:
        return x
    return x / scale


@program(*ROWS)
def optional_argument(x: Tensor, weight: Tensor | None = None) -> Tensor:
    if weight is None:
        weight = torch.ones(x.shape[0], 1)
        if x.shape[0] > 3:
            weight[0] = 0
    return x * weight


@program(*NUMBERS)
def sign_by_hand(x: Tensor) -> Tensor:
    if x > 0:
        s = 1
    elif x < 0:
        s = -1
    else:
        s = 0
    return torch.tensor(s)


@program(*NUMBERS)
def piecewise(x: Tensor) -> Tensor:
    v = float(x)
    if v < -1:
        y = -v
    elif v < 1:
        y = v * v
    else:
        y = 2 * v - 1
    return torch.tensor(y)


@program(*ROWS)
def pass_and_ellipsis(x: Tensor) -> Tensor:
    if x.sum() > 0:
        pass
    else:
        x = x[..., :1]
    return x.sum(-1)


@program(*ROWS)
def quantile_clip(x: Tensor) -> Tensor:
    """Clips outliers where there are any."""
    low, high = x.mean() - 1.5 * x.std(), x.mean() + 1.5 * x.std()
    outside = ((x < low) | (x > high)).sum()
    if outside > 0:
        x = x.clamp(low, high)
    return x


@program(*ROWS)
def clip_by_norm(x: Tensor) -> Tensor:
    norm = x.pow(2).sum().sqrt()
    if norm > 2.0:
        x = x * (2.0 / norm)
    return x


@program(noise(5, 4), noise(1, 4, seed=1), noise(3, 4, seed=2), noise(8, 4, seed=3) + 2)
class EarlyExit(nn.Module):
    """Answers after the first layers where they are sure of it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 6)
        self.second = nn.Linear(6, 6)
        self.exits = nn.ModuleList([nn.Linear(6, 2), nn.Linear(6, 2)])

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.first(x))
        answer = self.exits[0](h)
        if answer.softmax(-1).amax(-1).mean() > 0.75:
            return answer
        return self.exits[1](torch.relu(self.second(h)))


@program(noise(1, 4), noise(1, 4, seed=1), noise(1, 4, seed=5), noise(1, 4, seed=3), noise(1, 4, seed=8), axes={})
class MixtureOfExperts(nn.Module):
    """One expert answers, by argmax."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(4, 3)
        self.experts = nn.ModuleList(nn.Linear(4, 2) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        chosen = self.router(x).argmax(-1)
        if chosen == 0:
            return self.experts[0](x)
        elif chosen == 1:  # noqa: RET505
            return torch.tanh(self.experts[1](x))
        return self.experts[2](x) * 2


@program((UP, ints(0)), (UP, ints(1, 1)), (-UP, ints(2)), (UP[:1], ints(1)), (UP - 1, ints(0, 0, 0)))
def nothing_else_to_do(x: Tensor, mode: Tensor) -> Tensor:
    if mode[0] == 0:
        return x
    if mode[0] == 1:
        if x.shape[0] > mode.shape[0]:
            return x[: mode.shape[0]]
        return x[:0]
    return torch.zeros_like(x)
