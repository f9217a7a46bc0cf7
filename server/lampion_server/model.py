"""A loaded model, and its line in the index."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lampion_server import tracing
from lampion_server.cache import ResponseCache
from lampion_server.caller import CALLER
from lampion_server.cost import Plan
from lampion_server.datatypes import Array
from lampion_server.described import Computing, Described
from lampion_server.infer import InferRequest, check_inputs, check_outputs
from lampion_server.later import made
from lampion_server.pipelines.declaration import Declaration
from lampion_server.shadow import Shadow
from lampion_server.sources import Source, Stamp
from lampion_server.tasks.task import prediction
from lampion_server.tickets import Answer, Inputs, Names

LOADING = "it is being loaded"
UNLOADED = "unloaded by request"
_MOST_KINDS = 256  # of requests that are known to fit
EVICTED = "moved out of memory for others; it is loaded again when somebody asks it"


@dataclass(eq=False)
class Model:
    """A version that answers: its session, its scheduler, how it runs. `users` counts the requests that hold it.

    `tell(session, outputs, top, threshold)` is what predict says of one row. A pipeline is a Model whose session is a
    description and whose scheduler asks other models.
    """

    name: str
    version: str
    session: Described
    scheduler: Computing
    plan: Plan
    size: int  # bytes of its files, which is about what its weights take in memory
    cache: ResponseCache | None = None
    shadow: Shadow | None = None
    users: int = 0
    last_used: float = field(default_factory=time.monotonic)
    tell: Callable[[Described, Mapping[str, Array], int | None, float], dict[str, Any]] = prediction
    platform: str = "onnxruntime_onnx"
    traced: bool = True  # a pipeline's steps have their own spans
    _accepted: set[object] = field(default_factory=set)  # kinds of requests that fit

    def accept(self, request: InferRequest) -> None:
        """Check that a request fits; what is like one that did is not looked at again.

        Raises `BadRequestError`, and `UnsupportedError` for outputs that are no tensors.
        """
        if request.like in self._accepted:
            return
        check_inputs(self.session.inputs, request.inputs)
        check_outputs(request, self.session.outputs)
        if request.like is not None:
            if len(self._accepted) >= _MOST_KINDS:
                self._accepted.clear()
            self._accepted.add(request.like)

    def check_room(self, rows: int = 1, deadline: float | None = None, priority: int = 0) -> float:
        """The seconds within which a request would surely be answered. Raises what `submit` would raise at once."""
        if self.cache is not None:  # perhaps the answer is known
            return 0.0
        return self.scheduler.check_room(rows, deadline, priority)

    @property
    def prepares(self) -> bool:
        """Whether inputs are best made `Later`; the cache has to know them first."""
        return self.cache is None and self.scheduler.prepares

    def submit(self, inputs: Inputs, outputs: Names = None, deadline: float | None = None) -> Awaitable[Answer]:
        """Answer somebody who asks, at the caller's priority. Raises what the scheduler raises."""
        if self.cache is None and self.shadow is None and not tracing.active():
            return self.scheduler.submit(inputs, outputs, deadline, CALLER.get().priority)
        return self._noted(inputs, outputs, deadline)

    async def answer(self, inputs: Inputs, outputs: Names, deadline: float | None, priority: int) -> Answer:
        """Out of the cache, or computed; nobody else hears of it. Raises what the scheduler raises."""
        compute = partial(self.scheduler.submit, inputs, outputs, deadline, priority)
        if self.cache is None:
            return await compute()
        return await self.cache.answer(self.cache.key(made(inputs), outputs), compute, deadline, priority)

    async def _noted(self, inputs: Inputs, outputs: Names, deadline: float | None) -> Answer:
        answer = await self.answer(inputs, outputs, deadline, CALLER.get().priority)
        if self.traced and (answer.rows or self.cache is None):  # what the cache knew has no rows
            tracing.computed(self.name, self.version, answer.queue, answer.decode, answer.compute, answer.rows)
        if self.shadow is not None:
            self.shadow.copy(made(inputs), outputs, answer.outputs)
        return answer


@dataclass(frozen=True)
class Entry:
    """A line of the index. `reason` says why the file isn't served, or why its newest state isn't."""

    name: str
    version: str
    source: Source
    model: Model | None
    reason: str = ""
    stamp: Stamp = ()
    pipeline: Declaration | None = None  # whose model is wired anew whenever other models change

    @property
    def state(self) -> str:
        if self.model:
            return "READY"
        return "LOADING" if self.reason == LOADING else "UNAVAILABLE"


Entries = dict[tuple[str, str], Entry]  # by name and version
