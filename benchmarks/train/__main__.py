"""Training steps of lampion, eager and compiled, beside PyTorch's, eager and under torch.compile.

python benchmarks/train [--only NAME ...] [--quick] [--dry]

Every framework runs each model in a process of its own; they take turns, so that what else the machine does hits all alike.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from page import machine, table, write
from train.runner import MEASURES, STEPS, serve

NAMES = ("tiny", "mlp", "cnn", "resnet-8", "lstm", "transformer", "word RNN")
SIDES = {
    "lampion": ("lampion", False),
    "compiled": ("lampion", True),
    "PyTorch": ("torch", False),
    "torch.compile": ("torch", True),
}
PEER = "PyTorch"
# How many times the peer's time a whole step may take at most.
BUDGETS = {
    ("compiled", "tiny"): 1 / 5, ("compiled", "mlp"): 1 / 1.3, ("compiled", "cnn"): 1.2, ("compiled", "resnet-8"): 1.2,
    ("compiled", "lstm"): 1 / 1.3, ("compiled", "transformer"): 1.0, ("compiled", "word RNN"): 1 / 1.3,
    ("lampion", "tiny"): 1.5, ("lampion", "lstm"): 1.5, ("lampion", "cnn"): 4.0,
}  # fmt: skip
LOSSES = 1e-4  # how far apart, relative, losses may be
WORDS = {"forward": "Forward", "backward": "Forward and backward", "step": "Whole step with Adam"}


class Process:
    """A runner in its process."""

    def __init__(self, name: str, side: str, cores: int | None) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, name, *SIDES[side], cores), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, what: str) -> Any:
        """Its answer. Raises what it raised."""
        self._pipe.send(what)
        answer = self._pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def end(self) -> None:
        """Lets it go."""
        self._pipe.send(None)
        self._process.join()


class Measured:
    """What was found about one model: seconds by measure and side, and what each side said at the start."""

    def __init__(self, name: str, sides: list[str], rounds: int, cores: int | None) -> None:
        self.name = name
        processes = {side: Process(name, side, cores) for side in sides}
        self.start = {side: process.ask("start") for side, process in processes.items()}
        self.times: dict[str, dict[str, list[float]]] = {m: {side: [] for side in sides} for m in MEASURES}
        for measure in MEASURES:
            for turn in range(rounds + 1):
                for side, process in processes.items():
                    seconds = process.ask(measure)
                    if turn:  # the first turn warms up
                        self.times[measure][side].append(seconds)
        for process in processes.values():
            process.end()
        second = Process(name, "compiled", cores)  # which finds the graph that the first has left
        self.again = second.ask("start")["first"]
        second.end()

    def ratios(self, measure: str, side: str) -> tuple[float, float, float]:
        """Quartiles of a side's time over the peer's in the same turn: median, lower, upper."""
        times = self.times[measure]
        each = [a / b for a, b in zip(times[side], times[PEER], strict=True)]
        low, middle, high = statistics.quantiles(each, n=4) if len(each) > 1 else each * 3
        return middle, low, high

    def apart(self, side: str) -> float:
        """The largest relative distance between a side's losses and the peer's."""
        pairs = zip(self.start[side]["losses"], self.start[PEER]["losses"], strict=True)
        return max(abs(a - b) / abs(b) for a, b in pairs)


def shown(measured: list[Measured], measure: str, sides: list[str]) -> str:
    """The table of one measure: milliseconds, and beside them how many times the peer's time that is."""
    rows = []
    for m in measured:
        row = [m.name]
        for side in sides:
            row.append(f"{1e3 * statistics.median(m.times[measure][side]):.3g}")
            if side != PEER:
                row.append("{:.2f} ({:.2f} to {:.2f})".format(*m.ratios(measure, side)))
        rows.append(row)
    heads = ["model", *[h for side in sides for h in ([f"{side}, ms"] + [f"of {PEER}'s time"] * (side != PEER))]]
    return table(heads, rows)


def starts(measured: list[Measured]) -> str:
    """The table of memory, the time of the first call, and the distance of losses."""
    rows = []
    for m in measured:
        for side, s in m.start.items():
            numbers = f"{s['first']:.2f}", f"{s['peak']:.0f}", f"{s['grown']:.0f}", f"{m.apart(side):.0e}"
            again = f"{m.again:.2f}" if side == "compiled" else ""
            rows.append([m.name, side, numbers[0], again, *numbers[1:]])
    return table(
        [
            "model",
            "side",
            "first calls, s",
            "in a second process",
            "peak memory, MB",
            "of that after the import",
            "losses apart",
        ],
        rows,
    )


def judged(measured: list[Measured]) -> list[str]:
    """A line for each budget: what was wanted, and whether it is kept."""
    lines = []
    for m in measured:
        for side in m.start:
            if m.apart(side) > LOSSES:
                lines.append(f"NOT KEPT: {m.name}, {side}: losses of {STEPS} steps are {m.apart(side):.1e} apart")
            if m.start[side]["why_not"]:
                lines.append(f"NOT KEPT: {m.name}, {side}: ran as Python: {m.start[side]['why_not']}")
            budget, ratio = BUDGETS.get((side, m.name)), m.ratios("step", side)[0]
            if budget is not None:
                kept = "kept" if ratio <= budget else "NOT KEPT"
                lines.append(f"{kept}: {m.name}, {side}: {ratio:.2f} of {PEER}'s time, budget {budget:.2f}")
    cnn = next((m.start for m in measured if m.name == "cnn"), None)
    if cnn is not None:
        ours, theirs = cnn["compiled"]["peak"], cnn[PEER]["peak"]
        kept = "kept" if ours <= theirs else "NOT KEPT"
        lines.append(f"{kept}: cnn, compiled: peak memory {ours:.0f} MB, {PEER}'s {theirs:.0f} MB")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=f"of {', '.join(NAMES)}"
    )
    parser.add_argument(
        "--sides", nargs="+", choices=SIDES, default=list(SIDES), metavar="SIDE", help=f"of {', '.join(SIDES)}"
    )
    parser.add_argument("--quick", action="store_true", help="few turns, without torch.compile")
    parser.add_argument("--dry", action="store_true", help="print the tables, don't write them to docs/performance.md")
    parser.add_argument(
        "--cores", type=int, metavar="N", help="keep every process to the last N cores, and so to N threads"
    )
    args = parser.parse_args()
    cache = tempfile.TemporaryDirectory(prefix="lampion-")
    os.environ["LAMPION_CACHE"] = cache.name  # empty, so that the first process of a model compiles it
    where = machine("numpy", "onnxruntime", "torch")
    sides = [side for side in SIDES if side in (*args.sides, PEER) and not (args.quick and side == "torch.compile")]
    measured = []
    for name in args.only:
        print(f"{name} ...", file=sys.stderr, flush=True)
        measured.append(Measured(name, sides, 5 if args.quick else 15, args.cores))
    parts = [f"{WORDS[m]}:\n\n{shown(measured, m, sides)}" for m in reversed(MEASURES)]
    parts += [
        f"What first calls take more, memory, and how far {STEPS} losses are from {PEER}'s:\n\n{starts(measured)}"
    ]
    parts += ["Budgets for a whole step:\n\n" + "\n".join(f"- {line}" for line in judged(measured))]
    text = "\n\n".join([where, *parts])
    print(text)
    if not (args.dry or args.quick or len(args.only) < len(NAMES) or len(sides) < len(SIDES)):
        write("benchmarks/train", text)


if __name__ == "__main__":
    main()
