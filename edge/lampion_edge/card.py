"""What a model file says of itself: schema 1 of the card, as dataclasses and as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lampion_edge.errors import CardError
from lampion_edge.json_fields import Fields, choice, count, mapping, optional, sequence, text, wrong

METADATA_CARD = "lampion.card"
METADATA_GOLDEN = "lampion.golden"  # beside the card; see `golden`
SCHEMA = 1
TASKS = ("image-classification", "audio-classification", "sequence", "tabular", "tensor")
DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64", "complex64", "complex128", "string"),
)
COLORS = ("RGB", "L")
RULES = ("stretch", "shorter", "contain")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
# Keeps an image that a card asks for under Pillow's own bomb check and under 200 MB of RGB.
LARGEST_SIDE = 8192


@dataclass(frozen=True)
class TensorSpec:
    """An input or an output: numpy's name of its dtype ("string" for texts), and its shape.

    A dimension is an int, the name of a dynamic axis, or None where nothing is known.
    `meaning` of an output is "logits", "probabilities" or free text.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]
    meaning: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))

    def __str__(self) -> str:
        return f"{self.dtype} [{', '.join('?' if size is None else str(size) for size in self.shape)}]"


@dataclass(frozen=True)
class Resize:
    """How a photo comes to size: `size` is (height, width), `rule` one of RULES, `interpolation` of INTERPOLATIONS.

    "stretch" goes to `size` exactly, "shorter" brings the shorter side to `size[0]` and keeps the aspect, "contain"
    fits the photo inside `size` and pads the rest with the background.
    """

    size: tuple[int, int]
    rule: str = "stretch"
    interpolation: str = "bilinear"
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", tuple(self.size))


@dataclass(frozen=True)
class Preprocessing:
    """From photo to uint8 [height, width, channel]; what follows is inside the graph and only recorded in `in_graph`.

    `color` is one of COLORS, `orientation` "exif" or "none", `background` RGB from 0 to 255, `crop` the (height, width)
    of a centre crop after the resize.
    """

    color: str = "RGB"
    orientation: str = "exif"
    background: tuple[int, int, int] = (255, 255, 255)
    resize: Resize | None = None
    crop: tuple[int, int] | None = None
    in_graph: tuple[dict[str, Any], ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "background", tuple(self.background))
        object.__setattr__(self, "in_graph", tuple(self.in_graph))
        if self.crop is not None:
            object.__setattr__(self, "crop", tuple(self.crop))


@dataclass(frozen=True)
class Card:
    """A model's description, as it lies in metadata_props["lampion.card"].

    `extra` (here and in the parts) keeps keys this version doesn't know, so that they survive a round trip.
    """

    name: str
    task: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    version: str = "1"
    description: str = ""
    preprocessing: Preprocessing | None = None
    labels: tuple[str, ...] = ()
    top_k: int = 5
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    quantization: dict[str, Any] | None = None
    licence: str = ""
    checksum: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("inputs", "outputs", "labels"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @classmethod
    def tensor(cls, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], *, name: str = "model") -> Card:
        """The card of a file that has none: arrays in, arrays out."""
        return cls(name=name, task="tensor", inputs=tuple(inputs), outputs=tuple(outputs))

    @classmethod
    def from_json(cls, source: str) -> Card:
        """Reads and checks a card. Raises CardError, whose `field` is the path of the first wrong value."""
        return _card(_parse(source), "")

    def to_json(self) -> str:
        """The card as JSON, keys in the schema's order. Raises CardError for values that JSON can't hold."""
        try:
            return json.dumps(_plain(self), ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise CardError(f"card: can't be written as JSON ({error})") from error


# --- reading ---


def _parse(source: str) -> object:
    try:
        # ValueError includes JSONDecodeError; RecursionError comes from a few thousand open brackets.
        return json.loads(source, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise CardError(f"card: not valid JSON ({error})") from None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _tensor_spec(value: object, path: str) -> TensorSpec:
    fields = Fields(value, path)
    return TensorSpec(
        name=fields.take("name", text),
        dtype=fields.take("dtype", choice(*DTYPES)),
        shape=fields.take("shape", sequence(_dimension)),
        meaning=fields.take("meaning", text, ""),
        extra=fields.left,
    )


def _dimension(value: object, path: str) -> int | str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise wrong(path, "a size, the name of an axis or null", value)
    return value


_side = count(1, LARGEST_SIDE)


def _size(value: object, path: str) -> tuple[int, int]:
    height, width = sequence(_side, 2)(value, path)
    return height, width


def _background(value: object, path: str) -> tuple[int, int, int]:
    red, green, blue = sequence(count(0, 255), 3)(value, path)
    return red, green, blue


def _resize(value: object, path: str) -> Resize:
    fields = Fields(value, path)
    return Resize(
        size=fields.take("size", _size),
        rule=fields.take("rule", choice(*RULES), "stretch"),
        interpolation=fields.take("interpolation", choice(*INTERPOLATIONS), "bilinear"),
        extra=fields.left,
    )


def _preprocessing(value: object, path: str) -> Preprocessing:
    fields = Fields(value, path)
    return Preprocessing(
        color=fields.take("color", choice(*COLORS), "RGB"),
        orientation=fields.take("orientation", choice("exif", "none"), "exif"),
        background=fields.take("background", _background, (255, 255, 255)),
        resize=fields.take("resize", optional(_resize), None),
        crop=fields.take("crop", optional(_size), None),
        in_graph=fields.take("in_graph", sequence(mapping), ()),
        extra=fields.left,
    )


def _checksum(value: object, path: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"(sha256:[0-9a-f]{64})?", value):
        raise wrong(path, "'sha256:' and 64 hex digits", value)
    return value


def _schema(value: object, path: str) -> int:
    schema = count(1, 2**31)(value, path)
    if schema > SCHEMA:
        raise CardError(
            f"card: {path}: expected {SCHEMA}, got {schema}",
            field=path,
            hint="the file was written by a newer lampion: update lampion-edge",
        )
    return schema


def _card(value: object, path: str) -> Card:
    fields = Fields(value, path)
    fields.take("schema", _schema)
    return Card(
        name=fields.take("name", text),
        version=fields.take("version", text, "1"),
        task=fields.take("task", choice(*TASKS)),
        description=fields.take("description", text, ""),
        inputs=fields.take("inputs", sequence(_tensor_spec)),
        outputs=fields.take("outputs", sequence(_tensor_spec)),
        preprocessing=fields.take("preprocessing", optional(_preprocessing), None),
        labels=fields.take("labels", sequence(text), ()),
        top_k=fields.take("top_k", count(1, 2**31), 5),
        training=fields.take("training", mapping, {}),
        metrics=fields.take("metrics", mapping, {}),
        quantization=fields.take("quantization", optional(mapping), None),
        licence=fields.take("licence", text, ""),
        checksum=fields.take("checksum", _checksum, ""),
        extra=fields.left,
    )


# --- writing ---

_ORDER = (
    *("name", "version", "task", "description", "inputs", "outputs", "preprocessing", "labels", "top_k"),
    *("training", "metrics", "quantization", "licence", "checksum"),
)


def _plain(value: Any) -> Any:
    """The value as JSON has it; `extra` is spread among its owner's keys, last."""
    if isinstance(value, Card):
        return {"schema": SCHEMA} | {name: _plain(getattr(value, name)) for name in _ORDER} | value.extra
    if isinstance(value, (TensorSpec, Resize, Preprocessing)):
        parts = {name: _plain(part) for name, part in vars(value).items() if name != "extra"}
        return parts | value.extra
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
