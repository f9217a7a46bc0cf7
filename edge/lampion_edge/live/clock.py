"""Time, as what runs for days knows it: read, slept through, waited in, and threads that live in it. Tests bring another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Clock:
    """The machine's own time. Everything in `live` that waits, waits here."""

    def now(self) -> float:
        """Seconds that only grow, from an unknown start."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970, as far as the machine knows."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Returns when the seconds are over; at once for none."""
        if seconds > 0:
            time.sleep(seconds)

    def wait(self, condition: threading.Condition, ready: Callable[[], bool], timeout: float | None) -> bool:
        """With the condition held: returns when `ready()`, or when the seconds are over, and says whether it is."""
        return condition.wait_for(ready, timeout)

    def start(self, work: Callable[[], None], name: str) -> None:
        """Runs `work` in a thread that doesn't keep the process alive."""
        threading.Thread(target=work, name=f"lampion-{name}", daemon=True).start()
