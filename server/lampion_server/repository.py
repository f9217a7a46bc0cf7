"""The models on disk: found, loaded, proved, versioned, swapped without dropping a request."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from lampion_edge import EdgeError
from lampion_edge.heap import apart
from lampion_edge.update.release import natural
from lampion_server.errors import NotFoundError, StartupError, UnavailableError
from lampion_server.loading import Loader, OnBatch
from lampion_server.memory import usable_memory
from lampion_server.model import EVICTED, LOADING, UNLOADED, Entries, Entry, Model
from lampion_server.pipelines.declaration import read
from lampion_server.pipelines.rewiring import rewired
from lampion_server.settings import Settings
from lampion_server.shadow import Shadow
from lampion_server.sources import Source, Stamp, find
from lampion_server.traffic import Split, Traffic

log = logging.getLogger(__name__)


class Lease:
    """`with` it: a model that is held until the block ends."""

    __slots__ = "_changed", "_lock", "_model"

    def __init__(self, model: Model, lock: threading.RLock, changed: threading.Condition) -> None:
        self._model = model
        self._lock = lock
        self._changed = changed
        model.last_used = time.monotonic()

    def __enter__(self) -> Model:
        return self._model

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:
            self._model.users -= 1
            if not self._model.users:
                self._changed.notify_all()


class Repository:
    """The models of `paths`: .onnx files, pipelines, folders of them, or folders NAME/VERSION/model.onnx.

    A file that can't be loaded, or whose golden samples disagree, isn't served; the index says why. But a path that
    was named itself must exist and load: else `StartupError`. `on_batch(name, rows, seconds)` hears of every batch.
    With `load=False` everything is listed as being loaded, until somebody calls `load_all`.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        settings: Settings | None = None,
        on_batch: OnBatch = lambda name, rows, seconds: None,
        *,
        load: bool = True,
    ) -> None:
        self._paths = [Path(path) for path in paths]
        self._settings = settings or Settings()
        self._loader = Loader(self._settings, on_batch)
        self._memory = (self._settings.memory_budget or usable_memory()) // self._settings.workers
        self._entries: Entries = {}
        self._versions: dict[str, list[Entry]] = {}  # the entries by name, oldest version first
        self._traffic: dict[str, Traffic] = {}
        self._splits: defaultdict[str, Split] = defaultdict(Split)
        self._seen: dict[Source, Stamp] = {}
        self._lock = threading.RLock()  # guards the entries, the traffic and the counts of users
        self._changed = threading.Condition(self._lock)
        self._loading = threading.Lock()  # one load or unload at a time
        self._sources = self._find_some()
        entries = [Entry(s.known_name(), s.known_version(), s, None, LOADING) for s in self._sources]
        self._publish(_by_version(entries), {})
        if load:
            self.load_all()

    # --- asking ---

    def index(self) -> list[Entry]:
        """Every version of every model, served or not, by name and version."""
        return [entry for entries in self._versions.values() for entry in entries]

    def names(self) -> list[str]:
        """Names of the models of which a version is served."""
        return [name for name, entries in self._versions.items() if any(entry.model for entry in entries)]

    def serves(self, name: str) -> bool:
        """Whether a version of this model is served."""
        return name in self._served

    def missing(self) -> list[Entry]:
        """The models of which no version is served, apart from what somebody unloaded and what made room for others.

        A new version that fails while another one serves is no reason to send traffic elsewhere.
        """
        served, excused = self.names(), (UNLOADED, EVICTED)  # a pipeline says in front whose reason it is
        return [entry for entry in self.index() if entry.name not in served and not entry.reason.endswith(excused)]

    def traffic(self, name: str) -> Traffic:
        """Who answers requests for `name` that name no version. Raises `NotFoundError`, `UnavailableError`."""
        self.get(name)
        return self._traffic[name]

    def get(self, name: str, version: str | None = None) -> Model:
        """A served model: the version, the one behind the label `stable` or `canary`, or who has the traffic.

        Raises `NotFoundError`, `UnavailableError` with the reason.
        """
        entry = self._entry(name, version)
        if entry.model is None:
            error = UnavailableError(f"model {name} version {entry.version} is not served: {entry.reason}")
            error.moved_out = name if entry.reason == EVICTED else None
            raise error
        return entry.model

    def lease(self, name: str, version: str | None = None) -> Lease:
        """The model of `get`, or its canary's turn; it stays usable inside the `with`, even if replaced meanwhile."""
        with self._lock:  # not by way of the condition, which is written in Python
            traffic = self._traffic.get(name)
            if version is None and traffic and traffic.canary and self._splits[name].other(traffic.percent):
                version = traffic.canary
            model = self.get(name, version)
            model.users += 1
        return Lease(model, self._lock, self._changed)

    # --- changing ---

    def load_all(self) -> None:
        """Load what was found at the start. Raises `StartupError` for a path that was named and doesn't load."""
        with self._alone():
            self._seen = {source: source.stamp() for source in self._sources}
            opened = [self._open(source, strict=source.path in self._paths) for source in self._sources]
            entries = _by_version(opened)
            self._publish(entries, {name: Traffic(ready[-1]) for name, ready in _ready(entries).items()})
            self._evict()
        for entry in self.index():
            if entry.pipeline and entry.reason and entry.source.path in self._paths:
                raise StartupError(f"{entry.source.path}: {entry.reason}")

    def load(self, name: str) -> None:
        """Read the versions of `name` from disk again and swap them in; blocks until the old ones are idle.

        In a folder NAME/VERSION, versions whose files are as they were stay as they are.
        A version that fails to load leaves the one served before in place; raises `UnavailableError` with the reasons
        then, and `NotFoundError` if there is nothing of that name on disk.
        """
        with self._alone():
            sources = [source for source in find(self._paths) if source.known_name() == name]
            if not sources:
                raise NotFoundError(f"there is no model {name!r:.80} on disk", field="model")
            self._replace(name, self._renewed(name, sources))
        if failed := [entry for entry in self._versions.get(name, []) if entry.reason]:
            raise UnavailableError("; ".join(f"{name} version {entry.version}: {entry.reason}" for entry in failed))

    def bring_back(self, name: str) -> None:
        """Load again what was moved out of memory of `name`; blocks until others have made room and it answers."""
        with self._alone():
            entries = self._versions.get(name, [])
            if any(entry.reason == EVICTED for entry in entries):
                self._replace(name, [self._open(e.source) if e.reason == EVICTED else e for e in entries])

    def unload(self, name: str) -> None:
        """Stop serving every version of `name`; requests under way are answered first. Raises `NotFoundError`."""
        with self._alone():
            if name not in self._versions:
                raise NotFoundError(f"there is no model {name!r:.80} to unload", field="model")
            unloaded = [replace(entry, model=None, reason=UNLOADED) for entry in self._versions[name]]
            self._replace(name, unloaded, keep=False)

    def refresh(self) -> None:
        """Take in what changed on disk since the last look: new, rewritten and removed versions.

        A file counts once it looks the same twice, for it may still be growing. A model that somebody unloaded stays so.
        """
        with self._alone():
            self._take_in()

    def steer(self, name: str, change: Callable[[Traffic], Traffic]) -> Traffic:
        """Change who has the traffic of `name`, at once and for all requests to come.

        Raises `NotFoundError` and `UnavailableError` if it names a version that isn't served.
        """
        with self._changed:
            traffic = change(self.traffic(name))
            for version in filter(None, (traffic.stable, traffic.canary, traffic.shadow)):
                self.get(name, version)
            self._publish(self._entries, self._traffic | {name: traffic})
        log.info("model %s: %s", name, traffic)
        return traffic

    def close(self) -> None:
        """Answer what waits and end all threads; blocks until then."""
        for entry in self.index():
            if entry.model:
                entry.model.scheduler.close()

    # --- loading ---

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One load or unload at a time, and afterwards its memory goes back."""
        with self._loading, apart():
            yield

    def _find_some(self) -> list[Source]:
        for path in self._paths:
            if path.is_dir() and not find([path]) and not self._settings.watch:
                hint = "expected .onnx files in it, or NAME/VERSION/model.onnx"
                raise StartupError(f"{path}: holds no model", field="models", hint=hint)
        return find(self._paths)

    def _take_in(self) -> None:
        stamps = {source: source.stamp() for source in find(self._paths)}
        settled = {source for source, stamp in stamps.items() if self._seen.get(source) == stamp}
        self._seen = stamps
        old = {entry.source: entry for entry in self.index()}
        gone = {entry.name for source, entry in old.items() if source not in stamps}
        changed = {
            source
            for source in settled
            if source not in old or (old[source].stamp != stamps[source] and old[source].reason != UNLOADED)
        }
        for name in sorted(gone | {source.known_name() for source in changed}):
            here = [source for source in stamps if source in settled | old.keys() and source.known_name() == name]
            self._replace(name, [self._open(s) if s in changed else old[s] for s in here if s in changed | old.keys()])

    def _renewed(self, name: str, sources: Sequence[Source]) -> list[Entry]:
        served = {entry.source: entry for entry in self._versions.get(name, []) if _unchanged(entry)}
        return [served.get(source) or self._open(source) for source in sources]

    def _open(self, source: Source, *, strict: bool = False) -> Entry:
        stamp = source.stamp()  # before the file is read: one that is written meanwhile will differ
        try:
            source.check_called()
            if source.is_pipeline:
                pipeline = read(source.path)
                return Entry(pipeline.name, pipeline.version, source, None, "", stamp, pipeline)
            model = self._loader.load(source)
        except (EdgeError, UnavailableError) as error:
            if strict and isinstance(error, EdgeError):
                raise StartupError(str(error), hint=error.hint) from error
            log.error("%s is not served: %s", source.path, error)
            return Entry(source.known_name(), source.known_version(), source, None, str(error), stamp)
        return Entry(model.name, model.version, source, model, "", stamp)

    def _replace(self, name: str, entries: Sequence[Entry], *, keep: bool = True) -> None:
        """Swap the entries of `name` and let what fell out finish; `keep` spares a model whose successor failed."""
        old = {key: entry for key, entry in self._entries.items() if key[0] == name}
        new = _by_version(entries)
        for key, entry in list(new.items()):
            before = old.get(key) or next((one for one in old.values() if one.source == entry.source), None)
            if keep and entry.reason and before:  # what can't be read doesn't tell its version either
                del new[key]
                new[before.name, before.version] = _kept(entry, before)
        with self._changed:
            traffic = {other: value for other, value in self._traffic.items() if other != name}
            if moved := self._moved(name, old, new):
                traffic[name] = moved
            self._publish({key: entry for key, entry in self._entries.items() if key not in old} | new, traffic)
        kept = [entry.model for entry in new.values()]
        for entry in old.values():
            if entry.model and entry.model not in kept:
                self._retire(entry.model)
        self._evict()

    def _moved(self, name: str, old: Entries, new: Entries) -> Traffic | None:
        """The traffic after a swap: a version newer than all that answered before takes it, or a canary's share of it."""
        ready = _ready(new).get(name, [])
        traffic = self._traffic.get(name, Traffic(ready[-1]) if ready else None)
        traffic = traffic and traffic.among(ready)
        newest = max(map(natural, _ready(old).get(name, [])), default=[])
        if traffic and natural(ready[-1]) > newest and ready[-1] != traffic.stable:
            percent = self._settings.canary_percent
            return traffic.split(ready[-1], percent) if percent else traffic.promoted(ready[-1])
        return traffic

    def _publish(self, entries: Entries, traffic: dict[str, Traffic]) -> None:
        pipelines = rewired(entries, traffic, self.lease, self.get, self._settings)
        entries, traffic = entries | pipelines, dict(traffic)
        for name, ready in _ready(pipelines).items():
            traffic[name] = (traffic.get(name) or Traffic(ready[-1])).among(ready) or Traffic(ready[-1])
        versions: dict[str, list[Entry]] = {}
        for entry in sorted(entries.values(), key=lambda entry: (entry.name, natural(entry.version))):
            versions.setdefault(entry.name, []).append(entry)
        self._entries, self._versions, self._traffic = entries, versions, traffic
        self._served = {entry.name for entry in entries.values() if entry.model}
        for entry in entries.values():
            if entry.model:
                _set_shadow(entry.model, traffic.get(entry.name), entries)

    def _entry(self, name: str, version: str | None) -> Entry:
        traffic = self._traffic.get(name)
        if traffic and (known := self._entries.get((name, traffic.stable if version is None else version))):
            return known
        entries = self._versions.get(name, [])
        if not entries:
            served = ", ".join(self.names()) or "none"
            raise NotFoundError(f"there is no model {name!r:.80}; served are: {served}", field="model")
        if version is None:
            version = traffic.stable if traffic else entries[-1].version
        elif traffic:
            version = traffic.labels().get(version, version)
        if (name, version) not in self._entries:
            versions = ", ".join(entry.version for entry in entries)
            raise NotFoundError(f"model {name} has no version {version!r:.80}; it has: {versions}", field="version")
        return self._entries[name, version]

    def _retire(self, model: Model) -> None:
        with self._changed:
            self._changed.wait_for(lambda: model.users == 0)
        model.scheduler.close()

    # --- memory ---

    def _evict(self) -> None:
        """Move out the models that were used longest ago, until the rest fits; called while loading."""
        loaded = sorted((e for e in self.index() if e.model), key=lambda e: e.model.last_used if e.model else 0.0)
        total = sum(entry.model.size for entry in loaded if entry.model)
        for entry in loaded[:-1]:
            if entry.model and entry.model.size and total > self._memory:
                total -= entry.model.size
                log.warning(
                    "model %s version %s makes room: more than %d bytes", entry.name, entry.version, self._memory
                )
                key = entry.name, entry.version
                with self._changed:
                    entries = self._entries | {key: replace(entry, model=None, reason=EVICTED)}
                    self._publish(entries, self._traffic)
                self._retire(entry.model)


