"""Random changes: seeded, per image, and absent in eval mode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lampion
from lampion import transforms as T

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 9, 9, 1)).astype(np.uint8)
ALL: list[Any] = [
    T.RandomHorizontalFlip(),
    T.RandomVerticalFlip(0.3),
    T.RandomCrop(9, padding=2),
    T.RandomCrop((5, 9)),
    T.RandomRotation(30),
    T.RandomAffine(10, (0.1, 0.2), (0.8, 1.2), 5),
]


@pytest.mark.parametrize("transform", ALL, ids=lambda t: type(t).__name__)
def test_seeded_and_idle_in_eval(transform: Any) -> None:
    lampion.manual_seed(1)
    first = transform(IMAGES)
    second = transform(IMAGES)
    lampion.manual_seed(1)
    np.testing.assert_array_equal(transform(IMAGES), first)
    assert not np.array_equal(first, second)
    assert first.dtype == np.uint8
    as_tensor = transform(lampion.tensor(IMAGES))
    assert (as_tensor.dtype, as_tensor.shape[0]) == (lampion.uint8, 40)
    assert transform(IMAGES[0]).ndim == 3
    transform.eval()
    assert transform(IMAGES) is IMAGES
    transform.train()


def test_own_generator() -> None:
    draws = [T.RandomCrop(5, generator=lampion.Generator().manual_seed(2))(IMAGES) for _ in range(2)]
    np.testing.assert_array_equal(draws[0], draws[1])


@pytest.mark.parametrize(("kind", "axis"), [(T.RandomHorizontalFlip, 2), (T.RandomVerticalFlip, 1)])
def test_flip(kind: Any, axis: int) -> None:
    np.testing.assert_array_equal(kind(1.0)(IMAGES), np.flip(IMAGES, axis))
    np.testing.assert_array_equal(kind(0.0)(IMAGES), IMAGES)
    lampion.manual_seed(0)
    changed = (kind(0.5)(IMAGES) != IMAGES).any((1, 2, 3))
    assert 8 < changed.sum() < 32


def test_crop_takes_a_window() -> None:
    for got, image in zip(T.RandomCrop(7)(IMAGES), IMAGES, strict=True):
        assert any(np.array_equal(got, image[i : i + 7, j : j + 7]) for i in range(3) for j in range(3))
    assert (T.RandomCrop(13, padding=2, fill=7)(IMAGES)[:, 0] == 7).all()


@pytest.mark.parametrize("turns", [0, 1, 2, -1])
def test_rotation_by_right_angles_is_exact(turns: int) -> None:
    got = T.RandomRotation((90 * turns, 90 * turns))(IMAGES)
    np.testing.assert_array_equal(got, np.rot90(IMAGES, -turns, (1, 2)))


def test_affine_moves_and_scales() -> None:
    dot = np.zeros((1, 9, 9, 1), np.float32)
    dot[0, 4, 4] = 1
    lampion.manual_seed(0)
    places = np.concatenate([np.argwhere(T.RandomAffine(0, (1 / 3, 0))(dot)[0, :, :, 0]) for _ in range(20)])
    assert set(places[:, 0].tolist()) == {4}  # along x alone
    assert {2, 6} <= set(places[:, 1].tolist()) <= set(range(1, 8))
    square = np.zeros((1, 21, 21, 1), np.float32)
    square[0, 8:13, 8:13] = 1
    twice = T.RandomAffine(0, scale=(2, 2))(square)
    assert twice.sum() == pytest.approx(4 * 25, rel=0.05)
    outside = T.RandomAffine(45, fill=3)(square)
    assert outside[0, 0, 0, 0] in (0, 3)


def test_shear_makes_a_diagonal_of_an_upright_line() -> None:
    line = np.zeros((1, 9, 9, 1), np.uint8)
    line[0, :, 4] = 1
    np.testing.assert_array_equal(T.RandomAffine(0, shear=(45, 45))(line)[0, :, :, 0], np.eye(9))


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: T.RandomHorizontalFlip(2), "RandomHorizontalFlip: expected a probability between 0 and 1, got 2"),
        (lambda: T.RandomCrop(12)(IMAGES), r"expected images of at least \(12, 12\), got \(9, 9\); raise padding"),
        (lambda: T.RandomRotation(-5), "degrees: expected a number of at least 0 or a pair"),
        (lambda: T.RandomAffine(0, (2, 0)), r"translate in \[0, 1\]"),
        (lambda: T.RandomAffine(0, scale=(0, 1)), "scale above 0"),
    ],
)
def test_message(use: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        use()
