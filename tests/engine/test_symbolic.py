"""Sizes that are not known while tracing: what they evaluate to, what they decide, and where they refuse."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lampion.errors import UntraceableError
from lampion.symbolic import Spec, SymInt, broadcast_shapes, maximum, minimum, numel, same

N, M = SymInt.axis("n"), SymInt.axis("m")
OPERATORS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "+": (operator.add, operator.add), "-": (operator.sub, operator.sub), "*": (operator.mul, operator.mul),
    "max": (maximum, max), "min": (minimum, min),
    "//": (operator.floordiv, operator.floordiv), "%": (operator.mod, operator.mod),
}  # fmt: skip
DIVISORS = st.sampled_from([1, 2, 3, 7])

Expression = Any  # an int, an axis name, or (operator, expression, expression)


def expressions() -> st.SearchStrategy[Expression]:
    leaves = st.one_of(st.integers(-9, 9), st.sampled_from(["n", "m"]))

    def grown(children: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
        plain = st.tuples(st.sampled_from(["+", "-", "*", "max", "min"]), children, children)
        return st.one_of(plain, st.tuples(st.sampled_from(["//", "%"]), children, DIVISORS))

    return st.recursive(leaves, grown, max_leaves=6)


def symbolic(e: Expression) -> Any:
    if isinstance(e, tuple):
        return OPERATORS[e[0]][0](symbolic(e[1]), symbolic(e[2]))
    return SymInt.axis(e) if isinstance(e, str) else e


def number(e: Expression, sizes: dict[str, int]) -> int:
    if isinstance(e, tuple):
        return int(OPERATORS[e[0]][1](number(e[1], sizes), number(e[2], sizes)))
    return sizes[e] if isinstance(e, str) else int(e)


SIZES = st.fixed_dictionaries({"n": st.integers(0, 20), "m": st.integers(0, 20)})


@settings(max_examples=200, deadline=None, derandomize=True)
@given(expressions(), SIZES)
def test_an_expression_evaluates_to_what_numbers_give(e: Expression, sizes: dict[str, int]) -> None:
    size = symbolic(e)
    assert (size.evaluate(sizes) if isinstance(size, SymInt) else size) == number(e, sizes)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(expressions(), expressions(), SIZES, st.sampled_from(["lt", "le", "gt", "ge", "eq", "ne"]))
def test_a_decided_comparison_holds_for_all_sizes(
    a: Expression, b: Expression, sizes: dict[str, int], name: str
) -> None:
    compare = getattr(operator, name)
    answer = compare(symbolic(a), symbolic(b))
    if isinstance(answer, bool):
        assert answer == compare(number(a, sizes), number(b, sizes))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (N + 1 - 1, N), (N * 2 // 2, N), (N * M, M * N), ((N + 1) * 2, N * 2 + 2), (N * M // M, N), (N - N, 0), (N % 1, 0),
        ((N * 4 + 8) // 4, N + 2), (N * 6 % 3, 0), (maximum(N, 0), N), (minimum(N, N + 1), N), (maximum(N, M), maximum(M, N)),
        (numel((N, 3, 2)), N * 6), (-(0 - N), N), (2 - N, -N + 2), (0 * N, 0),
    ],
    ids=str,
)  # fmt: skip
def test_equal_sizes_are_found_equal(a: Any, b: Any) -> None:
    assert same(a, b)
    assert a == b
    assert operator.ne(a, b) is False
    assert hash(a) == hash(b)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: bool(N > 3), lambda: bool(N == M), lambda: int(N), lambda: range(N), lambda: bool(N), lambda: [1, 2][N],
        lambda: np.zeros(N), lambda: np.asarray(Spec((N,), np.float32)), lambda: bool(maximum(N, 5) == N),
    ],
)  # fmt: skip
def test_what_needs_the_number_refuses_with_the_users_line(ask: Callable[[], Any]) -> None:
    with pytest.raises(UntraceableError, match="instead:") as refused:
        ask()
    assert "test_symbolic.py" in refused.value.where


@pytest.mark.parametrize(
    "answer", [N + 1 > N, N >= 0, N != -1, 2 * N + 1 > 0, minimum(N, 3) <= 3, N // 2 >= 0, N % 4 < 4]
)
def test_what_holds_for_all_sizes_is_decided(answer: Any) -> None:
    assert answer is True


@pytest.mark.parametrize(
    "answer", [(N - 5) // 2 >= 0, maximum(N - 5, M - 5) >= 0, N - M >= 0, (N - 1) * (M - 1) >= 0, N // 2 < N]
)
def test_what_depends_on_the_sizes_is_not_decided(answer: Any) -> None:
    assert not isinstance(answer, bool)


@pytest.mark.parametrize(
    ("shapes", "result"),
    [
        (((2, 3), (3,)), (2, 3)), (((2, 1), (1, 3)), (2, 3)), (((), (2,)), (2,)), (((0, 3), (1,)), (0, 3)),
        (((N, 3), (3,)), (N, 3)),
        (((N, 1), (1, M)), (N, M)), (((N,), (4,)), (4,)), (((N,), (N,)), (N,)), (((N + 1, 2), (N + 1, 1)), (N + 1, 2)),
    ],
)  # fmt: skip
def test_shapes_broadcast(shapes: Any, result: Any) -> None:
    got = broadcast_shapes(*shapes)
    assert len(got) == len(result)
    assert all(map(same, got, result))


def test_shapes_that_do_not_broadcast_are_named() -> None:
    with pytest.raises(RuntimeError, match=r"shapes \[2, n\] and \[3, n\] do not broadcast: 2 against 3"):
        broadcast_shapes((2, N), (3, N))


def test_sizes_read_as_formulas() -> None:
    assert str(N * 2 + 1) == "1 + 2*n"
    assert str(N // 2) == "((n)//(2))"
    assert str(N > 3) == "n > 3"
    assert str(Spec((N, 3), np.float32)) == "float32[n, 3]"
