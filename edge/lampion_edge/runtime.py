"""The one place that touches onnxruntime: opening a model, running it, and what its errors mean."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lampion_edge import bfloat16
from lampion_edge.card import TensorSpec
from lampion_edge.errors import InputError, ModelError, RunError

if TYPE_CHECKING:
    from lampion_edge.golden import Array

# Everything that is an error for onnxruntime also reaches us as an exception; said twice it would only be noise.
_FATAL = 4

_NUMPY_NAMES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(bfloat16)": "bfloat16",
    "tensor(bool)": "bool",
    "tensor(string)": "string",
} | {f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}


class Runtime:
    """A model loaded by onnxruntime on the CPU; concurrent `run`s are safe. Raises ModelError if it can't be loaded."""

    def __init__(
        self, model: str | bytes, name: str, *, threads: int, inter_threads: int, spinning: bool, arena: bool
    ) -> None:
        # onnxruntime reports usage to its vendor unless told not to before it is imported (its Privacy.md).
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        # Imported here, so that importing us costs nothing.
        import onnxruntime  # type: ignore[import-untyped]
        from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument  # type: ignore[import-untyped]

        onnxruntime.set_default_logger_severity(_FATAL)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = inter_threads
        options.enable_cpu_mem_arena = arena
        for pool in ("intra_op", "inter_op"):
            options.add_session_config_entry(f"session.{pool}.allow_spinning", str(int(spinning)))
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        # onnxruntime's exceptions share no base but Exception.
        except Exception as error:
            raise ModelError(f"{name}: onnxruntime can't load it: {_sentence(error)}") from error
        self._invalid_argument: type[Exception] = InvalidArgument
        self.inputs = [_spec(argument) for argument in self._session.get_inputs()]
        self.outputs = [_spec(argument) for argument in self._session.get_outputs()]
        wide = any(spec.dtype == "bfloat16" for spec in [*self.inputs, *self.outputs])
        self._bfloat16 = bfloat16.numpy_dtype(name) if wide else None

    def run(self, names: Sequence[str], feeds: dict[str, Array]) -> list[Array]:
        """The outputs called `names`. Raises InputError or RunError."""
        try:
            if self._bfloat16 is not None:
                return bfloat16.run(self._session, names, feeds, self._bfloat16)
            outputs: list[Array] = self._session.run(list(names), feeds)
        except self._invalid_argument as error:
            raise InputError(f"the model refuses these inputs: {_sentence(error)}") from error
        except Exception as error:
            raise RunError(f"the model failed while it computed: {_sentence(error)}") from error
        return outputs


def _spec(argument: Any) -> TensorSpec:
    shape = (size if isinstance(size, (int, str)) else None for size in argument.shape)
    return TensorSpec(argument.name, _NUMPY_NAMES.get(argument.type, argument.type), tuple(shape))


_CHECK = re.compile(r"Name:'check: (.*)' Status Message", re.DOTALL)  # a node that the model's own assert became


def _sentence(error: Exception) -> str:
    """What onnxruntime says, without its numbers, source files and line breaks."""
    check = _CHECK.search(str(error))
    if check:
        return check[1]
    text = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error))
    text = re.sub(r"\S*/\S+\.(?:cc|h|hpp):\d+ \S+ ", "", text)
    return " ".join(text.split())
