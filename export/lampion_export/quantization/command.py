"""`lampion quantize`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path


def arguments(parser: ArgumentParser) -> None:
    """Options of `lampion quantize`."""
    parser.epilog = "example: lampion quantize digits.onnx -o digits.int8.onnx --calibration photos/"
    parser.add_argument("model", type=Path, help="a float32 .onnx file")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the file to write")
    parser.add_argument(
        "--mode", choices=["static", "dynamic", "float16"], default="static", help="default: %(default)s (int8)"
    )
    samples = "a folder of photos, or an .npy, .npz or JSON file of arrays"
    parser.add_argument(
        "--calibration", type=Path, metavar="SAMPLES", help=f"{samples}; every other one judges the result"
    )
    parser.add_argument("--held-out", type=Path, metavar="SAMPLES", help="samples that judge the result instead")
    parser.add_argument(
        "--bound", type=float, default=0.05, help="how much agreement with float32 may be lost (default: %(default)s)"
    )


def run(args: Namespace) -> int:
    """Quantizes and prints what changed."""
    from lampion_export.quantization.quantizer import quantize

    quantize(
        args.model, args.output, mode=args.mode, calibration=args.calibration, held_out=args.held_out, bound=args.bound
    )
    return 0
