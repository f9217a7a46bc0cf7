"""Where events go besides the screen: a webhook, MQTT, a pin of the board."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from lampion_edge.errors import EdgeError, InputError, ServiceError
from lampion_edge.live.clock import Clock
from lampion_edge.live.events import BEGIN, Event
from lampion_edge.optional import optional

_LONGEST_PAUSE = 60.0
_KEPT = 1000  # events that wait for a link; the store keeps more, and keeps them through a power cut


class Outlet(Protocol):
    """Takes events without blocking; `close` ends it, and may wait a few seconds for what is on its way."""

    def __call__(self, event: Event) -> None:
        """Takes one."""
        ...

    def close(self) -> None:
        """Ends it."""
        ...


class Webhook:
    """POSTs each event as JSON to an address, from a thread of its own, in order, until it is taken.

    While the link is down events wait, the newest thousand of them; `lost` counts the others.
    """

    def __init__(self, send: Callable[[bytes], object], clock: Clock, complain: Callable[[object, str | None], None]):
        self._send, self._clock, self._complain = send, clock, complain
        self._waiting: deque[Event] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._failing = False
        self.lost = 0
        clock.start(self._work, "webhook")

    def __call__(self, event: Event) -> None:
        with self._changed:
            if len(self._waiting) == _KEPT:
                self._waiting.popleft()
                self.lost += 1
            self._waiting.append(event)
            self._changed.notify_all()

    def close(self) -> None:
        """Gives what waits a few seconds to go out."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            self._clock.wait(self._changed, lambda: not self._waiting or self._failing, 5.0)
            self.lost += len(self._waiting)
        if self.lost:
            self._complain(
                f"{self.lost} events could not be sent", "--keep DIR --send URL keeps them on disk until they are"
            )

    def _work(self) -> None:
        pause = 1.0
        while True:
            with self._changed:
                self._clock.wait(self._changed, lambda: bool(self._waiting) or self._closing, None)
                if not self._waiting:
                    return
                event = self._waiting[0]
            try:
                self._send(json.dumps(event.as_json()).encode())
            except ServiceError as error:
                if not self._failing:
                    self._complain(error, "events wait, and are sent when it answers")
                self._failing = True
                with self._changed:
                    self._changed.notify_all()
                    if self._clock.wait(self._changed, lambda: self._closing, pause):
                        return
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            pause, self._failing = 1.0, False
            with self._changed:
                if self._waiting and self._waiting[0] is event:
                    self._waiting.popleft()
                self._changed.notify_all()


class Mqtt:
    """Publishes each event to a broker: mqtt://user:password@host:1883/topic, or mqtts. Reconnects by itself."""

    def __init__(self, url: str, complain: Callable[[object, str | None], None]) -> None:
        parts = urlsplit(url)
        topic = unquote(parts.path.strip("/"))
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or not topic:
            raise InputError(f"mqtt: expected mqtt://host:1883/topic, got {url!r}", field="mqtt")
        paho = optional("paho.mqtt.client", "MQTT", "pip install 'lampion-edge[mqtt]'")
        self._topic = topic
        self._client: Any = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self._client.max_queued_messages_set(_KEPT)
        self._complain, self._failing = complain, False
        self._client.on_connect_fail = lambda *_: self._failed("no answer")
        self._client.on_connect = lambda client, data, flags, reason, properties: self._connected(reason)
        if parts.username:
            self._client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
        if parts.scheme == "mqtts":
            self._client.tls_set()
        self._client.connect_async(parts.hostname, parts.port or (8883 if parts.scheme == "mqtts" else 1883))
        self._client.loop_start()
        self._last: Any = None

    def __call__(self, event: Event) -> None:
        self._last = self._client.publish(self._topic, json.dumps(event.as_json()), qos=1)

    def _connected(self, reason: Any) -> None:
        if reason.is_failure:
            self._failed(reason)
        else:
            self._failing = False

    def _failed(self, reason: object) -> None:
        """Once for each time that the link goes."""
        if not self._failing:
            self._complain(f"mqtt: {self._client.host}: {reason}", "events wait, and are published when it answers")
        self._failing = True

    def close(self) -> None:
        """Waits a little for the last event to be taken."""
        if self._last is not None and self._client.is_connected():
            self._last.wait_for_publish(5.0)
        self._client.disconnect()
        self._client.loop_stop()


class Pin:
    """Holds a GPIO pin high while a label is seen: written PIN=LABEL, the pin by its BCM number."""

    def __init__(self, text: str) -> None:
        number, _, self._label = text.partition("=")
        if not number.isdecimal() or not self._label:
            raise InputError(f"gpio: expected PIN=LABEL such as 17=person, got {text!r}", field="gpio")
        gpiozero = optional("gpiozero", "GPIO", "apt install python3-gpiozero, or pip install gpiozero lgpio")
        try:
            self._led = gpiozero.LED(int(number))
        except Exception as error:  # each of its pin libraries has its own
            raise EdgeError(f"pin {number}: can't be used ({error})", hint="is this a Raspberry Pi?") from None

    def __call__(self, event: Event) -> None:
        if event.label == self._label:
            (self._led.on if event.kind == BEGIN else self._led.off)()

    def close(self) -> None:
        """Leaves the pin low."""
        self._led.off()
        self._led.close()
