"""`quantize`: what comes out answers as float32 did, on any processor, and every way to be told no."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

import lampion
from lampion import nn, transforms
from lampion.utils.data import DataLoader, TensorDataset
from lampion_edge import Session
from lampion_export import ExportError, MismatchError, export
from lampion_export.quantization import quantize
from lampion_export.quantization.weights import Weight

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (48, 10, 10, 3), dtype=np.uint8)
X = RNG.standard_normal((48, 3, 10, 10)).astype(np.float32)
MODES = ["static", "dynamic", "float16"]


class Net(nn.Module):
    """Every kind of layer that int8 treats in its own way: dense, depthwise and pointwise convolution, addition, linear."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU6())
        self.depth = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.point = nn.Conv2d(16, 16, 1)
        self.classify = nn.Linear(16, 10)

    def forward(self, x: lampion.Tensor) -> Any:
        y = self.stem(x)
        return self.classify((self.point(self.depth(y).relu()) + y).mean((2, 3)))


class Branching(nn.Module):
    """An If and a Loop whose bodies compute, and look at values around them that activations would be fused into."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.left, self.right, self.step = (
            nn.Conv2d(3, 8, 3),
            nn.Linear(8, 6),
            nn.Linear(8, 6),
            nn.Linear(6, 6),
        )

    def forward(self, x: lampion.Tensor) -> Any:
        h = self.conv(x).relu()
        p = lampion.maximum(x, x * 0.5)  # float16 leaves it alone, and both bodies narrow it
        y = lampion.cond(
            x.sum() > 0,
            lambda: self.left(h.mean((2, 3))) + p.mean(),
            lambda: self.right((h * 2).mean((2, 3))) - p.mean(),
        )
        turns, y = lampion.while_loop(
            lambda n, y: n < 2 + (x.sum() > 0).to(lampion.int64),
            lambda n, y: (n + 1, self.step(y)),
            (lampion.tensor(0), y),
        )
        return self.step(y) + self.right(h.mean((2, 3))), turns


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """net.onnx (a classifier of photos), branching.onnx, and net without its card."""
    folder = tmp_path_factory.mktemp("float32")
    lampion.manual_seed(0)
    transform = transforms.Compose(
        [transforms.Resize((10, 10)), transforms.ToDtype(lampion.float32, scale=True), transforms.ToChannelsFirst()]
    )
    card = {"name": "net", "labels": list("abcdefghij"), "licence": "MIT"}
    export(Net(), IMAGES[:3], folder / "net.onnx", transform=transform, card=card, quiet=True)
    export(Branching(), X[:2], folder / "branching.onnx", dynamic={}, quiet=True)
    bare = onnx.load(folder / "net.onnx")
    onnx.helper.set_model_props(bare, {"author": "somebody"})
    onnx.save(bare, folder / "bare.onnx")
    return folder


def ops(path: Path) -> list[str]:
    """The operators of a file's main graph, which ONNX's checker accepts."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    return [node.op_type for node in model.graph.node]


# ---- what comes out ----


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["net", "bare"])
def test_the_file_answers_as_float32_does_and_says_what_was_done(
    name: str, mode: str, files: Path, tmp_path: Path
) -> None:
    before, out = Session(files / f"{name}.onnx"), tmp_path / "q.onnx"
    result = quantize(files / f"{name}.onnx", out, mode=mode, calibration=IMAGES, bound=1, quiet=True)
    session = Session(out)
    want, got = before(IMAGES), session(IMAGES)
    assert got.dtype == np.float32
    assert ((want - got) ** 2).mean() < 0.01 * want.var()
    assert session.card == result.card
    assert session.card == replace(before.card, quantization=session.card.quantization, checksum=session.card.checksum)
    assert session.card.quantization == {
        "mode": mode, "bound": 1, "metric": "top-1 agreement", "float32": 1.0,
        "measured": result.score[1], "layers_in_float": [],
    }  # fmt: skip
    held_out = IMAGES[1::2]
    assert result.score[1] == np.mean(before(held_out).argmax(1) == session(held_out).argmax(1))
    ops(out)


