"""onnxruntime as compiled steps use it: a session over a model, and bindings of its inputs and outputs to memory."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnx_ir as ir

from lampion.tape import Array
from lampion.threads import get_num_threads

_FATAL = 4  # what is an error for onnxruntime reaches us as an exception


def serialized(model: ir.Model) -> bytes:
    """A model as a file holds it, the same for the same model."""
    return ir.to_proto(model).SerializeToString(deterministic=True)


def runtime_version() -> str:
    """The version of onnxruntime."""
    return str(_library().__version__)


class Session:
    """A model that onnxruntime has loaded. `keep` names a file for what it has optimized, which is then loaded as it is."""

    def __init__(
        self, model: bytes, *, optimized: bool = False, keep: str | None = None, threads: int | None = None
    ) -> None:
        library = _library()
        options = library.SessionOptions()
        options.intra_op_num_threads = threads or get_num_threads()
        if optimized:
            options.graph_optimization_level = library.GraphOptimizationLevel.ORT_DISABLE_ALL
        if keep is not None:
            options.optimized_model_filepath = keep
        session = library.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.raw = session._sess
        self.wrapped = session
        self.inputs = {value.name for value in session.get_inputs()}


def _library() -> Any:
    """onnxruntime, quiet."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime  # type: ignore[import-untyped]

    onnxruntime.set_default_logger_severity(_FATAL)
    return onnxruntime


class Binding:
    """Which memory a run reads and writes. What is bound stays so until it is bound anew."""

    def __init__(self, session: Session) -> None:
        from onnxruntime.capi.onnxruntime_pybind11_state import OrtDevice, OrtValue  # type: ignore[import-untyped]

        self._session = session  # which must live as long
        self._run = session.raw.run_with_iobinding
        self._binding: Any = session.wrapped.io_binding()._iobinding
        self._ort_value = OrtValue.ortvalue_from_numpy
        self._cpu = OrtDevice(OrtDevice.cpu(), OrtDevice.default_memory(), 0)
        self._read: dict[str, Array] = {}  # onnxruntime keeps the memory, not the array that owns it

    def input(self, name: str, array: Array) -> None:
        """Reads an input from an array, without a copy where it lies row by row."""
        contiguous = self._read[name] = array if array.flags.c_contiguous else np.ascontiguousarray(array)
        self._binding.bind_ortvalue_input(name, self._ort_value(contiguous, self._cpu))

    def output(self, name: str, array: Array) -> None:
        """Writes an output to an array."""
        self._binding.bind_ortvalue_output(name, self._ort_value(array, self._cpu))

    def fresh_output(self, name: str) -> None:
        """Lets onnxruntime find memory for an output whose size is not known; `fresh` gives it."""
        self._binding.bind_output(name, self._cpu)

    def fresh(self, count: int) -> list[Array]:
        """What the last run gave as the outputs that were bound first."""
        if not count:
            return []
        values = self._binding.get_outputs()
        return [values[i].numpy() for i in range(count)]

    def run(self) -> None:
        """Computes."""
        self._run(self._binding, None)
