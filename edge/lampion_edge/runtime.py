"""The one place that touches onnxruntime: opening a model, running it, and what its errors mean."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lampion_edge import bfloat16
from lampion_edge.card import TensorSpec
from lampion_edge.errors import InputError, ModelError, RunError
from lampion_edge.heap import give_back, room
from lampion_edge.terminal import silenced

if TYPE_CHECKING:
    from lampion_edge.golden import Array

# Everything that is an error for onnxruntime also reaches us as an exception; said twice it would only be noise.
_FATAL = 4

_SPINS_BRIEFLY = (1, 26)  # before, onnxruntime's threads spin for a fixed number of turns: for milliseconds
_BRIEFLY = "20"

_NUMPY_NAMES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(bfloat16)": "bfloat16",
    "tensor(bool)": "bool",
    "tensor(string)": "string",
} | {f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}


@dataclass(frozen=True)
class Settings:
    """How a model is run: `threads` inside one operator, `inter_threads` on several at once.

    `spinning` lets threads that wait during a call burn CPU until it ends, for less latency; else they go to sleep after 20
    microseconds, by which the next operator has mostly begun. `arena` keeps what an operator frees for the next one and the
    next call. `mapped` is a copy in onnxruntime's own format, whose weights are read from the disk when
    they are first used; `prepacked` has them copied once more, into the order that matrix products like best.
    """

    threads: int
    inter_threads: int = 1
    spinning: bool = False
    arena: bool = True
    mapped: str | None = None
    prepacked: bool = True

    def entries(self, version: str) -> dict[str, str]:
        """What this version of onnxruntime calls them (onnxruntime_session_options_config_keys.h)."""
        pools = ("intra_op", "inter_op")
        briefly = not self.spinning and tuple(map(int, version.split(".")[:2])) >= _SPINS_BRIEFLY
        spins = str(int(self.spinning or briefly))
        entries = {f"session.{pool}.allow_spinning": spins for pool in pools}
        if briefly:
            entries |= {f"session.{pool}.spin_duration_us": _BRIEFLY for pool in pools}
        entries |= {"session.force_spinning_stop": spins}  # between calls it would only heat the board
        if self.mapped:
            entries |= {"session.use_memory_mapped_ort_model": "1", "session.use_ort_model_bytes_for_initializers": "1"}
        return entries | ({} if self.prepacked else {"session.disable_prepacking": "1"})


def library() -> Any:
    """onnxruntime, imported when it is needed and not before, and told to be quiet."""
    # It reports usage to its vendor unless told not to before it is imported (its Privacy.md).
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    with silenced():  # its search for GPUs warns of what a board doesn't have, before a log level can be set
        import onnxruntime  # type: ignore[import-untyped]
    onnxruntime.set_default_logger_severity(_FATAL)
    return onnxruntime


def write_mapped(model: str, target: str) -> None:
    """Writes the copy that `Settings.mapped` names: optimized for this very processor, fit for no other.

    Raises ModelError if onnxruntime can't load the model or write the copy.
    """
    onnxruntime = library()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.optimized_model_filepath = target
    options.add_session_config_entry("session.save_model_format", "ORT")
    try:
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(f"{model}: onnxruntime can't write it in its own format: {_sentence(error)}") from error


class Runtime:
    """A model loaded by onnxruntime on the CPU; concurrent `run`s are safe. Raises ModelError if it can't be loaded.

    `before` is called when all else is ready, the last thing before onnxruntime sees the model; what it raises passes.
    """

    def __init__(
        self, model: str | bytes, name: str, settings: Settings, before: Callable[[], None] | None = None
    ) -> None:
        onnxruntime = library()
        from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument  # type: ignore[import-untyped]

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = settings.threads
        options.inter_op_num_threads = settings.inter_threads
        options.enable_cpu_mem_arena = settings.arena
        # It would plan the memory for each shape of the inputs it has seen; the arena alone is as fast and takes less.
        options.enable_mem_pattern = False
        for key, value in settings.entries(onnxruntime.__version__).items():
            options.add_session_config_entry(key, value)
        source = settings.mapped or model
        with room(0 if settings.mapped else _size(model)):
            if before:
                before()
            try:
                self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
            # onnxruntime's exceptions share no base but Exception.
            except Exception as error:
                raise ModelError(f"{name}: onnxruntime can't load it: {_sentence(error)}") from error
        self._invalid_argument: type[Exception] = InvalidArgument
        self.inputs = [_spec(argument) for argument in self._session.get_inputs()]
        self.outputs = [_spec(argument) for argument in self._session.get_outputs()]
        wide = any(spec.dtype == "bfloat16" for spec in [*self.inputs, *self.outputs])
        self._bfloat16 = bfloat16.numpy_dtype(name) if wide else None

    def __del__(self) -> None:
        if hasattr(self, "_session") and not sys.is_finalizing():  # malloc would keep what it held for the next one
            del self._session
            give_back()

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


def _size(model: str | bytes) -> int:
    return len(model) if isinstance(model, bytes) else os.path.getsize(model)


def _spec(argument: Any) -> TensorSpec:
    shape = (size if isinstance(size, (int, str)) else None for size in argument.shape)
    return TensorSpec(argument.name, _NUMPY_NAMES.get(argument.type, argument.type), tuple(shape))


_CHECK = r"(?s)Name:'check: (.*)' Status Message"  # a node that the model's own assert became


def _sentence(error: Exception) -> str:
    """What onnxruntime says, without its numbers, source files and line breaks."""
    check = re.search(_CHECK, str(error))
    if check:
        return check[1]
    text = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error))
    text = re.sub(r"\S*/\S+\.(?:cc|h|hpp):\d+ \S+ ", "", text)
    return " ".join(text.split())
