"""A photo of few bytes that takes long to decode: what is measured is the server, not the road to it."""

from __future__ import annotations

import io

from PIL import Image

PREDICT = "/v1/models/digits/predict?top=1"


def _png() -> bytes:
    """Three megapixels of nearly white."""
    buffer = io.BytesIO()
    Image.new("RGB", (2000, 1500), (250, 250, 250)).save(buffer, "PNG")
    return buffer.getvalue()


PHOTO = _png()
