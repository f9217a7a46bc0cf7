"""Boxes cut out of a picture."""

from __future__ import annotations

import numpy as np
from PIL import Image

from lampion_server.datatypes import Array
from lampion_server.errors import BadRequestError
from lampion_server.pipelines.declaration import CORNERS, Crop

_REDUCING_GAP = 3.0  # as photos are resized elsewhere: a large picture is first reduced by whole numbers


def cropped(
    step: Crop, shape: tuple[int, int, int], picture: Array, boxes: Array | None, scores: Array | None
) -> dict[str, Array]:
    """`images` uint8 [n, height, width, channel] out of a picture uint8 [1, height, width, channel], the best box first.

    Beside them `boxes` float32 [n, 4] and `scores` float32 [n], as they came; without boxes the one image is the whole.
    Boxes are cut off at the picture's edge; what has no area then is left out. Raises `BadRequestError`.
    """
    height, width = picture.shape[1:3]
    if boxes is None:
        boxes = np.array([[0, 0, width, height]], np.float32)
        found, places, worth = boxes, boxes, np.ones(1, np.float32)
    else:
        found = _flat(boxes, (4,)).astype(np.float32)
        worth = np.ones(len(found), np.float32) if scores is None else _flat(scores, ()).astype(np.float32)
        if len(worth) != len(found):
            raise BadRequestError(f"expected a score for each of {len(found)} boxes, got {len(worth)}")
        places = found[:, list(CORNERS[step.corners])] * (1 if step.pixels else np.array([width, height] * 2))
        places = np.clip(np.nan_to_num(places), 0, [width, height] * 2)
    sound = (places[:, 2] - places[:, 0] > 0) & (places[:, 3] - places[:, 1] > 0)
    kept = [place for place in np.argsort(-worth, kind="stable") if sound[place] and worth[place] >= step.least]
    kept = kept[: step.most]
    images = np.empty((len(kept), *shape), np.uint8)
    if kept:
        whole = Image.fromarray(picture[0].squeeze(-1) if picture.shape[3] == 1 else picture[0])
        photo = whole.convert("L" if shape[2] == 1 else "RGB")
        for index, place in enumerate(kept):
            box = tuple(places[place].tolist())
            cut = photo.resize((shape[1], shape[0]), Image.Resampling.BILINEAR, box, reducing_gap=_REDUCING_GAP)
            images[index] = np.asarray(cut).reshape(shape)
    return {"images": images, "boxes": found[kept], "scores": worth[kept]}


def _flat(array: Array, row: tuple[int, ...]) -> Array:
    """[n, *row], from that or from [1, n, *row]."""
    flat = array[0] if array.ndim == len(row) + 2 and len(array) == 1 else array
    if flat.ndim != len(row) + 1 or flat.shape[1:] != row:
        expected = ", ".join(["n", *map(str, row)])
        raise BadRequestError(f"expected [{expected}] or [1, {expected}] of one picture, got {list(array.shape)}")
    return flat
