"""`doctor`: what keeps models from running here, or from running well, and the cure."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import asdict

from lampion_edge.doctor import Finding, health, model, packages, system

_WIDTH = 11


def arguments(parser: ArgumentParser) -> None:
    """Declares what `doctor` takes."""
    parser.add_argument("model", metavar="MODEL", nargs="?", help="an .onnx file to try as well")
    parser.add_argument("--json", action="store_true", help="one line of JSON for each finding")
    parser.epilog = (
        "Whatever may die is tried in a process of its own. Exit code 0: nothing is wrong (there may be warnings), 1: "
        "something is."
    )


def run(args: Namespace) -> int:
    """Prints each finding as soon as it is there. 1 if anything is wrong."""
    levels = []
    for finding in _findings(args.model):
        print(json.dumps(asdict(finding)) if args.json else _lines(finding), flush=True)
        levels.append(finding.level)
    return 1 if "wrong" in levels else 0


def _findings(path: str | None) -> Iterator[Finding]:
    yield from system.findings()
    yield from packages.findings()
    yield from health.findings()
    if path is not None:
        yield model.finding(path)


def _lines(finding: Finding) -> str:
    line = f"{finding.level:<7}  {finding.what:<{_WIDTH}}  {finding.said}"
    return f"{line}\n{'':<{_WIDTH + 11}}cure: {finding.cure}" if finding.cure else line
