"""The table of kernels against the installed runtime's own registry."""

from __future__ import annotations

import onnx_ir as ir
import pytest
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

from lampion_export.errors import UnsupportedError
from lampion_export.exporter import OPSET
from lampion_export.kernels import KERNELS, widened

ONNX_NAMES = {"float": "FLOAT", "double": "DOUBLE"}


def registered(op_type: str) -> set[ir.DataType]:
    """The dtypes of the first type constraint of the CPU kernels for an op at the exporter's opset."""
    found: set[ir.DataType] = set()
    for kernel in runtime.get_all_opkernel_def():
        first, last = kernel.version_range
        if (kernel.op_name, kernel.domain, kernel.provider) == (
            op_type,
            "",
            "CPUExecutionProvider",
        ) and first <= OPSET <= last:
            types = kernel.type_constraints.get("T") or kernel.type_constraints.get("T1")
            names = [t.removeprefix("tensor(").removesuffix(")") for t in types]
            found |= {
                ir.DataType[ONNX_NAMES.get(n, n.upper())]
                for n in names
                if ONNX_NAMES.get(n, n.upper()) in ir.DataType.__members__
            }
    return found


@pytest.mark.parametrize("op_type", KERNELS)
def test_every_dtype_in_the_table_has_a_kernel(op_type: str) -> None:
    assert KERNELS[op_type] <= registered(op_type)


@pytest.mark.parametrize(
    ("op_type", "dtype", "wide"),
    [
        ("Add", "FLOAT", "FLOAT"),
        ("Where", "BOOL", "UINT8"),
        ("ReduceSum", "UINT8", "INT32"),
        ("Exp", "FLOAT16", "FLOAT"),
    ],
)
def test_widening_takes_the_narrowest_that_holds_all_numbers(op_type: str, dtype: str, wide: str) -> None:
    assert widened(op_type, ir.DataType[dtype]) == ir.DataType[wide]


def test_a_dtype_that_nothing_wider_holds_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="no Conv for double"):
        widened("Conv", ir.DataType.DOUBLE)
