"""`lampion keys`: makes, lists and removes the API keys of a server."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from lampion_edge.terminal import table
from lampion_server.errors import StartupError
from lampion_server.keys import INFER, SCOPES, new_key, read_keys, write_keys


def arguments(parser: ArgumentParser) -> None:
    """Declares what `keys` takes."""
    parser.description = "API keys of `lampion serve --keys FILE`; the file holds hashes, a key's text is shown once."
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add = commands.add_parser("add", help="make a key and show its text")
    add.add_argument("file", metavar="FILE", type=Path)
    add.add_argument("name", metavar="NAME", help="who it is for")
    add.add_argument(
        "--scope", action="append", choices=SCOPES, help="infer asks models (default), admin changes what is served"
    )
    add.set_defaults(keys=_add)
    listing = commands.add_parser("list", help="show names and scopes")
    listing.add_argument("file", metavar="FILE", type=Path)
    listing.set_defaults(keys=_list)
    remove = commands.add_parser("remove", help="take a key away; servers notice within a second")
    remove.add_argument("file", metavar="FILE", type=Path)
    remove.add_argument("name", metavar="NAME")
    remove.set_defaults(keys=_remove)


def run(args: Namespace) -> int:
    """Does what was asked for."""
    args.keys(args)
    return 0


def _add(args: Namespace) -> None:
    known = read_keys(args.file) if args.file.exists() else []
    if args.name in [key.name for key in known]:
        raise StartupError(
            f"{args.file}: there is a key {args.name!r} already", hint="remove it first, or name it otherwise"
        )
    key, token = new_key(args.name, args.scope or [INFER])
    write_keys(args.file, [*known, key])
    print(token)


def _list(args: Namespace) -> None:
    rows = [(key.name, ", ".join(key.scopes), key.created) for key in read_keys(args.file)]
    print(table([("name", "scopes", "created"), *rows], "<<<"))


def _remove(args: Namespace) -> None:
    known = read_keys(args.file)
    kept = [key for key in known if key.name != args.name]
    if len(kept) == len(known):
        names = ", ".join(key.name for key in known) or "none"
        raise StartupError(f"{args.file}: there is no key {args.name!r}; it has: {names}")
    write_keys(args.file, kept)
