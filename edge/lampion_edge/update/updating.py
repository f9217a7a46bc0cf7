"""An update in its order: what is offered is judged, fetched, proved, given its place, and made current."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lampion_edge.errors import RefusedError, UpdateError
from lampion_edge.update import signature
from lampion_edge.update.disk import remove_all
from lampion_edge.update.fetching import Fetching, Told
from lampion_edge.update.release import Release, natural
from lampion_edge.update.repository import Repository
from lampion_edge.update.signature import Signed, version_of
from lampion_edge.update.source import Source
from lampion_edge.update.state import State


@dataclass(frozen=True)
class Rules:
    """What is taken: `older` allows a lower version, `again` one that was taken back here; `root` is where the board is.

    A new version has `starts` to show that it is healthy; with `by_hand` only `confirm` shows that.
    """

    older: bool = False
    again: bool = False
    starts: int = 3
    by_hand: bool = False
    root: str | Path = "/"


def offered(repository: Repository, source: Source, rules: Rules) -> Signed | None:
    """The release that the source has, if it may be taken; None if it is the current one, and that is undamaged.

    Raises RefusedError for one that isn't signed by the pinned key, or is for another model or board, or not newer; UpdateError
    without a pinned key; and what the source raises.
    """
    key, state = repository.key, repository.state
    intact = state.current is not None and repository.proved(state.current)
    content = source.release(repository.sealed(state.current) if state.current and intact else None)
    if content is None:
        return None
    signed = Signed.from_json(content, str(source))
    signature.check(signed, key, str(source))
    if signed.id == state.current and intact:
        return None
    if state.current is not None and signed.id != state.current:
        _check_order(repository, signed.release, state.current, rules)
    signed.release.check_board(rules.root)
    if signed.id in state.returned and not rules.again:
        hint = "offer a newer version, or take it with --again"
        raise RefusedError(f"{signed.release} was taken back on this device", hint=hint)
    return signed


def install(
    repository: Repository, source: Source, signed: Signed, rules: Rules, prove: Callable[[Path], object], told: Told
) -> State:
    """Fetches the release, has `prove` run it, and makes it current; the version before stays.

    To be called while `repository.updating()`. Raises what `Fetching.run` and `prove` raise; the current version is what it was
    then.
    """
    repository.tidy(signed.id)
    if repository.proved(signed.id):  # a power cut came just before it was made current
        folder = repository.place(signed.id)
        remove_all(repository.disk, repository.incoming(signed.id))
    else:
        Fetching(repository, source, signed, told).run()
        folder = repository.incoming(signed.id)
    prove(folder / signed.release.model)
    repository.adopt(signed.id)
    state = repository.change(lambda state: state.installed(signed.id, rules.starts, rules.by_hand))
    repository.tidy()
    return state


def roll_back(repository: Repository) -> State:
    """Makes the version before current again. Raises UpdateError if there is none, or not all of it."""

    def back(state: State) -> State:
        if state.previous is None or not repository.proved(state.previous):
            raise UpdateError(f"{repository}: there is no version to go back to")
        return state.taken_back(remember=True)

    return repository.change(back)


def confirm(repository: Repository) -> State:
    """Says that the current version is healthy. Raises ModelError if there is none."""

    def healthy(state: State) -> State:
        if state.current is None:
            raise repository.nothing
        return state.confirmed()

    return repository.change(healthy)


def _check_order(repository: Repository, new: Release, current: str, rules: Rules) -> None:
    """Raises RefusedError for a release of another model, or one that isn't newer."""
    name, version = repository.name(current), version_of(current)
    if name not in (None, new.name):
        raise RefusedError(
            f"{new} is another model: this folder holds {name}", hint="give each model a folder of its own"
        )
    if new.version == version:
        raise RefusedError(
            f"{new} differs from the {version} that is installed", hint="a new content needs a new version"
        )
    if natural(new.version) < natural(version) and not rules.older:
        hint = "--rollback goes back to the version before; --older takes this one"
        raise RefusedError(f"{new} is older than {version}, which is installed", hint=hint)
