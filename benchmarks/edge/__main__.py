"""lampion-edge beside plain onnxruntime, LiteRT and ncnn: disk, memory, first answer, latency.

    python benchmarks/edge

installs each into a fresh environment below ~/.cache/lampion/benchmarks, converts one model for all of them, measures each in
processes of its own, in shuffled turns, prints the table and writes docs/performance-edge.md. Takes a few minutes and the
network.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from conversion import files
from environments import environment, size, version

from lampion_edge.tuning import cache

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from page import machine, table  # noqa: E402

PAGE = HERE.parents[1] / "docs" / "performance-edge.md"
ROWS = {
    "lampion": ("lampion-edge", "lampion-edge"),
    "tuned": ("lampion-edge, after `tune`", "lampion-edge"),
    "onnxruntime": ("onnxruntime, its defaults", "onnxruntime"),
    "litert": ("LiteRT", "ai-edge-litert"),
    "ncnn": ("ncnn", "ncnn"),
}
HEADS = ("", "on disk", "import", "first answer after", "memory", "a call")
Results = dict[str, dict[str, Any]]


def main() -> None:
    """Installs, converts, measures, writes."""
    parser = argparse.ArgumentParser("benchmarks/edge", description="Measures lampion-edge beside its peers.")
    parser.add_argument("--rounds", type=int, default=15, help="processes of each engine (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.5, help="of calls in each (default: %(default)s)")
    args = parser.parse_args()
    folder = cache() / "benchmarks" / "edge"
    where = machine("lampion-edge")
    pythons = {name: environment(folder, name) for name in ("lampion", "onnxruntime", "litert", "ncnn", "convert")}
    models = files(folder / "models", pythons["convert"])
    tuned = folder / "tuned"
    subprocess.run(
        [pythons["lampion"], "-m", "lampion_edge", "tune", models["lampion"]],
        env=os.environ | {"LAMPION_CACHE": str(tuned)},
        check=True,
    )
    results: Results = {name: {"rounds": []} for name in ROWS}
    for turn in range(args.rounds + 1):
        for name in random.sample(list(ROWS), len(ROWS)):
            engine = "lampion" if name == "tuned" else name
            home = tuned if name == "tuned" else folder / "untuned"
            found = measured(pythons[engine], engine, models[engine], args.seconds, home)
            if turn:  # the first round compiles Python's files and fills the disk's cache
                results[name]["rounds"].append(found)
    for name, (_, package) in ROWS.items():
        python = pythons["lampion" if name == "tuned" else name]
        results[name] |= {"disk": size(python), "version": version(python, package)}
    results["lampion"]["own"] = size(pythons["lampion"], "lampion_edge")
    text = page(results, where, args.rounds)
    PAGE.write_text(text)
    print(text)


def measured(python: Path, engine: str, model: str, seconds: float, home: Path) -> dict[str, Any]:
    """What measure.py found in a process of its own, which is no heir of this one's settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [python, "-P", HERE / "measure.py", engine, model, str(seconds)]
    done = subprocess.run(command, env=kept | {"LAMPION_CACHE": str(home)}, check=True, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def page(results: Results, where: str, rounds: int) -> str:
    """The document."""
    of = {name: figures(result) for name, result in results.items()}
    rows = [
        (
            f"{title} ({result['version']})",
            f"{of[name]['disk']:.0f} MB",
            f"{of[name]['import']:.0f} ms",
            f"{of[name]['cold']:.0f} ({of[name]['quickest']:.0f}) ms",
            f"{of[name]['memory']:.0f} MB",
            f"{of[name]['latency']:.1f} ms",
        )
        for (name, result), (title, _) in zip(results.items(), ROWS.values(), strict=True)
    ]
    want = np.array(results["onnxruntime"]["rounds"][0]["answer"])
    apart = {name: np.abs(np.array(result["rounds"][0]["answer"]) - want).max() for name, result in results.items()}
    return TEXT.format(
        table=table(HEADS, rows),
        where=where,
        rounds=rounds,
        litert=f"{apart['litert']:.0e}",
        ncnn=f"{apart['ncnn']:.0e}",
        own=results["lampion"]["own"] / 1e6,
        verdict="\n".join(verdict(of)),
    )


def figures(result: dict[str, Any]) -> dict[str, float]:
    """The median of the rounds; `quickest` is the least time to the first answer, which other programs can't lower."""
    rounds = result["rounds"]
    medians = {name: median(one[name] for one in rounds) for name in ("import", "cold", "latency", "memory")}
    quickest = min(one["cold"] for one in rounds)
    return medians | {"memory": medians["memory"] / 1e6, "disk": result["disk"] / 1e6, "quickest": quickest}


def verdict(of: dict[str, dict[str, float]]) -> list[str]:
    """What the figures say, for and against."""
    ours, tuned, plain, ncnn, litert = (of[name] for name in ("lampion", "tuned", "onnxruntime", "ncnn", "litert"))

    def beside(mine: dict[str, float], other: dict[str, float], name: str) -> str:
        return f"{mine[name] / other[name]:.2f}"

    return [
        f"- Beside onnxruntime with its defaults: {beside(ours, plain, 'cold')} of its time to the first answer "
        f"({beside(tuned, plain, 'cold')} after `tune`; of the quickest {beside(ours, plain, 'quickest')}), "
        f"{beside(ours, plain, 'memory')} of its memory "
        f"({beside(tuned, plain, 'memory')} after `tune`), {beside(ours, plain, 'latency')} of its time for a call "
        f"({beside(tuned, plain, 'latency')}).",
        f"- ncnn is smaller: {beside(ncnn, ours, 'disk')} of the disk, {beside(ncnn, ours, 'memory')} of the memory; its first "
        f"answer comes after {beside(ncnn, ours, 'cold')} of the time, a call takes {beside(ncnn, ours, 'latency')}.",
        f"- LiteRT takes {beside(litert, ours, 'disk')} of the disk, {beside(litert, ours, 'memory')} of the memory, "
        f"{beside(litert, ours, 'cold')} of the time to the first answer, {beside(litert, ours, 'latency')} for a call.",
    ]


TEXT = """# lampion-edge beside its peers

`python benchmarks/edge` wrote this page.

{table}

{where} Native: emulated boards say nothing about time. {rounds} processes of each engine, in turns
whose order is shuffled each time (what a process leaves to the next one of the machine's memory differs), after one that isn't
counted. The median of the processes; in parentheses the quickest of them.

- **One model**: EfficientNet-Lite0 with its published weights, float32, a batch of one, 224 x 224, no preprocessing inside, as
  many threads as there are cores (`tune` may take fewer). lampion-edge and onnxruntime run the ONNX file that lampion exported;
  for LiteRT `litert_file.py` wrote it weight for weight, for ncnn its own converter pnnx did (with fp16=0). The answers differ
  from onnxruntime's by {litert} in LiteRT and by {ncnn} in ncnn.
- **On disk**: everything that `pip install` brought into an empty environment, without .pyc files. lampion-edge itself
  is {own:.1f} MB of it (a wheel of less than half of that); the rest is numpy and onnxruntime.
- **Import**: of what a program names at its top. lampion-edge imports onnxruntime with the first session,
  while it hashes the file.
- **First answer after**: importing (numpy first, which the program needs for its array), loading and one call, from the first
  line of a Python program on; the disk's cache is warm. lampion-edge compares the file with its checksum meanwhile, the others
  don't. All share the processor with the threads of numpy's BLAS, which after the import wait for work awake for a while.
- **Memory**: resident after the calls, Python and numpy included.

{verdict}
"""


if __name__ == "__main__":
    main()
