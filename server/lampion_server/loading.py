"""From a file to a model that may take traffic: opened, proved by its golden samples, measured, warm."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from lampion_edge import EdgeError, ModelFile, Session, usable_cores
from lampion_server.background import in_background, in_background_after
from lampion_server.cache import ResponseCache
from lampion_server.caller import Priority
from lampion_server.cores import Cores
from lampion_server.cost import Plan, batch_limit, choose, layouts, measure, sample
from lampion_server.errors import StartupError, UnavailableError
from lampion_server.huge_pages import gather
from lampion_server.model import Model
from lampion_server.scheduler import Scheduler, can_batch
from lampion_server.settings import Settings
from lampion_server.sources import Source
from lampion_server.tasks import RECORDS, task_of

log = logging.getLogger(__name__)

_UNSTEADY = {"Loop", "Scan", "If", "SequenceMap", "NonMaxSuppression"}
_LATELY = 1.0  # seconds
_LARGE = (
    4_000_000  # bytes: two huge pages; for less it isn't worth it to look through all memory, and move what others use
)
_PAUSE = 3  # times as long as the cores were had; others hardly feel one measurement now and then, but a row of them
OnBatch = Callable[[str, int, float], None]


class Loader:
    """Opens models beside those that serve: it computes only when no request wants the cores.

    `on_batch(name, rows, seconds)` hears of every batch.
    """

    def __init__(self, settings: Settings, on_batch: OnBatch) -> None:
        self._settings = settings
        self._on_batch = on_batch
        self._last_batch = -_LATELY
        self.cores = Cores(own_cores(settings))
        self._layouts = layouts(self.cores.total, settings.instances, settings.threads)
        self._best: dict[str, tuple[int, tuple[int, int]]] = {}  # by name: the size of the last version, and how it ran

    def load(self, source: Source) -> Model:
        """A model that answers. Raises edge's `EdgeError`, and `UnavailableError` if its golden samples disagree."""
        plans: list[Plan] = []
        for instances, threads in self._worth_trying(source):
            session, plan = in_background(partial(self._tried, source, instances, threads))
            plans.append(plan)
        best = choose(plans, decodes=_decodes(session))
        self._best[source.known_name()] = source.size(), (best.instances, best.threads)
        if best is not plan or best.threads > 1:
            del session
            session = self._to_serve(source, best.threads)
        name, version = source.name or session.card.name, source.version or session.card.version
        log.info("model %s version %s: %s", name, version, best)
        return Model(name, version, session, self._scheduler(name, session, best), best, source.size(), self._cache())

    def _worth_trying(self, source: Source) -> list[tuple[int, int]]:
        """All layouts; of a version about as large as the last one, which is mostly the same with other weights, that one's.

        Each is opened, measured and dropped again, all of which others feel.
        """
        size, layout = self._best.get(source.known_name(), (0, self._layouts[0]))
        return [layout] if abs(source.size() - size) < size / 4 else self._layouts

    def _tried(self, source: Source, instances: int, threads: int) -> tuple[Session, Plan]:
        session = _opened(source, threads)
        return session, self._proved(source, session, instances, threads)

    def _to_serve(self, source: Source, threads: int) -> Session:
        """Once more, to serve: threads of its own that began in the background would stay there."""
        session = in_background_after(threads - 1, partial(_opened, source, threads))

        def warm() -> None:
            with self._turn(threads), suppress(EdgeError):
                session.warm_up()

        in_background(warm)
        return session

    def _proved(self, source: Source, session: Session, instances: int, threads: int) -> Plan:
        background = partial(self._turn, threads)
        with background():
            verification = session.verify()
        if verification.ok is False:
            raise UnavailableError(f"its golden samples disagree: {verification}")
        batching = can_batch(session.inputs, session.outputs)
        most = self._settings.max_batch if batching else 1
        seconds: dict[int, float] = {}
        if self._settings.tune_seconds and (make := sample(session, batching)):
            try:
                clock = time.thread_time if threads == 1 else time.perf_counter
                budget = self._settings.tune_seconds
                seconds = measure(lambda rows: session.run(make(rows)), most, budget, background, clock)
            except EdgeError as error:  # zeros need not be a valid input
                log.info("%s can't be measured: %s", source.path, error)
        elif not verification.samples:
            with background(), suppress(EdgeError):  # what was made up need not be a valid input
                session.warm_up()
        steady = not _UNSTEADY & ModelFile.open(source.path).operators()
        limit = batch_limit(seconds, most, decodes=_decodes(session))
        return Plan(instances, threads, limit, seconds, steady, guessed=not steady and not verification.samples)

    @contextmanager
    def _turn(self, threads: int) -> Iterator[None]:
        """The cores, once no request wants them; if any had them lately, they are then left alone for some time."""
        with self.cores.taken(threads, Priority.BACKGROUND):
            began = time.monotonic()
            yield
            ended = time.monotonic()
        if ended - self._last_batch < _LATELY:
            time.sleep(_PAUSE * (ended - began))

    def _batch(self, name: str, rows: int, seconds: float) -> None:
        self._last_batch = time.monotonic()
        self._on_batch(name, rows, seconds)

    def _scheduler(self, name: str, session: Session, plan: Plan) -> Scheduler:
        return Scheduler(
            session.run,
            name=name,
            batching=can_batch(session.inputs, session.outputs),
            instances=plan.instances,
            threads=plan.threads,
            cores=self.cores,
            max_batch=plan.max_batch,
            max_queue=self._settings.max_queue,
            seconds=plan.seconds,
            guessed=plan.guessed,
            inline=plan.inline,
            on_batch=partial(self._batch, name),
        )

    def _cache(self) -> ResponseCache | None:
        return ResponseCache(self._settings.cache_bytes) if self._settings.cache_bytes else None


def _opened(source: Source, threads: int) -> Session:
    session = Session(source.path, threads=threads)
    if source.size() > _LARGE:
        gather()
    return session


def _decodes(session: Session) -> bool:
    """Whether it is asked with photos or sounds."""
    return task_of(session.card.task) is not RECORDS


def own_cores(settings: Settings) -> int:
    """The cores of one worker process; `StartupError` if the settings ask for more than there are."""
    usable = min(settings.cores or usable_cores(), usable_cores())
    share = usable // settings.workers
    wanted = max(1, settings.instances) * max(1, settings.threads)
    if settings.workers > usable or wanted > share:
        processes = f"{settings.workers} workers of " if settings.workers > 1 else ""
        message = f"{processes}{max(1, settings.instances)} instances of {max(1, settings.threads)} threads"
        limit = "as --cores has it" if 0 < settings.cores <= usable else "all that this process may use"
        hint = "lower --workers, --instances or --threads"
        raise StartupError(f"{message}: expected at most {usable} cores, {limit}", field="instances", hint=hint)
    return share
