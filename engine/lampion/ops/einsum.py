"""Einstein's summation, as products of matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lampion.ops.promote import promoted
from lampion.symbolic import numel, same

if TYPE_CHECKING:
    from lampion.tensor import Tensor

_DOTS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"  # labels of the dims under an ellipsis, counted from the last


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Products summed over the labels that the result lacks: einsum("bij,bjk->bik", x, y).

    Labels may be lists of ints behind each operand too: einsum(x, [0, 1], y, [1, 2], [0, 2]).
    Operands are multiplied from left to right. Raises RuntimeError for an equation that doesn't fit the shapes.
    """
    if not isinstance(equation, str):
        return einsum(*_written((equation, *operands)))
    tensors = list(promoted(*(operands[0] if isinstance(operands[0], list | tuple) else operands)))
    inputs, output = _parsed(equation, [x.ndim for x in tensors])
    _check_sizes(equation, inputs, tensors)
    left, x = _without_repeats(inputs[0], tensors[0])
    for i, y in enumerate(tensors[1:], 1):
        right, y = _without_repeats(inputs[i], y)
        wanted = set(output).union(*inputs[i + 1 :])
        left, x = _product(left, x, right, y, wanted)
    left, x = _summed(left, x, set(output))
    return x.permute(*[left.index(label) for label in output]) if left != output else x


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Sums of products over the last `dims` dims of `a` and the first of `b`, or over the pair of lists `dims`."""
    left, right = (range(a.ndim - dims, a.ndim), range(dims)) if isinstance(dims, int) else dims
    labels = [chr(ord("a") + i) for i in range(a.ndim + b.ndim)]
    mine, other = labels[: a.ndim], labels[a.ndim :]
    for i, j in zip(left, right, strict=True):
        other[j] = mine[i]
    free = [n for n in mine if n not in other] + [n for n in other if n not in mine]
    return einsum(f"{''.join(mine)},{''.join(other)}->{''.join(free)}", a, b)


def _written(arguments: tuple[Any, ...]) -> list[Any]:
    """Operands with lists of labels as an equation, then the operands."""
    pairs = len(arguments) // 2
    terms = ["".join("..." if n is Ellipsis else _letter(n) for n in labels) for labels in arguments[1::2]]
    if len(arguments) % 2:
        terms.append("".join("..." if n is Ellipsis else _letter(n) for n in arguments[-1]))
    equation = ",".join(terms[:pairs]) + "".join(f"->{term}" for term in terms[pairs:])
    return [equation, *arguments[: 2 * pairs : 2]]


def _letter(n: int) -> str:
    if not 0 <= n < 26:
        raise RuntimeError(f"einsum: expected labels from 0 to 25, got {n}")
    return chr(ord("a") + n)


def _parsed(equation: str, ranks: list[int]) -> tuple[list[str], str]:
    """The labels of each operand and of the result, an ellipsis written out."""
    equation = equation.replace(" ", "")
    terms, arrow, output = equation.partition("->")
    inputs = terms.split(",")
    if len(inputs) != len(ranks):
        raise RuntimeError(f"einsum: {equation!r} names {len(inputs)} operands, got {len(ranks)}")
    written = []
    for i, (term, rank) in enumerate(zip(inputs, ranks, strict=True)):
        named = len(term.replace("...", ""))
        if named > rank or (named < rank and "..." not in term):
            raise RuntimeError(f"einsum: {equation!r} names {named} dims of operand {i}, which has {rank}")
        written.append(term.replace("...", _DOTS[: rank - named][::-1]))
    dots = _DOTS[: max(sum(c.isupper() for c in term) for term in written)][::-1]
    if not arrow:
        together = "".join(written)
        output = dots + "".join(sorted(c for c in set(together) if c.islower() and together.count(c) == 1))
    output = output.replace("...", dots)
    missing = set(output) - set("".join(written))
    if missing or len(set(output)) != len(output):
        raise RuntimeError(f"einsum: {equation!r}: each label of the result must occur in an operand, and once")
    return written, output


def _check_sizes(equation: str, inputs: list[str], tensors: list[Tensor]) -> None:
    sizes: dict[str, Any] = {}
    for labels, x in zip(inputs, tensors, strict=True):
        for label, n in zip(labels, x.shape, strict=True):
            known = sizes.get(label, 1)
            if isinstance(n, int) and isinstance(known, int) and n != known and 1 not in (n, known):
                raise RuntimeError(f"einsum: {equation!r}: label {label!r} has size {known} and size {n}")
            sizes[label] = known if same(n, 1) else n


def _without_repeats(labels: str, x: Tensor) -> tuple[str, Tensor]:
    """A label that occurs twice in one operand means its diagonal."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            a = labels.index(label)
            b = labels.index(label, a + 1)
            x = x.diagonal(0, a, b)
            labels = labels[:a] + labels[a + 1 : b] + labels[b + 1 :] + label
    return labels, x


def _summed(labels: str, x: Tensor, wanted: set[str]) -> tuple[str, Tensor]:
    """Without the labels that nobody wants any more."""
    dims = [i for i, label in enumerate(labels) if label not in wanted]
    return "".join(c for c in labels if c in wanted), x.sum(dims) if dims else x


def _product(left: str, x: Tensor, right: str, y: Tensor, wanted: set[str]) -> tuple[str, Tensor]:
    """One batched matrix product: labels in both that stay are the batch, those that go are summed over."""
    left, x = _summed(left, x, wanted | set(right))
    right, y = _summed(right, y, wanted | set(left))
    shared = [c for c in left if c in right]
    for c in [c for c in shared if not same(x.shape[left.index(c)], y.shape[right.index(c)])]:
        x, y = _spread(x, left.index(c), y, right.index(c))
    batch = [c for c in shared if c in wanted]
    inner = [c for c in shared if c not in wanted]
    rows, columns = [c for c in left if c not in shared], [c for c in right if c not in shared]
    a = x.permute(*[left.index(c) for c in batch + rows + inner])
    b = y.permute(*[right.index(c) for c in batch + inner + columns])
    kept = [*a.shape[: len(batch) + len(rows)], *b.shape[len(batch) + len(inner) :]]
    depth = numel(a.shape[len(batch) + len(rows) :])
    head = a.shape[: len(batch)]
    product = a.reshape(*head, numel(a.shape[len(batch) : len(batch) + len(rows)]), depth) @ b.reshape(
        *head, depth, numel(b.shape[len(batch) + len(inner) :])
    )
    return "".join(batch + rows + columns), product.reshape(kept)


def _spread(x: Tensor, i: int, y: Tensor, j: int) -> tuple[Tensor, Tensor]:
    """Both with the larger size where one has size 1."""
    n = y.shape[j] if same(x.shape[i], 1) else x.shape[i]
    return (
        x.expand(*x.shape[:i], n, *x.shape[i + 1 :]),
        y.expand(*y.shape[:j], n, *y.shape[j + 1 :]),
    )
