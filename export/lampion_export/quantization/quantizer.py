"""`quantize`: from a float32 file to a smaller one that is measured against it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm  # type: ignore[import-untyped]

from lampion_edge import Session
from lampion_export.errors import ExportError
from lampion_export.quantization.backoff import layers_to_leave, session_of
from lampion_export.quantization.calibration import grouped, halves, samples
from lampion_export.quantization.float16 import Float16
from lampion_export.quantization.int8 import Dynamic, Static
from lampion_export.quantization.judge import Judge, Metric
from lampion_export.quantization.packing import GOLDEN_ROWS, golden_inputs, packed, write
from lampion_export.quantization.report import Quantized, interleaved
from lampion_export.quantization.scheme import Batch, Scheme, Tick
from lampion_export.quantization.source import Model, opened, size
from lampion_export.writing import writable

MODES = ("static", "dynamic", "float16")
BOUND = 0.05


def quantize(
    model: Model,
    out: str | Path,
    *,
    mode: str = "static",
    calibration: Any = None,
    held_out: Any = None,
    metric: Metric | None = None,
    bound: float = BOUND,
    quiet: bool = False,
) -> Quantized:
    """Writes `model` in int8 or float16, with as few layers left in float as keep what it loses within `bound`.

    model: a float32 ONNX file (its path, its bytes, or a ModelProto), with or without a card.
    mode: "static": activations and weights in int8, ranges from `calibration`. "dynamic": matrix products and LSTMs in int8,
        ranges found while they run. "float16": half the size; inputs and outputs keep their dtypes.
    calibration: samples as they will come: an array or a dict of them (the first axis is split where it may vary), a list or
        DataLoader of batches (targets behind the inputs are left out), or for an image model a folder of photos. Without
        them, the golden samples in the file are judged on.
    held_out: samples to judge on, in the same forms; by default every other one of `calibration`, and the rest calibrates.
    metric: a function of a `lampion_edge.Session` that gives a number, more is better; by default the share of equal top-1
        answers with float32 for a classifier, R² against float32's outputs for other models.
    bound: how much of the metric may be lost.

    The card's `quantization` says what was done; golden samples hold the new file's outputs. Raises ExportError for a model,
    samples or path that can't be used, MismatchError if the bound can't be met; nothing is written then.

        quantize("digits.onnx", "digits.int8.onnx", calibration="photos/")
    """
    target = writable(Path(out))
    _check(mode, calibration, bound)
    session, graph = opened(model)
    known = golden_inputs(session) if calibration is None else samples(calibration, session, "calibration")
    seen, unseen = halves(known) if held_out is None else (known, samples(held_out, session, "held_out"))
    scheme = _scheme(mode, graph, grouped(seen, session), quiet)
    judge = Judge(session, grouped(unseen, session), metric, bound)
    left = layers_to_leave(scheme, judge, lambda count: _bar("judging layers", count, quiet)) if judge.can_judge else []
    done = session_of(scheme, left)
    score = (judge.before, judge.score(done)) if judge.can_judge else None
    card = replace(session.card, quantization=_record(mode, judge, score, left))
    data = packed(scheme.convert(left), card, golden_inputs(session) or grouped(known[:GOLDEN_ROWS], session)[:1])
    latency = interleaved(session, done, unseen[0]) if unseen else None
    write(target, data)
    sizes = size(model), len(data)
    result = Quantized(target, Session(data).card, sizes, latency, judge.name, score, bound, tuple(left))
    if not quiet:
        print(result)
    return result


def _check(mode: str, calibration: Any, bound: float) -> None:
    if mode not in MODES:
        raise ExportError(f"mode: expected one of {', '.join(MODES)}, got {mode!r}")
    if not (isinstance(bound, int | float) and bound >= 0):
        raise ExportError(f"bound: expected a number from 0 up, got {bound!r}")
    if mode == "static" and calibration is None:
        raise ExportError(
            "calibration: expected samples for mode 'static', got none",
            hint="pass an array, a folder of photos or a DataLoader, or take mode 'dynamic' or 'float16'",
        )


def _scheme(mode: str, graph: Any, batches: list[Batch], quiet: bool) -> Scheme:
    if mode == "float16":
        return Float16(graph)
    return Dynamic(graph) if mode == "dynamic" else Static(graph, batches, _bar("calibrating", len(batches), quiet))


def _record(mode: str, judge: Judge, score: tuple[float, float] | None, left: list[str]) -> dict[str, Any]:
    """What the card says of it."""
    measured = {"metric": judge.name, "float32": score[0], "measured": score[1]} if score else {}
    return {"mode": mode, "bound": judge.bound} | measured | {"layers_in_float": left}


def _bar(what: str, count: int, quiet: bool) -> Tick:
    bar = tqdm(total=count, desc=what, disable=quiet, leave=False)

    def tick() -> None:
        bar.update()
        if bar.n >= count:
            bar.close()

    return tick
