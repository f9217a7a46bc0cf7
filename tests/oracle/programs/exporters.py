"""A program through each exporter, as its users would call it, and what the file answers."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import torch
from export.programs.program import Array, Inputs, Program

from lampion_edge import Session
from lampion_export.card import complete_card
from lampion_export.exporter import build, serialized
from lampion_export.verification import allowance, distance

Run = Callable[[Inputs], list[Array]]


class Status(Enum):
    """What became of a program, the best first."""

    RIGHT = "right"
    REFUSED = "refused"
    FAILS = "fails when run"
    WRONG = "wrong without an error"


class Outcome(NamedTuple):
    """A status, and the first line of the reason."""

    status: Status
    why: str = ""


def lampions(program: Program, _: Program) -> Run:
    """lampion_export.export, less the writing and its own verification."""
    model = build(program.call, program.inputs[0], program.axes)
    session = Session(serialized(model, complete_card(None, program.name, model.graph)))
    return lambda inputs: list(session.run(inputs).values())


def dynamo(_: Program, twin: Program) -> Run:
    """torch.onnx.export(dynamo=True), told which sizes vary"""
    return _dynamo(twin, torch.export.Dim.DYNAMIC)


def dynamo_auto(_: Program, twin: Program) -> Run:
    """torch.onnx.export(dynamo=True), free to fix sizes that are said to vary"""
    return _dynamo(twin, torch.export.Dim.AUTO)


def tracing(_: Program, twin: Program) -> Run:
    """torch.onnx.export(dynamo=False)"""
    return _torchscript(twin, _as_module(twin.call))


def scripting(_: Program, twin: Program) -> Run:
    """torch.onnx.export(torch.jit.script(...), dynamo=False)"""
    return _torchscript(twin, torch.jit.script(twin.call))


Exporter = Callable[[Program, Program], Run]
EXPORTERS: dict[str, tuple[Exporter, ...]] = {
    "lampion": (lampions,),
    "torch.onnx, dynamo": (dynamo, dynamo_auto),
    "torch.onnx, scripting": (scripting,),
    "torch.onnx, tracing": (tracing,),
}


def outcome(exporters: tuple[Exporter, ...], program: Program, twin: Program) -> Outcome:
    """The best that several ways of calling an exporter make of a program."""
    outcomes = []
    for exporter in exporters:
        with _quiet():
            outcomes.append(_outcome(exporter, program, twin))
        if outcomes[-1].status is Status.RIGHT:
            break
    return min(outcomes, key=_rank)


def _outcome(exporter: Exporter, program: Program, twin: Program) -> Outcome:
    """What one exporter makes of a program, on every input that it must answer to or refuse."""
    try:
        run = exporter(program, twin)
    except Exception as error:  # whatever the exporter raises
        return Outcome(Status.REFUSED, f"{type(error).__name__}: {_first_line(error)}")
    outcomes = [_answered(run, inputs, twin.answer(torch, inputs), i) for i, inputs in enumerate(program.inputs)]
    outcomes += [_violated(run, inputs) for inputs in program.violating]
    return max(outcomes, key=_rank)


def _rank(outcome: Outcome) -> int:
    return list(Status).index(outcome.status)


def _answered(run: Run, inputs: Inputs, want: list[Array], i: int) -> Outcome:
    try:
        got = run(inputs)
    except Exception as error:  # onnxruntime has many
        return Outcome(Status.FAILS, f"input {i}: {_first_line(error)}")
    for expected, array in zip(want, got, strict=False):
        if array.shape != expected.shape or array.dtype != expected.dtype:
            is_, was = f"{array.dtype}{list(array.shape)}", f"{expected.dtype}{list(expected.shape)}"
            return Outcome(Status.WRONG, f"input {i}: {is_} instead of {was}")
        if distance(expected, array) > allowance(expected, 1e-3, 1e-3):
            return Outcome(Status.WRONG, f"input {i}: off by {distance(expected, array):.3g}")
    return Outcome(Status.RIGHT) if len(want) == len(got) else Outcome(Status.WRONG, f"{len(got)} outputs")


def _violated(run: Run, inputs: Inputs) -> Outcome:
    try:
        run(inputs)
    except Exception:  # onnxruntime has many
        return Outcome(Status.RIGHT)
    return Outcome(Status.WRONG, "answers an input that the program raises an error for")


def _dynamo(twin: Program, size: Any) -> Run:
    example = _tensors(twin.inputs[0])
    axes = tuple(dict.fromkeys(twin.axes.get(name, {}), size) for name in example)
    made = torch.onnx.export(
        _as_module(twin.call), tuple(example.values()), dynamo=True, dynamic_shapes=axes, verbose=False
    )
    return _runs(made.model_proto.SerializeToString())


def _torchscript(twin: Program, module: Any) -> Run:
    example, file = _tensors(twin.inputs[0]), io.BytesIO()
    axes = {name: dict(named) for name, named in twin.axes.items()}
    torch.onnx.export(module, tuple(example.values()), file, dynamo=False, input_names=list(example), dynamic_axes=axes)
    return _runs(file.getvalue())


def _runs(data: bytes) -> Run:
    """The file opened; inputs go by position where the exporter named them in its own way."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    taken = [spec.name for spec in session.get_inputs()]

    def run(inputs: Inputs) -> list[Array]:
        named = inputs if set(taken) <= set(inputs) else dict(zip(taken, inputs.values(), strict=False))
        return [np.asarray(a) for a in session.run(None, {name: named[name] for name in taken})]

    return run


def _as_module(function: Callable[..., Any]) -> torch.nn.Module:
    """A function in the form that torch.onnx takes; its parameters keep their names."""
    if isinstance(function, torch.nn.Module):
        return function
    return type("Program", (torch.nn.Module,), {"forward": staticmethod(function)})()


def _tensors(inputs: Inputs) -> dict[str, Any]:
    return {name: torch.from_numpy(array.copy()) for name, array in inputs.items()}


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:160] if lines else ""


@contextmanager
def _quiet() -> Iterator[None]:
    """What exporters print and warn is not compared."""
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)
