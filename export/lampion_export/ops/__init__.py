"""The converters, in the families of `lampion.ops`. Importing this package registers them all."""

from lampion_export.ops import (
    analysis,
    arithmetic,
    autograd,
    comparison,
    complex,
    conv,
    create,
    index,
    matmul,
    pool,
    promote,
    random,
    reduce,
    shape,
    sorting,
    tensor,
)

__all__ = [
    "analysis",
    "arithmetic",
    "autograd",
    "comparison",
    "complex",
    "conv",
    "create",
    "index",
    "matmul",
    "pool",
    "promote",
    "random",
    "reduce",
    "shape",
    "sorting",
    "tensor",
]
