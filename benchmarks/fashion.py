"""The Fashion-MNIST example under PyTorch, under lampion, and under lampion with its step compiled: wall time and accuracy.

python benchmarks/fashion.py [--steps N] [--dry]

One after the other, each in a process of its own, on as many threads as there are cores. Needs `dataset-fashion-mnist`.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from page import machine, table, write

EXAMPLE = Path(__file__).parents[1] / "examples" / "train_fashion.py"
LINE = "import lampion as torch\n"
REPORT = re.compile(r"in (\d+) s, held-out accuracy ([\d.]+)")


def trained(source: str, *options: str) -> tuple[str, str]:
    """Seconds and accuracy that the script reports; what it says meanwhile goes to the screen."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.py"
        script.write_text(source)
        paths = os.pathsep.join([str(EXAMPLE.parent), os.environ.get("PYTHONPATH", "")])
        command = [sys.executable, str(script), *options]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": paths})
    found = REPORT.search(done.stdout)
    if done.returncode or found is None:
        raise SystemExit(f"fashion: {' '.join(command)} ended with code {done.returncode} and without its report")
    return found[1], found[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", default="2345", help="how many updates to train (default: 5 times all images)")
    parser.add_argument("--dry", action="store_true", help="print the table, don't write it to docs/performance.md")
    args = parser.parse_args()
    where, source = machine("numpy", "onnxruntime", "torch"), EXAMPLE.read_text()
    steps = ("--steps", args.steps)
    rows = [
        ["PyTorch", *trained(source.replace(LINE, "import torch\n"), *steps)],
        ["lampion", *trained(source, *steps)],
        ["lampion, compiled", *trained(source, "--compile", *steps)],
    ]
    text = f"{where}\n\n{table(['Fashion-MNIST', 'wall time, s', 'accuracy of 10,000'], rows)}"
    print(text)
    if not args.dry:
        write("benchmarks/fashion", text)


if __name__ == "__main__":
    main()
