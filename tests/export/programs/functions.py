"""Helpers, closures, lambdas, decorators, partial, recursion, methods, properties, arguments of every kind, generators."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from export.programs.inputs import COUNTS, ROWS, TOKENS, UP, VECTORS, floats, ints, noise
from export.programs.program import program

import lampion as torch
from lampion import Tensor, nn


def leaky(x: Tensor, slope: float = 0.1) -> Tensor:
    if x.sum() > 0:
        return x
    return x * slope


def halved_until(x: Tensor, *, bound: float) -> tuple[Tensor, int]:
    n = 0
    while x.abs().amax() > bound:
        x = x / 2
        n += 1
    return x, n


def largest(*parts: Tensor, **options: float) -> Tensor:
    best = parts[0]
    for part in parts[1:]:
        if part.sum() > best.sum():
            best = part
    return best * options.get("factor", 1.0) + options["plus"]


def twice(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    @functools.wraps(function)
    def wrapper(x: Tensor) -> Tensor:
        x = function(x)
        if x.abs().amax() > 1:
            x = function(x)
        return x

    return wrapper


@twice
def shrink(x: Tensor) -> Tensor:
    return x * 0.4 if x.sum() > 0 else x * 0.6


def repeat(times: int) -> Callable[[Callable[[Tensor], Tensor]], Callable[[Tensor], Tensor]]:
    def decorate(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def wrapper(*args: Any, **kwargs: Any) -> Tensor:
            for _ in range(times):
                args = (function(*args, **kwargs),)
            return args[0]

        return wrapper

    return decorate


@repeat(3)
def step(x: Tensor) -> Tensor:
    if x.amax() > 0.5:
        return x - 0.2
    return x + 0.1


def power(x: Tensor, k: int) -> Tensor:
    if k == 0:
        return torch.ones_like(x)
    half = power(x, k // 2)
    if half.abs().amax() > 3:
        half = half / 3
    return half * half * x if k % 2 else half * half


def rows_above(x: Tensor, bound: float) -> Iterator[Tensor]:
    for row in x:
        if row.sum() > bound:
            yield row


@program(*ROWS)
def helper(x: Tensor) -> Tensor:
    return leaky(x) + leaky(-x, slope=0.5)


@program(*ROWS)
def helper_returning_several(x: Tensor) -> Tensor:
    y, n = halved_until(x, bound=0.3)
    return y * n


@program(*ROWS)
def helper_in_a_loop(x: Tensor) -> Tensor:
    total = torch.zeros(3)
    for row in x:
        y, n = halved_until(row, bound=0.5)
        total = total + leaky(y - 0.3) + n
    return total


@program(*ROWS)
def stars(x: Tensor) -> Tensor:
    parts = [x, -x, x * 0]
    return largest(*parts, **{"plus": 1.0, "factor": 2.0}) + largest(x, plus=0.5)


@program(*ROWS)
def decorated_helper(x: Tensor) -> Tensor:
    return shrink(x) + step(x)


@program(*ROWS)
@twice
def decorated_itself(x: Tensor) -> Tensor:
    if x.sum() > 0:
        return x * 0.5
    return x + 0.5


@program(*ROWS)
def static_recursion(x: Tensor) -> Tensor:
    return power(x, 5)


@program(*ROWS)
def closure(x: Tensor) -> Tensor:
    bound = x.mean()

    def clipped(y: Tensor) -> Tensor:
        if bound > 0:
            return y.clamp(max=1)
        return y - bound

    return clipped(x) + clipped(x * 2)


@program(*ROWS)
def closure_nonlocal(x: Tensor) -> Tensor:
    calls = 0
    total = torch.zeros(3)

    def add(row: Tensor) -> None:
        nonlocal calls, total
        if row.sum() > 1:
            total = total + row
            calls += 1

    for row in x:
        add(row)
    return total + calls


@program(*ROWS)
def closure_over_a_list(x: Tensor) -> Tensor:
    seen = [torch.zeros(3)]

    def remember(row: Tensor) -> None:
        if row.amax() > 1:
            seen.append(row)

    for row in x:
        remember(row)
    return torch.stack(seen)


@program(*ROWS)
def lambdas(x: Tensor) -> Tensor:
    steps = [lambda y: y * 2 if y.sum() > 0 else y, lambda y: y - 1]
    for f in steps:
        x = f(x)
    return x


@program(*ROWS)
def chosen_function(x: Tensor) -> Tensor:
    f = torch.tanh if x.sum() > 0 else torch.abs
    return f(x)


@program(*ROWS)
def partial(x: Tensor) -> Tensor:
    gentle = functools.partial(leaky, slope=0.01)
    return gentle(x) + functools.partial(torch.clamp, min=0)(x)


@program(*ROWS)
def generator(x: Tensor) -> Tensor:
    total = torch.zeros(3)
    for row in rows_above(x, 2.0):
        total = total + row
    return total


@program(*ROWS)
def mapped(x: Tensor) -> Tensor:
    return torch.stack(list(map(leaky, x.unbind(1))), 1) + torch.stack([*map(lambda v: v * 2, (x, x))]).sum(0)  # noqa: C417


@program(*ROWS)
def function_as_argument(x: Tensor) -> Tensor:
    def until_small(f: Callable[[Tensor], Tensor], y: Tensor) -> Tensor:
        while y.abs().amax() > 0.2:
            y = f(y)
        return y

    return until_small(lambda y: y * 0.5, x) + until_small(lambda y: y * 0.25 if y.sum() > 0 else y * 0.75, x)


@program(*VECTORS)
def reduced(x: Tensor) -> Tensor:
    return functools.reduce(lambda a, b: a * 0.5 + b if b > 0 else a, x, torch.tensor(1.0))


@program(*COUNTS)
def mutual(n: Tensor) -> Tensor:
    def even(k: int, y: Tensor) -> Tensor:
        return y if k == 0 else odd(k - 1, y + 1)

    def odd(k: int, y: Tensor) -> Tensor:
        return y * 2 if k == 0 else even(k - 1, y - 3 if y > 4 else y)

    return even(5, n)


class Gate(nn.Module):
    """A submodule with control flow of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor, strength: float = 1.0) -> Tensor:
        g = torch.sigmoid(self.linear(x))
        if g.mean() > 0.5:
            return x * g * strength
        return x


