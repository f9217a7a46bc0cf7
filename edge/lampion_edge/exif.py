"""The one thing of EXIF that matters here: which way up the camera was held."""

from __future__ import annotations

import struct

TAG = 0x0112


def orientation(exif: bytes) -> int:
    """The orientation in a block of EXIF data, 1 to 8; 1 (upright) where there is none or the block is broken."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", exif, entry)
            if tag == TAG:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
