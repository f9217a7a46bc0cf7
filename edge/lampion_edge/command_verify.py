"""`verify`: does this machine compute what the exporting one did?"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace

from lampion_edge.arguments import positive
from lampion_edge.model_file import ModelFile
from lampion_edge.session import Session
from lampion_edge.terminal import table
from lampion_edge.verification import SampleCheck, Verification

OK, DIFFERS, NOTHING_TO_REPLAY = 0, 1, 3


def arguments(parser: ArgumentParser) -> None:
    """Declares what `verify` takes."""
    parser.add_argument("model", metavar="MODEL", help="an .onnx file")
    parser.add_argument("--threads", type=positive, metavar="N", help="default: the cores this process may use")
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    parser.epilog = "Exit code 0: all agree, 1: something differs, 3: nothing to replay."


def run(args: Namespace) -> int:
    """Checks the checksum, replays the golden samples, shows both."""
    session = Session(args.model, threads=args.threads, verify_checksum=False)
    checksum = ModelFile.open(args.model).checksum_state(session.card.checksum)
    verification = session.verify()
    print(_json(verification, checksum) if args.json else _text(verification, checksum))
    if verification.ok is False or checksum == "differs":
        return DIFFERS
    return OK if verification.ok else NOTHING_TO_REPLAY


def _json(verification: Verification, checksum: str) -> str:
    samples = [vars(sample) for sample in verification.samples]
    return json.dumps({"ok": verification.ok, "checksum": checksum, "samples": samples})


def _text(verification: Verification, checksum: str) -> str:
    samples = [table([("sample", "max error", ""), *map(_row, verification.samples)], "<><")]
    return "\n".join([*(samples if verification.samples else []), f"checksum: {checksum}", str(verification)])


def _row(sample: SampleCheck) -> tuple[str, str, str]:
    error = "" if sample.max_abs_error is None else f"{sample.max_abs_error:.3g}"
    return str(sample.index), error, "ok" if sample.ok else sample.error or "differs"
