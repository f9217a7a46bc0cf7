"""Half an hour of mixed traffic against `lampion serve`, with models that change all the time; draws the memory held.

python benchmarks/serve_load/soak.py                       # writes docs/soak.svg and into docs/performance.md
python benchmarks/serve_load/soak.py --minutes 2 --dry     # only prints
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from onnx import TensorProto

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

from page import machine, table, write  # noqa: E402
from server.callers import Tally, calling, percentile  # noqa: E402
from server.conftest import digits, echo, iris, spin  # noqa: E402
from server.processes import running  # noqa: E402
from tqdm import tqdm  # noqa: E402

from serve_load.plot import plot  # noqa: E402
from serve_load.processes import files, resident, workers  # noqa: E402
from serve_load.traffic import anything  # noqa: E402

EVERY = 5.0  # seconds between two looks
WARM = 0.2  # of the time; what is allocated until then is what serving takes


@dataclass
class Soak:
    """Seconds since the start, and then: megabytes and open files of each worker, requests done."""

    times: list[float] = field(default_factory=list)
    memory: list[list[float]] = field(default_factory=list)
    files: list[list[int]] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    reloads: int = 0
    tally: Tally = field(default_factory=Tally)

    def workers(self) -> list[tuple[list[float], list[int]]]:
        """Of each worker the megabytes and the open files, over time."""
        held, opened = zip(*self.memory, strict=True), zip(*self.files, strict=True)
        return [(list(one), list(other)) for one, other in zip(held, opened, strict=True)]

    @property
    def warm(self) -> int:
        """The first sample that counts."""
        return int(WARM * len(self.times))

    def growth(self, held: list[float]) -> float:
        """Megabytes per hour after it is warm: the slope of the line through the samples."""
        return float(np.polyfit(self.times[self.warm :], held[self.warm :], 1)[0] * 3600)


def models(folder: Path) -> None:
    iris(folder / "iris/1/model.onnx", scale=1)
    digits(folder / "digits.onnx")
    echo(folder / "echo.onnx", TensorProto.FLOAT, ["batch", 256])
    spin(folder / "spin.onnx")


@contextmanager
def served(folder: Path, processes: int) -> Iterator[tuple[int, str]]:
    settings = ("--port", 0, "--workers", processes, "--tune-seconds", 0.02, "--max-body-bytes", 1_000_000)
    with running(folder, *settings, "--log-level", "error", "--request-timeout", 20) as (process, url):
        yield process.pid, url


def soak(minutes: float, rate: float, processes: int) -> Soak:
    done, seen = Soak(), 0
    with tempfile.TemporaryDirectory() as name, tqdm(total=int(60 * minutes), unit="s", leave=False) as bar:
        folder = Path(name)
        models(folder)
        with served(folder, processes) as (pid, url), calling(url, anything, rate) as done.tally:
            started, version = time.monotonic(), 1
            while (now := time.monotonic() - started) < 60 * minutes:
                done.times.append(now)
                done.memory.append([resident(worker) for worker in workers(pid)])
                done.files.append([files(worker) for worker in workers(pid)])
                done.requests.append(len(done.tally.times))
                version = change(folder, url, version)
                done.reloads += 1
                bar.update(int(now) - seen)
                seen = int(now)
                time.sleep(max(0.0, EVERY - (time.monotonic() - started - now)))
    return done


def change(folder: Path, url: str, version: int) -> int:
    """The next version of one model, and another one read anew; of the versions before, the last stays."""
    iris(folder / f"iris/{version + 1}/model.onnx", scale=version + 1)
    shutil.rmtree(folder / f"iris/{version - 1}", ignore_errors=True)
    for name in ("iris", "digits"):
        httpx.post(f"{url}/v2/repository/models/{name}/load", timeout=60).raise_for_status()
    return version + 1


def told(done: Soak, minutes: float, rate: float) -> str:
    """What happened, in words and numbers."""
    outcomes: Counter[str] = done.tally.outcomes
    right, left = done.tally.seconds("right"), outcomes["left"]
    other = {what: count for what, count in outcomes.items() if what not in ("right", "left")}
    warm = done.warm
    rows = [
        *(
            [
                f"worker {number}",
                *(f"{mb:.1f}" for mb in (held[warm], held[-1], max(held))),
                f"{done.growth(held):+.1f}",
            ]
            + [f"{opened[warm]}", f"{opened[-1]}"]
            for number, (held, opened) in enumerate(done.workers(), 1)
        )
    ]
    then = f"{done.times[warm] / 60:.0f} min"
    heads = ["", f"MB at {then}", "at the end", "most", "MB per hour", f"open files at {then}", "at the end"]
    unwanted = ", ".join(f"{count} {what}" for what, count in other.items()) or "none"
    return (
        f"{sum(outcomes.values()):,} requests in {minutes:g} minutes, {rate:g} a second: JSON and binary tensors, photos in "
        f"three forms, mistakes, monitors, callers who leave ({left:,}); {done.reloads} times a new version and a reload. "
        f"As they should be: {len(right):,} answers, p50 {1000 * percentile(right, 50):.1f} ms, "
        f"p99 {1000 * percentile(right, 99):.1f} ms; otherwise: {unwanted}.\n\n{table(heads, rows)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=60, help="requests a second (default 60)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--dry", action="store_true", help="print, but write nothing to docs/")
    args = parser.parse_args()
    where = machine("onnxruntime", "uvicorn", "fastapi")
    done = soak(args.minutes, args.rate, args.workers)
    text = told(done, args.minutes, args.rate)
    print(text)
    if not args.dry:
        curves = {f"worker {number}": held for number, (held, _) in enumerate(done.workers(), 1)}
        (ROOT / "docs/soak.svg").write_text(plot([t / 60 for t in done.times], curves, "minutes", "MB resident"))
        title = f"## {args.minutes:g} minutes of everything\n\n![memory of each worker over time](soak.svg)"
        write("soak", f"{title}\n\n`{Path(__file__).relative_to(ROOT)}`: {where}\n\n{text}")


if __name__ == "__main__":
    main()
