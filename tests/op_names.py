"""The engine's functions of tensors under PyTorch's names, gathered from their families, for the rows of `op_cases`."""

from __future__ import annotations

from functools import partial
from types import ModuleType, SimpleNamespace

from lampion import dtypes
from lampion.ops import (
    analysis,
    arithmetic,
    comparison,
    conv,
    create,
    diagonal,
    einsum,
    index,
    matmul,
    pool,
    random,
    reduce,
    shape,
    sorting,
)  # fmt: skip
from lampion.tensor import Tensor

FAMILIES = (
    analysis, arithmetic, comparison, conv, create, diagonal, einsum, index, matmul, pool, random, reduce, shape, sorting,
)  # fmt: skip


def functions(family: ModuleType) -> dict[str, object]:
    """The public functions of one family."""
    return {
        name: value
        for name, value in vars(family).items()
        if not name.startswith("_")
        and callable(value)
        and not isinstance(value, type)
        and value.__module__.startswith("lampion.ops")
    }


def _functional() -> SimpleNamespace:
    pools = {"max_pool": pool.max_pool, "avg_pool": pool.avg_pool, "adaptive_avg_pool": pool.adaptive_avg_pool}
    return SimpleNamespace(
        softplus=analysis.softplus,
        one_hot=create.one_hot,
        pad=lambda x, pad, value=0: shape.pad_constant(x, pad, value),
        embedding=lambda i, table: index.take_rows(table, i),
        **{f"{name}{rank}d": partial(pools[name], rank) for name in pools for rank in (1, 2, 3)},
    )


lampion = SimpleNamespace(
    **{name: value for family in FAMILIES for name, value in functions(family).items()},
    **{d.name: d for d in dtypes.ALL},
    Tensor=Tensor,
    clone=Tensor.clone,
    nn=SimpleNamespace(functional=_functional()),
)
