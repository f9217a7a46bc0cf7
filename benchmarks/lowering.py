"""The forms in which an op, or an update, can be run: the chosen one timed beside the alternatives, on the same numbers.

python benchmarks/lowering.py [--only WORD ...] [--rounds N] [--dry]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
from page import machine, table, write

import lampion
from lampion.kernels import updates
from lampion.kernels.convolution import Geometry
from lampion.nn import functional as F
from lampion.nn.functional.recurrent import LstmLayer
from lampion.ops import conv, pool
from lampion.symbolic import Spec
from lampion.tape import Value
from lampion_export.graph import Graph
from lampion_export.ops import conv as conv_forms
from lampion_export.ops import conv_weight
from lampion_export.ops import pool as pool_forms

Array = np.ndarray[Any, Any]
Run = Callable[[], Any]
Form = Callable[[list[Array]], Run]  # prepared for these arrays, it gives what is timed
SLOWER = 1.1  # how many times the fastest form's time the chosen one may take, before the table says so
draw = np.random.default_rng(0)


@dataclass(frozen=True)
class Case:
    """What is computed, from what, and its forms; the first is what lampion does. PyTorch's kernel is no alternative."""

    name: str
    arrays: list[Array]
    forms: dict[str, Form]


# ---- kinds of forms -------------------------------------------------------------------------------------------------


def in_graph(write_nodes: Callable[..., ir.Value]) -> Form:
    """What a converter writes: (graph, *values) to a value."""

    def form(arrays: list[Array]) -> Run:
        graph = Graph(21)
        values = [Value(Spec(a.shape, a.dtype)) for a in arrays]
        for i, value in enumerate(values):
            graph.input(f"x{i}", value)
        result = write_nodes(graph, *map(graph.value, values))
        result.name = "y"
        graph.graph.outputs.append(result)
        model = ir.to_proto(ir.Model(graph.graph, ir_version=10)).SerializeToString()
        options = ort.SessionOptions()
        options.log_severity_level = 4
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        feeds = {f"x{i}": a for i, a in enumerate(arrays) if f"x{i}" in {v.name for v in session.get_inputs()}}
        return lambda: session.run(None, feeds)[0]

    return form


def compiled(function: Callable[..., Any]) -> Form:
    """A function of Tensors, compiled."""

    def form(arrays: list[Array]) -> Run:
        tensors, run = list(map(lampion.from_numpy, arrays)), lampion.compile(function)
        return lambda: run(*tensors).numpy()

    return form


def of_arrays(function: Callable[..., Any]) -> Form:
    """A function of arrays."""
    return lambda arrays: lambda: function(*arrays)


def of_torch(function: Callable[..., Any]) -> Form:
    """PyTorch's: (torch, *tensors) to a tensor."""

    def form(arrays: list[Array]) -> Run:
        import torch

        tensors = list(map(torch.from_numpy, arrays))
        return lambda: function(torch, *tensors).numpy()

    return form


def noise(*shape: int) -> Array:
    return draw.standard_normal(shape, np.float32)


# ---- convolution ----------------------------------------------------------------------------------------------------


