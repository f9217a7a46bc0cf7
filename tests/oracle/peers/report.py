"""Counts on which of PyTorch's own test cases lampion agrees, and says where it does not.

python tests/oracle/peers/report.py                     all of it
python tests/oracle/peers/report.py --only nn.functional.pad 'linalg.*'
python tests/oracle/peers/report.py --update            writes docs/coverage.md and expected.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))  # as pytest has it: tests/ is where imports start

from oracle.peers.outcome import Outcome, Status, differs  # noqa: E402
from oracle.peers.pool import DATABASES, Results, run, selection  # noqa: E402

EXPECTED = HERE / "expected.json"
COVERAGE = HERE.parents[2] / "docs" / "coverage.md"
Agreed = dict[str, dict[str, list[str]]]  # by database, kind: the entries that agree

HEADING = """\
# Coverage

PyTorch keeps, for its own tests, databases of ops, modules and optimizers with sample inputs
(`torch.testing._internal`, torch 2.13.0). This is what lampion makes of them, entry by entry, written by
`python tests/oracle/peers/report.py --update`; `tests/oracle/test_peers.py` fails when an entry that agreed does so no longer.

An entry (an op, or one variant of it) agrees when lampion does on every sample that PyTorch accepts: structure,
dtype, shape and numbers. Samples are float32 and int64 for `forward`, float64 for gradients (complex where an op takes
nothing else), at most 60 of each for an op, evenly spread (`--full` takes all). Gradients are those of a randomly
weighted sum of the outputs with respect to every input; second gradients those of a weighted sum of the first. Modules
carry the same weights, in train and eval; optimizers take 20 steps. `random` are entries whose numbers are drawn, or
whose memory is uninitialised: dtype and shape are compared, of their gradients nothing. What is `not planned` has its
reason below, and so has what disagrees: the report is not written for an entry without one.
"""


def main() -> int:
    """The command; 1 where --update would lose entries."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="entries by name, variant or pattern")
    parser.add_argument("--full", action="store_true", help="all samples instead of at most 60 of an op and dtype")
    parser.add_argument("--update", action="store_true", help="write docs/coverage.md and expected.json")
    parser.add_argument("--processes", type=int, help="default: one per core")
    options = parser.parse_args()
    if options.update and options.only:
        parser.error("--update needs all entries: leave --only away")
    results = run(selection(options.only), full=options.full, processes=options.processes)
    print("\n".join([*table(results), "", *lists(results)]))
    return update(results) if options.update else 0


def table(results: Results) -> Iterator[str]:
    """Counts of entries by status, a line a database and kind."""
    yield f"| | entries | {' | '.join(s.value for s in Status)} | names | names that agree | samples | refused by PyTorch |"
    yield "|---|" + "---:|" * (5 + len(Status))
    for database, kinds in DATABASES.items():
        for kind in kinds:
            outcomes = [by_kind[kind] for by_kind in results[database].values()]
            counts = Counter(o.status for o in outcomes)
            numbers = [len(outcomes), *(counts[s] for s in Status), *_names(results[database], kind)]
            numbers += [sum(o.compared for o in outcomes), sum(o.refused for o in outcomes)]
            yield f"| {database}, {kind} | {' | '.join(map(str, numbers))} |"


def lists(results: Results) -> Iterator[str]:
    """Every entry that does not agree, with the reason, by status."""
    for database, kinds in DATABASES.items():
        for status in (Status.DISAGREES, Status.MISSING, Status.RANDOM, Status.NOT_PLANNED, Status.NOTHING):
            lines = list(_lines(results, database, kinds, status))
            if lines:
                yield from [f"## {database.capitalize()}: {status.value} ({len(lines)})", "", *lines, ""]


def _lines(results: Results, database: str, kinds: tuple[str, ...], status: Status) -> Iterator[str]:
    """An entry a line. One that has no forward needs no words on its gradients."""
    for name, by_kind in results[database].items():
        found = {k: by_kind[k].detail for k in kinds if by_kind[k].status is status}
        if kinds[0] in found and status is not Status.DISAGREES:
            detail = found[kinds[0]]
            silent = not detail or (status is Status.MISSING and _says_no_more(detail, name))
            yield f"- `{name}`" + ("" if silent else f": {_escaped(detail)}")
        elif status is Status.DISAGREES:
            reason = f" ({differs()[name]})" if name in differs() else ""
            for detail in dict.fromkeys(found.values()):
                same = [k for k in found if found[k] == detail]
                yield f"- `{name}` {', '.join(same)}: {_escaped(detail)}{reason}"


def _says_no_more(detail: str, name: str) -> bool:
    """Whether a reason only repeats that the name is missing."""
    return detail.endswith(name.partition("/")[0]) or "has no attribute" in detail


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _names(entries: dict[str, dict[str, Outcome]], kind: str) -> tuple[int, int]:
    """How many names there are, and how many agree in every variant that has something to compare."""
    by_name: dict[str, set[Status]] = {}
    for entry, by_kind in entries.items():
        by_name.setdefault(entry.partition("/")[0], set()).add(by_kind[kind].status)
    return len(by_name), sum(found - {Status.NOTHING} == {Status.AGREES} for found in by_name.values())


def agreed(results: Results) -> Agreed:
    """What expected.json keeps: the entries that agree, and those that are random in forward only."""
    found: Agreed = {}
    for database, kinds in DATABASES.items():
        entries = results[database].items()
        found[database] = {k: [n for n, by_kind in entries if by_kind[k].status is Status.AGREES] for k in kinds}
        random = [n for n, by_kind in entries if by_kind[kinds[0]].status is Status.RANDOM]
        if random:
            found[database]["random"] = random
    return found


def lost(before: Agreed, now: Agreed) -> list[str]:
    """What agreed before and does not now."""
    return [
        f"{database}, {kind}: {name}"
        for database, kinds in before.items()
        for kind, names in kinds.items()
        for name in sorted(set(names) - set(now[database].get(kind, ())))
    ]


def unexplained(results: Results) -> list[str]:
    """Entries that disagree or are missing, and nobody said why."""
    open_ends = (Status.DISAGREES, Status.MISSING)
    entries = [(n, by_kind) for by_name in results.values() for n, by_kind in by_name.items()]
    return [n for n, by_kind in entries if n not in differs() and any(o.status in open_ends for o in by_kind.values())]


def update(results: Results) -> int:
    """Writes docs/coverage.md and expected.json, unless something that agreed would be lost."""
    now = agreed(results)
    gone = lost(json.loads(EXPECTED.read_text()), now) if EXPECTED.exists() else []
    if gone:
        print("agreed before and do not now; nothing written:", *gone, sep="\n  ", file=sys.stderr)
        return 1
    bare = unexplained(results)
    if bare:
        print(
            "without a reason in differs.txt or not_planned.txt; nothing written:", *bare, sep="\n  ", file=sys.stderr
        )
        return 1
    EXPECTED.write_text(json.dumps(now, indent=1) + "\n")
    COVERAGE.write_text("\n".join([HEADING, *table(results), "", *lists(results)]).rstrip() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
