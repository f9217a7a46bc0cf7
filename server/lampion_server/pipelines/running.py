"""A request on its way through the steps of a pipeline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np

from lampion_edge import EdgeError
from lampion_server import tracing
from lampion_server.datatypes import Array
from lampion_server.errors import (
    BadRequestError,
    ModelFailedError,
    OverloadedError,
    ServerError,
    UnavailableError,
    as_server_error,
)
from lampion_server.later import made
from lampion_server.model import Model
from lampion_server.pipelines.crop import cropped
from lampion_server.pipelines.declaration import Ask, Crop, Wire
from lampion_server.pipelines.wiring import Wiring, main_output
from lampion_server.tickets import Answer, Arrays, Inputs, Names

Lease = Callable[[str, str | None], AbstractContextManager[Model]]
Look = Callable[[str, str | None], Model]


class Runner:
    """Asks the steps' models one after the other, each through its own scheduler, where requests share batches.

    A model is looked up when its step's turn comes: a new version, or a canary, counts from then on.
    """

    batching = False  # the steps' models batch
    prepares = False
    inline = False

    def __init__(self, wiring: Wiring, lease: Lease, look: Look, max_batch: int) -> None:
        self.max_batch = max_batch
        self._wiring = wiring
        self._lease = lease
        self._look = look

    async def submit(
        self, inputs: Inputs, outputs: Names = None, deadline: float | None = None, priority: int = 0
    ) -> Answer:
        """All outputs that are wanted, and the seconds that the steps took together.

        Raises what a step's model raises, with the name of the step before the sentence.
        """
        done: dict[str, Arrays] = {}
        arrays = made(inputs)
        queue = compute = 0.0
        for step in self._wiring.declaration.steps:
            given = {name: _carried(wire, arrays, done) for name, wire in step.inputs.items()}
            try:
                with tracing.part(f"step {step.name}"):
                    answer = await (
                        self._ask(step, given, deadline) if isinstance(step, Ask) else self._cut(step, given)
                    )
                done[step.name], queue, compute = answer.outputs, queue + answer.queue, compute + answer.compute
            except (ServerError, EdgeError) as error:
                raise _at(step.name, error) from error
        declared = self._wiring.declaration.outputs
        names = list(declared) if outputs is None else outputs
        answered = {name: _carried(declared[name], arrays, done) for name in names}
        rows = next((len(array) for array in arrays.values() if array.ndim), 1)
        return Answer(answered, queue, compute, max(1, rows))

    def check_room(self, rows: int = 1, deadline: float | None = None, priority: int = 0) -> float:
        """The seconds that the steps would surely take together. Raises `OverloadedError` if one of them has no room."""
        seconds = 0.0
        for step in self._wiring.declaration.steps:
            if isinstance(step, Ask):
                before = None if deadline is None else deadline - seconds  # the steps after it need their time
                try:
                    seconds += self._look(step.model, step.version).check_room(rows, before, priority)
                except OverloadedError as error:
                    raise _at(step.name, error) from error
        return seconds

    def close(self) -> None:
        """Nothing of its own is to be ended."""

    async def _ask(self, step: Ask, given: Arrays, deadline: float | None) -> Answer:
        if any(array.ndim and not len(array) for array in given.values()):  # no box was found: nothing to ask about
            return Answer(self._nothing(step), queue=0.0, compute=0.0, rows=0)
        with self._lease(step.model, step.version) as model:
            return await model.submit(given, None, deadline)

    def _nothing(self, step: Ask) -> Arrays:
        return {
            name: np.empty(
                [0, *(size if isinstance(size, int) else 0 for size in spec.shape[1:])],
                object if spec.dtype == "string" else spec.dtype,
            )
            for name, spec in self._wiring.steps[step.name].items()
        }

    async def _cut(self, step: Crop, given: Arrays) -> Answer:
        started, shape = time.monotonic(), self._wiring.images[step.name]
        arguments = step, shape, given["crop"], given.get("boxes"), given.get("scores")
        outputs = await asyncio.to_thread(cropped, *arguments)
        return Answer(outputs, queue=0.0, compute=time.monotonic() - started, rows=0)


def _carried(wire: Wire, inputs: Arrays, done: dict[str, Arrays]) -> Array:
    if wire.step is None:
        return inputs[str(wire.output)]
    outputs = done[wire.step]
    return outputs[main_output(wire, list(outputs))]


def _at(step: str, error: ServerError | EdgeError) -> ServerError:
    """The same error with the step's name; a place inside the request of a step means nothing to the caller."""
    told, message = as_server_error(error), f"step {step}: {error}"
    if isinstance(told, BadRequestError):  # what the caller sent was checked before; the steps don't fit each other
        return ModelFailedError(message, hint=told.hint)
    if isinstance(told, OverloadedError):
        return OverloadedError(message, retry_after=told.retry_after)
    renamed = type(told)(message, hint=told.hint)
    if isinstance(told, UnavailableError) and isinstance(renamed, UnavailableError):
        renamed.moved_out = told.moved_out
    return renamed
