"""Converters of what Tensor itself brings."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from lampion.tensor import Clone
from lampion_export.convert import converts
from lampion_export.graph import Graph


@converts(Clone)
def clone(g: Graph, op: Any, x: ir.Value) -> ir.Value:
    return x
