"""What numpy's linear algebra lacks: LU with pivots, the exponential of matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def lu_in_place(a: Array, pivot: bool) -> tuple[Array, Array]:
    """LU with exchanges of rows (partial pivoting), column by column over all matrices [..., n, m] at once.

    Gives L below and U on and above the diagonal, and int32 pivots [..., min(n, m)] counted from 1.
    """
    n, m = a.shape[-2:]
    k = min(n, m)
    flat = a.reshape(math.prod(a.shape[:-2]), n, m)
    every = np.arange(len(flat))
    pivots = np.empty((len(flat), k), np.int32)
    for i in range(k):
        row = i + np.abs(flat[:, i:, i]).argmax(-1) if pivot else np.full(len(flat), i)
        pivots[:, i] = row + 1
        flat[every, i], flat[every, row] = flat[every, row], flat[every, i]
        head = flat[:, i, i, None]
        flat[:, i + 1 :, i] /= np.where(head == 0, 1, head)
        flat[:, i + 1 :, i + 1 :] -= flat[:, i + 1 :, i, None] * flat[:, i, None, i + 1 :]
    return flat.reshape(a.shape), pivots.reshape(*a.shape[:-2], k)


def permutation(pivots: Array, n: int) -> Array:
    """The order [..., n] into which the exchanges bring the rows 0, ..., n - 1."""
    flat = pivots.reshape(math.prod(pivots.shape[:-1]), pivots.shape[-1])
    rows = np.tile(np.arange(n), (len(flat), 1))
    every = np.arange(len(flat))
    for i in range(flat.shape[1]):
        other = flat[:, i] - 1
        rows[every, i], rows[every, other] = rows[every, other], rows[every, i].copy()
    return rows.reshape(*pivots.shape[:-1], n)


# N. J. Higham, The scaling and squaring method for the matrix exponential revisited, SIAM J. Matrix Anal. Appl. 26 (2005)
# 1179-1193: the coefficients of the approximant of degree 13, which is exact to float64 up to this norm.
PADE = (64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0, 10559470521600.0,
        670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0)  # fmt: skip
LARGEST = 5.371920351148152


def expm(a: Array) -> Array:
    """The exponential of square matrices [..., n, n]: Pade's approximant of A / 2^s, squared s times."""
    norm = np.abs(a).sum(-2).max(-1, initial=0)
    squarings = np.maximum(np.ceil(np.log2(np.maximum(norm, 1e-300) / LARGEST)), 0).astype(int)[..., None, None]
    kind = np.result_type(a.dtype, np.float64)
    x = a.astype(kind) / 2.0**squarings
    square, power = x @ x, np.broadcast_to(np.eye(a.shape[-1], dtype=kind), a.shape)
    even, odd = np.zeros(a.shape, kind), np.zeros(a.shape, kind)
    for i in range(0, len(PADE), 2):
        even, odd = even + PADE[i] * power, odd + PADE[i + 1] * power
        power = power @ square
    odd = x @ odd
    result = np.linalg.solve(even - odd, even + odd)
    for i in range(int(squarings.max(initial=0))):
        result = np.where(squarings > i, result @ result, result)
    return result.astype(a.dtype)
