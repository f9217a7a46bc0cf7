"""What people really write: decoders, dynamic programming, solvers, pooling, suppression of boxes."""

from __future__ import annotations

import numpy as np
from export.programs.inputs import TOKENS, VECTORS, floats, int_, ints, noise
from export.programs.program import program

import lampion as torch
from lampion import Tensor, nn

WORDS = (ints(3, 1, 4), ints(2), ints(5, 5, 5, 5, 0), ints(1, 2, 3, 4, 5, 6, 7), ints(0, 6))


@program(*WORDS, ints(7))
class GreedyDecoding(nn.Module):
    """Takes the likeliest token until the end token comes, or 8 have been taken."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(8, 6)
        self.cell = nn.GRUCell(6, 6)
        self.out = nn.Linear(6, 8)

    def forward(self, prompt: Tensor) -> Tensor:
        h = torch.zeros(1, 6)
        for token in prompt:
            h = self.cell(self.embed(token)[None], h)
        token = prompt[-1]
        taken = [token]
        for _ in range(8):
            h = self.cell(self.embed(token)[None], h)
            token = self.out(h)[0].argmax()
            taken.append(token)
            if token == 3:
                break
        return torch.stack(taken)


@program(*WORDS)
class WordRnn(nn.Module):
    """Names the class of a word of any length."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(8 + 5, 5)
        self.out = nn.Linear(8 + 5, 3)

    def forward(self, word: Tensor) -> Tensor:
        hidden = torch.zeros(1, 5)
        letters = torch.nn.functional.one_hot(word, 8).float()
        for i in range(letters.size(0)):
            combined = torch.cat([letters[i : i + 1], hidden], 1)
            hidden = torch.tanh(self.hidden(combined))
            output = self.out(combined)
        return output.log_softmax(1)


@program(noise(4, 5), noise(1, 5, seed=1), noise(3, 5, seed=2), noise(7, 5, seed=3))
class BeamStep(nn.Module):
    """Two beams over the scores of every step."""

    def __init__(self) -> None:
        super().__init__()
        self.transition = nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        scores = torch.tensor([0.0, -9.0])
        last = torch.zeros(2, 5)
        for step in x:
            options = scores[:, None] + (self.transition(last) + step).log_softmax(-1)
            scores, flat = options.reshape(-1).topk(2)
            last = torch.nn.functional.one_hot(flat % 5, 5).float()
            if scores[0] - scores[1] > 0.5:
                break
        return scores


@program(noise(5, 3), noise(1, 3, seed=1), noise(2, 3, seed=2), noise(9, 3, seed=3))
def viterbi(emissions: Tensor) -> Tensor:
    transitions = torch.tensor([[0.5, -1.0, 0.0], [0.0, 0.25, -0.5], [-0.75, 0.5, 0.125]])
    score = emissions[0]
    back = []
    for t in range(1, emissions.shape[0]):
        best, origin = (score[:, None] + transitions).max(0)
        back.append(origin)
        score = best + emissions[t]
    state = score.argmax()
    path = [state]
    for origin in reversed(back):
        state = origin[state]
        path.append(state)
    return torch.stack(path[::-1])


@program(
    (ints(1, 2, 3, 4), ints(1, 3, 4)),
    (ints(5), ints(6)),
    (ints(1, 1, 1), ints(1, 1, 1)),
    (ints(1, 2), ints(3, 4, 5, 6, 1)),
    (ints(2, 7, 1, 8), ints(2, 8)),
)
def edit_distance(a: Tensor, b: Tensor) -> Tensor:
    n, m = len(a), len(b)
    table = torch.zeros(n + 1, m + 1, dtype=torch.long)
    table[:, 0] = torch.arange(n + 1)
    table[0] = torch.arange(m + 1)
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            if a[i - 1] == b[j - 1]:
                table[i, j] = table[i - 1, j - 1]
            else:
                table[i, j] = 1 + min(table[i - 1, j], table[i, j - 1], table[i - 1, j - 1])
    return table[n, m]


@program(
    (ints(1, 2, 3, 4), ints(1, 3, 4)),
    (ints(5), ints(6)),
    (ints(1, 1, 1), ints(1, 1, 1)),
    (ints(1, 2), ints(3, 4, 5, 6, 1)),
)
def edit_distance_by_rows(a: Tensor, b: Tensor) -> Tensor:
    """With two lists of numbers, as textbooks have it."""
    before = [j for j in range(len(b) + 1)]  # noqa: C416
    for i in range(len(a)):
        now = [i + 1]
        for j in range(len(b)):
            cost = 0 if a[i].item() == b[j].item() else 1
            now.append(min(now[j] + 1, before[j + 1] + 1, before[j] + cost))
        before = now
    return torch.tensor(before[-1])


@program(*TOKENS, ints(0, 1, 1, 0, 1, 2, 2, 0))
def ctc_collapse(x: Tensor) -> Tensor:
    """Repeated tokens are one, and 0 is none."""
    out = [torch.tensor(-1)]
    before = torch.tensor(0)
    for token in x:
        if token != 0 and token != before:
            out.append(token)
        before = token
    return torch.stack(out)