class Base(nn.Module):
    """Methods of every kind."""

    bound = 0.4

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    @staticmethod
    def squash(x: Tensor) -> Tensor:
        return torch.tanh(x) if x.amax() > 1 else x

    @classmethod
    def bounded(cls, x: Tensor) -> Tensor:
        while x.abs().mean() > cls.bound:
            x = x * 0.8
        return x

    @property
    def scale(self) -> Tensor:
        return self.linear.weight.abs().amax()

    def forward(self, x: Tensor) -> Tensor:
        return self.bounded(self.linear(x))


CASES = (noise(3, 4), noise(1, 4, seed=1) * 0.1, noise(5, 4, seed=2) * 3, noise(2, 4, seed=3) - 2)


@program(*CASES)
class Submodules(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gates = nn.ModuleList([Gate(), Gate()])
        self.norm = nn.LayerNorm(4)

    def forward(self, x: Tensor) -> Tensor:
        for gate in self.gates:
            if x.abs().amax() > 2:
                x = self.norm(x)
            x = gate(x, strength=1.5)
        return x


@program(*CASES)
class Methods(Base):
    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        if y.sum() > 0:
            y = y / self.scale
        return self.squash(y)


@program(*CASES)
class SequentialInside(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 4), Gate(), nn.ReLU())
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = x * 0 if self.training else x
        while x.abs().amax() > 1:
            x = self.dropout(self.net(x)) * 0.3
        return x


@program(*CASES)
class Attributes(nn.Module):
    """State on self, set anew at every call."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        self.steps = 0
        self.state = x
        while self.state.abs().amax() > 0.5:
            self.advance()
        return self.state + self.steps

    def advance(self) -> None:
        self.state = torch.tanh(self.linear(self.state)) * 0.5
        self.steps += 1


class Accumulator:
    """An object that is no Module."""

    def __init__(self, start: Tensor) -> None:
        self.total, self.parts = start, [start]

    def add(self, row: Tensor) -> None:
        if row.sum() > 0:
            self.total = self.total + row
            self.parts.append(row)

    def __call__(self) -> Tensor:
        return self.total * len(self.parts)


@program(*ROWS)
def an_object(x: Tensor) -> Tensor:
    accumulator = Accumulator(torch.zeros(3))
    for row in x:
        accumulator.add(row)
    return accumulator()


@program((UP, ints(2, 0)), (-UP, ints(1)), (UP[:1], ints(0, 1, 2)), (UP * 2, ints(1, 1)))
class ModuleDictByName(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({"a": nn.Linear(3, 3), "b": nn.Linear(3, 3)})

    def forward(self, x: Tensor, which: Tensor) -> Tensor:
        for name, part in self.parts.items():
            if which.sum() > 2 or name == "a":
                x = part(x)
        return x


@program(*TOKENS)
def memory(x: Tensor) -> Tensor:
    cache: dict[str, Tensor] = {}

    def get(name: str, make: Callable[[], Tensor]) -> Tensor:
        if name not in cache:
            cache[name] = make()
        return cache[name]

    total = get("sum", lambda: x.sum())
    if total > 10:
        total = get("sum", lambda: x.sum() * 0) - get("max", lambda: x.amax())
    return total


@program(
    (floats(1, 2), floats(3, 4)),
    (floats(-1), floats(5)),
    (floats(0, 0), floats(1, 1)),
    (floats(2, 2, 2), floats(1, 1, 1)),
)
def default_and_keyword(a: Tensor, b: Tensor) -> Tensor:
    def mix(u: Tensor, v: Tensor, /, weight: float = 0.5, *, absolute: bool = False) -> Tensor:
        y = u * weight + v * (1 - weight)
        if absolute and y.sum() < 4:
            return y.abs() + 1
        return y

    n = min(len(a), len(b))
    return mix(a[:n], b[:n]) - mix(b[:n], a[:n], absolute=True, weight=0.25)
