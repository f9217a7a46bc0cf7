from __future__ import annotations

import numpy as np
import PIL
import pytest

from lampion_edge.resampling import plain, resized

INTERPOLATIONS = ["nearest", "bilinear", "bicubic", "lanczos"]
SHAPES = [
    ((40, 60, 3), (20, 30)),
    ((40, 60, 1), (28, 28)),
    ((28, 28, 1), (40, 60)),
    ((33, 47, 3), (33, 20)),
    ((33, 47, 3), (20, 47)),
    ((30, 30, 1), (4, 30)),
    ((7, 5, 3), (1, 1)),
    ((1, 1, 3), (5, 7)),
    ((500, 700, 3), (28, 28)),  # so large that blocks are averaged first
    ((501, 703, 1), (31, 9)),
    ((700, 20, 3), (40, 30)),
    ((20, 700, 1), (30, 40)),
]
# Noise, and noise of the extremes, where the rounding of every step and every overshoot shows.
STEPS = [1, 255]


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize(("shape", "size"), SHAPES)
@pytest.mark.parametrize("step", STEPS)
def test_the_very_bytes_that_pillow_gives(
    step: int, shape: tuple[int, ...], size: tuple[int, int], interpolation: str
) -> None:
    image = np.random.default_rng(0).choice(np.arange(0, 256, step, dtype=np.uint8), shape)
    lost = shape[0] - size[0], shape[1] - size[1]
    if int(PIL.__version__.split(".")[0]) < 13 and lost[0] > max(0, 2 * lost[1]):
        pytest.skip("Pillow before 13 resizes tall images along rows first")
    np.testing.assert_array_equal(plain(image, *size, interpolation), resized(image, *size, interpolation))


def test_channels_may_be_left_out() -> None:
    image = np.arange(30, dtype=np.uint8).reshape(5, 6)
    for function in (plain, resized):
        np.testing.assert_array_equal(
            function(image, 3, 4, "bilinear"), function(image[..., None], 3, 4, "bilinear")[..., 0]
        )
