"""Tries random programs; prints those that fail, made as small as they still fail.

python tests/export/fuzz --count 2000 --seed 0          1 if any fails, or if too many are refused
python tests/export/fuzz --count 2000 --keep            writes what fails to tests/export/fuzz/kept
"""

from __future__ import annotations

import argparse
import multiprocessing
import signal
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))  # as pytest has it: tests/ is where imports start

from export.fuzz.shrink import smaller  # noqa: E402
from export.fuzz.trial import Trial, Verdict, try_program  # noqa: E402
from export.fuzz.writer import write  # noqa: E402
from tqdm import tqdm  # noqa: E402

KEPT = HERE / "kept"
REFUSED_AT_MOST = 0.2
SECONDS = 60


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=2000, help="how many programs")
    parser.add_argument("--seed", type=int, default=0, help="that of the first program; the others follow")
    parser.add_argument("--processes", type=int, help="default: one per core")
    parser.add_argument("--keep", action="store_true", help="write the failing programs, made small, to kept/")
    options = parser.parse_args()
    signal.signal(signal.SIGALRM, too_long)
    seeds = range(options.seed, options.seed + options.count)
    counts: Counter[str] = Counter()
    failing: dict[str, list[int]] = {}
    with multiprocessing.Pool(options.processes) as pool, tqdm(total=options.count, disable=None) as bar:
        for seed, trial in pool.imap_unordered(tried, seeds, chunksize=5):
            counts[trial.verdict.value] += 1
            if trial.verdict is not Verdict.AGREES:
                counts[f"  {trial.cause}"] += 1
            if trial.verdict is Verdict.FAILS:
                failing.setdefault(trial.cause, []).append(seed)
            bar.update()
            bar.set_postfix({verdict.value: counts[verdict.value] for verdict in Verdict})
    print(*(f"{n:6} {what}" for what, n in sorted(counts.items())), sep="\n", flush=True)
    for cause, found in failing.items():
        print(f"\n== {cause}: seeds {', '.join(map(str, found))}", flush=True)
        show(min(found), cause, options.keep)
    return int(bool(failing) or counts[Verdict.REFUSED.value] > REFUSED_AT_MOST * options.count)


def tried(seed: int) -> tuple[int, Trial]:
    """The trial of a seed's program; an export that does not end is a failure too."""
    signal.alarm(SECONDS)
    try:
        return seed, try_program(write(seed), f"fuzzed_{seed}")
    finally:
        signal.alarm(0)


def too_long(*_: object) -> None:
    """What the clock calls."""
    raise TimeoutError(f"not done after {SECONDS} s")


def show(seed: int, cause: str, keep: bool) -> None:
    """The first program that fails for a cause, made small."""
    source = smaller(write(seed), lambda text: fails_so(text, cause))
    print(f"{source}\n\n{try_program(source).why}", flush=True)
    if keep:
        (KEPT / f"seed_{seed}.py").write_text(source + "\n")


def fails_so(source: str, cause: str) -> bool:
    """Whether a program still fails for that cause; one that no longer runs at all does not."""
    signal.alarm(SECONDS // 10)  # what drops the counter of a loop never ends
    try:
        return try_program(source).cause == cause
    except Exception:  # dropping statements makes programs that don't compile or run
        return False
    finally:
        signal.alarm(0)


if __name__ == "__main__":
    sys.exit(main())
