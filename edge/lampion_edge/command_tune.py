"""`tune`: finds the settings with which a model runs best on this board, and keeps them for every later start."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lampion_edge import board
from lampion_edge.arguments import fraction, seconds
from lampion_edge.bench_worker import Measured, Setting
from lampion_edge.errors import EdgeError, ModelError
from lampion_edge.measuring import measured
from lampion_edge.opening import located
from lampion_edge.runtime import Settings, write_mapped
from lampion_edge.session import Session
from lampion_edge.terminal import megabytes, milliseconds, progress, table
from lampion_edge.threads import good_threads
from lampion_edge.tuning import keep, place

# A setting that costs something (a spinning core's heat, a copy on the disk, one more core) must bring this much.
_WORTH = 0.9


@dataclass(frozen=True)
class Trial:
    """One setting that was tried on one file, and what came out."""

    model: str
    settings: Settings
    result: Measured


def arguments(parser: ArgumentParser) -> None:
    """Declares what `tune` takes."""
    parser.add_argument(
        "model", metavar="MODEL", nargs="+", help="an .onnx file, and others that could stand in for it"
    )
    parser.add_argument("--seconds", type=seconds, default=1.0, metavar="S", help="for each setting (default 1)")
    parser.add_argument(
        "--max-loss",
        type=fraction,
        metavar="F",
        help="how much of its metric a quantized file may have lost, as its card says (default: the bound on the card)",
    )
    parser.add_argument("--json", action="store_true", help="one line of JSON for each file")
    parser.epilog = "Sessions that are given no settings use what was found, until the file or onnxruntime changes."


def run(args: Namespace) -> int:
    """Tunes each file by itself; says which of several is the fastest among those that are accurate enough."""
    chosen: list[Trial] = []
    for model in (located(given) for given in args.model):
        trials = list(_trials(model, args.seconds))
        chosen.append(best(trials))
        note = keep(model, chosen[-1].settings)
        if args.json:
            print(json.dumps({"model": model, "kept": str(note), **_as_json(chosen[-1])}), flush=True)
        else:
            print(f"{model} on {board.model()}\n{_table(trials, chosen[-1])}\nkept in {note}\n", flush=True)
    if len(chosen) > 1 and not args.json:
        print(_verdict(chosen, args.max_loss))
    return 0


def _trials(model: str, duration: float) -> Iterator[Trial]:
    """Threads first, then spinning, then the copy in onnxruntime's format; each with the best of what came before."""
    verified = Session(model).verify()  # also refuses a damaged file: what is tuned isn't hashed again at every start
    if verified.ok is False:
        raise ModelError(f"{model}: {verified}", hint="`lampion-edge verify` shows each sample")
    most = good_threads()
    tried = [_trial(model, Settings(threads), duration) for threads in _counts(most)]
    tried.append(_trial(model, replace(best(tried).settings, spinning=True), duration))
    mapped = place(model).mapped
    mapped.parent.mkdir(parents=True, exist_ok=True)
    write_mapped(model, str(mapped))
    base = replace(best(tried).settings, mapped=str(mapped))
    for settings in (base, replace(base, prepacked=False)):
        if Session(model, settings=settings).verify().ok is not False:
            tried.append(_trial(model, settings, duration))
    yield from tried


def _counts(most: int) -> list[int]:
    """1, 2, 4, ... up to the cores worth a thread."""
    return sorted({1 << power for power in range(most.bit_length()) if 1 << power <= most} | {most})


def _trial(model: str, settings: Settings, duration: float) -> Trial:
    progress(f"{model}: {_named(settings)} ...")
    try:
        return Trial(model, settings, measured(Setting(model, asdict(settings), 1, duration, {})))
    finally:
        progress("")


def best(trials: list[Trial]) -> Trial:
    """The first, unless a later one (which costs more) is faster by what it costs; of equally fast ones, by the start."""
    chosen = trials[0]
    for trial in trials[1:]:
        faster = trial.result.p50 < _WORTH * chosen.result.p50
        as_fast = trial.result.p50 * _WORTH <= chosen.result.p50
        starts = bool(trial.settings.mapped) and trial.result.cold_start < _WORTH * chosen.result.cold_start
        chosen = trial if faster or (as_fast and starts) else chosen
    return chosen


def _verdict(chosen: list[Trial], most: float | None) -> str:
    fit = [trial for trial in chosen if accurate(trial.model, most)]
    if not fit:
        raise EdgeError("none of the files is accurate enough", hint="allow more with --max-loss, or quantize again")
    fastest = min(fit, key=lambda trial: trial.result.p50)
    refused = "".join(f"\n{trial.model} lost too much of its metric" for trial in chosen if trial not in fit)
    return f"take {fastest.model}: {milliseconds(fastest.result.p50)}{refused}"


def accurate(model: str | Path, most: float | None) -> bool:
    """Whether the card's own measurement says that quantization cost at most `most` (default: the card's bound)."""
    record = Session(model).card.quantization or {}
    if "float32" not in record or "measured" not in record:
        return True
    bound = record.get("bound", 0.0) if most is None else most
    return bool(record["float32"] - record["measured"] <= bound)


def _as_json(trial: Trial) -> dict[str, object]:
    return {"settings": asdict(trial.settings), **asdict(trial.result)}


def _table(trials: list[Trial], chosen: Trial) -> str:
    rows = [
        (
            "*" if trial is chosen else "",
            _named(trial.settings),
            *(milliseconds(value) for value in (trial.result.p50, trial.result.p99, trial.result.cold_start)),
            megabytes(trial.result.memory) if trial.result.memory else "?",
        )
        for trial in trials
    ]
    return table([("", "settings", "p50", "p99", "cold start", "memory"), *rows], "<<>>>>")


def _named(settings: Settings) -> str:
    parts = [f"{settings.threads} thread{'s' * (settings.threads > 1)}"]
    parts += ["spinning"] * settings.spinning + ["mapped"] * bool(settings.mapped)
    return ", ".join(parts + ["not prepacked"] * (not settings.prepacked))
