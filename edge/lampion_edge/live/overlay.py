"""The newest picture with its labels drawn on it, for whoever watches in a browser."""

from __future__ import annotations

import io
import threading
from collections.abc import Generator
from typing import Any

from lampion_edge.card import Preprocessing
from lampion_edge.errors import ServiceError
from lampion_edge.image import decode
from lampion_edge.live.clock import Clock
from lampion_edge.live.latest import Latest
from lampion_edge.live.watching import Seen
from lampion_edge.pillow import pillow
from lampion_edge.web.messages import Answer, Request, Route, json_answer

_BOUNDARY = "lampion-frame"
_LARGEST = 640  # pixels of the longer side
_WAIT = 5.0
_PAGE = b"""<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>lampion</title>
<body style="margin:0;background:#111"><img src="/stream" alt="the camera" style="width:100vw;height:100vh;object-fit:contain">
"""


class Overlay:
    """A sink that keeps the newest of what was seen; it is drawn and encoded once, and only if somebody watches.

    Raises ImageError without Pillow.
    """

    def __init__(self, clock: Clock, watchers: int = 4) -> None:
        pillow("ImageDraw")
        self._latest: Latest[Seen] = Latest(clock)
        self._lock = threading.Lock()
        self._drawn: tuple[int, bytes] = (0, b"")
        self._places = threading.Semaphore(watchers)
        self.routes = (
            Route("GET", "/", lambda _: Answer(_PAGE, "text/html; charset=utf-8")),
            Route("GET", "/stream", self._stream),
            Route("GET", "/picture.jpg", self._picture),
            Route("GET", "/labels", self._labels),
        )

    def __call__(self, seen: Seen) -> None:
        self._latest.put(seen)

    def close(self) -> None:
        """Ends the streams."""
        self._latest.end()

    def _stream(self, request: Request) -> Answer:
        if not self._places.acquire(blocking=False):
            raise ServiceError("too many watch already", status=503, retry_after=5.0)
        parts = self._parts()
        next(parts)  # from here on, closing it gives the place back
        kind = f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
        return Answer(parts, kind, headers={"Cache-Control": "no-store"})

    def _parts(self) -> Generator[bytes]:
        number = 0
        try:
            yield b""
            while not self._latest.ended:
                got = self._latest.after(number, _WAIT) or self._latest.after(0, 0)
                if got is None:
                    continue
                number, picture = (
                    got[0],
                    self._encoded(*got),
                )  # once more if nothing new came: who has left shows by that
                head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                yield head.encode() + picture + b"\r\n"
        finally:
            self._places.release()

    def _picture(self, request: Request) -> Answer:
        return Answer(self._encoded(*self._newest()), "image/jpeg", headers={"Cache-Control": "no-store"})

    def _labels(self, request: Request) -> Answer:
        _, seen = self._newest()
        return json_answer({"frame": seen.number, "labels": [label.as_json() for label in seen.labels()]})

    def _newest(self) -> tuple[int, Seen]:
        got = self._latest.after(0, _WAIT)
        if got is None:
            raise ServiceError("the camera has given no frame yet", status=503, retry_after=1.0)
        return got

    def _encoded(self, number: int, seen: Seen) -> bytes:
        with self._lock:
            if self._drawn[0] != number:
                self._drawn = (number, drawn(seen))
            return self._drawn[1]


def drawn(seen: Seen, top: int = 3) -> bytes:
    """A JPEG of the frame, at most 640 pixels wide or high, its labels below it."""
    image = pillow("Image").fromarray(decode(seen.frame.photo, Preprocessing()))
    image.thumbnail((_LARGEST, _LARGEST))
    labels = seen.labels(top)
    size = max(12, image.width // 32)
    canvas = pillow("Image").new(
        "RGB", (max(image.width, 320), image.height + int(1.5 * size * len(labels)) + size // 2)
    )
    canvas.paste(image, ((canvas.width - image.width) // 2, 0))
    pen: Any = pillow("ImageDraw").Draw(canvas)
    font = pillow("ImageFont").load_default(size)
    for place, label in enumerate(labels):
        y = image.height + int(1.5 * size * place) + size // 4
        pen.rectangle((0, y, int(canvas.width * label.probability), y + int(1.4 * size)), fill=(40, 90, 60))
        pen.text((size // 2, y), f"{label.name}  {label.probability:.0%}", fill=(255, 255, 255), font=font)
    stream = io.BytesIO()
    canvas.save(stream, "JPEG", quality=80)
    return stream.getvalue()
