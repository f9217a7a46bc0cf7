"""`lampion diff`: what differs between two model files."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace

from lampion_edge import EdgeError
from lampion_edge.terminal import complain
from lampion_export.errors import ExportError

SAME, DIFFERENT, FAILED = 0, 1, 2


def arguments(parser: ArgumentParser) -> None:
    """Declares what `lampion diff` takes."""
    parser.add_argument("a", metavar="A.onnx", help="an .onnx file")
    parser.add_argument("b", metavar="B.onnx", help="the file to compare with it")
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    parser.epilog = "Exit code 0: the same, 1: something differs, 2: a file can't be read."


def run(args: Namespace) -> int:
    """Shows the differences; like diff and cmp, 1 is kept for 'they differ'."""
    from lampion_export.diff import diff

    try:
        found = diff(args.a, args.b)
    except (EdgeError, ExportError, OSError) as error:
        complain(error, getattr(error, "hint", None))
        return FAILED
    print(json.dumps({"same": found.same} | vars(found), ensure_ascii=False) if args.json else found)
    return SAME if found.same else DIFFERENT
