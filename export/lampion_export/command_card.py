"""`lampion card`: add a card to a file of another maker, show one, change one."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lampion_edge import Session
from lampion_edge.card import COLORS, INTERPOLATIONS, RULES, TASKS
from lampion_export.errors import ExportError

IMAGE_OPTIONS = ("color", "resize", "rule", "interpolation", "crop", "scale", "mean", "std", "layout")


def arguments(parser: ArgumentParser) -> None:
    """Declares the three verbs."""
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    add = verbs.add_parser("add", help="give any ONNX file a card, golden samples and a checksum")
    add.set_defaults(verb=_add)
    add.add_argument("model", metavar="MODEL", help="an .onnx file")
    add.add_argument("-o", "--output", type=Path, required=True, help="the file to write")
    _fields(add)
    _image_options(add)
    add.add_argument(
        "--samples", type=Path, metavar="FILE", help="an .npz with arrays by input, for the golden samples"
    )
    show = verbs.add_parser("show", help="print the card as JSON")
    show.set_defaults(verb=_show)
    show.add_argument("model", metavar="MODEL", help="an .onnx file")
    change = verbs.add_parser("set", help="change fields of a card; the graph stays as it is")
    change.set_defaults(verb=_set)
    change.add_argument("model", metavar="MODEL", help="an .onnx file with a card")
    change.add_argument("-o", "--output", type=Path, help="the file to write (default: MODEL itself)")
    _fields(change)


def run(args: Namespace) -> int:
    """Does what the verb says."""
    code: int = args.verb(args)
    return code


def _fields(parser: ArgumentParser) -> None:
    for name in ("name", "version", "description", "licence"):
        parser.add_argument(f"--{name}", metavar="TEXT")
    parser.add_argument("--task", choices=TASKS)
    parser.add_argument("--labels", type=Path, metavar="FILE", help="a text file with one label a line")
    parser.add_argument("--top-k", type=int, metavar="N", dest="top_k", help="labels to show for each photo")
    parser.add_argument(
        "--meaning", type=_meaning, action="append", metavar="TENSOR=TEXT", help="such as output=probabilities"
    )
    parser.add_argument("--card", type=Path, metavar="FILE", help="a JSON file with these and other fields of the card")


def _image_options(parser: ArgumentParser) -> None:
    group = parser.add_argument_group(
        "photos",
        "how a photo becomes the input; the arithmetic is put into the graph. Mean and std are in units of 0 to 1.",
    )
    group.add_argument("--color", choices=COLORS, help="default: RGB")
    group.add_argument("--resize", type=_numbers(int), metavar="H,W", help="default: what the model takes")
    group.add_argument("--rule", choices=RULES, help="default: stretch, or shorter for one number")
    group.add_argument("--interpolation", choices=INTERPOLATIONS, help="default: bilinear")
    group.add_argument("--crop", type=_numbers(int), metavar="H,W", help="the middle, cut out after the resize")
    group.add_argument("--scale", type=float, metavar="X", help="what bytes are multiplied by (default: 1/255)")
    group.add_argument("--mean", type=_numbers(float), metavar="R,G,B")
    group.add_argument("--std", type=_numbers(float), metavar="R,G,B")
    group.add_argument("--layout", choices=("nchw", "nhwc"), help="default: seen from the model's input")


def _add(args: Namespace) -> int:
    from lampion_export.foreign import add_card

    add_card(args.model, args.output, card=_card(args), transform=_transform(args), examples=_samples(args.samples))
    return 0


def _show(args: Namespace) -> int:
    print(
        json.dumps(json.loads(Session(args.model, verify_checksum=False).card.to_json()), ensure_ascii=False, indent=2)
    )
    return 0


def _set(args: Namespace) -> int:
    from lampion_export.card_editing import set_card

    fields = _card(args)
    if not fields:
        raise ExportError("card set: nothing to change", hint="name a field, such as --labels labels.txt")
    set_card(args.model, args.output or args.model, fields)
    return 0


def _card(args: Namespace) -> dict[str, Any]:
    """The fields that were given, those of --card first."""
    fields = {} if args.card is None else _json(args.card)
    for name in ("name", "version", "description", "licence", "task", "top_k"):
        if getattr(args, name) is not None:
            fields[name] = getattr(args, name)
    if args.labels is not None:
        fields["labels"] = [line for line in _text(args.labels).splitlines() if line.strip()]
    if args.meaning:
        fields["meaning"] = dict(args.meaning)
    return fields


def _transform(args: Namespace) -> Any:
    """The transforms that the options describe; None without any."""
    if all(getattr(args, name) is None for name in IMAGE_OPTIONS):
        return None
    import lampion
    from lampion import transforms as t

    layout, size = _seen(args)
    normalize = [] if args.scale is None else [t.Normalize([0.0], [1 / args.scale])]
    if args.mean or args.std:
        channels = len(args.mean or args.std)
        normalize.append(t.Normalize(args.mean or [0.0] * channels, args.std or [1.0] * channels))
    settings = {"interpolation": args.interpolation or "bilinear", "rule": args.rule}
    return t.Compose(
        [
            *([t.Grayscale()] if args.color == "L" else []),
            t.Resize(args.resize or size, **settings),
            *([t.CenterCrop(args.crop)] if args.crop else []),
            t.ToDtype(lampion.float32, scale=args.scale is None),
            t.ToChannelsFirst(),
            *normalize,
            *([t.ToChannelsLast()] if layout == "nhwc" else []),
        ]
    )


def _seen(args: Namespace) -> tuple[str, tuple[int, ...]]:
    """The layout and the size of images that the model takes, as far as they are not given."""
    spec = Session(args.model, verify_checksum=False).inputs[0]
    shape = spec.shape if len(spec.shape) == 4 else (None,) * 4
    layout = args.layout or ("nchw" if shape[1] in (1, 3) else "nhwc" if shape[3] in (1, 3) else None)
    if layout is None:
        raise ExportError(f"input {spec.name!r} is {spec}: expected --layout nchw or nhwc, it can't be seen from that")
    size = tuple(n for n in (shape[2:] if layout == "nchw" else shape[1:3]) if isinstance(n, int))
    if len(size) < 2 and args.resize is None:
        raise ExportError(f"input {spec.name!r} is {spec}: expected --resize H,W, the size can't be seen from that")
    return layout, size


def _samples(path: Path | None) -> Mapping[str, Any] | None:
    import numpy as np

    if path is None:
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, TypeError) as error:
        raise ExportError(f"--samples {path}: expected an .npz with arrays by input ({error})") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        fields = json.loads(_text(path))
    except ValueError as error:
        raise ExportError(f"--card {path}: {error}") from error
    if not isinstance(fields, dict):
        raise ExportError(f"--card {path}: expected a JSON object, got {type(fields).__name__}")
    return fields


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"{path}: can't be read: {error}") from error


def _meaning(text: str) -> tuple[str, str]:
    name, found, meaning = text.partition("=")
    if not found:
        raise ArgumentTypeError(f"expected TENSOR=TEXT such as output=probabilities, got {text!r}")
    return name, meaning


def _numbers(kind: type[int] | type[float]) -> Any:
    def parse(text: str) -> list[float]:
        try:
            return [kind(part) for part in text.split(",")]
        except ValueError:
            raise ArgumentTypeError(f"expected numbers with commas between them, got {text!r}") from None

    return parse
