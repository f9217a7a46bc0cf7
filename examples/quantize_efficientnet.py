"""EfficientNet-Lite0 in int8 on real photographs: size, speed, and how often its answer stays the same.

    python examples/quantize_efficientnet.py quantized

fetches the published weights and the packages scikit-image and scikit-learn, whose photographs it cuts into crops, into the
folder. It calibrates on some crops and judges on others.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from efficientnet_lite0 import LABELS, fetched_weights, preprocessing, pretrained
from PIL import Image

from lampion_export import export, quantize

Array = np.ndarray[Any, Any]
WHEELS = ["scikit-image==0.26.0", "scikit-learn==1.9.1"]
SKIMAGE = ["astronaut.png", "camera.png", "chelsea.png", "clock_motion.png", "coffee.png", "coins.png", "motorcycle_left.png",
           "motorcycle_right.png", "rocket.jpg"]  # fmt: skip
PHOTOS = [
    *(f"skimage/data/{name}" for name in SKIMAGE),
    *(f"sklearn/datasets/images/{n}.jpg" for n in ("china", "flower")),
]


def photographs(folder: Path) -> list[Image.Image]:
    """The photographs out of their packages, which are fetched but not installed."""
    if len(list(folder.glob("scikit_*.whl"))) < len(WHEELS):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", str(folder), *WHEELS]
        subprocess.run(command, check=True)
    found = []
    for wheel in folder.glob("scikit_*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            names = set(PHOTOS) & set(archive.namelist())
            found += [Image.open(io.BytesIO(archive.read(name))).convert("RGB") for name in sorted(names)]
    return found


def crops(photos: list[Image.Image], each: int, smallest: float, seed: int) -> Array:
    """Squares of random place out of every photograph, half of them mirrored: uint8 [n, 224, 224, 3].

    A crop shows `smallest` to all of the largest square that fits into its photograph.
    """
    rng = np.random.default_rng(seed)
    return np.stack([_crop(photo, smallest, rng) for photo in photos for _ in range(each)])


def _crop(photo: Image.Image, smallest: float, rng: np.random.Generator) -> Array:
    side = int(min(photo.size) * np.sqrt(rng.uniform(smallest, 1)))
    x, y = (int(rng.integers(0, n - side + 1)) for n in photo.size)
    crop = np.asarray(photo.resize((224, 224), Image.Resampling.BICUBIC, (x, y, x + side, y + side)))
    return crop[:, ::-1] if rng.random() < 0.5 else crop


def main() -> None:
    """Exports the model, quantizes it, prints the table."""
    parser = argparse.ArgumentParser(description="Quantize EfficientNet-Lite0 and judge it on real photographs.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("quantized"), help="where to fetch and write")
    parser.add_argument("--mode", choices=["static", "float16"], default="static")
    parser.add_argument("--crops", type=int, default=30, help="of every photograph, to judge on (default: %(default)s)")
    parser.add_argument("--smallest", type=float, default=0.5, help="share of a photograph that a crop shows at least")
    parser.add_argument("--seed", type=int, default=1, help="of the crops to judge on (default: %(default)s)")
    parser.add_argument("--bound", type=float, default=0.05, help="how many answers may change (default: %(default)s)")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    photos = photographs(args.folder)
    calibration, judged = crops(photos, 6, args.smallest, seed=0), crops(photos, args.crops, args.smallest, args.seed)
    float32 = args.folder / "efficientnet.onnx"
    model = pretrained(fetched_weights(args.folder))
    card = {
        "name": "efficientnet-lite0",
        "labels": LABELS,
        "licence": "Apache-2.0",
        "training": {"data": "ImageNet-1k"},
    }
    export(model, calibration[:2], float32, card=card, transform=preprocessing(), quiet=True)
    out = args.folder / f"efficientnet.{args.mode}.onnx"
    print(f"{len(photos)} photographs: {len(calibration)} crops to calibrate on, {len(judged)} others to judge on")
    quantize(float32, out, mode=args.mode, calibration=calibration, held_out=judged, bound=args.bound)


if __name__ == "__main__":
    main()
