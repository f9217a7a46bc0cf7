"""The commands that export brings."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import Any

from lampion_edge.commands import Command
from lampion_export import command_card, command_diff, command_info, command_sign
from lampion_export.emulation import command as emulation
from lampion_export.errors import ExportError
from lampion_export.quantization import command as quantization


def export_arguments(parser: ArgumentParser) -> None:
    """Options of `lampion export`."""
    parser.epilog = (
        "example: lampion export train.py:make_model --weights digits.safetensors --shape 1,28,28 -o digits.onnx; the batch "
        "axis is put in front of --shape and may vary"
    )
    parser.add_argument(
        "model", help="FILE.py:NAME or MODULE:NAME of a Module, or of a function without arguments that gives one"
    )
    parser.add_argument("--weights", type=Path, help="a .safetensors, .pt or .pth file to load into the model")
    parser.add_argument(
        "--shape", type=_shape, required=True, help="the shape of one input without its batch axis, such as 3,224,224"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="the file to write")
    parser.add_argument("--card", type=Path, help="a JSON file with fields of the card (name, labels, metrics, ...)")
    parser.add_argument("--opset", type=int, default=21, help="the ONNX operator set (default: %(default)s)")


def export_run(args: Namespace) -> int:
    """Loads the model, exports it, prints the verification."""
    from lampion import load
    from lampion.errors import LampionError
    from lampion_export.exporter import export

    model = load_model(args.model)
    if args.weights is not None:
        try:
            model.load_state_dict(load(args.weights))
        except (OSError, RuntimeError, ValueError) as error:
            raise ExportError(f"--weights {args.weights}: {error}") from error
    try:
        export(model, (2, *args.shape), args.output, card=_card(args.card), opset=args.opset)
    except ExportError:
        raise
    except LampionError as error:
        raise ExportError(f"{args.model} can't be exported: {error}") from error
    except Exception as error:  # whatever the model's own code says of this input
        shape = [2, *args.shape]
        raise ExportError(f"{args.model} on an input of shape {shape}: {type(error).__name__}: {error}") from error
    return 0


def demo_arguments(parser: ArgumentParser) -> None:
    """Options of `lampion demo`."""
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path("lampion-demo"), help="where to write (default: %(default)s)"
    )
    parser.add_argument("--epochs", type=int, default=10, help="passes over the training images (default: %(default)s)")


def demo_run(args: Namespace) -> int:
    """The whole road."""
    from lampion_export import demo

    return demo.run(args.folder, args.epochs)


EXPORT = Command("export", "turn a trained model into one verified ONNX file", export_arguments, export_run)
QUANTIZE = Command(
    "quantize", "make a file smaller and faster, within a bound", quantization.arguments, quantization.run
)
INFO = Command("info", "show what a model file says of itself, and its graph", command_info.arguments, command_info.run)
DIFF = Command("diff", "show what differs between two model files", command_diff.arguments, command_diff.run)
CARD = Command("card", "add, show or change the card of a model file", command_card.arguments, command_card.run)
SIGN = Command("sign", "sign a model file for the devices that trust the key", command_sign.arguments, command_sign.run)
EMULATE = Command("emulate", "run a command on a simulated Raspberry Pi", emulation.arguments, emulation.run)
DEMO = Command("demo", "train on real images, export, serve, POST, run on the edge", demo_arguments, demo_run)


def load_model(spec: str) -> Any:
    """The Module that FILE.py:NAME or MODULE:NAME names. Raises ExportError saying which part is wrong."""
    from lampion.nn.module import Module

    where, _, name = spec.rpartition(":")
    if not where:
        raise ExportError(f"model: expected FILE.py:NAME or MODULE:NAME, got {spec!r}")
    found = getattr(_module(where), name, None)
    if found is None:
        raise ExportError(f"model: {where} has no {name!r}")
    model = found() if callable(found) and not isinstance(found, Module) else found
    if not isinstance(model, Module):
        raise ExportError(f"model: expected {spec} to be or give a Module, got {type(model).__name__}")
    return model


def _module(where: str) -> Any:
    if not where.endswith(".py"):
        try:
            return importlib.import_module(where)
        except ImportError as error:
            raise ExportError(f"model: can't import {where!r}: {error}") from error
    path = Path(where)
    if not path.is_file():
        raise ExportError(f"model: no such file: {where}")
    loaded = importlib.util.spec_from_file_location(path.stem, path)
    assert loaded is not None
    assert loaded.loader is not None
    module = importlib.util.module_from_spec(loaded)
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.parent))
    loaded.loader.exec_module(module)
    return module


def _card(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        card = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ExportError(f"--card {path}: {error}") from error
    if not isinstance(card, dict):
        raise ExportError(f"--card {path}: expected a JSON object, got {type(card).__name__}")
    return card


def _shape(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(n) for n in text.split(",") if n.strip())
    except ValueError:
        raise ArgumentTypeError(f"expected sizes such as 3,224,224, got {text!r}") from None