@pytest.mark.parametrize(
    ("mode", "there", "gone"),
    [
        ("static", {"QuantizeLinear", "DequantizeLinear"}, {"Clip", "Relu"}),
        ("dynamic", {"DynamicQuantizeLinear", "MatMulInteger", "Conv"}, {"Gemm", "MatMul"}),
        ("float16", {"Cast"}, set()),
    ],
)
def test_the_operators_of_each_mode(mode: str, there: set[str], gone: set[str], files: Path, tmp_path: Path) -> None:
    quantize(files / "net.onnx", tmp_path / "q.onnx", mode=mode, calibration=IMAGES, bound=1, quiet=True)
    found = set(ops(tmp_path / "q.onnx"))
    assert there <= found
    assert not gone & found


def test_int8_is_uint8_activations_and_int8_weights_per_channel(files: Path, tmp_path: Path) -> None:
    quantize(files / "net.onnx", tmp_path / "q.onnx", calibration=IMAGES, bound=1, quiet=True)
    graph = onnx.load(tmp_path / "q.onnx").graph
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    assert {tensors[n.input[2]].dtype for n in graph.node if n.op_type == "QuantizeLinear"} == {np.dtype(np.uint8)}
    weights = [n for n in graph.node if n.op_type == "DequantizeLinear" and tensors.get(n.input[0], X).dtype == np.int8]
    assert sorted(tensors[n.input[0]].shape for n in weights) == [
        (16, 1, 3, 3),
        (16, 3, 3, 3),
        (16, 10),
        (16, 16, 1, 1),
    ]
    assert all(len(tensors[n.input[1]]) in (10, 16) for n in weights)


@pytest.mark.parametrize("mode", MODES)
def test_control_flow_survives(mode: str, files: Path, tmp_path: Path) -> None:
    out = tmp_path / "q.onnx"
    batches = [X[i : i + 2] + shift for i, shift in enumerate([-0.3, 0.3] * 4)]
    quantize(files / "branching.onnx", out, mode=mode, calibration=batches, held_out=batches, bound=1, quiet=True)
    before, after = Session(files / "branching.onnx"), Session(out)
    for batch in batches:
        (want, turns), (got, same) = before(batch), after(batch)
        assert turns == same
        np.testing.assert_allclose(got, want, atol=0.06 * np.abs(want).max())
    assert {"If", "Loop"} <= set(ops(out))
    bodies = [
        {node.op_type for node in a.g.node} for n in onnx.load(out).graph.node for a in n.attribute if a.HasField("g")
    ]
    converted = {"static": {"Gemm"}, "dynamic": {"MatMulInteger"}, "float16": {"Cast", "Gemm"}}[mode]
    assert all(converted <= body for body in bodies)


def test_float16_narrows_every_weight_and_keeps_inputs_and_outputs(files: Path, tmp_path: Path) -> None:
    quantize(files / "branching.onnx", tmp_path / "q.onnx", mode="float16", quiet=True)
    model = onnx.load(tmp_path / "q.onnx")
    assert {t.data_type for t in model.graph.initializer if len(t.dims) > 1} == {onnx.TensorProto.FLOAT16}
    assert [(s.name, s.dtype) for s in Session(tmp_path / "q.onnx").outputs] == [
        (s.name, s.dtype) for s in Session(files / "branching.onnx").outputs
    ]


