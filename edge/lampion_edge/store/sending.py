"""Brings what was kept to a server when the link is there."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Sequence

from lampion_edge.errors import ServiceError
from lampion_edge.live.clock import Clock
from lampion_edge.store.records import Record
from lampion_edge.store.ring import Ring

KIND = "application/x-ndjson"
_MOST, _SIZE = 100, 2**20
_IDLE, _PAUSE, _LONGEST_PAUSE = 1.0, 5.0, 600.0
Send = Callable[[bytes, str], object]


class Sender:
    """A thread that POSTs records as lines of JSON, in order, and remembers in the ring how far it came.

    Each record has an id that no other has: if an answer was lost on the way, what is sent once more shows. While the
    link is down it asks again after 5, 10, 20 seconds, up to ten minutes, or when the server said.
    """

    def __init__(self, ring: Ring, send: Send, clock: Clock, complain: Callable[[object, str | None], None]) -> None:
        self._ring, self._send, self._clock, self._complain = ring, send, clock, complain
        self._changed = threading.Condition()
        self._closing = self._failing = False
        self._most = _MOST
        self.sent = 0
        clock.start(self._work, "sender")

    def close(self) -> None:
        """Ends it with what it is sending."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def _work(self) -> None:
        pause = 0.0
        while not self._wait(pause):
            batch = self._ring.after(self._ring.sent, self._most, _SIZE)
            if not batch:
                pause = _IDLE
                continue
            try:
                self._send(lines(batch), KIND)
                self._ring.mark_sent(batch[-1].number)
            except (ServiceError, OSError) as error:
                pause = self._failed(error, pause)
                continue
            self.sent += len(batch)
            pause, self._failing, self._most = 0.0, False, _MOST

    def _failed(self, error: ServiceError | OSError, pause: float) -> float:
        """Seconds until the next attempt."""
        if isinstance(error, ServiceError) and error.status == 413 and self._most > 1:
            self._most //= 2
            return 0.0
        if not self._failing:
            self._complain(f"what was kept can't be sent: {error}", "it stays on disk, and is tried again")
        self._failing = True
        asked = getattr(error, "retry_after", None)
        return float(asked) if asked is not None else min(max(_PAUSE, 2 * pause), _LONGEST_PAUSE)

    def _wait(self, seconds: float) -> bool:
        with self._changed:
            return self._clock.wait(self._changed, lambda: self._closing, seconds)


def lines(records: Sequence[Record]) -> bytes:
    """A line of JSON for each: what is told, and the data as base64."""
    return b"".join(json.dumps(_told(record)).encode() + b"\n" for record in records)


def _told(record: Record) -> dict[str, object]:
    data = {"data": base64.b64encode(record.data).decode()} if record.data else {}
    return {**record.told, **data}