def _kept(entry: Entry, old: Entry) -> Entry:
    """A version whose newer file can't be served, and which answers on as it did."""
    pipeline = replace(old.pipeline, stale=entry.reason) if old.pipeline else None
    return replace(entry, version=old.version, model=old.model, pipeline=pipeline)


def _unchanged(entry: Entry) -> bool:
    """Whether a version serves what lies in its folder; what lies beside a file that has none, nobody knows."""
    named, served = entry.source.name is not None, entry.model is not None and not entry.reason
    return named and served and entry.stamp == entry.source.stamp()


def _ready(entries: Entries) -> dict[str, list[str]]:
    """The versions that can answer, by name, the oldest first."""
    ready: dict[str, list[str]] = {}
    for entry in sorted(entries.values(), key=lambda entry: natural(entry.version)):
        if entry.model or entry.reason == EVICTED:
            ready.setdefault(entry.name, []).append(entry.version)
    return ready


def _set_shadow(model: Model, traffic: Traffic | None, entries: Entries) -> None:
    """Give the stable version its shadow, and keep the report of one that it already has."""
    wanted = traffic.shadow if traffic and traffic.stable == model.version else None
    other = entries[model.name, wanted].model if wanted else None
    if other is None:
        model.shadow = None
    elif model.shadow is None or model.shadow.model is not other:
        model.shadow = Shadow(other)


def _by_version(entries: Sequence[Entry]) -> Entries:
    keyed: Entries = {}
    for entry in entries:
        if other := keyed.get((entry.name, entry.version)):
            places = f"{other.source.path} and {entry.source.path}"
            raise StartupError(f"two files are both model {entry.name} version {entry.version}: {places}")
        keyed[entry.name, entry.version] = entry
    return keyed
