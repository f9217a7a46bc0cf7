"""`lampion-edge camera` on a folder at 30 frames a second with a model that takes about 100 ms, and 10,000 frames, faster than
they can be run: how old are labels, what is dropped, does memory grow? One minute; writes its part of docs/performance.md.

    python benchmarks/camera_latency.py
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from page import machine, table, write

from lampion_edge import METADATA_CARD, Card, Preprocessing, Resize, Session, TensorSpec
from lampion_edge.store.files import png
from lampion_edge.terminal import megabytes

SIDE = 256


def model(turns: int) -> bytes:
    """A classifier that multiplies matrices `turns` times before it answers."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("MatMul", ["state", "w"], ["product"]),
            helper.make_node("Tanh", ["product"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, [SIDE, SIDE]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [SIDE, SIDE]),
        ],
    )
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["float", "square"], ["start"]),
        helper.make_node("Loop", ["turns", "", "start"], ["end"], body=body),
        helper.make_node("ReduceMean", ["end", "rows"], ["mean"], keepdims=1),
        helper.make_node("Slice", ["mean", "zero", "two", "one"], ["output"]),
    ]
    weights = {
        **{"w": np.random.default_rng(0).normal(size=(SIDE, SIDE)).astype(np.float32) / 16, "turns": np.int64(turns)},
        **{"square": np.int64([SIDE, SIDE]), "rows": np.int64([0]), "zero": np.int64([0])},
        **{"two": np.int64([2]), "one": np.int64([1])},
    }
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, SIDE, SIDE, 1])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    card = Card(
        name="slow",
        task="image-classification",
        inputs=(TensorSpec("image", "uint8", (1, SIDE, SIDE, 1)),),
        outputs=(TensorSpec("output", "float32", (1, 2), "logits"),),
        preprocessing=Preprocessing("L", resize=Resize((SIDE, SIDE))),
        labels=("one", "other"),
    )
    helper.set_model_props(made, {METADATA_CARD: card.to_json()})
    return bytes(made.SerializeToString())


def taking(milliseconds: float) -> bytes:
    """A model that takes about so long on this machine, now, in one thread."""
    session = Session(model(50), threads=1)
    took = sorted(session.warm_up() for _ in range(9))[4]
    return model(max(1, round(50 * milliseconds / took)))


def camera(path: Path, *options: str) -> tuple[str, list[int]]:
    """The command's summary, and its resident bytes, read four times a second after the first two seconds."""
    command = [sys.executable, "-m", "lampion_edge", "camera", str(path), "--loop", "--threads", "1", *options]
    sizes = []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        time.sleep(2)
        while process.poll() is None:
            pages = Path(f"/proc/{process.pid}/statm").read_text().split()
            sizes += [int(pages[1]) * 4096] if len(pages) > 1 and int(pages[1]) else []
            time.sleep(0.25)
        assert process.stderr is not None
        return process.stderr.read(), sizes


HEADS = (
    "frames",
    "came",
    "run",
    "dropped",
    "model p50",
    "waited p99",
    "latency p99",
    "behind p50",
    "p99",
    "most",
    "memory",
)


def row(name: str, summary: str, sizes: list[int]) -> list[str]:
    came, run, dropped, _ = re.findall(r"\d+", summary.splitlines()[0])
    latency, waited, ran, behind = (re.findall(r"[\d.]+(?: ms)?", line[36:]) for line in summary.splitlines()[2:])
    memory = f"{megabytes(min(sizes))} to {megabytes(max(sizes))}"
    return [name, came, run, dropped, ran[0], waited[1], latency[1], *behind, memory]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder, "photos")
        photos.mkdir()
        for number in range(10):
            pixels = np.random.default_rng(number).integers(0, 256, (240, 320, 3), dtype=np.uint8)
            (photos / f"{number}.png").write_bytes(png(pixels))
        slow, fast = Path(folder, "slow.onnx"), Path(folder, "fast.onnx")
        slow.write_bytes(taking(100))
        fast.write_bytes(model(1))
        source = ("--source", str(photos))
        rows = [
            row("30 a second for 20 s", *camera(slow, *source, "--fps", "30", "--frames", "600")),
            row("1,000 a second, 10,000", *camera(fast, *source, "--fps", "1000", "--frames", "10000")),
        ]
    page = f"{machine('onnxruntime', 'numpy')}\n\n{table(HEADS, rows)}"
    print(page)
    write("camera", page)


if __name__ == "__main__":
    main()
