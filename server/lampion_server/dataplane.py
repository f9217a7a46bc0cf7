"""The server without its transport: arrays or photos in, answers out."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

from lampion_edge import Card, TensorSpec
from lampion_server import tracing
from lampion_server.access import Access
from lampion_server.background import beside
from lampion_server.caller import CALLER
from lampion_server.datatypes import Array
from lampion_server.decoder import Decoder
from lampion_server.ending import Within
from lampion_server.errors import (
    BadRequestError,
    DeadlineExceededError,
    OverloadedError,
    UnavailableError,
    as_server_error,
)
from lampion_server.infer import InferRequest, Wanted, classified, tensors
from lampion_server.later import Later
from lampion_server.loading import own_cores
from lampion_server.metrics import Metrics
from lampion_server.model import Entry, Model
from lampion_server.model_config import model_config
from lampion_server.orders import Order, StandingQuestion, standing
from lampion_server.releases import SignedRelease, release_of
from lampion_server.repository import Repository
from lampion_server.settings import Settings
from lampion_server.statistics import Statistics, added
from lampion_server.tasks import PHOTOS, Prediction, Task, task_of
from lampion_server.tickets import Answer, Arrays, rows_of


@dataclass(frozen=True)
class Metadata:
    """What a model is: the versions that are served, its card, its inputs and outputs."""

    name: str
    version: str
    versions: list[str]
    card: Card
    inputs: Sequence[TensorSpec]
    outputs: Sequence[TensorSpec]
    platform: str


@dataclass(slots=True)
class Inference:
    """Outputs by name, the model that gave them, and the seconds it took in the queue and in computation."""

    model: str
    version: str
    outputs: Arrays
    queue: float
    compute: float


@dataclass(frozen=True)
class Predictions:
    """What each item is, the model that says so, and the seconds for decoding, queue and computation."""

    model: str
    version: str
    predictions: list[Prediction]
    decode: float
    queue: float
    compute: float


@dataclass(frozen=True)
class _Shown:
    """One item's prediction, its share of the computation and the seconds its decoding took."""

    prediction: Prediction
    answer: Answer
    decode: float


@dataclass(frozen=True)
class StatsQuestion:
    """Whose statistics are wanted: of all models, of one, of one version."""

    model: str | None = None
    version: str | None = None


Question = Order | StatsQuestion | StandingQuestion


