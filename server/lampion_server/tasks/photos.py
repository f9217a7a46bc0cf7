"""Photos: files of any format that Pillow reads, brought to size as the card says."""

from __future__ import annotations

from typing import Any

from lampion_server.datatypes import Array
from lampion_server.described import Described
from lampion_server.settings import Settings
from lampion_server.tasks.task import Task


def prepare(session: Described, photo: Any, settings: Settings) -> dict[str, Array]:
    """uint8 [1, height, width, channel] from the bytes of an image file. Raises edge's `ImageError`."""
    return session.prepare(photo, max_pixels=settings.max_pixels)


PHOTOS = Task("image", "images", prepare)
