"""LDL^T of symmetric and Hermitian matrices, as LAPACK's sytf2, hetf2 and sytrs compute and keep it (lower triangle).

J. R. Bunch and L. Kaufman, Some stable methods for calculating inertia and solving symmetric linear systems, Math. Comp. 31
(1977) 163-179. A pivot p > 0 says that row i was exchanged with row p, two equal ones < 0 that D has a block of 2 there and
that its second row was exchanged with row -p; rows count from 1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

LIMIT = (1 + math.sqrt(17)) / 8


def factor(a: Array, hermitian: bool) -> tuple[Array, Array, int]:
    """L (unit diagonal, not stored) over D in one matrix [n, n], int32 pivots [n], and where D has its first 0, from 1."""
    a, n = np.tril(a), len(a)
    pivots, info, k = np.zeros(n, np.int32), 0, 0
    while k < n:
        other, step = _pivot(a, k)
        if not (a[k, k] or np.any(a[k + 1 :, k])):
            info = info or k + 1
        if other != k + step - 1:
            _exchange(a, k, k + step - 1, other, hermitian)
        _eliminate(a, k, step, hermitian)
        pivots[k : k + step] = other + 1 if step == 1 else -(other + 1)
        k += step
    return a, pivots, info


def solve(a: Array, pivots: Array, b: Array, hermitian: bool) -> Array:
    """X [n, m] with A X = B, from what `factor` gave."""
    b, starts = b.copy(), _starts(pivots)
    for k, step in starts:
        last, end = k + step - 1, k + step
        _swap(b, last, abs(pivots[k]) - 1)
        b[end:] -= a[end:, k:end] @ b[k:end]
        b[k:end] = np.linalg.solve(_block(a, k, step, hermitian), b[k:end])
    for k, step in reversed(starts):
        end = k + step
        b[k:end] -= _turned(a[end:, k:end], hermitian) @ b[end:]
        _swap(b, end - 1, abs(pivots[k]) - 1)
    return b


def _pivot(a: Array, k: int) -> tuple[int, int]:
    """The row to exchange with, and the size of the block."""
    size = abs(a[k, k])
    below = np.abs(a[k + 1 :, k])
    column = below.max(initial=0)
    if size >= LIMIT * column:
        return k, 1
    row = k + 1 + int(below.argmax())
    largest = max(np.abs(a[row, k:row]).max(), np.abs(a[row + 1 :, row]).max(initial=0))
    if size >= LIMIT * column * (column / largest):
        return k, 1
    return row, 1 if abs(a[row, row]) >= LIMIT * largest else 2


def _exchange(a: Array, k: int, one: int, other: int, hermitian: bool) -> None:
    """Rows and columns `one` and `other` of what is left from k on, of which only the lower triangle is kept."""
    lower, n = np.arange(other + 1, len(a)), other
    a[lower, one], a[lower, other] = a[lower, other], a[lower, one]
    between = slice(one + 1, n)
    column, row = a[between, one].copy(), a[n, between].copy()
    a[between, one], a[n, between] = (row.conj(), column.conj()) if hermitian else (row, column)
    if hermitian:
        a[n, one] = a[n, one].conj()
    a[one, one], a[n, n] = a[n, n], a[one, one]
    if one > k:
        a[one, k], a[n, k] = a[n, k], a[one, k]


def _eliminate(a: Array, k: int, step: int, hermitian: bool) -> None:
    end = k + step
    block, below = _block(a, k, step, hermitian), a[end:, k:end].copy()
    if not below.any():
        return
    a[end:, k:end] = _turned(np.linalg.solve(block.T, below.T), False)
    a[end:, end:] -= np.tril(a[end:, k:end] @ _turned(below, hermitian))


def _block(a: Array, k: int, step: int, hermitian: bool) -> Array:
    """The block of D from k on, both triangles."""
    lower = a[k : k + step, k : k + step]
    block: Array = lower + _turned(np.tril(lower, -1), hermitian) - np.triu(lower, 1)
    if hermitian:
        np.fill_diagonal(block, block.diagonal().real)
    return block


def _turned(a: Array, hermitian: bool) -> Array:
    return a.T.conj() if hermitian else a.T


def _starts(pivots: Array) -> list[tuple[int, int]]:
    """Where each block of D begins, and its size."""
    found, k = [], 0
    while k < len(pivots):
        found.append((k, 1 if pivots[k] > 0 else 2))
        k += found[-1][1]
    return found


def _swap(b: Array, i: int, j: int) -> None:
    b[[i, j]] = b[[j, i]]