def weight_case(channels: int, outputs: int, size: int, stride: int = 1, n: int = 32) -> Case:
    op = conv.ConvolutionWeight(Geometry((stride,) * 2, (1, 1), (1, 1), 1), (3, 3))
    forms = {
        "chosen": conv_weight.weight_gradient, "a product a place": conv_weight.by_place,
        "columns": conv_weight.as_columns, "axes swapped, Conv": conv_weight.as_convolution,
    }  # fmt: skip
    peer = of_torch(
        lambda torch, x, y: torch.ops.aten.convolution_backward(
            y, x, x.new_zeros(outputs, channels, 3, 3), None, [stride] * 2, [1, 1], [1, 1], False, [0, 0], 1,
            [False, True, False],
        )[1]
    )  # fmt: skip
    arrays = [noise(n, channels, size, size), noise(n, outputs, size // stride, size // stride)]
    name = f"convolution's weight gradient, {channels} to {outputs}, {size}x{size}, stride {stride}"
    return Case(name, arrays, {k: in_graph(_with(f, op)) for k, f in forms.items()} | {"PyTorch": peer})


def _with(converter: Callable[..., Any], op: Any) -> Callable[..., ir.Value]:
    return lambda g, *values: converter(g, op, *values)


def _flipped(g: Graph, y: ir.Value, w: ir.Value) -> ir.Value:
    """The gradient in the input as a convolution with the kernel turned round."""
    last, ends = g.constant(np.array([-1, -1])), g.constant(np.array([-(2**31)] * 2))
    turned = g.op("Slice", w, last, ends, g.constant(np.array([2, 3])), last, dtype=w.dtype)
    return g.op("Conv", y, g.op("Transpose", turned, perm=[1, 0, 2, 3]), pads=[1, 1, 1, 1], dtype=y.dtype)


def input_case() -> Case:
    op = conv.ConvolutionInput(Geometry((1, 1), (1, 1), (1, 1), 1), (16, 16))
    peer = of_torch(lambda torch, y, w: torch.nn.grad.conv2d_input((32, 32, 16, 16), w, y, padding=1))
    forms = {"chosen": in_graph(_with(conv_forms.input_gradient, op)), "kernel turned, Conv": in_graph(_flipped)}
    return Case(
        "convolution's input gradient, 64 to 32, 16x16",
        [noise(32, 64, 16, 16), noise(64, 32, 3, 3)],
        forms | {"PyTorch": peer},
    )


# ---- other ops ------------------------------------------------------------------------------------------------------


def _relu_by_where(g: Graph, y: ir.Value, out: ir.Value) -> ir.Value:
    zero = g.constant(np.float32(0))
    return g.op("Where", g.op("Greater", out, zero), y, zero, dtype=y.dtype)


def _relu_by_product(g: Graph, y: ir.Value, out: ir.Value) -> ir.Value:
    return g.op("Mul", y, g.cast(g.op("Greater", out, g.constant(np.float32(0)), dtype=np.bool_), np.float32))


def pool_case() -> Case:
    op = pool.MaxPoolInput((2, 2), Geometry((2, 2), (0, 0), (1, 1), 1))
    x = noise(32, 32, 32, 32)
    windows = x.reshape(32, 32, 16, 2, 16, 2).transpose(0, 1, 2, 4, 3, 5).reshape(32, 32, 16, 16, 4)
    place = windows.argmax(-1)
    rows, columns = np.arange(16)[:, None] * 2 + place // 2, np.arange(16) * 2 + place % 2
    arrays = [noise(32, 32, 16, 16), rows * 32 + columns, x, windows.max(-1)]

    def scattered(g: Graph, y: ir.Value, _: ir.Value, x: ir.Value, __: ir.Value) -> ir.Value:
        _, places = g.op("MaxPool", x, outputs=2, kernel_shape=[2, 2], strides=[2, 2], dtype=x.dtype)
        places.dtype = ir.DataType.INT64
        places = g.op("Mod", places, g.constant(np.array(1024)), dtype=np.int64)
        zeros = g.op("Expand", g.constant(np.float32(0)), g.shape((32, 32, 1024)), dtype=y.dtype)
        windows = (32, 32, 256)
        flat = g.op(
            "ScatterElements", zeros, g.reshape(places, windows), g.reshape(y, windows), axis=2, reduction="add"
        )
        return g.reshape(flat, (32, 32, 32, 32))

    forms = {
        "chosen": in_graph(_with(pool_forms.max_pool_input, op)),
        "scattered to places, found anew": in_graph(scattered),
    }
    return Case("max pooling's gradient, 2x2 of 32 channels, 32x32", arrays, forms)


def embedding_case() -> Case:
    """Without ScatterND, which takes a tenth of the time: on two threads it loses what it adds to one row twice."""

    def by_elements(g: Graph, y: ir.Value, places: ir.Value) -> ir.Value:
        zeros = g.constant(np.zeros((1000, 128), np.float32))
        wide = g.op("Expand", g.reshape(places, (2048, 1)), g.shape((2048, 128)), dtype=np.int64)
        return g.op("ScatterElements", zeros, wide, y, axis=0, reduction="add")

    def one_hot(g: Graph, y: ir.Value, places: ir.Value) -> ir.Value:
        hits = g.op("Equal", g.constant(np.arange(1000)[:, None]), g.reshape(places, (1, 2048)), dtype=np.bool_)
        return g.op("MatMul", g.cast(hits, np.float32), y)

    forms = {"chosen, elements added": by_elements, "product with one-hot": one_hot}
    arrays = [noise(2048, 128), draw.integers(0, 1000, 2048)]
    return Case("embedding's gradient, 2048 of 1000 rows of 128", arrays, {k: in_graph(f) for k, f in forms.items()})


def loss_case(n: int, classes: int) -> Case:
    def slope(loss: Callable[..., Any]) -> Callable[..., Any]:
        def gradient(x: Any, y: Any) -> Any:
            x = x.clone().requires_grad_()
            [found] = lampion.autograd.grad(loss(x, y), [x])
            return found

        return gradient

    plain = compiled(slope(lambda x, y: F.nll_loss(F.log_softmax(x, 1), y)))
    forms = {"chosen": compiled(slope(F.cross_entropy)), "gathered": plain}
    return Case(
        f"cross-entropy's gradient, {n} of {classes} classes", [noise(n, classes), draw.integers(0, classes, n)], forms
    )


def lstm_case() -> Case:
    layer = LstmLayer((64, 64), 1, True)

    def gradient(way: Callable[..., Any]) -> Callable[..., Any]:
        def found(x: Any, *weights: Any) -> Any:
            w = [t.clone().requires_grad_() for t in weights]
            return lampion.autograd.grad(way(x, *w)[0].sum(), w)[1]

        return found

    arrays = [noise(50, 32, 40), *[0.1 * noise(*s) for s in ((256, 40), (256, 64), (256,), (256,))]]
    forms = {"chosen, all steps at once": compiled(gradient(layer)), "step by step": compiled(gradient(layer.plain))}
    return Case("LSTM and its gradient, 50 steps of 32 x 40 to 64", arrays, forms)


def adam_case(size: int) -> Case:
    betas, eps, rate = (0.9, 0.999), 1e-8, 1e-3

    def in_memory(p: Array, g: Array, m: Array, v: Array) -> Array:
        updates.adam(p, g, m, v, None, 1.0, rate, betas, eps, 0.0, False)
        return p

    def as_ops(p: Any, g: Any, m: Any, v: Any) -> Any:
        m = m + (g - m) * (1 - betas[0])
        v = v * betas[1] + g * g * (1 - betas[1])
        return p - m / (v.sqrt() / (1 - betas[1]) ** 0.5 + eps) * (rate / (1 - betas[0]))

    arrays = [noise(size), noise(size), noise(size), np.abs(noise(size))]
    forms = {
        "chosen, in memory by pieces": lambda a: of_arrays(in_memory)([x.copy() for x in a]),
        "ops of a graph": compiled(as_ops),
    }
    return Case(f"Adam, {size} parameters", arrays, forms)


def cases() -> list[Case]:
    relu = {"chosen, a product": in_graph(_relu_by_product), "Where": in_graph(_relu_by_where)}
    return [
        weight_case(3, 32, 32), weight_case(32, 64, 16), weight_case(64, 64, 8), weight_case(16, 16, 32),
        weight_case(16, 32, 32, 2), input_case(), pool_case(),
        Case("relu's gradient, 800,000", [noise(800_000), noise(800_000)], relu),
        embedding_case(), loss_case(16, 10), loss_case(128, 10), loss_case(2048, 1000), lstm_case(), adam_case(490),
        adam_case(235_146),
    ]  # fmt: skip


# ---- the table ------------------------------------------------------------------------------------------------------


def measured(case: Case, rounds: int) -> dict[str, float]:
    """Milliseconds of each form, the shortest of rounds in which they take turns. Raises AssertionError where two differ."""
    runs = {name: form(case.arrays) for name, form in case.forms.items()}
    first = {name: np.array(run()) for name, run in runs.items()}
    want = next(iter(first.values()))
    for name, got in first.items():
        scale = float(np.abs(want).max())
        np.testing.assert_allclose(got, want, 1e-3, 1e-4 * scale, err_msg=f"{case.name}: {name}")
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: min(many) for name, many in times.items()}


def rows(case: Case, times: dict[str, float]) -> list[list[str]]:
    chosen = next(iter(times.values()))
    best = min(t for name, t in times.items() if name != "PyTorch")
    found = []
    for i, (name, t) in enumerate(times.items()):
        verdict = "" if i or chosen <= SLOWER * best else "NOT THE FASTEST"
        found.append([case.name if not i else "", name, f"{t:.3g}", f"{t / chosen:.2f}", verdict])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="WORD", help="what has one of these words in its name")
    parser.add_argument("--rounds", type=int, default=60, help="how often each form runs (default: 60)")
    parser.add_argument("--dry", action="store_true", help="print the table, don't write it to docs/performance.md")
    args = parser.parse_args()
    where = machine("numpy", "onnxruntime", "torch")
    chosen = [c for c in cases() if not args.only or any(word in c.name for word in args.only)]
    lines = [row for case in chosen for row in rows(case, measured(case, args.rounds))]
    text = f"{where}\n\n{table(['what', 'form', 'ms', 'of the chosen', ''], lines)}"
    print(text)
    if not (args.dry or args.only):
        write("benchmarks/lowering.py", text)


if __name__ == "__main__":
    main()
