"""The `lampion-edge` command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import metadata

from lampion_edge.commands import COMMANDS, Command, run_command


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `lampion-edge` with these arguments (default: the process's) and gives the exit code."""
    args = _parser().parse_args(argv)
    command: Command = args.command
    return run_command(command, args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("lampion-edge", description="Run, measure and check a model.onnx with its card.")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        subparser = commands.add_parser(command.name, help=command.help, description=command.help)
        command.arguments(subparser)
        subparser.set_defaults(command=command)
    return parser


class _Version(argparse.Action):
    """Looks the version up only when it is asked for: reading package metadata takes longer than a prediction."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        try:
            version = metadata.version("lampion-edge")
        except metadata.PackageNotFoundError:  # a folder that was copied to a device
            version = "(not installed)"
        print(f"lampion-edge {version}")
        parser.exit()
