from __future__ import annotations

import numpy as np
import pytest

from lampion_edge import Preprocessing, Resize
from lampion_edge.geometry import fit


@pytest.mark.parametrize(
    ("photo", "resize", "crop", "result"),
    [
        ((30, 40), None, None, (30, 40)),
        ((30, 40), Resize((10, 20)), None, (10, 20)),
        ((30, 40), Resize((10, 10), "shorter"), None, (10, 13)),
        ((40, 30), Resize((10, 10), "shorter"), None, (13, 10)),
        ((7, 1000), Resize((10, 10), "shorter"), None, (10, 1428)),
        ((30, 40), Resize((10, 10), "contain"), None, (10, 10)),
        ((1, 1000), Resize((10, 10), "contain"), None, (10, 10)),
        ((30, 40), Resize((20, 20), "shorter"), (16, 12), (16, 12)),
        ((30, 40), None, (50, 60), (50, 60)),
        ((30, 40), None, (50, 20), (50, 20)),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_sizes(
    photo: tuple[int, int],
    resize: Resize | None,
    crop: tuple[int, int] | None,
    result: tuple[int, int],
    channels: int,
) -> None:
    image = fit(np.zeros((*photo, channels), np.uint8), Preprocessing(resize=resize, crop=crop), 10**6)
    assert (image.dtype, image.shape) == (np.uint8, (*result, channels))


def test_crop_takes_the_middle() -> None:
    ramp = np.arange(30, dtype=np.uint8).reshape(5, 6, 1)
    got = fit(ramp, Preprocessing("L", crop=(3, 2)), 100)
    np.testing.assert_array_equal(got, ramp[1:4, 2:4])


@pytest.mark.parametrize(("background", "want"), [((255, 0, 0), [76]), ((1, 2, 3), [1, 2, 3])])
def test_contain_pads_with_the_background(background: tuple[int, int, int], want: list[int]) -> None:
    preprocessing = Preprocessing(background=background, resize=Resize((8, 8), "contain"))
    got = fit(np.full((4, 8, len(want)), 255, np.uint8), preprocessing, 100)
    assert got[0, 0].tolist() == got[7, 7].tolist() == want
    assert (got[2:6] == 255).all()
    assert not (got[:2] == 255).all()


def test_a_crop_may_be_smaller_in_one_way_and_larger_in_the_other() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(2, 6, 1)
    got = fit(image, Preprocessing("L", background=(99, 99, 99), crop=(4, 2)), 100)
    assert got[:, :, 0].tolist() == [[99, 99], [2, 3], [8, 9], [99, 99]]