class DataPlane:
    """Everything the server does, for whatever transport translates to it.

    Deadlines are seconds of `time.monotonic`; without one, `settings.request_timeout` counts from the call.
    """

    def __init__(
        self, repository: Repository, settings: Settings | None = None, metrics: Metrics | None = None
    ) -> None:
        self.repository = repository
        self.settings = settings or Settings()
        self.metrics = metrics or Metrics()
        self.statistics = Statistics(lambda: {(entry.name, entry.version) for entry in repository.index()})
        self.grpc_port: int | None = None  # the one taken, while gRPC is served
        self.draining = False  # a signal has come: what was accepted is answered, nobody should send more
        self.ask_all: Callable[[Question], Awaitable[list[Any]]] = self._ask_myself
        self.metrics_text: Callable[[], Awaitable[bytes]] = self._own_metrics
        self.traces = tracing.traces(self.settings)
        self.access = Access(self.settings)
        self._returning: dict[str, asyncio.Future[None]] = {}  # models that are loaded again, by name
        self._decoder = Decoder(own_cores(self.settings), self.settings.max_queue)

    async def infer(
        self,
        model: str,
        version: str | None,
        inputs: Mapping[str, Array],
        outputs: Sequence[str] | None = None,
        deadline: float | None = None,
    ) -> Inference:
        """Run a model on named arrays; `outputs` None asks for all.

        Raises `BadRequestError` for inputs that don't fit the model, `NotFoundError`, `UnavailableError`,
        `OverloadedError`, `DeadlineExceededError`, and edge's `RunError` when the model fails on them.
        """
        wanted = None if outputs is None else dict.fromkeys(outputs, Wanted(binary=True))
        request = InferRequest(dict(inputs), wanted, binary=True)
        return await self.answer(model, version, request, deadline)

    async def answer(
        self, model: str, version: str | None, request: InferRequest, deadline: float | None = None
    ) -> Inference:
        """Answer a request of the protocol, outputs as it wants them; `deadline` may come on top of its own timeout.

        Raises what `infer` raises, and `UnsupportedError` for outputs that are no tensors.
        """
        with (
            self.repository.lease(model, version) as served,
            self.statistics.of_request(served.name, served.version) as statistics,
        ):
            served.accept(request)
            inputs = {spec.name: request.inputs[spec.name] for spec in served.session.inputs}
            names = None if request.outputs is None else list(request.outputs)
            answer = await served.submit(inputs, names, self._limit(deadline, request.timeout))
            self.metrics.queued(served.name, answer.queue)
            statistics.answered(answer, rows_of(inputs), cached=served.cache is not None)
            outputs = classified(answer.outputs, request, served.session.card.labels)
            return Inference(served.name, served.version, outputs, answer.queue, answer.compute)

    async def predict(
        self,
        model: str,
        version: str | None,
        items: Sequence[Any],
        top: int | None = None,
        threshold: float = 0.0,
        deadline: float | None = None,
    ) -> Predictions:
        """What the model says of photos or sounds (bytes of files) or of records (as JSON has them), by its card's task.

        Labels come the most probable first, those below `threshold` left out, `top` of them, by default the card's
        number. One item that can't be read fails the request with `BadRequestError`, whose field is `photos[i]`,
        `sounds[i]` or `records[i]`. Raises what `infer` raises.
        """
        with (
            self.repository.lease(model, version) as served,
            self.statistics.of_request(served.name, served.version) as statistics,
            self._admitted(served, len(items), limit := self._limit(deadline)),
        ):
            task = task_of(served.session.card.task)
            noun = "photos" if task is PHOTOS else task.many
            if not items:
                raise BadRequestError(f"expected at least one of {noun}, got none", field=noun)
            size = self._at_once(served)
            shown: list[_Shown] = []
            with _until(limit):
                for first in range(0, len(items), size):
                    work = [self._show(served, task, one, top, threshold, limit) for one in items[first : first + size]]
                    shown += _first_error(await _outcomes(work), noun, first)
            for one in shown:
                statistics.answered(one.answer, 1, one.decode, cached=served.cache is not None)
            return Predictions(
                *(served.name, served.version, [one.prediction for one in shown]),
                decode=max(one.decode for one in shown),
                queue=max(one.answer.queue for one in shown),
                compute=max(one.answer.compute for one in shown),
            )

    async def bring_back(self, error: UnavailableError) -> None:
        """Load the model that `error` says was moved out, within the time of the request. Raises `error` if it says none."""
        name = error.moved_out
        if name is None:
            raise error
        if name not in self._returning:
            task = self._returning[name] = asyncio.wrap_future(beside(partial(self.repository.bring_back, name)))
            task.add_done_callback(lambda _: self._returning.pop(name))
        with _until(self._limit(None)):
            await asyncio.shield(self._returning[name])

    def ready(self, model: str, version: str | None = None) -> str:
        """The name of a model that answers, be it after it was loaded again. Raises `NotFoundError`, `UnavailableError`."""
        try:
            return self.repository.get(model, version).name
        except UnavailableError as error:
            if error.moved_out is None:
                raise
            return model

    def metadata(self, model: str, version: str | None = None) -> Metadata:
        """What a model is. Raises `NotFoundError` or `UnavailableError`."""
        served = self.repository.get(model, version)
        versions = [entry.version for entry in self.repository.index() if entry.name == model and entry.model]
        session = served.session
        return Metadata(
            *(served.name, served.version, versions, session.card, session.inputs, session.outputs, served.platform)
        )

    def expect(self, model: str, version: str | None = None, *, items: bool = False) -> Model:
        """The model that is asked, on tensors or on `items` to decode, before the request is read.

        Raises `NotFoundError`, `UnavailableError`, and `OverloadedError` if the smallest request would be refused.
        """
        served, caller = self.repository.get(model, version), CALLER.get()
        try:
            if items:
                self._check_items(served, 1, caller.deadline)
            else:
                served.check_room(1, caller.deadline, caller.priority)
        except OverloadedError:
            self.statistics.refused(served.name, served.version)
            raise
        return served

    def config(self, model: str, version: str | None = None) -> dict[str, Any]:
        """A model's configuration in the protocol's words. Raises `NotFoundError` or `UnavailableError`."""
        served = self.repository.get(model, version)
        session, scheduler = served.session, served.scheduler
        rows = scheduler.max_batch if scheduler.batching else 0
        return model_config(served.platform, session.card, served.name, session.inputs, session.outputs, rows)

    def release(self, model: str, version: str | None = None) -> SignedRelease:
        """What is signed of a model. Raises `NotFoundError` or `UnavailableError`."""
        served = self.repository.get(model, version)
        return release_of(self.repository.index(), served.name, served.version)

    async def stats(self, model: str | None = None, version: str | None = None) -> list[dict[str, Any]]:
        """The protocol's statistics of each served version that fits, of all processes together.

        Raises `NotFoundError` or `UnavailableError`.
        """
        if model is not None:
            self.repository.get(model, version)
        parts: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for answer in await self.ask_all(StatsQuestion(model, version)):
            for entry in answer:
                parts.setdefault((entry["name"], entry["version"]), []).append(entry)
        return [added(parts[key]) for key in sorted(parts)]

    def own_stats(self, asked: StatsQuestion) -> list[dict[str, Any]]:
        """The statistics of this process."""
        return [
            self.statistics.as_json(entry.name, entry.version)
            for entry in self.repository.index()
            if entry.model and asked.model in (None, entry.name) and asked.version in (None, entry.version)
        ]

    def index(self) -> list[Entry]:
        """Every model and version, served or not."""
        return self.repository.index()

    def check_ready(self) -> None:
        """Raises `UnavailableError` with the reasons while something that was found isn't served, or the server ends."""
        if self.draining:
            raise UnavailableError("the server is shutting down")
        if missing := self.repository.missing():
            reasons = [f"{entry.name} version {entry.version}: {entry.reason}" for entry in missing]
            raise UnavailableError(f"not every model is served: {'; '.join(reasons)}")

    async def change(self, order: Order) -> None:
        """Change what is served, in all processes, before this returns. Raises what the order raises."""
        await self.ask_all(order)

    def reply(self, question: Question) -> Any:
        """What this process answers to a question that reaches all; blocks. Raises what the question's order raises."""
        if isinstance(question, Order):
            return question.carry_out(self.repository)
        if isinstance(question, StandingQuestion):
            return standing(self.repository)
        return self.own_stats(question)

    async def _ask_myself(self, question: Question) -> list[Any]:
        return [await asyncio.wrap_future(beside(partial(self.reply, question)))]

    async def _own_metrics(self) -> bytes:
        return self.metrics.text()

    async def close(self) -> None:
        """Answer what waits, then end all threads."""
        await asyncio.to_thread(self.repository.close)
        await asyncio.to_thread(self._decoder.close)
        self.metrics.settle()
        if self.traces:
            await asyncio.to_thread(self.traces.close)

    async def _show(
        self, served: Model, task: Task, item: Any, top: int | None, threshold: float, deadline: float
    ) -> _Shown:
        session = served.session
        names = tensors(session.outputs)

        def prepare() -> Arrays:
            return task.prepare(session, item, self.settings)

        if served.prepares:
            answer = await served.submit(Later(prepare), names, deadline)
            decode = answer.decode
            self.metrics.decoded(served.name, decode)
        else:
            inputs, decode = await self._decoder.decode(prepare)
            self.metrics.decoded(served.name, decode)
            tracing.decoded(served.name, decode)
            answer = await served.submit(inputs, names, deadline)
        self.metrics.queued(served.name, answer.queue)
        return _Shown(served.tell(session, answer.outputs, top, threshold), answer, decode)

    def _admitted(self, served: Model, items: int, deadline: float) -> AbstractContextManager[None]:
        self._check_items(served, items, deadline)
        return self._decoder.admitted(served.name, min(items, self._at_once(served)))

    def _at_once(self, served: Model) -> int:
        """So many of a request's items are under way at once: enough for all instances, and room is left for others."""
        return min(served.plan.instances * served.scheduler.max_batch, max(1, self.settings.max_queue // 2))

    def _check_items(self, served: Model, items: int, deadline: float | None) -> None:
        """What is decoded in time must be computed in time as well."""
        after = served.check_room(items, deadline, CALLER.get().priority)
        left = math.inf if deadline is None else deadline - time.monotonic() - after
        self._decoder.check_room(served.name, items, left)

    def _limit(self, deadline: float | None, timeout: float | None = None) -> float:
        """When to give up: at the deadline, the caller's own, after the timeout or the server's, whichever comes first."""
        now = time.monotonic()
        limit = now + self.settings.request_timeout
        for given in (deadline, CALLER.get().deadline, now + timeout if timeout else None):
            if given is not None and given < limit:
                limit = given
        if limit <= now:
            raise DeadlineExceededError("the deadline had passed before the request was read")
        return limit


def _until(limit: float) -> Within:
    """Give up with `DeadlineExceededError` when the limit has passed."""
    left = limit - time.monotonic()
    return Within(left, lambda: DeadlineExceededError(f"the answer was not there within {left:.3g} s"))


async def _outcomes(work: Sequence[Coroutine[Any, Any, _Shown]]) -> Sequence[_Shown | BaseException]:
    """What each gives or raises; a task of its own for a single one would cost more than all that is done here."""
    if len(work) > 1:
        return await asyncio.gather(*work, return_exceptions=True)
    try:
        return [await one for one in work]
    except Exception as error:
        return [error]


def _first_error(results: Sequence[_Shown | BaseException], noun: str, first: int) -> list[_Shown]:
    """The results, or the error of the first item that failed, with its place in the request."""
    for index, result in enumerate(results, first):
        if isinstance(result, BaseException):
            told = as_server_error(result)
            if not isinstance(told, BadRequestError):
                raise result
            inside = told.field if (told.field or "").startswith(".") else ""
            field = told.field if told.field == "model" else f"{noun}[{index}]{inside}"
            reason = str(told).removeprefix("photo: ")  # what edge calls a photo that has no file name
            reason = reason.removeprefix(f"{inside}: ")
            raise BadRequestError(f"{field}: {reason}", field=field, hint=told.hint) from result
    return [result for result in results if not isinstance(result, BaseException)]
