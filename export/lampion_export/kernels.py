"""For which dtypes onnxruntime's CPU provider has kernels, and which dtype to compute in where it has none."""

from __future__ import annotations

import onnx_ir as ir

from lampion_export.errors import UnsupportedError

D = ir.DataType
_BOOL = {D.BOOL}
_F32 = {D.FLOAT}
_FLOATS = {D.FLOAT, D.DOUBLE}
_ANY_FLOATS = _FLOATS | {D.FLOAT16}
_WIDE = {D.INT32, D.INT64} | _FLOATS
_INTS = {D.INT8, D.INT16, D.INT32, D.INT64, D.UINT8, D.UINT16, D.UINT32, D.UINT64}
_NUMBERS = _INTS | _FLOATS
_MIN_MAX = {D.INT8, D.UINT8, D.INT32, D.INT64, D.UINT32, D.UINT64, D.FLOAT16} | _FLOATS

# onnxruntime 1.32, opset 21; tests/export/test_kernels.py compares this with the installed runtime's own registry
KERNELS: dict[str, set[ir.DataType]] = {
    **dict.fromkeys(
        ["Add", "Sub", "Mul", "Div", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Abs", "Sign"], _NUMBERS
    ),
    "Equal": _NUMBERS | {D.BOOL},
    "Mod": _NUMBERS | {D.FLOAT16},
    "Pow": _WIDE,
    **dict.fromkeys(["Max", "Min", "Clip"], _MIN_MAX),
    **dict.fromkeys(["And", "Or", "Xor", "Not"], _BOOL),
    **dict.fromkeys(["BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot"], _INTS),
    **dict.fromkeys(["IsNaN", "IsInf"], _ANY_FLOATS),
    "Where": {D.INT8, D.UINT8, D.INT32, D.UINT32, D.INT64} | _FLOATS,
    "Neg": {D.INT8, D.INT16, D.INT32, D.INT64} | _FLOATS,
    **dict.fromkeys(
        ["Exp", "Log", "Sqrt", "Floor", "Ceil", "Sin", "Cos", "Tanh", "Sigmoid", "Softmax", "LogSoftmax"], _FLOATS
    ),
    "Round": _ANY_FLOATS,
    **dict.fromkeys(["Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Erf"], _F32),
    **dict.fromkeys(["Conv", "ConvTranspose", "AveragePool"], _F32),
    "MaxPool": {D.INT8, D.UINT8} | _FLOATS,
    "Relu": {D.INT8, D.INT32} | _FLOATS,
    **dict.fromkeys(["ReduceSum", "ReduceProd", "CumSum"], _WIDE),
    **dict.fromkeys(["ReduceMax", "ReduceMin"], {D.BOOL, D.INT8, D.UINT8} | _WIDE),
    **dict.fromkeys(["ArgMax", "ArgMin"], {D.INT8, D.UINT8} | _WIDE),
    "MatMul": {D.UINT32, D.UINT64} | _WIDE,
    "Pad": {D.BOOL, D.INT8, D.UINT8, D.UINT32, D.UINT64} | _WIDE,
    "TopK": {D.INT8, D.UINT8, D.INT16} | _WIDE,
}

# what holds every number of a dtype, narrowest first
_WIDER: dict[ir.DataType, tuple[ir.DataType, ...]] = {
    D.BOOL: (D.UINT8, D.INT32, D.FLOAT),
    D.UINT8: (D.INT32, D.INT64, D.FLOAT),
    D.INT8: (D.INT32, D.INT64, D.FLOAT),
    D.INT16: (D.INT32, D.INT64, D.FLOAT),
    D.UINT16: (D.INT32, D.INT64, D.FLOAT),
    D.INT32: (D.INT64, D.DOUBLE),
    D.UINT32: (D.INT64, D.DOUBLE),
    D.FLOAT16: (D.FLOAT,),
    D.FLOAT: (D.DOUBLE,),
}


def widened(op_type: str, dtype: ir.DataType) -> ir.DataType:
    """`dtype`, or the narrowest one that holds its numbers and has a kernel. Raises UnsupportedError where none does."""
    supported = KERNELS[op_type]
    for candidate in (dtype, *_WIDER.get(dtype, ())):
        if candidate in supported:
            return candidate
    raise UnsupportedError(
        f"onnxruntime has no {op_type} for {dtype.name.lower()}, nor for a wider dtype",
        hint="convert the model and its input to float32: model.float()",
    )