def test_a_weight_too_large_for_float16_stays(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    with lampion.no_grad():
        model.weight.fill_(1e6)
    x = np.full((2, 3), 1e-3, np.float32)
    export(model, x, tmp_path / "m.onnx", quiet=True)
    quantize(tmp_path / "m.onnx", tmp_path / "q.onnx", mode="float16", quiet=True)
    np.testing.assert_allclose(Session(tmp_path / "q.onnx")(x), Session(tmp_path / "m.onnx")(x), rtol=1e-6)


def test_golden_samples_are_the_new_files_own(files: Path, tmp_path: Path) -> None:
    quantize(files / "net.onnx", tmp_path / "q.onnx", calibration=IMAGES, bound=1, quiet=True)
    session, before = Session(tmp_path / "q.onnx"), Session(files / "net.onnx")
    assert session.verify().ok
    assert session.golden is not None
    assert before.golden is not None
    [(inputs, known)] = session.golden.samples
    np.testing.assert_array_equal(inputs["image"], before.golden.samples[0][0]["image"])
    np.testing.assert_allclose(known["output"], session(inputs["image"]), rtol=1e-5)
    assert not np.array_equal(known["output"], before(inputs["image"]))


def test_a_file_without_golden_samples_gets_some(files: Path, tmp_path: Path) -> None:
    quantize(files / "bare.onnx", tmp_path / "q.onnx", calibration=IMAGES, bound=1, quiet=True)
    session = Session(tmp_path / "q.onnx")
    assert session.verify().ok
    metadata = {entry.key: entry.value for entry in onnx.load(tmp_path / "q.onnx").metadata_props}
    assert metadata["author"] == "somebody"


# ---- no processor saturates ----


@pytest.mark.parametrize("shape", [(4, 1), (4, 2), (6, 33), (8, 16, 1, 1), (4, 3, 5, 5), (2, 3, 7)])
def test_two_neighbouring_products_fit_into_16_bits(shape: tuple[int, ...]) -> None:
    values = RNG.standard_normal(shape) * RNG.lognormal(size=(shape[0], *[1] * (len(shape) - 1)))
    weight = Weight("w", 0, values)
    steps = weight.scales().reshape(-1, *[1] * (len(shape) - 1))
    rounded = np.moveaxis(np.rint(values / steps), 1, -1).reshape(shape[0], -1).astype(int)
    assert np.abs(rounded).max() <= 127
    pairs = [rounded[:, i : i + 2].sum(1) for i in range(0, rounded.shape[1], 2)]
    assert np.abs(np.stack(pairs) * 255).max() < 2**15
    assert np.abs(rounded).max() > 63, "coarser than halving the range would be"


def test_the_largest_weights_and_activations_are_summed_whole(tmp_path: Path) -> None:
    model = nn.Conv2d(64, 4, 1)
    with lampion.no_grad():
        model.weight.fill_(1.0)
        model.bias.fill_(0.0)
    ones = np.ones((4, 64, 4, 4), np.float32)
    export(model, ones, tmp_path / "m.onnx", quiet=True)
    quantize(tmp_path / "m.onnx", tmp_path / "q.onnx", calibration=ones, quiet=True)
    np.testing.assert_allclose(Session(tmp_path / "q.onnx")(ones), 64, rtol=0.01)


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_the_drift_is_what_rounding_adds_to_the_mean(groups: int) -> None:
    values = RNG.standard_normal((6, 6 // groups, 1, 1))
    weight = Weight("w", 0, values)
    x = RNG.random((500, 6)) + 1
    rounded = values + weight.rounding()
    want = [
        (x[:, part] @ (rounded - values)[o, :, 0, 0]).mean()
        for o in range(6)
        for part in [np.arange(6).reshape(groups, -1)[o * groups // 6]]
    ]
    np.testing.assert_allclose(weight.drift(x.mean(0), groups), want, rtol=1e-9)


def test_outputs_do_not_drift(tmp_path: Path) -> None:
    lampion.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(32, 8, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    x = RNG.random((64, 32, 6, 6)).astype(np.float32) + 3
    export(model, x[:2], tmp_path / "m.onnx", quiet=True)
    quantize(tmp_path / "m.onnx", tmp_path / "q.onnx", calibration=x, bound=1, quiet=True)
    before, after = Session(tmp_path / "m.onnx")(x), Session(tmp_path / "q.onnx")(x)
    step = np.ptp(before) / 255
    assert np.abs((after - before).mean(0)).max() < step


# ---- layers that go back to float ----


UNLIKE = X * np.linspace(0.1, 1, len(X), dtype=np.float32)[:, None, None, None]  # whose means are far apart


def uneven() -> nn.Module:
    """The second and third convolution meet in channels a million times as large as others, which one range can't hold."""
    lampion.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 6),
    )  # fmt: skip
    scale = lampion.tensor([1e6, *[1.0] * 7])
    with lampion.no_grad():
        model[2].weight.mul_(scale[:, None, None, None])
        model[2].bias.mul_(scale)
        model[4].weight.div_(scale[None, :, None, None])
    return model.eval()


def explained(session: Session) -> float:
    """The share of the outputs' variance that the session gives."""
    want = uneven()(lampion.from_numpy(UNLIKE)).detach().numpy()
    return 1 - float(((session(UNLIKE) - want) ** 2).sum() / ((want - want.mean(0)) ** 2).sum())


def test_the_harmful_layers_stay_in_float(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export(uneven(), UNLIKE[:2], tmp_path / "m.onnx", quiet=True)
    result = quantize(tmp_path / "m.onnx", tmp_path / "q.onnx", calibration=UNLIKE, metric=explained, bound=0.1)
    convs = [node.name for node in onnx.load(tmp_path / "m.onnx").graph.node if node.op_type == "Conv"]
    assert result.left == tuple(convs[1:])
    assert result.score is not None
    assert result.score[0] - result.score[1] <= 0.1
    assert result.card.quantization is not None
    assert result.card.quantization["layers_in_float"] == convs[1:]
    assert f"layers left in float: {', '.join(convs[1:])}" in capsys.readouterr().out
    tensors = {t.name: t for t in onnx.load(tmp_path / "q.onnx").graph.initializer}
    kept = [list(t.dims) for t in tensors.values() if t.data_type == onnx.TensorProto.FLOAT and len(t.dims) == 4]
    assert kept == [[8, 8, 1, 1]] * 2


def test_a_bound_that_nothing_meets_leaves_no_file(files: Path, tmp_path: Path) -> None:
    scores = chain([0, 100], repeat(0))
    with pytest.raises(MismatchError, match=r"expected at least 100, which no choice of layers reaches"):
        quantize(
            files / "net.onnx",
            tmp_path / "q.onnx",
            calibration=IMAGES,
            metric=lambda _: next(scores),
            bound=0,
            quiet=True,
        )
    assert not list(tmp_path.iterdir())


# ---- what to calibrate with ----


def photos(folder: Path) -> Path:
    for i, image in enumerate(IMAGES[:6]):
        Image.fromarray(image).save(folder / f"{i}.png")
    return folder


def loader() -> DataLoader:
    return DataLoader(TensorDataset(lampion.from_numpy(IMAGES), lampion.zeros(len(IMAGES))), batch_size=8)


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: {"image": IMAGES},
        lambda folder: (IMAGES,),
        lambda folder: [IMAGES[:5], IMAGES[5:9]],
        lambda folder: [{"image": IMAGES[:5]}],
        lambda folder: lampion.from_numpy(IMAGES),
        lambda folder: loader(),
        lambda folder: photos(folder),
        lambda folder: sorted(photos(folder).glob("*.png")),
        lambda folder: np.save(folder / "x.npy", IMAGES) or folder / "x.npy",
    ],
    ids=["dict", "tuple", "list", "dicts", "tensor", "loader", "folder", "paths", "npy"],
)
def test_samples_come_in_many_forms(make: Any, files: Path, tmp_path: Path) -> None:
    folder = tmp_path / "samples"
    folder.mkdir()
    quantize(files / "net.onnx", tmp_path / "q.onnx", calibration=make(folder), bound=1, quiet=True)
    want, got = Session(files / "net.onnx")(IMAGES), Session(tmp_path / "q.onnx")(IMAGES)
    assert ((want - got) ** 2).mean() < 0.02 * want.var()


@pytest.mark.parametrize(("held_out", "largest"), [(None, 15), (IMAGES, 255)])
def test_every_other_sample_calibrates_unless_others_are_held_out(
    held_out: Any, largest: int, files: Path, tmp_path: Path
) -> None:
    half = IMAGES.copy()
    half[::2] //= 16
    quantize(files / "net.onnx", tmp_path / "q.onnx", calibration=half, held_out=held_out, bound=1, quiet=True)
    graph = onnx.load(tmp_path / "q.onnx").graph
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    first = next(node for node in graph.node if node.op_type == "QuantizeLinear")
    assert tensors[first.input[1]] == pytest.approx(largest / 255 / 255, rel=1e-3)


# ---- what is refused ----


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"model": "none.onnx"}, "none.onnx: there is no such file"),
        ({"model": "text.onnx"}, "text.onnx: not an ONNX model, or a damaged one"),
        ({"model": "int8.onnx"}, "is quantized already"),
        ({"calibration": None}, "expected samples for mode 'static', got none"),
        ({"calibration": X}, r"calibration: input 'image': expected uint8 \[batch, 10, 10, 3\], got float32 \[48, 3, 10, 10\]"),
        ({"calibration": IMAGES[:, :5]}, r"calibration: input 'image': expected .* got uint8 \[48, 5, 10, 3\]"),
        ({"calibration": {"x": IMAGES}}, "calibration: unknown input 'x', expected 'image'"),
        ({"calibration": IMAGES[:0]}, "calibration: expected at least one sample, got none"),
        ({"calibration": 3}, "calibration: expected arrays, a folder of photos or an iterable of batches, got int"),
        ({"calibration": "empty"}, "calibration: nothing to run in .*empty"),
        ({"held_out": X}, "held_out: input 'image': expected uint8"),
        ({"mode": "int4"}, "mode: expected one of static, dynamic, float16, got 'int4'"),
        ({"bound": -1}, "bound: expected a number from 0 up, got -1"),
        ({"bound": float("nan")}, "bound: expected a number from 0 up, got nan"),
        ({"out": "nowhere/q.onnx"}, "there is no folder"),
        ({"out": "empty"}, "is a folder"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_a_refusal_names_the_culprit_and_leaves_no_file(
    given: dict[str, Any], words: str, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.onnx").write_text("<html>not found</html>")
    (tmp_path / "empty").mkdir()
    if given.get("model") == "int8.onnx":
        quantize(files / "net.onnx", "int8.onnx", calibration=IMAGES, bound=1, quiet=True)
    before = sorted(tmp_path.rglob("*"))
    arguments = {"model": files / "net.onnx", "out": "q.onnx", "calibration": IMAGES, "quiet": True} | given
    with pytest.raises(ExportError, match=words):
        quantize(arguments.pop("model"), arguments.pop("out"), **arguments)
    assert sorted(tmp_path.rglob("*")) == before


# ---- the command ----


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (
            ["net.onnx", "-o", "q.onnx", "--calibration", "samples", "--bound", "1"],
            0,
            ["size", "latency", "wrote q.onnx"],
        ),
        (["net.onnx", "-o", "q.onnx", "--mode", "float16"], 0, ["top-1 agreement", "layers left in float: none"]),
        (["net.onnx", "-o", "q.onnx"], 1, ["expected samples for mode 'static', got none", "hint: pass"]),
        (["no.onnx", "-o", "q.onnx", "--mode", "dynamic"], 1, ["no.onnx: there is no such file"]),
        (["net.onnx", "-o", "q.onnx", "--mode", "int4"], 2, ["--mode", "int4"]),
    ],
)
def test_the_command(arguments: list[str], code: int, words: list[str], files: Path, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes((files / "net.onnx").read_bytes())
    (tmp_path / "samples").mkdir()
    photos(tmp_path / "samples")
    program = "import sys; from lampion_edge.cli import lampion; sys.exit(lampion())"
    command = [sys.executable, "-c", program, "quantize", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == code, done.stderr
    assert all(word in done.stdout + done.stderr for word in words), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "q.onnx").exists() == (code == 0)
