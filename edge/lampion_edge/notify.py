"""Words with systemd: that a service is ready, lives, or ends (sd_notify(3)). Without systemd nothing is said."""

from __future__ import annotations

import os
import socket
import time


class Notify:
    """Speaks to the socket that NOTIFY_SOCKET names; `alive` may be called often, and speaks when it is time."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address  # @ stands for an abstract socket
        ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        interval = os.environ.get("WATCHDOG_USEC", "")
        self._interval = int(interval) / 2e6 if ours and interval.isdecimal() else None  # half, as its manual advises
        self._last = float("-inf")

    def say(self, *lines: str) -> None:
        """Sends lines such as READY=1, STATUS=... or STOPPING=1; a manager that doesn't listen is no reason to stop."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            return

    def alive(self) -> None:
        """Tells the watchdog, at most twice in its time, that work is being done."""
        if self._interval is not None and time.monotonic() - self._last >= self._interval:
            self._last = time.monotonic()
            self.say("WATCHDOG=1")
