"""The commands `lampion-edge` and `lampion`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata

from lampion_edge.commands import COMMANDS, Command, ended, run_command


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `lampion-edge` with these arguments (default: the process's) and gives the exit code."""
    # The threads of numpy's BLAS would wait for work awake when it is imported, on all cores but one, for a tenth of a second.
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
    described = "Run, measure and check a model.onnx with its card."
    commands = {command.name: command for command in COMMANDS}
    return _dispatch("lampion-edge", described, commands, commands.__getitem__, argv)


def lampion(argv: Sequence[str] | None = None) -> int:
    """Runs `lampion`, whose commands are the installed entry points `lampion.commands`; one is imported when it is typed."""
    points = {point.name: point for point in metadata.entry_points(group="lampion.commands")}
    described = "Train with dynamic graphs, export exactly what ran to one ONNX file, serve it, carry it."
    return _dispatch("lampion", described, sorted(points), lambda name: points[name].load(), argv)


def _wanted(names: Iterable[str], argv: Sequence[str] | None) -> list[str]:
    """The command that is typed, so that no other's module is imported; all of them if it is none of these names."""
    names = list(names)
    typed = next((word for word in (sys.argv[1:] if argv is None else argv) if not word.startswith("-")), None)
    return [name for name in names if name == typed] or names


def _dispatch(
    program: str, described: str, names: Iterable[str], command_of: Callable[[str], Command], argv: Sequence[str] | None
) -> int:
    parser = argparse.ArgumentParser(program, description=described)
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)

    def typed() -> int:
        wanted = _wanted(names, argv)
        for name in wanted:
            command = command_of(name)  # which may import half a second long, in which somebody may press Ctrl-C
            subparser = subparsers.add_parser(name, help=command.help, description=command.help)
            subparser.set_defaults(command=command)
            if len(wanted) == 1:  # else none is typed, and only names and help are asked for
                command.arguments(subparser)
        args = parser.parse_args(argv)
        return run_command(args.command, args)

    return ended(typed)


class _Version(argparse.Action):
    """Looks the version up only when it is asked for: reading package metadata takes longer than a prediction."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        try:
            version = metadata.version(parser.prog)
        except metadata.PackageNotFoundError:  # a folder that was copied to a device
            version = "(not installed)"
        print(f"{parser.prog} {version}")
        parser.exit()
