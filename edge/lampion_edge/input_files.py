"""Names on the command line to photos and arrays."""

from __future__ import annotations

import glob
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lampion_edge.card import TensorSpec
from lampion_edge.errors import InputError
from lampion_edge.golden import Array
from lampion_edge.image import Photo

STDIN = "-"
PHOTO_FILES = (
    ".jpg",
    ".jpeg",
    ".png",
    ".webp",
    ".gif",
    ".bmp",
    ".tif",
    ".tiff",
    ".pbm",
    ".pgm",
    ".ppm",
    ".avif",
    ".npy",
)
ARRAYS = (".npy", ".npz", ".json")
SUFFIXES = {"image-classification": PHOTO_FILES, "audio-classification": (".wav",)}


def expand(names: Sequence[str], suffixes: Sequence[str]) -> list[str]:
    """Files for names, folders (searched to the bottom) and patterns, each sorted; other names stay as they are.

    Of a folder only what ends with one of `suffixes` is taken. Raises InputError if nothing is left.
    """
    files: list[str] = []
    for name in names:
        path = Path(name)
        if name != STDIN and path.is_dir():
            files += sorted(str(file) for file in path.rglob("*") if file.suffix.lower() in suffixes)
        elif name != STDIN and not path.exists() and glob.has_magic(name):
            files += sorted(glob.glob(name, recursive=True)) or [name]
        else:
            files.append(name)
    if not files:
        raise InputError(f"nothing to run in {', '.join(names)}", hint=f"taken are {' '.join(suffixes)}")
    return files


def load_photo(name: str) -> Photo:
    """What `Session.predict` takes: the path, or an array from a .npy file, or the bytes on stdin."""
    if name == STDIN:
        return sys.stdin.buffer.read()
    if name.lower().endswith(".npy"):
        return _numpy(name, Path(name))
    return name


def load_arrays(name: str, specs: Sequence[TensorSpec]) -> dict[str, object]:
    """Inputs by name from an .npz or a JSON object; an .npy or a JSON list is the model's only input.

    Raises InputError if the file is none of these.
    """
    data = _bytes(name)
    if data.startswith(b"\x93NUMPY"):
        return {_only(specs, name): _numpy(name, io.BytesIO(data))}
    if data.startswith(b"PK"):
        return dict(_archive(name, data))
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: expected .npy, .npz or JSON ({error})") from None
    return value if isinstance(value, dict) else {_only(specs, name): value}


def _bytes(name: str) -> bytes:
    if name == STDIN:
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise InputError(f"{name}: can't be read ({error.strerror})") from error


def _only(specs: Sequence[TensorSpec], name: str) -> str:
    if len(specs) != 1:
        wanted = ", ".join(spec.name for spec in specs)
        raise InputError(f"{name}: the model takes {len(specs)} inputs: pass an .npz or a JSON object with {wanted}")
    return specs[0].name


def _numpy(name: str, source: Path | io.BytesIO) -> Array:
    try:
        array: Array = np.load(source, allow_pickle=False)
    except Exception as error:  # numpy's header parser has its own handful of types for broken files
        raise InputError(f"{name}: not a readable .npy file ({error})") from error
    return array


def _archive(name: str, data: bytes) -> dict[str, Array]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except Exception as error:  # zipfile, zlib and numpy have a dozen types for a broken archive
        raise InputError(f"{name}: not a readable .npz file ({error})") from error
