"""lampion beside other model servers, in one interleaved run that prints a table and writes docs/performance-serving.md.

python benchmarks/serve [--quick] [--only photos] [--only lampion] [--rounds 5] [--seconds 2]
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import material
from measuring import SCENARIOS, Result, Scenario, measure
from peers import BYTES, NUMBERS, PEERS, PHOTOS, Peer
from processes import installed
from report import page

from lampion_edge.terminal import progress

PAGE = Path(__file__).parents[2] / "docs" / "performance-serving.md"


def main() -> int:
    args = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an end that was asked for ends the peers too
    args.cache.mkdir(parents=True, exist_ok=True)
    peers, names = _chosen(args.only)
    for peer in peers:
        installed(peer, args.cache)
    results: dict[str, dict[str, Result]] = {}
    began = time.monotonic()
    try:
        for scenario in _scenarios(names, args.cache):
            fit = [peer for peer in peers if scenario.name in peer.asks]
            results[scenario.name] = measure(scenario, fit, args.rounds, args.seconds, args.cache, progress)
    except KeyboardInterrupt:
        print("\nstopped: what was measured until now", flush=True)
    progress("")
    text = page(results, material.told(material.photos(args.cache, material.LARGE)))
    print(text[text.index("Measured on") :])
    print(f"{time.monotonic() - began:.0f} s")
    if args.only or args.quick:
        print(f"{PAGE.name} is written by a whole run alone")
    else:
        PAGE.write_text(text)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "benchmarks/serve", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    known = ", ".join([*SCENARIOS, *(peer.name for peer in PEERS)])
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help=f"part of a name among {known}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="for one peer in one round")
    parser.add_argument("--quick", action="store_true", help="one round of one second")
    cache = Path.home() / ".cache" / "lampion" / "benchmarks"
    parser.add_argument("--cache", type=Path, default=cache, help=f"for venvs, models and photos (default {cache})")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.seconds = 1, 1.0
    return args


def _chosen(only: Sequence[str]) -> tuple[list[Peer], list[str]]:
    """Peers and scenarios whose names hold one of the words; all where no word fits one."""
    words = [word.lower() for word in only]
    peers = [peer for peer in PEERS if any(word in peer.name.lower() for word in words)]
    names = [name for name in SCENARIOS if any(word in name.lower() for word in words)]
    if unknown := [w for w in words if not any(w in name.lower() for name in [*SCENARIOS, *(p.name for p in PEERS)])]:
        sys.exit(f"--only: expected part of the name of a scenario or a peer, got {unknown[0]!r}")
    return peers or list(PEERS), names or list(SCENARIOS)


def _scenarios(names: Sequence[str], cache: Path) -> list[Scenario]:
    def built(name: str) -> Scenario:
        if name in (NUMBERS, BYTES):
            return Scenario(name, material.numbers_model(cache), list(material.numbers()), connections=32, workers=1)
        files = material.photos(cache, material.SMALL if name == PHOTOS else material.LARGE)
        questions = [file.read_bytes() for file in files]
        connections = 8 if name == PHOTOS else 4
        return Scenario(name, material.photo_model(cache), questions, connections, workers=2, files=files)

    return [built(name) for name in names]


if __name__ == "__main__":
    sys.exit(main())
