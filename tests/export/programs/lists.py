"""Lists, tuples, dicts and dataclasses that a loop carries or grows, and comprehensions."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass, replace

from export.programs.inputs import COUNTS, ROWS, TOKENS, UP, VECTORS, floats, int_, ints, noise
from export.programs.program import program, refused

import lampion as torch
from lampion import Tensor

Pair = namedtuple("Pair", ["low", "high"])


@dataclass
class Running:
    """A state with names."""

    total: Tensor
    count: int = 0


@program(*ROWS)
def append_and_stack(x: Tensor) -> Tensor:
    out = []
    h = torch.zeros(3)
    for row in x:
        h = h * 0.5 + row
        out.append(h)
    return torch.stack(out)


@program(*VECTORS)
def append_if(x: Tensor) -> Tensor:
    kept = [torch.zeros(())]
    for v in x:
        if v > 0:
            kept.append(v * 2)
    return torch.stack(kept)


@program(*ROWS)
def append_in_while(x: Tensor) -> Tensor:
    out = [x]
    while x.abs().amax() > 0.3:
        x = x * 0.5
        out.append(x)
    return torch.stack(out, dim=1)


@program(*COUNTS)
def numbers_in_a_list(n: Tensor) -> Tensor:
    squares = []
    for i in range(int(n)):
        squares.append(i * i)
    return torch.tensor(squares, dtype=torch.long)


@program(*COUNTS)
def last_ones(n: Tensor) -> Tensor:
    sequence = [1, 1]
    for _ in range(n.item()):
        sequence.append(sequence[-1] + sequence[-2])
    return torch.tensor(sequence)


@program(*VECTORS)
def extend(x: Tensor) -> Tensor:
    out = []
    for v in x:
        out.extend([v, -v])
        if v < 0:
            out += [v * 10]
    return torch.stack(out)


@program(*VECTORS)
def plus(x: Tensor) -> Tensor:
    out = []
    for v in x:
        out = [v] + out if v > 1 else out + [v]
    return torch.stack(out)


@program(*VECTORS)
def insert(x: Tensor) -> Tensor:
    out = [x[0]]
    for v in x[1:]:
        if v > out[0]:
            out.insert(0, v)
        else:
            out.append(v)
    return torch.stack(out)


@program(*TOKENS)
def stack_machine(x: Tensor) -> Tensor:
    """0 adds the two on top, 1 doubles, everything else is pushed."""
    stack = [torch.tensor(1), torch.tensor(2)]
    for token in x:
        if token == 0 and len(stack) > 1:
            b = stack.pop()
            a = stack.pop()
            stack.append(a + b)
        elif token == 1:
            stack[-1] = stack[-1] * 2
        else:
            stack.append(token)
    return torch.stack(stack)


@program(*VECTORS)
def pop_until_larger(x: Tensor) -> Tensor:
    """The monotonic stack."""
    stack = []
    for v in x:
        while len(stack) > 0 and stack[-1] < v:
            stack.pop()
        stack.append(v)
    return torch.stack(stack)


@program(*VECTORS)
def indexed(x: Tensor) -> Tensor:
    doubled = [v * 2 for v in x]
    total = torch.tensor(0.0)
    for i in range(len(doubled)):
        total = total + doubled[i] * doubled[len(doubled) - 1 - i]
    return total


@program(*VECTORS)
def sliced(x: Tensor) -> Tensor:
    out = []
    for v in x:
        out.append(v)
    return torch.stack(out[1:] + out[:1]) + torch.stack(out[::-1])


@program(*VECTORS)
def length(x: Tensor) -> Tensor:
    positive = []
    for v in x:
        if v > 0:
            positive.append(v)
    if len(positive) == 0:
        return torch.tensor(-1.0)
    return sum(positive) / len(positive)


@program(*TOKENS)
def ragged(x: Tensor) -> Tensor:
    parts = []
    for n in x:
        parts.append(torch.ones(int(n)) * n)
    return torch.cat(parts)


@program(*TOKENS)
def ragged_by_position(x: Tensor) -> Tensor:
    parts = [x[:1]]
    for i in range(len(x)):
        if x[i] > 2:
            parts.append(x[: i + 1])
    return torch.cat(parts)


@program(*TOKENS)
def run_lengths(x: Tensor) -> tuple[Tensor, Tensor]:
    values, lengths = [x[0]], [torch.tensor(1)]
    for token in x[1:]:
        if token == values[-1]:
            lengths[-1] = lengths[-1] + 1
        else:
            values.append(token)
            lengths.append(torch.tensor(1))
    return torch.stack(values), torch.stack(lengths)


@program(*TOKENS)
def list_of_tuples(x: Tensor) -> Tensor:
    pairs = []
    for i, token in enumerate(x):
        if token > 1:
            pairs.append((token, i))
    total = torch.tensor(0)
    for token, i in pairs:
        total = total + token * i
    return total


@refused("a branch for each list", cases=ROWS)
def two_lists(x: Tensor) -> Tensor:
    up, down = [torch.zeros(3)], [torch.zeros(3)]
    for row in x:
        (up if row.sum() > 0 else down).append(row)
    return torch.stack(up).sum(0) - torch.stack(down).prod(0)


@program(*ROWS)
def two_lists_by_if(x: Tensor) -> Tensor:
    up, down = [torch.zeros(3)], [torch.zeros(3)]
    for row in x:
        if row.sum() > 2:
            up.append(row)
        else:
            down.append(row)
    return torch.cat([torch.stack(up), torch.stack(down)])


@program(noise(3, 4), noise(1, 2, seed=1), noise(2, 3, seed=2), noise(5, 2, seed=3), axes={"x": {0: "n", 1: "m"}})
def list_in_list(x: Tensor) -> Tensor:
    table = []
    for row in x:
        line = []
        for v in row:
            line.append(v if v > 0 else v * 0)
        table.append(torch.stack(line))
    return torch.stack(table)


@program(*ROWS)
def known_list_of_states(x: Tensor) -> Tensor:
    states = [torch.zeros(3), torch.ones(3), torch.zeros(3)]
    for row in x:
        states[0] = states[1] * 0.5
        states[1] = states[2] + row
        states[2] = states[0] - row if row.sum() > 1 else states[2]
    return torch.stack(states)


@program(*ROWS)
def tuple_of_states(x: Tensor) -> Tensor:
    state = (torch.zeros(3), torch.ones(()), 0)
    for row in x:
        h, scale, n = state
        if row.sum() > 0:
            state = (h + row * scale, scale * 0.9, n + 1)
        else:
            state = (h - row, scale, n)
    h, scale, n = state
    return h * scale + n


@program(*ROWS)
def named_tuple(x: Tensor) -> Tensor:
    pair = Pair(x[0], x[0])
    for row in x:
        if row.sum() < pair.low.sum():
            pair = pair._replace(low=row)
        elif row.sum() > pair.high.sum():
            pair = Pair(pair.low, row)
    return pair.high - pair.low


@program(*ROWS)
def dict_of_states(x: Tensor) -> Tensor:
    state = {"sum": torch.zeros(3), "seen": 0}
    for row in x:
        if row.amax() > 1:
            state["sum"] = state["sum"] + row
            state["seen"] += 1
    return state["sum"] / (state["seen"] + 1)


@program(*ROWS)
def dict_update(x: Tensor) -> Tensor:
    state = {"a": x, "b": x * 2}
    if x.sum() > 0:
        state.update(a=x + 5)
    else:
        state["c"] = x
        state["b"] = state.pop("c") - 1
    return state["a"] * state["b"]


@program(*ROWS)
def dataclass_of_states(x: Tensor) -> Tensor:
    state = Running(torch.zeros(3))
    for row in x:
        if row.sum() > 1:
            state.total = state.total + row
            state.count += 1
    return state.total / (state.count + 1)


@program(*ROWS)
def dataclass_replaced(x: Tensor) -> Tensor:
    state = Running(x[0])
    while state.total.abs().amax() > 0.2:
        state = replace(state, total=state.total * 0.5, count=state.count + 1)
    return state.total * state.count


@program(*ROWS)
def comprehension(x: Tensor) -> Tensor:
    return torch.stack([row * row.sum() for row in x])


@program(*VECTORS)
def comprehension_with_if(x: Tensor) -> Tensor:
    return torch.stack([v * 2 for v in x if v > 0] + [torch.tensor(0.0)])


@program(*VECTORS)
def comprehension_of_indices(x: Tensor) -> Tensor:
    return torch.stack([x[: i + 1].sum() for i in range(len(x))])


@program(*TOKENS)
def comprehension_of_numbers(x: Tensor) -> Tensor:
    return torch.tensor([int(v) * 2 + 1 for v in x])


@program((UP[:2], UP), (-UP, UP[:1]), (UP[:1], UP), (UP[:3], -UP[:3]))
def comprehension_nested(a: Tensor, b: Tensor) -> Tensor:
    return torch.stack([torch.dot(u, v) for u in a for v in b])


@program(*VECTORS)
def generator_in_sum(x: Tensor) -> Tensor:
    return sum(v * v for v in x)


@program(*VECTORS)
def generator_in_any_and_all(x: Tensor) -> Tensor:
    if any(v > 4 for v in x):
        return x * 2
    if all(v < 1 for v in x):
        return x * 3
    return x


@program(*ROWS)
def dict_comprehension(x: Tensor) -> Tensor:
    parts = {name: x[:, i] for i, name in enumerate("abc")}
    if parts["a"].sum() > parts["c"].sum():
        parts["b"] = parts["b"] * 0
    return parts["a"] + parts["b"]


@program(*ROWS)
def known_comprehension(x: Tensor) -> Tensor:
    powers = [x**k for k in range(1, 4)]
    chosen = [p if p.sum() > 1 else p * 0 for p in powers]
    return torch.stack(chosen).sum(0)


@program(*ROWS)
def reversed_list(x: Tensor) -> Tensor:
    states = []
    h = torch.zeros(3)
    for row in x:
        h = torch.tanh(h + row)
        states.append(h)
    back = torch.zeros(3)
    for s in reversed(states):
        back = back * 0.5 + s
    return back


@program((UP, UP[:2] * 3), (-UP, UP), (UP[:1], UP[:1]), (UP * 0, UP[:3]))
def zip_of_lists(a: Tensor, b: Tensor) -> Tensor:
    sums = [row.sum() for row in a]
    tops = [row.amax() for row in b]
    total = torch.tensor(0.0)
    for s, t in zip(sums, tops):  # noqa: B905
        if s < t:
            total = total + s * t
    return total


@refused("first, *rest", cases=TOKENS)
def unpacks(x: Tensor) -> Tensor:
    first, *rest = x.tolist()
    total = first * 100
    for v in rest:
        total += v
    return torch.tensor(total)


@program(*TOKENS)
def through_a_python_list(x: Tensor) -> Tensor:
    numbers = x.tolist()
    return torch.tensor(sorted(numbers))


@program(int_(2), int_(5), int_(1), int_(9), int_(0))
def builds_a_table(n: Tensor) -> Tensor:
    """Pascal's triangle, row by row."""
    row = [torch.tensor(1)]
    for _ in range(int(n)):
        inner = [row[i] + row[i + 1] for i in range(len(row) - 1)]
        row = [torch.tensor(1), *inner, torch.tensor(1)]
    return torch.stack(row)


@program((floats(1, 2), ints(1, 0)), (floats(3), ints(0, 0, 0)), (floats(1, 2, 3), ints(2, 2)), (floats(4, 5), ints(1)))
def beam_of_lists(scores: Tensor, moves: Tensor) -> Tensor:
    path = []
    best = torch.tensor(0.0)
    for m in moves:
        best = best + scores[m]
        path.append(best)
        if best > 5:
            break
    return torch.stack(path)
