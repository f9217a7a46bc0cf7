"""`lampion sign`: a model file signed for the devices that trust the key, and the key itself."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from lampion_edge.update.release import SUFFIX, Release
from lampion_edge.update.signature import new_key, sign
from lampion_export.errors import ExportError
from lampion_export.writing import replaced


def arguments(parser: ArgumentParser) -> None:
    """Declares what `sign` takes."""
    parser.add_argument("model", metavar="MODEL", nargs="?", type=Path, help="an .onnx file with a card")
    parser.add_argument("--key", type=Path, metavar="FILE", help="the private key, an ed25519 key as PEM")
    parser.add_argument(
        "--board",
        action="append",
        default=[],
        metavar="NAME",
        help="the only boards it is for, such as 'Raspberry Pi 5' or aarch64; may be given several times (default: all)",
    )
    parser.add_argument(
        "--new-key", type=Path, metavar="FILE", help="write a new private key, and print the public one"
    )
    parser.epilog = (
        "The signature covers the card's name and version, the boards, and every byte of the file and of weights beside it; it "
        f"is written to MODEL{SUFFIX}. On the device: lampion-edge update --pin release.pub, then lampion-edge update SOURCE."
    )


def run(args: Namespace) -> int:
    """Makes a key, or signs."""
    if args.new_key and not args.model and not args.key:
        print(new_key(args.new_key), end="")
        return 0
    if args.new_key or not args.model or not args.key:
        raise ExportError(
            "sign: expected MODEL and --key FILE, or --new-key FILE alone", hint="see lampion sign --help"
        )
    signed = sign(Release.of(args.model, args.board), args.key)
    target = args.model.with_name(args.model.name + SUFFIX)
    replaced(target, signed.to_json().encode())
    boards = " or ".join(signed.release.boards) or "all boards"
    print(f"signed {signed.release} for {boards} with key {signed.key}: {target}")
    return 0
