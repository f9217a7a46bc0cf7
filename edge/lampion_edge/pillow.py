"""Pillow, where it is installed; imported when a photo is opened, not before."""

from __future__ import annotations

import importlib
from typing import Any

from lampion_edge.errors import ImageError

INSTALL = "pip install 'lampion-edge[image]'"


def pillow(module: str) -> Any:
    """The module PIL.`module`. Raises ImageError when Pillow isn't installed."""
    try:
        return importlib.import_module(f"PIL.{module}")
    except ImportError as error:
        raise ImageError("this needs Pillow, which is not installed", hint=INSTALL) from error


def has_pillow() -> bool:
    """Whether Pillow is installed; without it PNG files are read, and nothing else."""
    try:
        pillow("Image")
    except ImageError:
        return False
    return True