@program(
    (noise(3, 5, 2), ints(5, 2, 1)),
    (noise(1, 3, 2, seed=1), ints(2)),
    (noise(2, 4, 2, seed=2), ints(4, 4)),
    (noise(4, 2, 2, seed=3), ints(1, 2, 0, 1)),
    axes={"x": {0: "batch", 1: "time"}, "lengths": {0: "batch"}},
)
def masked_pooling(x: Tensor, lengths: Tensor) -> Tensor:
    pooled = []
    for i in range(x.shape[0]):
        n = int(lengths[i])
        if n > 0:
            pooled.append(x[i, :n].mean(0))
        else:
            pooled.append(torch.zeros(2))
    return torch.stack(pooled)


BOXES = np.array([[0, 0, 4, 4], [1, 1, 4, 5], [6, 6, 9, 9], [0, 0, 4, 3], [6, 5, 9, 9]], np.float32)


@program(
    (BOXES, floats(0.9, 0.8, 0.7, 0.6, 0.95)),
    (BOXES[:1], floats(0.5)),
    (BOXES[[0, 2]], floats(0.1, 0.2)),
    (BOXES[[0, 0, 0]], floats(0.3, 0.4, 0.35)),
    axes={"boxes": {0: "n"}, "scores": {0: "n"}},
)
def non_maximum_suppression(boxes: Tensor, scores: Tensor) -> Tensor:
    order = scores.argsort(descending=True)
    kept = []
    while order.numel() > 0:
        best = order[0]
        kept.append(best)
        if order.numel() == 1:
            break
        rest = boxes[order[1:]]
        low = torch.maximum(boxes[best, :2], rest[:, :2])
        high = torch.minimum(boxes[best, 2:], rest[:, 2:])
        shared = (high - low).clamp(min=0).prod(1)
        area = (boxes[best, 2:] - boxes[best, :2]).prod() + (rest[:, 2:] - rest[:, :2]).prod(1) - shared
        order = order[1:][shared / area <= 0.5]
    return torch.stack(kept)


@program(
    (floats(0, 1, 1, 1), floats(4, 4, 5, 4), floats(1, 1, 1, 0), floats(1, 2, 3, 4)),
    (floats(0), floats(2), floats(0), floats(3)),
    (floats(0, 1), floats(3, 3), floats(1, 0), floats(5, -5)),
    (floats(0, 1, 2, 1, 1, 1), floats(5, 5, 6, 5, 4, 5), floats(1, 2, 1, 1, 1, 0), floats(1, 0, 1, 0, 1, 0)),
    axes={name: {0: "n"} for name in ("lower", "diagonal", "upper", "right")},
)
def thomas(lower: Tensor, diagonal: Tensor, upper: Tensor, right: Tensor) -> Tensor:
    """Solves a tridiagonal system."""
    n = right.shape[0]
    c, d = torch.zeros(n), torch.zeros(n)
    c[0], d[0] = upper[0] / diagonal[0], right[0] / diagonal[0]
    for i in range(1, n):
        m = diagonal[i] - lower[i] * c[i - 1]
        c[i] = upper[i] / m
        d[i] = (right[i] - lower[i] * d[i - 1]) / m
    x = torch.zeros(n)
    x[n - 1] = d[n - 1]
    for i in range(n - 2, -1, -1):
        x[i] = d[i] - c[i] * x[i + 1]
    return x


@program(floats(4, 2, 1, 0.5), floats(3, 1), floats(8, 1, 2, 1, 0.5), floats(2, 0.5, 0.25), tolerance=1e-3)
def levinson(r: Tensor) -> Tensor:
    """Coefficients of linear prediction from autocorrelations."""
    order = r.shape[0] - 1
    a = torch.zeros(order + 1)
    a[0] = 1
    error = r[0]
    for i in range(1, order + 1):
        k = r[i]
        for j in range(1, i):
            k = k + a[j] * r[i - j]
        k = -k / error
        new = a.clone()
        for j in range(1, i):
            new[j] = a[j] + k * a[i - j]
        new[i] = k
        a = new
        error = error * (1 - k * k)
    return a


