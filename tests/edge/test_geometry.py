from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

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
@pytest.mark.parametrize("color", ["RGB", "L"])
def test_sizes(
    photo: tuple[int, int],
    resize: Resize | None,
    crop: tuple[int, int] | None,
    result: tuple[int, int],
    color: str,
) -> None:
    image = fit(Image.new(color, photo[::-1]), Preprocessing(color, resize=resize, crop=crop), 10**6)
    assert (image.mode, image.size) == (color, result[::-1])


def test_crop_takes_the_middle() -> None:
    ramp = np.arange(30, dtype=np.uint8).reshape(5, 6)
    got = np.array(fit(Image.fromarray(ramp), Preprocessing("L", crop=(3, 2)), 100))
    np.testing.assert_array_equal(got, ramp[1:4, 2:4])


@pytest.mark.parametrize(("color", "background", "want"), [("L", (255, 0, 0), 76), ("RGB", (1, 2, 3), [1, 2, 3])])
def test_contain_pads_with_the_background(color: str, background: tuple[int, int, int], want: object) -> None:
    preprocessing = Preprocessing(color, background=background, resize=Resize((8, 8), "contain"))
    got = np.array(fit(Image.new(color, (8, 4), "white"), preprocessing, 100))
    assert got[0, 0].tolist() == got[7, 7].tolist() == want
    assert (got[2:6] == 255).all()
    assert not (got[:2] == 255).all()
