"""The tables, and what must hold, as text that is both printed and written to docs/performance-serving.md."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from measuring import Result
from peers import BARE, BYTES, FASTAPI, FLOOR, LAMPION, LARGE, NUMBERS, PHOTOS, TRITON

Results = Mapping[str, Mapping[str, Result]]


def ratios(one: Result, other: Result) -> list[float]:
    """Round by round, so that what disturbed both falls out."""
    return [mine / theirs for mine, theirs in zip(one.rates, other.rates, strict=True) if theirs]


def spread(values: list[float]) -> str:
    """The median, and from where to where."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})" if values else "-"


def table(results: Mapping[str, Result]) -> Iterator[str]:
    """A scenario in Markdown: who is fastest first."""
    yield "| | answers/s | lampion is | p50 at half load | p99 at half load | failed |"
    yield "|---|---:|---:|---:|---:|---:|"
    lampion = results.get(LAMPION.name)
    for name, result in sorted(results.items(), key=lambda item: -item[1].rate):
        compared = spread(ratios(lampion, result)) + " times" if lampion and result is not lampion else ""
        half = [f"{statistics.median(values):.1f} ms" if values else "" for values in (result.p50, result.p99)]
        rate = f"{result.rate:,.0f}" if result.rate >= 100 else f"{result.rate:.1f}"
        yield f"| {name} | {rate} | {compared} | {' | '.join(half)} | {result.failed} |"


def verdicts(results: Results) -> Iterator[tuple[str, float, float]]:
    """What was promised: a sentence, what was measured, and the bound it must reach (from above if the bound is negative)."""
    for scenario, other, least in (
        (NUMBERS, FLOOR.name, 0.85),
        (NUMBERS, FASTAPI.name, 3.0),
        (BYTES, TRITON.name, 1.0),
        (PHOTOS, BARE, 0.95),
        *((LARGE, name, 5.0) for name in results.get(LARGE, {}) if name != LAMPION.name),
    ):
        known = results.get(scenario, {})
        if LAMPION.name in known and other in known:
            got = statistics.median(ratios(known[LAMPION.name], known[other]))
            yield f"{scenario}: at least {least:g} times {other}", got, least
    for scenario, known in results.items():
        if LAMPION.name in known and known[LAMPION.name].p50:
            mine = known[LAMPION.name]
            pairs = [high / low for low, high in zip(mine.p50, mine.p99, strict=True)]
            yield f"{scenario}: p99 at half load at most 2 times p50", statistics.median(pairs), -2.0


def holds(got: float, bound: float) -> bool:
    return got >= bound if bound > 0 else got <= -bound


def machine() -> str:
    """What it was measured on."""
    facts = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
    model = next((value.strip() for key, value in facts.items() if key.strip() == "model name"), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in ("onnxruntime", "numpy", "uvicorn", "orjson"))
    system = f"Linux {platform.release()}, Python {platform.python_version()}"
    return f"{len(os.sched_getaffinity(0))} cores of {model}, {memory:.0f} GiB, {system}, {packages}"


INTRODUCTION = """\
# Performance: serving

`python benchmarks/serve` wrote this page. It installs each peer into a venv of its own below `~/.cache/lampion/benchmarks`,
starts them, and measures them in turn, round by round, while the others are stopped (SIGSTOP). Figures are medians over the
rounds; ratios are taken within a round, with the lowest and the highest behind them. `--only photos --only lampion`, `--quick`,
`--rounds` and `--seconds` bound it.

The load comes from lampion's own generator (`lampion bench http://...`) and not from wrk, because it sends photos and tensors
to every peer in its own form, and keeps a rate without coordinated omission. It shares the cores with the server that it
measures, at the same cost for each. Every first answer of the small model is compared with the right one. No peer logs
requests, lampion neither (`--log-level warning`). Peers are written as their documentation writes them, with one onnxruntime
thread per worker. Triton's server comes out of PyTriton's wheel, which has the Python backend and not the one for onnxruntime:
a Python model runs onnxruntime behind it. Over REST, MLServer, LitServe and BentoML take no tensors as bytes. A peer that does
not start is left out. Ray Serve's replicas take up to 100 requests at a time, since at its default of 5 its router lets 32
connections wait for seconds (15 answers/s instead of 200).
"""

ABOUT = {
    NUMBERS: "One worker, 32 connections; 784 floats as JSON to a model of two linear layers.",
    BYTES: "The same model and connections; the floats travel as bytes.",
    PHOTOS: (
        "JPEG to the five best labels of EfficientNet-Lite0, 8 connections, two workers of each peer, lampion as it starts\n"
        "by itself. The bare loop is two processes of one thread that decode and run, without a server."
    ),
    LARGE: (
        "The same model, 4000x3000 pixels, 4 connections; {photos}. Peers decode with `Image.open`\n"
        "and `resize`, lampion scales while it decodes. What neither can save is reading every bit of the file: the Huffman\n"
        "codes alone take 7 to 9 ms for each MB."
    ),
}


def page(results: Results, photos: str) -> str:
    """The whole document; `photos` says what the large ones are."""
    load = f"Load average at the end: {os.getloadavg()[2]:.1f}; of a machine that does nothing else, about 2."
    lines = [INTRODUCTION, f"Measured on {machine()}. {load}", ""]
    for scenario, known in results.items():
        lines += [
            f"## {scenario[0].upper()}{scenario[1:]}",
            "",
            ABOUT[scenario].format(photos=photos),
            "",
            *table(known),
            "",
        ]
    lines += ["## What must hold", "", "| | measured | |", "|---|---:|---|"]
    lines += [
        f"| {text} | {got:.2f} | {'yes' if holds(got, bound) else 'no'} |" for text, got, bound in verdicts(results)
    ]
    return "\n".join([*lines, ""])
