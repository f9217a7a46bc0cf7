"""The models that boards are asked to compute, made here: the demo's, and EfficientNet-Lite0, each in float and int8."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from lampion_export import demo, export, quantize

EXAMPLES = Path(__file__).parents[2] / "examples"


def make(folder: Path) -> None:
    """Everything that on_board.py asks for."""
    digits(folder)
    efficientnet(folder)


def digits(folder: Path) -> None:
    """digits.onnx as `lampion demo` makes it, but trained for one epoch, digits.int8.onnx, and digits/: four photos."""
    images, labels = demo.load_digits(folder)
    order = np.random.default_rng(demo.SEED).permutation(len(images))
    held_out, training = order[: demo.HELD_OUT], order[demo.HELD_OUT :]
    model, transform, _ = demo.train(images, labels, training, held_out, epochs=1)
    card = {"name": "digits", "labels": [str(digit) for digit in range(10)], "top_k": 3}
    path = folder / "digits.onnx"
    export(model, images[held_out[:2]], path, card=card, transform=transform, quiet=True)
    quantize(path, folder / "digits.int8.onnx", calibration=images[training[:64]], quiet=True)
    demo.write_photos(folder / "digits", images, labels, held_out[:4])


def efficientnet(folder: Path) -> None:
    """efficientnet.onnx with its published weights, efficientnet.int8.onnx, and efficientnet/: a photo as PNG and JPEG."""
    sys.path.insert(0, str(EXAMPLES))
    import efficientnet_lite0
    import quantize_efficientnet

    photos = quantize_efficientnet.photographs(folder)
    crops = quantize_efficientnet.crops(photos, 1, 0.5, seed=0)
    model = efficientnet_lite0.pretrained(efficientnet_lite0.fetched_weights(folder))
    card: dict[str, Any] = {"name": "efficientnet-lite0", "labels": efficientnet_lite0.LABELS}
    path = folder / "efficientnet.onnx"
    export(model, crops[:1], path, card=card, transform=efficientnet_lite0.preprocessing(), quiet=True)
    quantize(path, folder / "efficientnet.int8.onnx", calibration=crops, bound=1, quiet=True)
    (folder / "efficientnet").mkdir()
    for suffix in ("png", "jpg"):
        photos[0].resize((320, 240)).save(folder / f"efficientnet/photo.{suffix}")
