"""Models and photos to measure with: made once, from seeds; photographs of 12 megapixels are fetched, where they can be."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from photographs import PACKAGE, photographs
from PIL import Image

import lampion
from lampion import nn
from lampion_export import export

sys.path.append(str(Path(__file__).parents[2] / "examples"))
from efficientnet_lite0 import LABELS, EfficientNetLite0, preprocessing

SMALL, LARGE = (640, 427), (4000, 3000)


def numbers_model(folder: Path) -> Path:
    """28x28 floats to ten scores: two linear layers, 102 k parameters."""
    path = folder / "numbers.onnx"
    if not path.exists():
        lampion.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)).eval()
        export(model, numbers()[:2, 0], path, dynamic={"input": {0: "batch"}}, card={"name": "numbers"})
    return path


def photo_model(folder: Path) -> Path:
    """EfficientNet-Lite0 of examples/ with random weights: the speed of the real one."""
    path = folder / "photos.onnx"
    if not path.exists():
        lampion.manual_seed(0)
        noise = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
        card = {"name": "photos", "labels": LABELS}
        export(EfficientNetLite0().eval(), noise, path, card=card, transform=preprocessing())
    return path


def numbers() -> np.ndarray:
    """Eight inputs of the small model."""
    return np.random.default_rng(1).standard_normal((8, 1, 1, 28, 28)).astype(np.float32)


def photos(folder: Path, size: tuple[int, int]) -> list[Path]:
    """JPEG files of a size: photographs if they are large, else, and where there are none, four of colour noise whose
    spectrum falls with the frequency, as that of photographs does."""
    if size == LARGE and (real := photographs(folder, size)):
        return real
    paths = [folder / f"{size[0]}x{size[1]}-{number}.jpg" for number in range(4)]
    for seed, path in enumerate(paths):
        if not path.exists():
            path.write_bytes(_jpeg(size, seed))
    return paths


def told(paths: list[Path]) -> str:
    """What they are, for the page."""
    mean = sum(path.stat().st_size for path in paths) / len(paths) / 1e6
    noise = (
        "of colour noise"
        if paths[0].name[0].isdigit()
        else f"made of the photographs of that size in Debian's {PACKAGE}"
    )
    return f"{len(paths)} JPEG files of {mean:.1f} MB {noise}"


def _jpeg(size: tuple[int, int], seed: int) -> bytes:
    width, height = size
    draw = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1.0
    grey, tint = (_field(draw, frequency, size) for _ in range(2))
    pixels = np.clip(128 + 50 * grey[..., None] + 20 * tint[..., None] * [1, 0, -1], 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def _field(draw: np.random.Generator, frequency: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    phases = np.exp(2j * np.pi * draw.random(frequency.shape))
    field = np.fft.irfft2(phases / frequency**1.2, size[::-1])
    return (field - field.mean()) / field.std()
