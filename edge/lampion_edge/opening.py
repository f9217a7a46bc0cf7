"""Where a model file is expected, the folder of a device's models will do: the one place that finds the current version."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lampion_edge.errors import CardError, ModelError

Confirm = Callable[[], object] | None


def located(model: str | Path) -> Path:
    """The file of the current version, if `model` is a device's folder, else itself. Raises ModelError for an empty one."""
    path = Path(model)
    if not path.is_dir():
        return path
    from lampion_edge.update.repository import Repository

    if not Repository.at(path):
        return path
    repository = Repository(path)
    current = repository.state.current
    if current is None:
        raise repository.nothing
    return repository.model(current)


@contextmanager
def started(model: str | Path | bytes) -> Iterator[tuple[str | Path | bytes, Confirm]]:
    """What to open, and whom to tell of the first good answer (None: nobody), counted as a start of this version.

    Raises ModelError if no version is installed. If what was opened turns out to be damaged, the version before is current
    the next time.
    """
    if isinstance(model, bytes) or not Path(model).is_dir():
        yield model, None
        return
    from lampion_edge.update.health import begin
    from lampion_edge.update.repository import Repository

    if not Repository.at(Path(model)):
        yield model, None
        return
    start = begin(Repository(Path(model)))
    try:
        yield start.model, start.confirm
    except (ModelError, CardError) as error:
        if start.failed():
            error.hint = f"the version before is current again: start once more (version {start.id} is damaged)"
        raise
