"""Sets lampion beside PyTorch's exporters on the programs of tests/export/programs.

python tests/oracle/programs/report.py                  lampion's outcomes, beside PyTorch's as stored
python tests/oracle/programs/report.py --update         and writes docs/programs.md
python tests/oracle/programs/report.py --peers --update runs PyTorch's exporters anew (needs onnxscript; half an hour)
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

from export.fuzz.trial import ALLOWED  # noqa: E402
from oracle.programs.exporters import EXPORTERS, Outcome, Status  # noqa: E402
from oracle.programs.pool import Results, run  # noqa: E402

STORED = HERE / "stored.json"
TABLE = HERE.parents[2] / "docs" / "programs.md"
OURS, *PEERS = EXPORTERS

HEADING = """\
# Programs

{count} small programs in plain Python control flow, as PyTorch users write them (`tests/export/programs`), each exported from
its first input with dynamic axes and run in onnxruntime on at least four inputs that together take every line of it. Written
by `python tests/oracle/programs/report.py --update`. What an exporter's file answers is compared with what the program gives
eagerly; under PyTorch and under lampion that is the same.

- **right**: the same answer on every input, and an error for the inputs that the program itself raises an error for.
- **refused**: the exporter raised an error, crashed, or needed over two minutes.
- **fails when run**: the file never answers wrong, yet raises an error for an input that the program takes.
- **wrong without an error**: the file answers something else for at least one input.

PyTorch's exporters are called as their users would: `torch.onnx.export` with `dynamo=True` and `dynamic_shapes` (the better
outcome of `Dim.DYNAMIC` and `Dim.AUTO`), with `dynamo=False` and `dynamic_axes` on the program as it is (tracing), and on
what `torch.jit.script` makes of it (scripting). They would export more programs if these were rewritten with `torch.cond` or
`torch.where`; here the programs stay as they are. The outcomes (torch 2.13.0, onnxscript 0.7.2) are stored in
`tests/oracle/programs/stored.json`, which `--peers` makes anew; the tests hold lampion's.
"""

REFUSALS = """\
## What lampion refuses in random programs

`python tests/export/fuzz` writes random programs and compares likewise. It accepts no disagreement, and no refusal but these:
"""


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--update", action="store_true", help="write docs/programs.md")
    parser.add_argument("--peers", action="store_true", help="run PyTorch's exporters anew, and store their outcomes")
    parser.add_argument(
        "--only", nargs="+", metavar="PROGRAM", help="some programs by family.name; the others stay stored"
    )
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    if options.peers:
        store(run(PEERS, options.processes, options.only))
    results = joined(run([OURS], options.processes, options.only), stored())
    print("\n".join(document(results)))
    for name, outcomes in results.items():
        if outcomes[OURS].status not in (Status.RIGHT, Status.REFUSED):
            print(f"{name}: {outcomes[OURS].why}", file=sys.stderr)
    if options.update and not options.only:
        TABLE.write_text("\n".join(document(results)))
    return 0


def store(results: Results) -> None:
    """Keeps what PyTorch's exporters did; what is stored of other programs stays."""
    kept = json.loads(STORED.read_text()) if STORED.exists() else {}
    new = {name: {e: o.status.value for e, o in outcomes.items()} for name, outcomes in results.items()}
    STORED.write_text(json.dumps(dict(sorted((kept | new).items())), indent=1) + "\n")


def stored() -> Results:
    """What PyTorch's exporters did."""
    kept = json.loads(STORED.read_text())
    return {name: {e: Outcome(Status(status)) for e, status in by.items()} for name, by in kept.items()}


def joined(ours: Results, theirs: Results) -> Results:
    """Lampion's outcomes beside the others."""
    return {name: outcomes | theirs[name] for name, outcomes in ours.items()}


def document(results: Results) -> Iterator[str]:
    """docs/programs.md, line by line."""
    yield from HEADING.format(count=len(results)).splitlines()
    yield from ["", f"| | {' | '.join(s.value for s in Status)} |", "|---|" + "---:|" * len(Status)]
    for exporter in EXPORTERS:
        counts = Counter(outcomes[exporter].status for outcomes in results.values())
        yield f"| {exporter} | {' | '.join(str(counts[s]) for s in Status)} |"
    yield from ["", *REFUSALS.splitlines(), *(f"- {words}: {why}" for words, why in ALLOWED.items())]
    yield from [
        "",
        "## Program by program",
        "",
        f"| program | {' | '.join(EXPORTERS)} |",
        "|---|" + "---|" * len(EXPORTERS),
    ]
    for name, outcomes in results.items():
        yield f"| {name} | {' | '.join(outcomes[e].status.value for e in EXPORTERS)} |"
    yield ""


if __name__ == "__main__":
    sys.exit(main())
