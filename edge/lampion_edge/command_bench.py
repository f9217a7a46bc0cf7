"""`bench`: latency, throughput, cold start and memory of a file, every setting in a fresh process; or a server under load."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterable
from dataclasses import asdict, replace
from time import perf_counter
from typing import Any

from lampion_edge import board, elsewhere
from lampion_edge.arguments import axis, positives, seconds
from lampion_edge.bench_worker import Measured, Setting
from lampion_edge.errors import InputError
from lampion_edge.measuring import measured, measurements
from lampion_edge.runtime import Settings
from lampion_edge.session import Session
from lampion_edge.slowness import reasons
from lampion_edge.terminal import megabytes, milliseconds, progress, table

_SECONDS, _SLICE = 2.0, 10.0


def arguments(parser: ArgumentParser) -> None:
    """Declares what `bench` takes."""
    parser.add_argument(
        "model",
        type=_target,
        metavar="MODEL",
        help="an .onnx file, or the address of a server: http, https or unix (with the package lampion)",
    )
    parser.add_argument(
        "--threads",
        type=positives,
        metavar="N,N",
        help="default: what `tune` found, else the fast cores this process may use",
    )
    parser.add_argument("--batch", type=positives, metavar="N,N", help="samples in one call (default 1)")
    parser.add_argument(
        "--seconds", type=seconds, metavar="S", help=f"for each setting (default {_SECONDS:g}, of a server 10)"
    )
    parser.add_argument(
        "--axis",
        type=axis,
        action="append",
        metavar="NAME=N",
        help="size of another dynamic axis (default 16)",
    )
    parser.add_argument(
        "--sustained",
        type=seconds,
        metavar="MINUTES",
        help="run one setting for minutes, and show how latency, clock and temperature go",
    )
    parser.add_argument(
        "--json", action="store_true", help="one line of JSON for each setting, or for each ten seconds"
    )
    if elsewhere.installed(elsewhere.LOAD):
        load = _load()
        load.arguments(parser)
        parser.formatter_class, parser.epilog = RawDescriptionHelpFormatter, load.EPILOG


def run(args: Namespace) -> int:
    """Measures every number of threads with every batch size; then says what holds the machine back, if anything does."""
    if _is_server(args.model):
        _none_of(args, ("threads", "axis", "sustained"), "a server")
        return int(_load().run(args))
    if elsewhere.installed(elsewhere.LOAD):
        _none_of(args, _load().OPTIONS, "a file")
    axes, duration = dict(args.axis or ()), args.seconds or _SECONDS
    settings = [
        Setting(args.model, asdict(Settings(threads)) if threads else {}, batch, duration, axes)
        for threads in args.threads or [None]
        for batch in args.batch or [1]
    ]
    if args.sustained:
        return _sustained(_in_slices(settings[0], args.sustained * 60), args.json)
    results = []
    for setting in settings:
        threads = setting.runtime.get("threads", "chosen")
        progress(f"threads {threads}, batch {setting.batch} ...")
        results.append(measured(setting))
        progress("")
        if args.json:
            print(json.dumps({"batch": setting.batch, **asdict(results[-1])}), flush=True)
    if not args.json:
        print(_table(settings, results))
        _explain(args.model, min(result.p50 for result in results), max(result.threads for result in results))
    return 0


def _is_server(target: str) -> bool:
    return target.startswith(("http://", "https://", "unix:"))


def _target(text: str) -> str:
    """A file or an address; of an address is said at once, before its options are looked at, if nothing here can measure it."""
    if _is_server(text):
        _load()
    return text


def _load() -> Any:
    """What puts a server under load."""
    return elsewhere.brought(elsewhere.LOAD, "bench of a server")


def _none_of(args: Namespace, names: Iterable[str], target: str) -> None:
    """Raises InputError for an option that says nothing about such a target, and would be ignored in silence."""
    for name in names:
        if getattr(args, name) is not None:
            raise InputError(
                f"--{name.replace('_', '-')}: {args.model} is {target}, which has no such option", field=name
            )


def _in_slices(setting: Setting, duration: float) -> Setting:
    return replace(setting, seconds=min(_SLICE, duration), times=max(1, round(duration / _SLICE)))


def _sustained(setting: Setting, as_json: bool) -> int:
    """A line for each slice of the time, as it goes."""
    start = last = perf_counter()
    for result in measurements(setting):
        last = perf_counter()
        clock, degrees = max((core.clock for core in board.cores() if core.clock), default=None), board.temperature()
        if as_json:
            now = {"seconds": round(last - start), "celsius": degrees, "mhz": clock, "batch": setting.batch}
            print(json.dumps(now | asdict(result)), flush=True)
            continue
        parts = [f"{last - start:5.0f} s: p50 {milliseconds(result.p50)}", f"p99 {milliseconds(result.p99)}"]
        parts += [f"{clock:.0f} MHz"] if clock else []
        parts += [] if degrees is None else [f"{degrees:.0f} degrees"]
        print(", ".join(parts), flush=True)
        threads, latency = result.threads, result.p50
    if not as_json:
        _explain(setting.model, latency, threads)
    return 0


def _explain(model: str, latency: float, threads: int) -> None:
    """What the card promises for this board, and what may be in the way."""
    promised = Session(model).card.metrics.get("latency_ms")
    for name, milliseconds_there in promised.items() if isinstance(promised, dict) else ():
        if name in board.model():
            print(
                f"the card says {milliseconds(milliseconds_there)} on {name}: here {latency / milliseconds_there:.2f} times"
            )
    for reason in reasons(threads):
        print(f"slower than it could be: {reason}")


def _table(settings: list[Setting], results: list[Measured]) -> str:
    head = ("threads", "batch", "p50", "p90", "p99", "samples/s", "cold start", "memory")
    rows = [
        (
            *(str(result.threads), str(setting.batch)),
            *(milliseconds(value) for value in (result.p50, result.p90, result.p99)),
            f"{result.throughput:,.0f}" if result.throughput >= 10 else f"{result.throughput:.2f}",
            milliseconds(result.cold_start),
            megabytes(result.memory) if result.memory else "?",
        )
        for setting, result in zip(settings, results, strict=True)
    ]
    return table([head, *rows], ">" * len(head))
