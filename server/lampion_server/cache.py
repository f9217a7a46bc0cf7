"""Answers that were given before, by the content of the question."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from lampion_server.tickets import Arrays, Names


class ResponseCache:
    """The last outputs of one version of a model, up to `limit` bytes of them; only for models that don't roll dice.

    A new version begins with an empty cache, so an answer never outlives the model that gave it. Used by the event loop
    alone.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._known: OrderedDict[bytes, Arrays] = OrderedDict()

    def key(self, inputs: Arrays, outputs: Names) -> bytes:
        """A digest of names, dtypes, shapes and numbers; two questions with one key are the same question."""
        digest = hashlib.blake2b(repr(outputs).encode(), digest_size=16)
        for name, array in inputs.items():
            digest.update(repr((name, array.dtype.str, array.shape)).encode())
            # An array of strings holds only addresses, which mean nothing to the next request.
            content = repr(array.tolist()).encode() if array.dtype.hasobject else array.tobytes()
            digest.update(content)
        return digest.digest()

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
