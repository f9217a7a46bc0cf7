"""`emulate`: a command of ours on a simulated Raspberry Pi, for who has none at hand."""

from __future__ import annotations

import os
import sys
from argparse import REMAINDER, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from pathlib import Path

from lampion_edge.arguments import positive
from lampion_edge.errors import EdgeError
from lampion_edge.terminal import megabytes, table
from lampion_export.emulation.boards import BOARDS, State


def arguments(parser: ArgumentParser) -> None:
    """Declares what `emulate` takes."""
    parser.usage = "%(prog)s --board BOARD [options] -- COMMAND ..."
    parser.add_argument(
        "--board", choices=BOARDS, required=True, help="pi2 is a 32-bit one, with Debian's packages instead of wheels"
    )
    parser.add_argument("--celsius", type=float, default=48.0, metavar="C", help="temperature (default 48)")
    parser.add_argument(
        "--throttled",
        type=_bits,
        default=0,
        metavar="BITS",
        help="the firmware's answer, as `vcgencmd get_throttled` gives it, such as 0x50005 (default 0)",
    )
    parser.add_argument("--mhz", type=positive, metavar="N", help="clock now (default: the board's greatest)")
    parser.add_argument("--free-mb", type=positive, metavar="N", help="free memory (default: three quarters)")
    parser.add_argument(
        "--packages",
        type=_names,
        metavar="A,B",
        help="wheels on the board, such as numpy,onnxruntime==1.21.0 (default: the numpy, onnxruntime and pillow of here)",
    )
    parser.add_argument(
        "command_line", nargs=REMAINDER, metavar="COMMAND", help="one of lampion-edge's, or python and what it takes"
    )
    parser.epilog = (
        "Example: %(prog)s --board pi4 --celsius 85 -- run model.onnx photo.jpg. Without a command it is only set up. "
        "It needs Debian and the network, once for each board; everything is kept in ~/.cache/lampion/boards. "
        "Times mean nothing here: it is 100 to 250 times slower than the board."
    )


def run(args: Namespace) -> int:
    """Becomes the command on the board: its exit code, signals and terminal are those of this process."""
    from lampion_export.emulation.machine import python
    from lampion_export.emulation.making import home

    if sys.platform != "linux":
        raise EdgeError(
            f"boards are emulated on Linux only, this is {sys.platform}", hint="run this in a container of Debian"
        )
    state = State(args.celsius, args.throttled, args.mhz, args.free_mb)
    program = python(BOARDS[args.board], state, args.packages)
    rest = words(args.command_line)
    if rest is not None:
        sys.stdout.flush()
        os.execv(program, [str(program), *rest])
    print(f"{BOARDS[args.board].model}: {program}\n{_sizes(home())}")
    return 0


def words(typed: Sequence[str]) -> list[str] | None:
    """What the board's python3 is given for what was typed, None for nothing."""
    command = list(typed[1:] if typed[:1] == ["--"] else typed)
    if not command:
        return None
    return command[1:] if command[0] in ("python", "python3") else ["-m", "lampion_edge", *command]


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names) or any(name.startswith("-") for name in names):
        raise ArgumentTypeError(
            f"expected names with commas between them such as numpy,onnxruntime==1.21.0, got {text!r}"
        )
    return names


def _bits(text: str) -> int:
    try:
        return int(text.removeprefix("throttled="), 16)
    except ValueError:
        raise ArgumentTypeError(f"expected a hexadecimal number such as 0x50005, got {text!r}") from None


def _sizes(folder: Path) -> str:
    """What everything takes on the disk."""
    parts = sorted(part for part in folder.iterdir() if part.is_dir())
    sizes = [sum(file.lstat().st_size for file in part.rglob("*")) for part in parts]
    return table([(part.name, megabytes(size)) for part, size in zip(parts, sizes, strict=True)], "<>")
