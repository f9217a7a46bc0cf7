"""Where a model file is expected, the folder of a device's models will do: the one place that finds the current version."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lampion_edge.errors import CardError, ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from lampion_edge.update.repository import Repository

Confirm = Callable[[], object] | None


def located(model: str | Path) -> str:
    """The file of the current version, if `model` is a device's folder, else itself. Raises ModelError for an empty one."""
    repository = _kept_in(model)
    if repository is None:
        return os.fspath(model)
    current = repository.state.current
    if current is None:
        raise repository.nothing
    return str(repository.model(current))


@contextmanager
def started(model: str | Path | bytes) -> Iterator[tuple[str | Path | bytes, Confirm]]:
    """What to open, and whom to tell of the first good answer (None: nobody), counted as a start of this version.

    Raises ModelError if no version is installed. If what was opened turns out to be damaged, the version before is current
    the next time.
    """
    repository = None if isinstance(model, bytes) else _kept_in(model)
    if repository is None:
        yield model, None
        return
    from lampion_edge.update.health import begin

    start = begin(repository)
    try:
        yield start.model, start.confirm
    except (ModelError, CardError) as error:
        if start.failed():
            error.hint = f"the version before is current again: start once more (version {start.id} is damaged)"
        raise


def _kept_in(model: str | Path) -> Repository | None:
    """A device's models, None for a file or another folder."""
    if not os.path.isdir(model):
        return None
    from pathlib import Path

    from lampion_edge.update.repository import Repository

    return Repository(Path(model)) if Repository.at(Path(model)) else None
