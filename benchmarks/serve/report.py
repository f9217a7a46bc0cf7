"""The tables, and what must hold, as text that is both printed and written to docs/performance-serving.md."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from measuring import Result
from peers import (
    BARE,
    BENTOML,
    BYTES,
    FASTAPI,
    FLOOR,
    FLOOR_PHOTOS,
    LAMPION,
    LAMPION_TWO,
    LARGE,
    LITSERVE,
    NUMBERS,
    PHOTOS,
    RAY,
    TRITON,
)

Results = Mapping[str, Mapping[str, Result]]


def ratios(one: Result, other: Result) -> list[float]:
    """Round by round, so that what disturbed both falls out."""
    return [mine / theirs for mine, theirs in zip(one.rates, other.rates, strict=True) if theirs]


def spread(values: list[float]) -> str:
    """The median, and from where to where."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})" if values else "-"


def milliseconds(value: float) -> str:
    return f"{value:.1f} ms" if value >= 10 else f"{value:.2f} ms"


def punctuality(results: Results) -> str:
    """How far the generator can be believed at half load."""
    known = [result for scenario in results.values() for result in scenario.values() if result.p50]
    if not known:
        return ""
    rank = "before all other processes (SCHED_RR)" if all(one.punctual for one in known) else "as any other process"
    late = milliseconds(max(one.late for one in known))
    return f"At half load the generator ran {rank}; 99 of 100 requests were sent at most {late} after they were due."


def table(results: Mapping[str, Result]) -> Iterator[str]:
    """A scenario in Markdown: who is fastest first."""
    yield "| | answers/s | lampion is | p50 at half load | p99 at half load | failed | generator |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    lampion = results.get(LAMPION.name)
    for name, result in sorted(results.items(), key=lambda item: -item[1].rate):
        compared = spread(ratios(lampion, result)) + " times" if lampion and result is not lampion else ""
        half = [milliseconds(statistics.median(values)) if values else "" for values in (result.p50, result.p99)]
        rate = f"{result.rate:,.0f}" if result.rate >= 100 else f"{result.rate:.1f}"
        busy = f"{100 * result.busy:.0f} %" if result.busy else ""
        yield f"| {name} | {rate} | {compared} | {' | '.join(half)} | {result.failed} | {busy} |"


@dataclass(frozen=True)
class Verdict:
    """What was promised, what each round gave, what their median must reach (from above if it is negative), a note."""

    promise: str
    rounds: list[float]
    bound: float
    note: str = ""

    def __str__(self) -> str:
        got = statistics.median(self.rounds)
        held = got >= self.bound if self.bound > 0 else got <= -self.bound
        return f"| {self.promise} | {spread(self.rounds)} | {'yes' if held else 'no'}{self.note} |"


def verdicts(results: Results) -> Iterator[Verdict]:
    """All that was promised, as far as it was measured."""
    for scenario, mine, other, least in (
        (NUMBERS, LAMPION.name, FLOOR.name, 0.85),
        (NUMBERS, LAMPION.name, FASTAPI.name, 3.0),
        (BYTES, LAMPION_TWO.name, TRITON.name, 1.0),
        (PHOTOS, LAMPION.name, BARE, 0.95),
        *((LARGE, LAMPION.name, peer.name, 5.0) for peer in (FASTAPI, LITSERVE, BENTOML, RAY)),
    ):
        known = results.get(scenario, {})
        if mine in known and other in known:
            who = "" if mine == LAMPION.name else f"{mine}, "
            promise = f"{scenario}: {who}at least {least:g} times {other}"
            yield Verdict(promise, ratios(known[mine], known[other]), least, _beside(known, other))
    for scenario, known in results.items():
        if LAMPION.name in known and known[LAMPION.name].p50:
            note = f"; {FLOOR.name}: {spread(tails(known[FLOOR.name]))}" if FLOOR.name in known else ""
            promise = f"{scenario}: p99 at half load at most 2 times p50"
            yield Verdict(promise, tails(known[LAMPION.name]), -2.0, note)


def _beside(known: Mapping[str, Result], other: str) -> str:
    """Of photos, what is possible: the same work behind nothing but HTTP, and without that."""
    told = [
        f"{name}: {statistics.median(ratios(known[name], known[other])):.2f}"
        for name in (FLOOR_PHOTOS.name, BARE)
        if name in known and name != other
    ]
    return f"; {', '.join(told)}" if told else ""


def tails(result: Result) -> list[float]:
    """Round by round, how many times p50 the p99 is."""
    return [high / low for low, high in zip(result.p50, result.p99, strict=True)]


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
measures, at the same cost for each; the last column says how much of one core it took at most. At half load, as root, it
runs on the first core, before all others (SCHED_RR), and hardly searches for garbage: a generator that waits for a processor
sends late, and on two cores that alone was a p99 of some milliseconds. Every first answer of the small model is compared with
the right one. No peer logs requests, lampion neither (`--log-level warning`). Peers are written as their documentation writes
them, with one onnxruntime thread per worker. Triton's server comes out of PyTriton's wheel, which has the Python backend and
not the one for onnxruntime: a Python model runs onnxruntime behind it. Over REST, MLServer, LitServe and BentoML take no
tensors as bytes. A peer that does not start is left out. Ray Serve's replicas take up to 100 requests at a time, since at its
default of 5 its router lets 32 connections wait for seconds (15 answers/s instead of 200).
"""

ABOUT = {
    NUMBERS: "One worker, 32 connections; 784 floats as JSON to a model of two linear layers.",
    BYTES: (
        "The same model and connections; the floats travel as bytes. Triton's threads use all cores, so beside the one worker\n"
        "stands lampion as it is told to do so too, with `--workers 2`."
    ),
    PHOTOS: (
        "JPEG to the five best labels of EfficientNet-Lite0, 8 connections, two workers of each peer; lampion as it starts by\n"
        "itself, and with `--workers 2`. The bare loop is two processes of one thread that decode and run what they have in\n"
        "memory, without a server and without a generator beside them; raw ASGI does the same for whoever sends the photos."
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
    lines = [INTRODUCTION, f"Measured on {machine()}. {load} {punctuality(results)}", ""]
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
    lines += map(str, verdicts(results))
    return "\n".join([*lines, ""])
