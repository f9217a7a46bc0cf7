"""`update`: a newer version of a model, signed, proved, switched to in one step, and taken back if it isn't healthy."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lampion_edge.arguments import positive, seconds
from lampion_edge.errors import InputError, RefusedError
from lampion_edge.terminal import complain, megabytes, progress, table

if TYPE_CHECKING:
    from lampion_edge.update.repository import Repository
    from lampion_edge.update.signature import Signed

DONE, NOTHING_NEW, REFUSED = 0, 3, 4


def arguments(parser: ArgumentParser) -> None:
    """Declares what `update` takes."""
    parser.add_argument(
        "source",
        metavar="SOURCE",
        nargs="?",
        help="a lampion server's model (http://host:8000/v1/models/digits), the URL of an .onnx file with its .sig beside it, "
        "or a path of either: a file, a folder, a stick",
    )
    parser.add_argument(
        "--models",
        type=Path,
        default=Path("models"),
        metavar="FOLDER",
        help="the model's folder on this device, which `run` and the others take where they take a file (default: models)",
    )
    others = parser.add_argument_group("instead of an update").add_mutually_exclusive_group()
    others.add_argument(
        "--pin", type=Path, metavar="FILE", help="trust the public keys in a file, and no others any more"
    )
    others.add_argument("--status", action="store_true", help="show what is current")
    others.add_argument("--confirm", action="store_true", help="say that the current version is healthy")
    others.add_argument("--rollback", action="store_true", help="make the version before current again")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and write nothing")
    parser.add_argument(
        "--max-latency",
        type=seconds,
        metavar="MS",
        help="refuse a version that takes more milliseconds a call in its trial run",
    )
    parser.add_argument(
        "--patience",
        type=seconds,
        default=120.0,
        metavar="S",
        help="the longest that a trial run may take (default 120)",
    )
    parser.add_argument(
        "--starts",
        type=positive,
        default=3,
        metavar="N",
        help="a version that isn't known to be healthy after N starts is taken back (default 3)",
    )
    parser.add_argument(
        "--by-hand", action="store_true", help="only --confirm says that it is healthy, not its first good answer"
    )
    parser.add_argument("--again", action="store_true", help="take a version that was taken back here")
    parser.add_argument("--older", action="store_true", help="take an older version than the current one")
    parser.add_argument(
        "--api-key",
        default=os.environ.get("LAMPION_API_KEY"),
        metavar="KEY",
        help="for a server that wants one; better given as LAMPION_API_KEY",
    )
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    codes = {DONE: "done", 1: "can't be done now", NOTHING_NEW: "nothing new", REFUSED: "what is offered is refused"}
    parser.epilog = "Exit codes: " + ", ".join(f"{code} {meaning}" for code, meaning in codes.items())


def run(args: Namespace) -> int:
    """Does one of the five."""
    from lampion_edge.update.repository import Repository
    from lampion_edge.update.updating import confirm, roll_back

    repository = Repository(args.models)
    others = args.pin is not None or args.status or args.confirm or args.rollback
    if others == bool(args.source):
        expected = "a SOURCE, or one of --pin, --status, --confirm, --rollback"
        raise InputError(f"update: expected {expected}, got {'both' if others else 'neither'}", field="source")
    try:
        if args.source:
            return _update(repository, args)
    except RefusedError as error:
        complain(error, error.hint)
        return REFUSED
    if args.pin:
        repository.pin(_read(args.pin), str(args.pin))
    elif not repository.at(args.models):
        _ = repository.key  # says that none is pinned
    elif args.confirm:
        confirm(repository)
    elif args.rollback:
        roll_back(repository)
    _show(repository, args)
    return DONE


# --- updating ---


def _update(repository: Repository, args: Namespace) -> int:
    from lampion_edge.update.source import source_of
    from lampion_edge.update.updating import Rules, install, offered

    rules = Rules(older=args.older, again=args.again, starts=args.starts, by_hand=args.by_hand)
    source = source_of(args.source, args.api_key)
    if args.dry_run:
        return _told(offered(repository, source, rules), repository, args, "would be installed")
    with repository.updating():
        signed = offered(repository, source, rules)
        if signed is None:
            return _told(None, repository, args)
        told = _progress(signed)
        try:
            install(repository, source, signed, rules, lambda model: _prove(model, args), told)
        finally:
            progress("")
    return _told(signed, repository, args, "is current")


def _prove(model: Path, args: Namespace) -> None:
    from lampion_edge.update.trial import trial

    progress("")
    tried = trial(model, args.max_latency, args.patience)
    if not args.json:
        print(f"trial run: {tried}", flush=True)


def _progress(signed: Signed) -> Any:
    shown = str(signed.release)
    return lambda done, size: progress(f"{shown}, {megabytes(done)} of {megabytes(size)}", done / size if size else 1.0)


def _told(signed: Signed | None, repository: Repository, args: Namespace, what: str = "") -> int:
    """Says what came of it, and gives the exit code."""
    release = signed.release if signed else None
    if args.json:
        print(json.dumps({"new": release.version if release else None, "dry_run": args.dry_run} | _facts(repository)))
    elif release:
        print(f"{release} {what} ({megabytes(release.size)}, signed by {signed.key if signed else ''})")
        if not args.dry_run and repository.state.starts_left is not None:
            print(f"it has {repository.state.starts_left} starts to show that it is healthy")
    else:
        print(f"nothing new: {_facts(repository)['name']} {_facts(repository)['current']} is what {args.source} has")
    return DONE if release else NOTHING_NEW


# --- showing ---


def _show(repository: Repository, args: Namespace) -> None:
    facts = _facts(repository)
    print(json.dumps(facts) if args.json else table(_rows(facts), "<<"))


def _facts(repository: Repository) -> dict[str, Any]:
    from lampion_edge.update.signature import fingerprint, public_keys, version_of

    state = repository.state
    return {
        "models": str(repository),
        "name": repository.name(state.current),
        "current": version_of(state.current) if state.current else None,
        "damaged": bool(state.current) and not repository.proved(str(state.current)),
        "starts_left": state.starts_left,
        "by_hand": state.by_hand,
        "previous": version_of(state.previous) if state.previous else None,
        "taken_back": [version_of(id) for id in state.returned],
        "keys": [fingerprint(key) for key in public_keys(repository.key, str(repository))],
    }


def _rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    waits = "--confirm" if facts["by_hand"] else "its first good answer"
    health = (
        "known to be healthy" if facts["starts_left"] is None else f"{facts['starts_left']} starts left, until {waits}"
    )
    rows = [("models", facts["models"]), ("trusts", ", ".join(facts["keys"]))]
    if facts["current"] is None:
        return [*rows, ("current", "no version is installed yet")]
    rows.append(("current", f"{facts['name']} {facts['current']}, {'damaged' if facts['damaged'] else health}"))
    rows.append(("before", facts["previous"] or "none"))
    return rows + ([("taken back", ", ".join(facts["taken_back"]))] if facts["taken_back"] else [])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror})", field="pin") from None
