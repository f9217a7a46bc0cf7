"""What happens to requests while a server is swapped, ended, killed, disturbed and overrun; each scene checks every answer.

python benchmarks/serve_load           # about four minutes; prints a table and writes it into docs/performance.md
python benchmarks/serve_load --dry     # only prints
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

from page import machine, table, write  # noqa: E402
from tqdm import tqdm  # noqa: E402

from serve_load.ends import killed, terminated  # noqa: E402
from serve_load.neighbours import disturbed, swapped  # noqa: E402
from serve_load.overload import overrun  # noqa: E402
from serve_load.scene import Row  # noqa: E402

SCENES: tuple[Callable[[Path], list[Row]], ...] = (swapped, terminated, killed, disturbed, overrun)


def main() -> None:
    parser = argparse.ArgumentParser("serve_load", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dry", action="store_true", help="print, but write nothing to docs/")
    args = parser.parse_args()
    where, rows = machine("onnxruntime", "uvicorn", "fastapi"), list[Row]()
    for scene in tqdm(SCENES, leave=False):
        with tempfile.TemporaryDirectory() as folder:
            rows += scene(Path(folder))
    text = table(["scene", "must hold", "held", "seen"], rows)
    print(text)
    if not args.dry:
        write("serve_load", f"## Serving through trouble\n\n`python benchmarks/serve_load`: {where}\n\n{text}")


if __name__ == "__main__":
    main()
