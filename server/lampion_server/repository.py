"""The models on disk: found, loaded, proved by their golden samples, versioned, swapped without dropping a request."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lampion_edge import METADATA_CARD, Card, EdgeError, ModelFile, Session, usable_cores
from lampion_server.errors import NotFoundError, StartupError, UnavailableError
from lampion_server.scheduler import Scheduler, can_batch
from lampion_server.settings import Settings

log = logging.getLogger(__name__)

UNLOADED = "unloaded by request"

OnBatch = Callable[[str, int, float], None]


@dataclass(frozen=True)
class Source:
    """A model file; a folder NAME/VERSION/model.onnx names it, otherwise its card does, or else its file name."""

    path: Path
    name: str | None = None
    version: str | None = None


class Model:
    """A loaded model with its scheduler. `users` counts the requests that hold it."""

    def __init__(self, name: str, version: str, session: Session, scheduler: Scheduler) -> None:
        self.name = name
        self.version = version
        self.session = session
        self.scheduler = scheduler
        self.users = 0


@dataclass(frozen=True)
class Entry:
    """A line of the index. `reason` says why the file isn't served, or why its newest state isn't."""

    name: str
    version: str
    source: Source
    model: Model | None
    reason: str = ""

    @property
    def state(self) -> str:
        return "READY" if self.model else "UNAVAILABLE"


class Repository:
    """The models of `paths`: .onnx files, folders of them, or folders NAME/VERSION/model.onnx.

    A file that can't be loaded, or whose golden samples disagree, isn't served; the index says why. But a path that
    was named itself must exist and load: else `StartupError`. `on_batch(name, rows, seconds)` hears of every batch.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        settings: Settings | None = None,
        on_batch: OnBatch = lambda name, rows, seconds: None,
    ) -> None:
        self._paths = [Path(path) for path in paths]
        self._settings = settings or Settings()
        self._threads = threads_per_worker(self._settings)
        self._on_batch = on_batch
        self._entries: dict[tuple[str, str], Entry] = {}
        self._versions: dict[str, list[Entry]] = {}  # the entries by name, oldest version first
        self._changed = threading.Condition()  # guards the entries and the counts of users
        self._loading = threading.Lock()  # one load or unload at a time
        self._start()

    # --- asking ---

    def index(self) -> list[Entry]:
        """Every version of every model, served or not, by name and version."""
        return [entry for entries in self._versions.values() for entry in entries]

    def names(self) -> list[str]:
        """Names of the models of which a version is served."""
        return [name for name, entries in self._versions.items() if any(entry.model for entry in entries)]

    def missing(self) -> list[Entry]:
        """What was found but isn't served, apart from what somebody unloaded."""
        return [entry for entry in self.index() if entry.model is None and entry.reason != UNLOADED]

    def get(self, name: str, version: str | None = None) -> Model:
        """A served model, by default its newest version. Raises `NotFoundError`, `UnavailableError` with the reason."""
        entries = self._versions.get(name, [])
        if not entries:
            served = ", ".join(self.names()) or "none"
            raise NotFoundError(f"there is no model {name!r}; served are: {served}", field="model")
        if version is not None:
            found = [entry for entry in entries if entry.version == version]
            if not found:
                versions = ", ".join(entry.version for entry in entries)
                raise NotFoundError(f"model {name} has no version {version!r}; it has: {versions}", field="version")
            entries = found
        for entry in reversed(entries):
            if entry.model:
                return entry.model
        raise UnavailableError(f"model {name} version {entries[-1].version} is not served: {entries[-1].reason}")

    @contextmanager
    def lease(self, name: str, version: str | None = None) -> Iterator[Model]:
        """The model of `get`, which stays usable inside the `with`, even if it is replaced or unloaded meanwhile."""
        with self._changed:
            model = self.get(name, version)
            model.users += 1
        try:
            yield model
        finally:
            with self._changed:
                model.users -= 1
                self._changed.notify_all()

    # --- changing ---

    def load(self, name: str) -> None:
        """Read the versions of `name` from disk again and swap them in; blocks until the old ones are idle.

        A version that fails to load leaves the one served before in place; raises `UnavailableError` with the reasons
        then, and `NotFoundError` if there is nothing of that name on disk.
        """
        with self._loading:
            sources = [source for source in find(self._paths) if _name_of(source) == name]
            entries = [self._open(source) for source in sources]
            if not entries:
                raise NotFoundError(f"there is no model {name!r} on disk", field="model")
            self._replace(name, entries)
        if failed := [entry for entry in entries if entry.reason]:
            raise UnavailableError("; ".join(f"{name} version {entry.version}: {entry.reason}" for entry in failed))

    def unload(self, name: str) -> None:
        """Stop serving every version of `name`; requests under way are answered first. Raises `NotFoundError`."""
        with self._loading:
            entries = self._versions.get(name, [])
            if not entries:
                raise NotFoundError(f"there is no model {name!r} to unload", field="model")
            self._replace(name, [Entry(e.name, e.version, e.source, None, UNLOADED) for e in entries], keep=False)

    def close(self) -> None:
        """Answer what waits and end all threads; blocks until then."""
        for entry in self.index():
            if entry.model:
                entry.model.scheduler.close()

    # --- loading ---

    def _start(self) -> None:
        for path in self._paths:
            if path.is_dir() and not find([path]):
                hint = "expected .onnx files in it, or NAME/VERSION/model.onnx"
                raise StartupError(f"{path}: holds no model", field="models", hint=hint)
        opened = [self._open(source, strict=source.path in self._paths) for source in find(self._paths)]
        self._publish(_by_version(opened))

    def _open(self, source: Source, *, strict: bool = False) -> Entry:
        name, version = source.name or source.path.stem, source.version or "1"
        try:
            session = Session(source.path, threads=self._threads)
            verification = session.verify()
        except EdgeError as error:
            if strict:
                raise StartupError(str(error), hint=error.hint) from error
            log.error("not served: %s", error)  # which names the file
            return Entry(name, version, source, None, str(error))
        name, version = source.name or session.card.name, source.version or session.card.version
        if verification.ok is False:
            log.error("%s is not served: %s", source.path, verification)
            return Entry(name, version, source, None, f"its golden samples disagree: {verification}")
        return Entry(name, version, source, self._serve(name, version, session))

    def _serve(self, name: str, version: str, session: Session) -> Model:
        scheduler = Scheduler(
            session.run,
            name=name,
            batching=can_batch(session.inputs, session.outputs),
            workers=self._settings.workers,
            max_batch=self._settings.max_batch,
            max_queue=self._settings.max_queue,
            on_batch=lambda rows, seconds: self._on_batch(name, rows, seconds),
        )
        return Model(name, version, session, scheduler)

    def _replace(self, name: str, entries: Sequence[Entry], *, keep: bool = True) -> None:
        """Swap the entries of `name` and let what fell out finish; `keep` spares a model whose successor failed."""
        old = {key: entry for key, entry in self._entries.items() if key[0] == name}
        new = _by_version(entries)
        for key, entry in new.items():
            if keep and entry.model is None and key in old:
                new[key] = replace(old[key], reason=entry.reason)
        with self._changed:
            self._publish({key: entry for key, entry in self._entries.items() if key not in old} | new)
        kept = [entry.model for entry in new.values()]
        for entry in old.values():
            if entry.model and entry.model not in kept:
                self._retire(entry.model)

    def _publish(self, entries: dict[tuple[str, str], Entry]) -> None:
        versions: dict[str, list[Entry]] = {}
        for entry in sorted(entries.values(), key=lambda entry: (entry.name, _natural(entry.version))):
            versions.setdefault(entry.name, []).append(entry)
        self._entries, self._versions = entries, versions

    def _retire(self, model: Model) -> None:
        with self._changed:
            self._changed.wait_for(lambda: model.users == 0)
        model.scheduler.close()


