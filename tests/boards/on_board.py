"""What a board is asked, and this machine too: facts, labels, outputs, pixels, errors.

    python3 on_board.py FOLDER ANSWERS

FOLDER holds model files and photos; ANSWERS is a folder for answers.json and arrays.npz.
"""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lampion_edge import EdgeError, Session, board
from lampion_edge.runtime import library
from lampion_edge.threads import good_threads

FILES = ("digits", "digits.int8", "efficientnet", "efficientnet.int8")
Arrays = dict[str, np.ndarray[Any, Any]]


def main(folder: Path, target: Path) -> None:
    """Answers everything."""
    arrays: Arrays = {}
    answers = {"facts": facts(), "errors": errors(folder), "files": {}}
    for name in FILES:
        photos = sorted((folder / name.partition(".")[0]).glob("*.png"))
        answers["files"][name] = answer(Session(folder / f"{name}.onnx"), photos, name, arrays)
    pixels(folder, arrays)
    np.savez(target / "arrays.npz", **arrays)  # type: ignore[arg-type]
    (target / "answers.json").write_text(json.dumps(answers))


def facts() -> dict[str, Any]:
    """What the machine says it is."""
    memory = board.memory()
    return {
        "model": board.model(),
        "machine": platform.machine(),
        "cores": [core._asdict() for core in board.cores()],
        "celsius": board.temperature(),
        "throttling": board.throttling(),
        "memory": memory and memory.total,
        "threads": good_threads(),
        "onnxruntime": library().__version__,
        "executable": sys.executable,
    }


def answer(session: Session, photos: list[Path], name: str, arrays: Arrays) -> dict[str, Any]:
    """The labels of the photos, one by one and as a stream, and how the golden samples go; the outputs go to `arrays`."""
    for photo in photos:
        for output, array in session.run(session.prepare(photo)).items():
            arrays[f"{name}/{photo.stem}/{output}"] = array
    verification = session.verify()
    return {
        "labels": [[asdict(label) for label in session.predict(photo, 3).labels] for photo in photos],
        "streamed": [prediction.labels[0].name for prediction in session.stream(photos)],
        "golden": [verification.ok, max(sample.max_abs_error or 0.0 for sample in verification.samples)],
    }


def pixels(folder: Path, arrays: Arrays) -> None:
    """What becomes of photos, with Pillow and as if it weren't installed."""
    session = Session(folder / "efficientnet.onnx")
    for photo in sorted((folder / "efficientnet").glob("*.*")):
        arrays[f"pillow/{photo.name}"] = session.prepare(photo)[session.inputs[0].name]
    held = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "PIL"}
    sys.modules.update(dict.fromkeys(held))  # type: ignore[arg-type]  # importing what is None fails
    for photo in sorted((folder / "efficientnet").glob("*.png")):
        arrays[f"alone/{photo.name}"] = session.prepare(photo)[session.inputs[0].name]
    sys.modules.update(held)


def errors(folder: Path) -> dict[str, str]:
    """What is said of files that are not what they should be."""
    whole = (folder / "digits.onnx").read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 3] ^= 1
    return {
        "cut off": said(lambda: Session(whole[: len(whole) // 2])),
        "damaged": said(lambda: Session(bytes(damaged))),
        "no photo": said(lambda: Session(whole).predict(b"not a photo")),
    }


def said(attempt: Any) -> str:
    """The sentence of the error that must come."""
    try:
        attempt()
    except EdgeError as error:
        return str(error)
    return "nothing was wrong"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
