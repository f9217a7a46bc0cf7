"""Answers that were given before, or are just being computed, by the content of the question."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from lampion_server.ending import Within
from lampion_server.errors import DeadlineExceededError, OverloadedError
from lampion_server.tickets import Answer, Arrays, Names

Compute = Callable[[], Coroutine[Any, Any, Answer]]


@dataclass
class _First:
    """Who computes, how urgently, and what became of it: the answer, an error, or None if it concerns the asker alone."""

    priority: int
    outcome: asyncio.Future[Answer | Exception | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    async def wait(self, deadline: float | None) -> Answer | Exception | None:
        """The outcome, for somebody with a deadline of its own."""
        outcome = asyncio.shield(self.outcome)  # who leaves doesn't end it for the others
        if deadline is None:
            return await outcome
        left = deadline - time.monotonic()
        with Within(left, lambda: DeadlineExceededError(f"the answer was not there within {left:.3g} s")):
            return await outcome


class ResponseCache:
    """The last outputs of one version of a model, up to `limit` bytes of them; only for models that don't roll dice.

    Of those who ask the same at once the first computes and the others wait for it. If it leaves, is refused or too late,
    the next one computes; somebody more urgent doesn't wait for it. What fails is told to all and not remembered.

    A new version begins with an empty cache, so an answer never outlives the model that gave it. Used by the event loop
    alone.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._known: OrderedDict[bytes, Arrays] = OrderedDict()
        self._firsts: dict[bytes, _First] = {}

    def key(self, inputs: Arrays, outputs: Names) -> bytes:
        """A digest of names, dtypes, shapes and numbers; two questions with one key are the same question."""
        digest = hashlib.blake2b(repr(outputs).encode(), digest_size=16)
        for name, array in inputs.items():
            digest.update(repr((name, array.dtype.str, array.shape)).encode())
            # An array of strings holds only addresses, which mean nothing to the next request.
            content = repr(array.tolist()).encode() if array.dtype.hasobject else array.tobytes()
            digest.update(content)
        return digest.digest()

    async def answer(self, key: bytes, compute: Compute, deadline: float | None, priority: int) -> Answer:
        """What is known for `key`, is being computed for somebody else, or what `compute` gives. Raises what that raises,
        and `DeadlineExceededError`.
        """
        arrived = time.monotonic()
        while (known := self.get(key)) is None:
            first = self._firsts.get(key)
            if first is None or first.priority > priority:
                return await self._first(key, compute, priority)
            outcome = await first.wait(deadline)
            if isinstance(outcome, Exception):
                raise outcome
            if outcome is not None:
                known = outcome.outputs
                break
        return Answer(known, queue=time.monotonic() - arrived, compute=0.0, rows=0)

    async def _first(self, key: bytes, compute: Compute, priority: int) -> Answer:
        first = self._firsts[key] = _First(priority)
        outcome: Answer | Exception | None = None
        try:
            outcome = await compute()
            self.put(key, outcome.outputs)
        except (DeadlineExceededError, OverloadedError):  # by its own deadline
            raise
        except Exception as error:
            outcome = error
            raise
        else:
            return outcome
        finally:
            first.outcome.set_result(outcome)
            if self._firsts.get(key) is first:
                del self._firsts[key]

    def get(self, key: bytes) -> Arrays | None:
        """The outputs known for `key`."""
        if key in self._known:
            self._known.move_to_end(key)
        return self._known.get(key)

    def put(self, key: bytes, outputs: Arrays) -> None:
        """Remember outputs, and forget those that were asked for longest ago."""
        self._size += _bytes(outputs) - _bytes(self._known.pop(key, {}))
        # A copy: an answer may be a slice of a batch's outputs, and would keep all of them.
        self._known[key] = {name: array.copy() for name, array in outputs.items()}
        while self._size > self._limit:
            _, oldest = self._known.popitem(last=False)
            self._size -= _bytes(oldest)


def _bytes(outputs: Arrays) -> int:
    return sum(array.nbytes for array in outputs.values())