def find(paths: Sequence[Path]) -> list[Source]:
    """The model files that `paths` mean; a path that is no folder is taken as a file, whether it exists or not."""
    sources = []
    for path in paths:
        if not path.is_dir():
            sources.append(Source(path))
            continue
        sources += [Source(file) for file in sorted(path.glob("*.onnx"))]
        versions = sorted(path.glob("*/*/model.onnx"))
        sources += [Source(file, file.parent.parent.name, file.parent.name) for file in versions]
    return sources


def threads_per_worker(settings: Settings) -> int:
    """Threads of one batch, so that all workers together fit the usable cores; `StartupError` if they don't."""
    cores = usable_cores()
    threads = settings.threads or max(1, cores // settings.workers)
    if settings.workers * threads > cores:
        message = f"{settings.workers} workers of {threads} threads: expected at most {cores} cores in use"
        raise StartupError(message, field="workers", hint="lower --workers or --threads")
    return threads


def _name_of(source: Source) -> str:
    """A source's name without loading its graph."""
    if source.name:
        return source.name
    try:
        card = ModelFile.open(source.path).metadata.get(METADATA_CARD)
        return Card.from_json(card).name if card else source.path.stem
    except EdgeError:
        return source.path.stem


def _by_version(entries: Sequence[Entry]) -> dict[tuple[str, str], Entry]:
    keyed: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        if other := keyed.get((entry.name, entry.version)):
            places = f"{other.source.path} and {entry.source.path}"
            raise StartupError(f"two files are both model {entry.name} version {entry.version}: {places}")
        keyed[entry.name, entry.version] = entry
    return keyed


def _natural(version: str) -> list[tuple[bool, int, str]]:
    """A key that sorts 10 after 9, and 1.10 after 1.9."""
    parts = re.split(r"(\d+)", version)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]
