"""Linear algebra under PyTorch's names."""

from lampion.errors import LinAlgError
from lampion.ops.decomposition import cholesky, lu, lu_factor, lu_factor_ex, qr
from lampion.ops.determinant import det, slogdet
from lampion.ops.ldl import ldl_factor, ldl_factor_ex, ldl_solve
from lampion.ops.linalg import cross, householder_product, matrix_exp, matrix_power, multi_dot, vander, vecdot
from lampion.ops.linalg import linalg_diagonal as diagonal
from lampion.ops.matmul import matmul
from lampion.ops.norms import cond, matrix_norm, norm, vector_norm
from lampion.ops.solving import (
    cholesky_ex,
    inv,
    inv_ex,
    lstsq,
    lu_solve,
    matrix_rank,
    pinv,
    solve,
    solve_ex,
    solve_triangular,
    tensorinv,
    tensorsolve,
)
from lampion.ops.spectral import eig, eigh, eigvals, eigvalsh, svd, svdvals

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh",
    "householder_product", "inv", "inv_ex", "ldl_factor", "ldl_factor_ex", "ldl_solve", "lstsq", "lu", "lu_factor",
    "lu_factor_ex", "lu_solve", "matmul", "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm",
    "pinv", "qr", "slogdet", "solve", "solve_ex", "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve",
    "vander", "vecdot", "vector_norm",
]  # fmt: skip
