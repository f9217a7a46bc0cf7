"""Sums into places, some of which occur many times, on more than one thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import lampion
import lampion_export
from lampion.nn import functional as F


def test_no_addend_of_an_embedding_gets_lost() -> None:
    """With onnxruntime's ScatterND some were, in most of the calls, where two threads met in a row."""
    rng = np.random.default_rng(0)
    weight = lampion.zeros(1000, 128)
    places, slopes = rng.integers(0, 1000, 2048), rng.standard_normal((2048, 128)).astype(np.float32)
    want = np.zeros((1000, 128))
    np.add.at(want, places, slopes.astype(np.float64))

    def gradient(weight: Any, places: Any, slopes: Any) -> Any:
        weight = weight.detach().requires_grad_()
        (F.embedding(places, weight) * slopes).sum().backward()
        return weight.grad

    threads = lampion.get_num_threads()
    lampion.set_num_threads(4)
    try:
        run = lampion.compile(gradient)
        for _ in range(50):
            found = run(weight, lampion.tensor(places), lampion.tensor(slopes)).numpy()
            np.testing.assert_allclose(found, want, 1e-4, 1e-4)
        assert run.why_not is None
    finally:
        lampion.set_num_threads(threads)


class Histogram(lampion.nn.Module):
    def forward(self, places: Any, weights: Any) -> Any:
        return lampion.zeros(2, 10).index_add(1, places, weights)


def test_no_addend_of_an_exported_sum_gets_lost(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    places, weights = rng.integers(0, 10, 30_000), rng.standard_normal((2, 30_000)).astype(np.float32)
    path = tmp_path / "histogram.onnx"
    examples = (lampion.tensor(places), lampion.tensor(weights))
    lampion_export.export(Histogram(), examples, path, dynamic={"places": {0: "n"}, "weights": {1: "n"}})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 4
    session = onnxruntime.InferenceSession(path, options)
    want = np.stack([np.bincount(places, row, 10) for row in weights])
    for _ in range(50):
        feed = {one.name: x for one, x in zip(session.get_inputs(), (places, weights), strict=True)}
        np.testing.assert_allclose(session.run(None, feed)[0], want, 1e-3, 1e-2)


TAKES: dict[str, Any] = {
    "rows": ((4, 5), lambda x, a, b: x[a]),
    "columns": ((3, 4), lambda x, a, b: x[:, a]),
    "rows by a table": ((4, 5), lambda x, a, b: x[a.reshape(3, 2)]),
    "two dims": ((4, 5, 3), lambda x, a, b: x[a, b]),
    "two dims in the middle": ((2, 4, 5, 3), lambda x, a, b: x[:, a, b]),
    "two dims, one index spread": ((4, 5), lambda x, a, b: x[a.reshape(6, 1), b]),
    "a number": ((4, 5), lambda x, a, b: x[a[0]]),
}


@pytest.mark.parametrize("name", TAKES)
def test_gradients_of_what_is_taken(name: str) -> None:
    shape, take = TAKES[name]

    def slopes(x: Any, a: Any, b: Any) -> Any:
        x = x.detach().requires_grad_()
        (take(x, a, b) ** 2).sum().backward()
        return x.grad

    x = lampion.randn(*shape)
    a, b = lampion.tensor([0, -1, 3, 0, 2, 0]), lampion.tensor([1, 2, -1, 1, 4, 1])
    run = lampion.compile(slopes)
    np.testing.assert_allclose(run(x, a, b).numpy(), slopes(x, a, b).numpy(), 1e-5, 1e-6)
    assert run.why_not is None
