"""Nested arguments as a list of Tensors and a form that can be compared, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lampion.ops.promote import as_tensor
from lampion.symbolic import Symbolic, SymBool, SymInt
from lampion.tape import Handle
from lampion.tensor import Tensor

TENSOR, NUMBER = "tensor", "number"  # a number came out as one that is not known while tracing


def flattened(tree: Any, leaves: list[Tensor]) -> Any:
    """The form of `tree`: equal for equal structure, shapes, dtypes and Python values. Tensors are appended to `leaves`.

    numpy arrays count as Tensors. Raises TypeError for a value that can't be compared by hash.
    """
    if isinstance(tree, np.ndarray):
        tree = as_tensor(tree)
    if isinstance(tree, Handle):
        leaves.append(tree)  # type: ignore[arg-type]
        data = tree._value.data
        return TENSOR, data.dtype, data.shape, tree._value.requires_grad
    kind = list if isinstance(tree, list) else type(tree)  # also the lists of traced code
    if kind is tuple or kind is list:
        return kind, tuple([flattened(x, leaves) for x in tree])
    if kind is dict:
        return kind, tuple(tree), tuple([flattened(x, leaves) for x in tree.values()])
    if isinstance(tree, Symbolic):
        leaves.append(as_tensor(tree))
        return NUMBER, int if isinstance(tree, SymInt) else bool if isinstance(tree, SymBool) else float
    hash(tree)
    return kind, tree


def unflattened(form: Any, leaves: Iterator[Any]) -> Any:
    """The tree of a form, with other leaves in it."""
    kind = form[0]
    if kind == TENSOR:
        return next(leaves)
    if kind == NUMBER:
        return form[1](next(leaves).item())
    if kind is tuple or kind is list:
        return kind([unflattened(x, leaves) for x in form[1]])
    if kind is dict:
        return dict(zip(form[1], [unflattened(x, leaves) for x in form[2]], strict=True))
    return form[1]
