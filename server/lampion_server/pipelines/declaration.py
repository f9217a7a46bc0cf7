"""The file that declares a pipeline, NAME.pipeline.toml, as values."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from lampion_edge import ModelError

SUFFIX = ".pipeline.toml"
CORNERS = {"ltrb": (0, 1, 2, 3), "tlbr": (1, 0, 3, 2)}  # where left, top, right and bottom stand in a box
_NAME = re.compile(r"[^/\s][^/]*")
_WORD = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Wire:
    """Where a tensor comes from: the output `output` of `step` (None: its first one), or an input of the pipeline."""

    step: str | None
    output: str | None

    def __str__(self) -> str:
        return ".".join(part for part in (self.step, self.output) if part)


@dataclass(frozen=True)
class Ask:
    """A step that asks a model; `version` None is who has the traffic. `inputs` maps the model's inputs to wires."""

    name: str
    model: str
    version: str | None
    inputs: Mapping[str, Wire]


@dataclass(frozen=True)
class Crop:
    """A step that cuts boxes out of a picture, or without boxes takes the whole, and brings them to `size` (height, width).

    Of the boxes it keeps those whose score is at least `least`, the `most` best of them. They are shares of the picture's
    width and height, unless `pixels`.
    """

    name: str
    picture: Wire
    boxes: Wire | None = None
    scores: Wire | None = None
    least: float = 0.0
    most: int = 100
    pixels: bool = False
    corners: str = "ltrb"
    size: tuple[int, int] | None = None

    @property
    def inputs(self) -> dict[str, Wire]:
        """Its wires by name."""
        named = {"crop": self.picture, "boxes": self.boxes, "scores": self.scores}
        return {name: wire for name, wire in named.items() if wire}


Step = Ask | Crop


@dataclass(frozen=True)
class Declaration:
    """A pipeline as its file has it. `stale` says why a newer state of the file isn't served."""

    name: str
    version: str
    description: str
    inputs: tuple[str, ...]
    steps: tuple[Step, ...]
    outputs: Mapping[str, Wire]
    stale: str = ""


def read(path: Path) -> Declaration:
    """The pipeline in a file. Raises `ModelError` that names the file and the key."""
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ModelError(f"{path}: can't be read: {error}") from None
    try:
        return _declaration(content, path.name.removesuffix(SUFFIX))
    except ModelError as error:
        raise ModelError(f"{path}: {error}", hint="docs/server.md has an example") from None


def _declaration(content: Mapping[str, Any], stem: str) -> Declaration:
    _known(content, ("name", "version", "description", "inputs", "steps", "outputs"), "")
    inputs = _take(content, "inputs", list, "")
    for name in inputs:
        if not isinstance(name, str) or not _WORD.fullmatch(name):
            raise ModelError(f"inputs: expected names of letters, digits, - and _, got {name!r:.80}")
    steps: list[Step] = []
    for index, step in enumerate(_take(content, "steps", list, "")):
        steps.append(_step(step, f"steps[{index}]", inputs, [earlier.name for earlier in steps]))
    names = [step.name for step in steps]
    outputs = {
        name: _wire(wire, f"outputs.{name}", inputs, names)
        for name, wire in _take(content, "outputs", dict, "").items()
    }
    if not steps or not outputs or not inputs:
        missing = next(key for key, value in (("inputs", inputs), ("steps", steps), ("outputs", outputs)) if not value)
        raise ModelError(f"{missing}: expected at least one, got none")
    named = {"name": _take(content, "name", str, "", stem), "version": _take(content, "version", str, "", "1")}
    for key, name in named.items():
        if not _NAME.fullmatch(name):
            raise ModelError(f"{key}: expected what can stand in a path, without /, got {name!r:.80}")
    description = _take(content, "description", str, "", "")
    return Declaration(named["name"], named["version"], description, tuple(inputs), tuple(steps), outputs)


def _step(step: Any, path: str, inputs: Sequence[str], before: Sequence[str]) -> Step:
    if not isinstance(step, dict) or ("model" in step) == ("crop" in step):
        raise ModelError(f"{path}: expected a table with either model or crop")
    name = _take(step, "name", str, f"{path}.", step.get("model"))
    if not isinstance(name, str) or not _WORD.fullmatch(name) or name in (*before, *inputs):
        raise ModelError(f"{path}.name: expected a name of its own of letters, digits, - and _, got {name!r:.80}")
    path = f"step {name}: "
    if "crop" in step:
        return _crop(step, name, path, inputs, before)
    _known(step, ("name", "model", "version", "inputs"), path)
    wires = _take(step, "inputs", dict, path).items()
    return Ask(
        name,
        _take(step, "model", str, path),
        _take(step, "version", str, path, None),
        {key: _wire(wire, f"{path}inputs.{key}", inputs, before) for key, wire in wires},
    )


def _crop(step: Mapping[str, Any], name: str, path: str, inputs: Sequence[str], before: Sequence[str]) -> Crop:
    _known(step, ("name", "crop", "boxes", "scores", "least", "most", "pixels", "corners", "size"), path)
    wires = [
        _wire(step[key], f"{path}{key}", inputs, before) if key in step else None for key in ("crop", "boxes", "scores")
    ]
    picture, boxes, scores = wires
    assert picture is not None
    if scores and not boxes:
        raise ModelError(f"{path}boxes: expected them beside scores, got none")
    corners, size = _take(step, "corners", str, path, "ltrb"), _take(step, "size", list, path, None)
    if corners not in CORNERS:
        raise ModelError(f"{path}corners: expected {' or '.join(CORNERS)}, got {corners!r:.80}")
    if size is not None and (len(size) != 2 or not all(type(side) is int and 0 < side <= 8192 for side in size)):
        raise ModelError(f"{path}size: expected [height, width], got {size!r:.80}")
    most, least = _take(step, "most", int, path, 100), step.get("least", 0.0)
    if most < 1 or type(least) not in (int, float):
        raise ModelError(f"{path}expected most of at least 1 and a number as least, got {most} and {least!r:.80}")
    pixels = _take(step, "pixels", bool, path, False)
    return Crop(name, picture, boxes, scores, least, most, pixels, corners, tuple(size) if size else None)


def _wire(text: Any, path: str, inputs: Sequence[str], steps: Sequence[str]) -> Wire:
    """`photo`, an input of the pipeline, or `step`, or `step.output`."""
    if isinstance(text, str):
        head, dot, output = text.partition(".")
        if head in inputs and not dot:
            return Wire(None, head)
        if head in steps and (output or not dot):
            return Wire(head, output or None)
    known = [*inputs, *steps]
    close = get_close_matches(str(text).partition(".")[0], known, 1)
    meant = f"; {close[0]}?" if close else ""
    raise ModelError(f"{path}: expected one of {', '.join(known)}, or STEP.OUTPUT, got {text!r:.80}{meant}")


_REQUIRED = object()
_KINDS = {str: "a string", list: "a list", dict: "a table", int: "an integer", bool: "true or false"}


def _take(source: Mapping[str, Any], key: str, kind: type, path: str, default: Any = _REQUIRED) -> Any:
    if key not in source and default is not _REQUIRED:
        return default
    if type(source.get(key)) is not kind:
        got = f"{source[key]!r:.80}" if key in source else "nothing"
        raise ModelError(f"{path}{key}: expected {_KINDS[kind]}, got {got}")
    return source[key]


def _known(source: Mapping[str, Any], known: Sequence[str], path: str) -> None:
    for key in source:
        if key not in known:
            raise ModelError(f"{path}{key}: there is no such key; expected {', '.join(known)}")
