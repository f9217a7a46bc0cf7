"""EfficientNet-Lite0 with its published weights, for every engine: float32, a batch of one, no preprocessing inside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from lampion_export import export

HERE = Path(__file__).parent


def files(folder: Path, python: Path) -> dict[str, str]:
    """The file of each engine. `python` is of an environment that has what converts."""
    sys.path.insert(0, str(HERE.parents[1] / "examples"))
    from efficientnet_lite0 import fetched_weights, pretrained

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    photo = np.random.default_rng(0).standard_normal((1, 3, 224, 224)).astype(np.float32)
    export(pretrained(fetched_weights(folder)).eval(), photo, path, dynamic={}, quiet=True)
    subprocess.run([python, HERE / "litert_file.py", path, folder / "model.tflite"], check=True)
    (pnnx,) = python.parents[1].glob("lib/*/site-packages/pnnx/pnnx")  # the program itself; its wrapper wants PyTorch
    convert = [pnnx, path.name, "inputshape=[1,3,224,224]", "fp16=0"]
    subprocess.run(convert, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    onnx = str(path)
    return {
        "lampion": onnx,
        "onnxruntime": onnx,
        "litert": str(folder / "model.tflite"),
        "ncnn": str(folder / "model.ncnn"),
    }
