"""`bench`: latency, throughput, cold start and memory; every setting in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from lampion_edge.arguments import axis, positives, seconds
from lampion_edge.bench_worker import Measured, Setting
from lampion_edge.errors import ModelError
from lampion_edge.terminal import megabytes, table
from lampion_edge.threads import usable_cores


def arguments(parser: ArgumentParser) -> None:
    """Declares what `bench` takes."""
    parser.add_argument("model", metavar="MODEL", help="an .onnx file")
    parser.add_argument("--threads", type=positives, metavar="N,N", help="default: the cores this process may use")
    parser.add_argument("--batch", type=positives, default=[1], metavar="N,N", help="samples in one call (default 1)")
    parser.add_argument("--seconds", type=seconds, default=2.0, metavar="S", help="for each setting (default 2)")
    parser.add_argument(
        "--axis",
        type=axis,
        action="append",
        default=[],
        metavar="NAME=N",
        help="size of another dynamic axis (default 16)",
    )
    parser.add_argument("--json", action="store_true", help="one line of JSON for each setting")


def run(args: Namespace) -> int:
    """Measures every number of threads with every batch size."""
    settings = [
        Setting(args.model, threads, batch, args.seconds, dict(args.axis))
        for threads in args.threads or [usable_cores()]
        for batch in args.batch
    ]
    measured = []
    for setting in settings:
        _progress(f"threads {setting.threads}, batch {setting.batch} ...", args.json)
        measured.append(_measure(setting))
        _progress("", args.json)
        if args.json:
            line = {"threads": setting.threads, "batch": setting.batch, **asdict(measured[-1])}
            print(json.dumps(line), flush=True)
    if not args.json:
        print(_table(settings, measured))
    return 0


def _progress(text: str, quiet: bool) -> None:
    if not quiet and sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _measure(setting: Setting) -> Measured:
    """One setting in a process of its own, so that cold start is cold and memory holds nothing of the last one."""
    # -P: a numpy.py in the folder one happens to be in must not be imported. A session of its own: Ctrl-C reaches
    # only this process, which then ends the worker without a traceback.
    command = [sys.executable, "-P", "-m", "lampion_edge.bench_worker", json.dumps(asdict(setting))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, start_new_session=True)
    if done.returncode:
        raise ModelError(f"{setting.model}: the measuring process ended with code {done.returncode}")
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise ModelError(answer["error"], hint=answer["hint"])
    return Measured(**answer)


def _table(settings: list[Setting], measured: list[Measured]) -> str:
    head = ("threads", "batch", "p50", "p90", "p99", "samples/s", "cold start", "memory")
    rows = [
        (
            *(str(setting.threads), str(setting.batch)),
            *(_milliseconds(value) for value in (result.p50, result.p90, result.p99)),
            f"{result.throughput:,.0f}" if result.throughput >= 10 else f"{result.throughput:.2f}",
            _milliseconds(result.cold_start),
            megabytes(result.memory) if result.memory else "?",
        )
        for setting, result in zip(settings, measured, strict=True)
    ]
    return table([head, *rows], ">" * len(head))


def _milliseconds(value: float) -> str:
    return f"{value:.0f} ms" if value >= 100 else f"{value:.3g} ms"
