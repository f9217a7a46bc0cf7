from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from edge.sounds import wav
from PIL import Image

from lampion_edge.store import files
from lampion_edge.wav import read_wav


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4)])
def test_png_beside_pillow(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    read = np.asarray(Image.open(io.BytesIO(files.png(pixels))))
    np.testing.assert_array_equal(read.reshape(shape), pixels)
    np.testing.assert_array_equal(
        np.asarray(Image.open(io.BytesIO(files.png(pixels[..., ::-1])))).reshape(shape), pixels[..., ::-1]
    )


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (8, 8, 3), (8, 8, 4)])
def test_pixels_become_a_jpeg(shape: tuple[int, ...]) -> None:
    data, kind = files.as_file(np.full(shape, 200, np.uint8))
    image = Image.open(io.BytesIO(data))
    assert (kind, image.format, image.size) == ("image/jpeg", "JPEG", (8, 8))
    assert abs(int(np.asarray(image).mean()) - 200) < 3


def test_without_pillow_it_is_a_png(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "has_pillow", lambda: False)
    assert files.as_file(np.zeros((2, 2, 3), np.uint8))[1] == "image/png"


def test_sound_becomes_a_wav() -> None:
    samples = np.sin(np.arange(100) / 5).astype(np.float32)
    data, kind = files.as_file(samples, 8000)
    read, rate = read_wav(data)
    assert (kind, rate) == ("audio/wav", 8000)
    np.testing.assert_allclose(read[:, 0], samples, atol=2**-14)


def test_files_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(np.zeros(10)))
    png = files.png(np.zeros((2, 2), np.uint8))
    assert files.as_file(str(tmp_path / "a.wav")) == ((tmp_path / "a.wav").read_bytes(), "audio/wav")
    assert files.as_file(png) == (png, "image/png")
    assert files.as_file(b"?") == (b"?", "application/octet-stream")
