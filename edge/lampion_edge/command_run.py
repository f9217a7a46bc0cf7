"""`run`: files in, labels or arrays out."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np

from lampion_edge.arguments import fraction, positive
from lampion_edge.errors import EdgeError, InputError
from lampion_edge.golden import Array
from lampion_edge.input_files import ARRAYS, STDIN, SUFFIXES, expand, load_arrays, load_photo
from lampion_edge.lines import run_lines
from lampion_edge.session import Prediction, Session
from lampion_edge.terminal import complain

P = ParamSpec("P")
T = TypeVar("T")


def arguments(parser: ArgumentParser) -> None:
    """Declares what `run` takes."""
    parser.add_argument("model", metavar="MODEL", help="an .onnx file")
    parser.add_argument(
        "inputs",
        metavar="INPUT",
        nargs="*",
        help="photos or wav files, .npy, .npz, .json, folders, patterns, - for stdin",
    )
    parser.add_argument(
        "--lines", action="store_true", help="read names of files, or JSON, line by line from stdin; answer in JSON"
    )
    parser.add_argument("--top", type=positive, metavar="N", help="labels for each photo (default: the card's)")
    parser.add_argument("--threshold", type=fraction, default=0.0, metavar="P", help="hide labels less probable")
    parser.add_argument("--batch", type=positive, default=1, metavar="N", help="photos run together (default 1)")
    parser.add_argument("--threads", type=positive, metavar="N", help="default: the cores this process may use")
    parser.add_argument("--json", action="store_true", help="one line of JSON for each input")


def run(args: Namespace) -> int:
    """Runs every input; one that fails is named on stderr and the others go on. 0, or 1 if any failed."""
    if bool(args.inputs) == args.lines:
        what = "--lines reads stdin: leave the inputs out" if args.lines else "expected inputs, or --lines"
        raise InputError(what, field="inputs", hint="lampion-edge run model.onnx photo.jpg")
    session = Session(args.model, threads=args.threads)
    if args.lines:
        return _lines(session, args)
    files = session.card.task in ("image-classification", "audio-classification")
    names = expand(args.inputs, SUFFIXES[session.card.task] if files else ARRAYS)
    return _photos(session, names, args) if files else _arrays(session, names, args)


def _lines(session: Session, args: Namespace) -> int:
    def told(result: Prediction | dict[str, Array]) -> dict[str, Any]:
        if isinstance(result, dict):
            return {"outputs": {key: _plain(array) for key, array in result.items()}}
        return _told(_above(result, args))

    code = 0
    for line, good in run_lines(session, sys.stdin, args.batch, told):
        print(line, flush=True)
        code = code if good else 1
    return code


def _failed(name: str, error: EdgeError) -> None:
    shown, message = _shown(name), str(error)
    complain(message if shown in message else f"{shown}: {message}", error.hint)


def _shown(name: str) -> str:
    """A file name that can be printed, whatever bytes it is made of."""
    return "stdin" if name == STDIN else name.encode(errors="replace").decode()


# --- photos and sounds ---


def _photos(session: Session, names: Sequence[str], args: Namespace) -> int:
    width = max((len(_shown(name)) for name in names), default=0)
    code = 0
    for start in range(0, len(names), args.batch):
        for name, result in _predictions(session, names[start : start + args.batch], args.top):
            if isinstance(result, EdgeError):
                _failed(name, result)
                code = 1
                continue
            result = _above(result, args)
            print(_json_line(name, result) if args.json else _text_lines(name, result, width), flush=True)
    return code


def _predictions(
    session: Session, names: Sequence[str], top: int | None
) -> Iterator[tuple[str, Prediction | EdgeError]]:
    """Predictions of one batch; if a photo in it is bad, the photos go one by one, so that only the bad one fails."""
    photos = [_attempt(load_photo, name) for name in names]
    good = [photo for photo in photos if not isinstance(photo, EdgeError)]
    batch = _attempt(session.predict_many, good, top)
    results = iter([_attempt(session.predict, photo, top) for photo in good] if isinstance(batch, EdgeError) else batch)
    for name, photo in zip(names, photos, strict=True):
        yield name, photo if isinstance(photo, EdgeError) else next(results)


def _attempt(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | EdgeError:
    try:
        return work(*args, **kwargs)
    except EdgeError as error:
        return error


def _text_lines(name: str, prediction: Prediction, width: int) -> str:
    longest = max((len(label.name) for label in prediction.labels), default=0)
    rows = [f"{label.name:<{longest}}  {label.probability:7.2%}" for label in prediction.labels]
    rows = rows or ["no label is probable enough"]
    heads = [_shown(name)] + [""] * (len(rows) - 1)
    return "\n".join(f"{head:<{width}}  {row}" for head, row in zip(heads, rows, strict=True))


def _json_line(name: str, prediction: Prediction) -> str:
    return json.dumps({"file": _shown(name)} | _told(prediction))


def _told(prediction: Prediction) -> dict[str, Any]:
    return {"labels": [label.as_json() for label in prediction.labels], "timings": prediction.timings}


def _above(prediction: Prediction, args: Namespace) -> Prediction:
    """The `--top` labels that are probable enough."""
    labels = [label for label in prediction.labels[: args.top] if label.probability >= args.threshold]
    return Prediction(labels, prediction.timings)


# --- arrays ---


def _arrays(session: Session, names: Sequence[str], args: Namespace) -> int:
    code = 0
    for name in names:
        try:
            outputs = session.run(load_arrays(name, session.inputs))
        except EdgeError as error:
            _failed(name, error)
            code = 1
            continue
        if args.json:
            plain = {key: _plain(array) for key, array in outputs.items()}
            print(json.dumps({"file": _shown(name), "outputs": plain}), flush=True)
        else:
            for key, array in outputs.items():
                print(f"{_shown(name)}  {key}  {array.dtype} {list(array.shape)}\n{array}", flush=True)
    return code


def _plain(array: Array) -> object:
    """The array as lists; JSON has no NaN and no infinity, so they become null."""
    if array.dtype.kind == "f":
        array = array.astype(object)
        array[~np.isfinite(array.astype(np.float64))] = None
    return array.tolist()
