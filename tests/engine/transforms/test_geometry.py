"""Geometry: the pixels the runtime will see, computed by its own code, and the card's fragments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

import lampion
from lampion import transforms as T
from lampion_edge import Preprocessing, Resize, decode

SHAPES = [(40, 60), (60, 40), (33, 33), (200, 310), (5, 90)]
STEPS: list[list[Any]] = [
    [T.Resize((28, 28))],
    [T.Resize((20, 30), "bicubic")],
    [T.Resize(24, "lanczos")],
    [T.Resize([24])],
    [T.Resize((30, 20), "nearest", rule="contain", background=(9, 200, 30))],
    [T.CenterCrop(21)],
    [T.CenterCrop((50, 10), background=(0, 0, 0))],
    [T.Resize(32), T.CenterCrop(28)],
    [T.Grayscale(), T.Resize((28, 28)), T.CenterCrop(24)],
]


def photo(height: int, width: int) -> Any:
    smooth = np.add.outer(np.arange(height) * 3, np.arange(width) * 2)[..., None] * np.array([1, 2, 3])
    return (smooth + np.random.default_rng(0).integers(0, 40, (height, width, 3))).astype(np.uint8)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("steps", STEPS, ids=str)
def test_pixels_are_the_runtimes(steps: list[Any], shape: tuple[int, int]) -> None:
    compose = T.Compose(steps)
    card = compose.card()
    resize = Resize(**card["resize"]) if "resize" in card else None
    rest = {k: card[k] for k in ("color", "crop", "background") if k in card}
    expected = decode(photo(*shape), Preprocessing(resize=resize, **rest))
    np.testing.assert_array_equal(compose(photo(*shape)), expected)


def test_batches_tensors_and_arrays() -> None:
    batch = np.stack([photo(8, 9), photo(8, 9)[::-1]])
    got = T.Resize((4, 6))(batch)
    assert (type(got), got.shape) == (np.ndarray, (2, 4, 6, 3))
    np.testing.assert_array_equal(got[1], T.Resize((4, 6))(batch[1]))
    as_tensor = T.Resize((4, 6))(lampion.tensor(batch))
    assert isinstance(as_tensor, lampion.Tensor)
    np.testing.assert_array_equal(as_tensor.numpy(), got)
    assert T.Grayscale()(batch[None]).shape == (1, 2, 8, 9, 1)


@pytest.mark.parametrize(
    ("image", "shape"),
    [
        (Image.new("L", (4, 3)), (3, 4, 1)),
        (Image.new("RGBA", (4, 3)), (3, 4, 3)),
        (np.zeros((3, 4), np.uint8), (3, 4, 1)),
        (np.zeros((3, 4, 3), np.uint8), (3, 4, 3)),
        (lampion.zeros(3, 4, dtype=lampion.uint8), (3, 4, 1)),
    ],
)
def test_to_image(image: Any, shape: tuple[int, ...]) -> None:
    got = T.ToImage()(image)
    assert (tuple(got.shape), got.dtype) == (shape, lampion.uint8)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: T.Resize((1, 2, 3)), r"Resize: expected a size of 1 or 2 numbers above 0, got \(1, 2, 3\)"),
        (lambda: T.Resize(0), "expected a size"),
        (lambda: T.Resize(3, "cubic"), "expected interpolation nearest, bilinear, bicubic, lanczos, got 'cubic'"),
        (lambda: T.Resize(3, rule="longer"), "expected rule 'stretch', 'shorter' or 'contain', got 'longer'"),
        (
            lambda: T.Resize(3)(np.zeros((4, 4), np.uint8)),
            r"expected an array or Tensor \[..., height, width, channel\]",
        ),
        (lambda: T.Resize(3)(Image.new("L", (4, 4))), "got Image; use ToImage first"),
        (lambda: T.Resize(3)(np.zeros((4, 4, 3))), "expected uint8 images of 1 or 3 channels, got float64"),
        (lambda: T.CenterCrop(3)(np.zeros((3, 4, 4), np.uint8)), r"got uint8 \[1, 3, 4, 4\]; place it before"),
        (lambda: T.ToImage()(np.zeros((3, 4))), "expected uint8"),
    ],
)
def test_message(use: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        use()