@program(
    (ints(3, 1, 4, 1), ints(3, 1, 4, 2)),
    (ints(2, 2), ints(1, 2)),
    (ints(5, 5, 5), ints(5, 5, 5)),
    (ints(1), ints(0)),
    (ints(1, 2, 3, 4, 5), ints(1, 2, 0, 4, 5)),
    axes={"draft": {0: "n"}, "target": {0: "n"}},
)
def speculative_accept(draft: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Takes drafted tokens as long as they are the target's, then the target's own."""
    accepted = []
    for i in range(draft.shape[0]):
        if draft[i] != target[i]:
            accepted.append(target[i])
            break
        accepted.append(draft[i])
    return torch.stack(accepted), torch.tensor(len(accepted))


@program(
    (noise(4, 4, seed=5) @ noise(4, 4, seed=5).T + np.eye(4, dtype=np.float32), noise(4, seed=1)),
    (np.eye(2, dtype=np.float32), noise(2, seed=2)),
    (np.array([[3]], np.float32), noise(1, seed=3)),
    (np.diag([1.0, 2.0, 5.0]).astype(np.float32), floats(0, 0, 0)),
    axes={"a": {0: "n", 1: "n"}, "b": {0: "n"}},
    tolerance=5e-3,
)
def conjugate_gradient(a: Tensor, b: Tensor) -> Tensor:
    x = torch.zeros_like(b)
    r = b - a @ x
    p = r
    rest = r @ r
    for _ in range(2 * len(b)):
        if rest.sqrt() < 1e-3:
            break
        q = a @ p
        alpha = rest / (p @ q)
        x = x + alpha * p
        r = r - alpha * q
        new = r @ r
        p = r + (new / rest) * p
        rest = new
    return x


@program(
    (floats(1, 2, 3, 4), floats(2.5, 0, 9)),
    (floats(1), floats(1)),
    (floats(1, 2), floats(1.5, 1.5)),
    (floats(-3, 0, 3), floats(-5, -3, 0, 2)),
)
def interpolates(knots: Tensor, x: Tensor) -> Tensor:
    """The place of every number among the knots, as a fraction."""
    out = []
    for v in x:
        if v <= knots[0]:
            out.append(torch.tensor(0.0))
            continue
        i = 1
        while i < len(knots) and knots[i] < v:
            i += 1
        if i == len(knots):
            out.append(torch.tensor(float(i - 1)))
        else:
            out.append(i - 1 + (v - knots[i - 1]) / (knots[i] - knots[i - 1]))
    return torch.stack(out)


@program(*VECTORS)
def longest_rising_run(x: Tensor) -> Tensor:
    best, now = 1, 1
    for i in range(1, len(x)):
        now = now + 1 if x[i] > x[i - 1] else 1
        best = max(best, now)
    return torch.tensor(best)


@program(*VECTORS)
def largest_sum_of_neighbours(x: Tensor) -> Tensor:
    """Kadane."""
    best = now = x[0]
    for v in x[1:]:
        now = torch.maximum(v, now + v)
        best = torch.maximum(best, now)
    return best


@program(
    (ints(-1, 0, 0, 1, 1), floats(1, 2, 3, 4, 5)),
    (ints(-1), floats(7)),
    (ints(-1, 0, 1, 2), floats(1, -1, 1, -1)),
    (ints(-1, 0, 0, 0), floats(0, 1, 2, 3)),
    axes={"parents": {0: "n"}, "values": {0: "n"}},
)
def tree_sums(parents: Tensor, values: Tensor) -> Tensor:
    """Every node's value and those below it."""
    sums = values.clone()
    for i in range(len(parents) - 1, 0, -1):
        sums[parents[i]] += sums[i]
    return sums


@program(
    (ints(3, 4, -1, 5, -2), int_(0)),
    (ints(2), int_(1)),
    (ints(6, 2, -2, 3, -1), int_(2)),
    (ints(1, 1, -1, 1, -1, 7, -2), int_(5)),
)
def reverse_polish(tokens: Tensor, start: Tensor) -> Tensor:
    """-1 adds, -2 multiplies; the numbers lie in a tensor with a pointer to its top."""
    stack = torch.zeros(16, dtype=torch.long)
    stack[0] = start
    top = 1
    for token in tokens:
        if token >= 0:
            stack[top] = token
            top += 1
        else:
            a, b = stack[top - 2], stack[top - 1]
            stack[top - 2] = a + b if token == -1 else a * b
            top -= 1
    return stack[:top]


@program(noise(6, 3), noise(1, 3, seed=1), noise(3, 3, seed=2), noise(9, 3, seed=3))
class ChunkedAttention(nn.Module):
    """Attends to the rows before, four at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        out = []
        for start in range(0, x.shape[0], 4):
            queries = self.project(x[start : start + 4])
            keys = x[: start + queries.shape[0]]
            scores = queries @ keys.T
            if start > 0:
                scores = scores * 0.5
            out.append(scores.softmax(-1) @ keys)
        return torch.cat(out)


@program(noise(6, 3), noise(1, 3, seed=1), noise(3, 3, seed=2) * 0, noise(9, 3, seed=3) * 4, tolerance=1e-3)
class FixedPoint(nn.Module):
    """A layer applied until its answer settles."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        z = torch.zeros_like(x)
        for _ in range(40):
            new = torch.tanh(0.3 * self.mix(z) + x)
            if torch.allclose(new, z, atol=1e-4):
                break
            z = new
        return z


@program(
    (floats(0.1, 0.5, 0.4), floats(0.7, 0.05)),
    (floats(1), floats(0.5)),
    (floats(0.25, 0.25, 0.25, 0.25), floats(0.9, 0.3, 0.6)),
    (floats(0.6, 0.4), floats(0.61, 0.59, 0)),
)
def inverse_sampling(weights: Tensor, uniform: Tensor) -> Tensor:
    """Draws by given numbers: the first index at which the running sum is larger."""
    drawn = []
    for u in uniform:
        total = torch.tensor(0.0)
        for i in range(len(weights)):
            total = total + weights[i]
            if total > u:
                break
        drawn.append(torch.tensor(i))
    return torch.stack(drawn)
