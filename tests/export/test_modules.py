"""Every module of nn in eval mode, exported with a batch that varies and run at two sizes beside the eager run."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import lampion
from lampion import UntraceableError, nn
from lampion_edge import Session
from lampion_export import UnsupportedError
from lampion_export.card import complete_card
from lampion_export.exporter import build, serialized
from lampion_export.verification import run_eagerly

LINE, IMAGE, VOLUME = (4, 8), (4, 6, 8), (4, 4, 6, 8)
SEQUENCE, CLASSES = (5, 4), (6,)
Make = Callable[[], nn.Module]


class Row(NamedTuple):
    """A module, and the shapes of its inputs behind the batch; None is one class for each sample."""

    make: Make
    shapes: tuple[tuple[int, ...] | None, ...]
    axis: int = 0  # of the batch
    highest: int = 4  # of the classes


def row(make: Make, *shapes: tuple[int, ...] | None, axis: int = 0, highest: int = 4) -> Row:
    return Row(make, shapes, axis, highest)


def of(kind: type[nn.Module], *args: Any, **kwargs: Any) -> Make:
    return lambda: kind(*args, **kwargs)


ROWS: dict[str, Row] = {
    **{
        name: row(of(getattr(nn, name)), IMAGE)
        for name in (
            *("CELU", "ELU", "GELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "LogSigmoid"),
            *("Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softmax2d", "Softplus", "Softshrink"),
            *("Softsign", "Tanh", "Tanhshrink", "Dropout", "Dropout2d", "AlphaDropout", "FeatureAlphaDropout", "Identity"),
            "Flatten",
        )
    },
    **{name: row(of(getattr(nn, name), 1), IMAGE) for name in ("Softmax", "LogSoftmax", "Softmin")},
    "Threshold": row(of(nn.Threshold, 0.1, 2.0), IMAGE),
    "Dropout1d": row(of(nn.Dropout1d), LINE),
    "Dropout3d": row(of(nn.Dropout3d), VOLUME),
    "Unflatten": row(of(nn.Unflatten, 1, (2, -1)), IMAGE),
    "Linear": row(of(nn.Linear, 8, 3), LINE),
    "Bilinear": row(of(nn.Bilinear, 4, 3, 2), (4,), (3,)),
    "Embedding": row(of(nn.Embedding, 4, 3), None),
    "EmbeddingBag": row(lambda: Bags(), SEQUENCE),
    "Sequential": row(lambda: nn.Sequential(nn.Linear(8, 3), nn.ReLU()), LINE),
    "CosineSimilarity": row(of(nn.CosineSimilarity), LINE, LINE),
    "PairwiseDistance": row(of(nn.PairwiseDistance), LINE, LINE),
    # ---- convolution and pooling
    **{f"Conv{d}d": row(of(getattr(nn, f"Conv{d}d"), 4, 6, 3, 1, 1), s) for d, s in enumerate((LINE, IMAGE, VOLUME), 1)},
    **{
        f"ConvTranspose{d}d": row(of(getattr(nn, f"ConvTranspose{d}d"), 4, 2, 3, 2, 1, 1), s)
        for d, s in enumerate((LINE, IMAGE, VOLUME), 1)
    },
    **{
        f"{name}{d}d": row(of(getattr(nn, f"{name}{d}d"), *args), s)
        for d, s in enumerate((LINE, IMAGE, VOLUME), 1)
        for name, args in (
            *(("MaxPool", (2,)), ("AvgPool", (2,)), ("LPPool", (2.0, 2)), ("AdaptiveAvgPool", (3,)), ("AdaptiveMaxPool", (3,))),
            *(("ConstantPad", (1, 0.5)), ("ZeroPad", (1,)), ("ReflectionPad", (1,)), ("ReplicationPad", (1,))),
            *(("CircularPad", (1,)), ("BatchNorm", (4,)), ("InstanceNorm", (4,))),
        )
    },
    **{f"MaxUnpool{d}d": row(lambda d=d: Unpooled(d), s) for d, s in enumerate((LINE, IMAGE, VOLUME), 1)},
    **{f"LazyConv{d}d": row(lambda d=d, s=s: met(getattr(nn, f"LazyConv{d}d")(6, 3), s), s)
       for d, s in enumerate((LINE, IMAGE, VOLUME), 1)},
    **{f"LazyConvTranspose{d}d": row(lambda d=d, s=s: met(getattr(nn, f"LazyConvTranspose{d}d")(2, 3), s), s)
       for d, s in enumerate((LINE, IMAGE, VOLUME), 1)},
    **{f"Lazy{n}Norm{d}d": row(lambda d=d, s=s, n=n: met(getattr(nn, f"Lazy{n}Norm{d}d")(), s), s)
       for d, s in enumerate((LINE, IMAGE, VOLUME), 1) for n in ("Batch", "Instance")},
    "LazyLinear": row(lambda: met(nn.LazyLinear(3), LINE), LINE),
    # ---- norms and blocks
    "GroupNorm": row(of(nn.GroupNorm, 2, 4), IMAGE),
    "LayerNorm": row(of(nn.LayerNorm, 8), IMAGE),
    "RMSNorm": row(of(nn.RMSNorm, 8), IMAGE),
    "LocalResponseNorm": row(of(nn.LocalResponseNorm, 3), IMAGE),
    "PixelShuffle": row(of(nn.PixelShuffle, 2), IMAGE),
    "PixelUnshuffle": row(of(nn.PixelUnshuffle, 2), IMAGE),
    "ChannelShuffle": row(of(nn.ChannelShuffle, 2), IMAGE),
    "Unfold": row(of(nn.Unfold, 3), IMAGE),
    "Fold": row(of(nn.Fold, (4, 5), 2), (8, 12)),
    "Upsample": row(of(nn.Upsample, scale_factor=1.5, mode="bicubic"), IMAGE),
    "UpsamplingNearest2d": row(of(nn.UpsamplingNearest2d, (9, 5)), IMAGE),
    "UpsamplingBilinear2d": row(of(nn.UpsamplingBilinear2d, (9, 5)), IMAGE),
    # ---- sequences
    **{name: row(of(getattr(nn, name), 4, 3, 2, batch_first=True, bidirectional=True), SEQUENCE)
       for name in ("RNN", "GRU", "LSTM")},
    **{name: row(of(getattr(nn, name), 4, 3), (4,)) for name in ("RNNCell", "GRUCell", "LSTMCell")},
    "MultiheadAttention": row(of(nn.MultiheadAttention, 4, 2, batch_first=True), SEQUENCE, SEQUENCE, SEQUENCE),
    "TransformerEncoderLayer": row(of(nn.TransformerEncoderLayer, 4, 2, 8), SEQUENCE, axis=1),
    "TransformerDecoderLayer": row(of(nn.TransformerDecoderLayer, 4, 2, 8, batch_first=True), SEQUENCE, (3, 4)),
    "TransformerEncoder": row(
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 2), SEQUENCE
    ),
    "TransformerDecoder": row(
        lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 8, batch_first=True), 2), SEQUENCE, (3, 4)
    ),
    "Transformer": row(of(nn.Transformer, 4, 2, 1, 1, 8, batch_first=True), SEQUENCE, (3, 4)),
    # ---- losses
    **{name: row(of(getattr(nn, name)), LINE, LINE) for name in ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss")},
    **{name: row(lambda name=name: Squashed(getattr(nn, name)()), LINE, LINE)
       for name in ("BCELoss", "BCEWithLogitsLoss", "KLDivLoss", "PoissonNLLLoss", "SoftMarginLoss", "HingeEmbeddingLoss",
                    "MultiLabelSoftMarginLoss")},
    "GaussianNLLLoss": row(lambda: Squashed(nn.GaussianNLLLoss()), LINE, LINE, LINE),
    "MarginRankingLoss": row(of(nn.MarginRankingLoss), (4,), (4,), (4,)),
    "CosineEmbeddingLoss": row(of(nn.CosineEmbeddingLoss), (4,), (4,), ()),
    "TripletMarginLoss": row(of(nn.TripletMarginLoss), LINE, LINE, LINE),
    "TripletMarginWithDistanceLoss": row(of(nn.TripletMarginWithDistanceLoss), LINE, LINE, LINE),
    **{name: row(of(getattr(nn, name)), CLASSES, None) for name in ("CrossEntropyLoss", "NLLLoss", "MultiMarginLoss")},
    "MultiLabelMarginLoss": row(lambda: Labelled(), CLASSES),
    "LinearCrossEntropyLoss": row(of(nn.LinearCrossEntropyLoss, 6, 5), CLASSES, None),
    "AdaptiveLogSoftmaxWithLoss": row(of(nn.AdaptiveLogSoftmaxWithLoss, 6, 8, [2, 5], 2.0), CLASSES, None, highest=8),
    "CTCLoss": row(lambda: Aligned(), SEQUENCE),
}  # fmt: skip

# whose weights or targets fix the size of what comes behind the channels
FIXED_LENGTH = {"Linear", "LazyLinear", "Sequential", "LayerNorm", "RMSNorm"}

# a row, how it is refused, and why
REFUSED: dict[str, tuple[Row, type[Exception], str, str]] = {
    name: (
        row(make, shape),
        UntraceableError,
        "needs the numbers",
        "it chooses its windows by numbers drawn in every run",
    )
    for name, make, shape in (
        ("FractionalMaxPool2d", of(nn.FractionalMaxPool2d, 2, 3), IMAGE),
        ("FractionalMaxPool3d", of(nn.FractionalMaxPool3d, 2, 3), VOLUME),
    )
}

# the axes behind batch and channels along which a module takes any size, or multiples of 4 more
LENGTHS: dict[str, tuple[int, ...]] = {
    **{name: axes for name, r in ROWS.items() for axes in ((2,), (2, 3), (2, 3, 4))
       if r.shapes in ((s,) for s in (LINE, IMAGE, VOLUME)) and len(r.shapes[0] or ()) == len(axes) + 1
       and name not in FIXED_LENGTH},
    **dict.fromkeys(("RNN", "GRU", "LSTM", "MultiheadAttention", "TransformerEncoder"), (1,)),
    **dict.fromkeys(("TransformerDecoderLayer", "TransformerDecoder", "Transformer"), (1,)),
    "TransformerEncoderLayer": (0,),
}  # fmt: skip

# What holds modules or data, and is no layer.
NO_LAYERS = {
    *("Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Parameter"),
    *("LinearCrossEntropyOptions", "UninitializedBuffer", "UninitializedParameter"),
}


def met(module: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """A lazy module after its first input."""
    module(lampion.randn(2, *shape))
    return module


class Bags(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(4, 3, mode="max")

    def forward(self, x: Any) -> Any:
        return self.bag((x[..., 0] > 0).to(lampion.int64))


class Unpooled(nn.Module):
    def __init__(self, rank: int) -> None:
        super().__init__()
        self.pool = getattr(nn, f"MaxPool{rank}d")(2, return_indices=True)
        self.unpool = getattr(nn, f"MaxUnpool{rank}d")(2)

    def forward(self, x: Any) -> Any:
        return self.unpool(*self.pool(x))


class Squashed(nn.Module):
    """A loss of numbers between 0 and 1."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, *args: Any) -> Any:
        return self.loss(*[x.sigmoid() for x in args])


class Labelled(nn.Module):
    def forward(self, x: Any) -> Any:
        labels = lampion.tensor([[3, 0, -1, 1, 1, 1]])
        return nn.MultiLabelMarginLoss()(x, labels.expand(x.shape))


class Aligned(nn.Module):
    """One target for every sample."""

    def forward(self, x: Any) -> Any:
        n = x.shape[0]
        targets = lampion.tensor([[1, 2]]).expand(n, 2)
        lengths = lampion.full((n,), 5, dtype=lampion.int64), lampion.full((n,), 2, dtype=lampion.int64)
        return nn.CTCLoss()(x.transpose(0, 1).log_softmax(-1), targets, *lengths)


class Named(nn.Module):
    """A module under input names x0, x1, ..., so that the exporter may name the batch of each."""

    def __init__(self, inner: nn.Module, count: int) -> None:
        super().__init__()
        self.inner = inner
        names = [inspect.Parameter(f"x{i}", inspect.Parameter.POSITIONAL_OR_KEYWORD) for i in range(count)]
        self.__signature__ = inspect.Signature(names)

    def forward(self, **inputs: Any) -> Any:
        return tuple(flat(self.inner(*inputs.values())))


def flat(x: Any) -> list[Any]:
    return [t for part in x for t in flat(part)] if isinstance(x, tuple | list) else [] if x is None else [x]


def example(row: Row, batch: int) -> dict[str, Any]:
    draw = np.random.default_rng(batch)
    arrays = {}
    for i, shape in enumerate(row.shapes):
        if shape is None:
            arrays[f"x{i}"] = draw.integers(0, row.highest, batch)
        else:
            arrays[f"x{i}"] = np.moveaxis(draw.standard_normal((batch, *shape), np.float32), 0, row.axis).copy()
    return arrays


def longer(inputs: dict[str, Any], axes: tuple[int, ...], more: int) -> dict[str, Any]:
    """The inputs with more along some axes, their elements repeated in turn."""
    for axis in axes:
        inputs = {k: np.take(a, np.arange(a.shape[axis] + more) % a.shape[axis], axis) for k, a in inputs.items()}
    return inputs


def exported(row: Row, lengths: tuple[int, ...] = ()) -> tuple[nn.Module, Session]:
    lampion.manual_seed(0)
    module = Named(row.make(), len(row.shapes)).eval()
    dynamic = {f"x{i}": {row.axis if shape is not None else 0: "batch"} for i, shape in enumerate(row.shapes)}
    shared = len({shape and shape[0] for shape in row.shapes}) == 1
    for name, axes in dynamic.items():
        axes.update({axis: f"size{axis}" if shared else f"size{axis} of {name}" for axis in lengths})
    model = build(module, example(row, 2), dynamic)
    return module, Session(serialized(model, complete_card(None, "module", model.graph)))


@pytest.mark.parametrize("name", ROWS)
def test_module(name: str) -> None:
    module, session = exported(ROWS[name])
    for batch in (2, 5):
        inputs = example(ROWS[name], batch)
        want = run_eagerly(module, inputs, [spec.name for spec in session.outputs])
        got = session.run(inputs)
        for key, array in want.items():
            np.testing.assert_allclose(got[key], array, rtol=1e-4, atol=1e-5, err_msg=f"{key} at batch {batch}")


@pytest.mark.parametrize("name", LENGTHS)
def test_module_at_other_lengths(name: str) -> None:
    module, session = exported(ROWS[name], LENGTHS[name])
    for batch, more in ((1, 0), (2, 4), (3, 12)):
        inputs = longer(example(ROWS[name], batch), LENGTHS[name], more)
        want = run_eagerly(module, inputs, [spec.name for spec in session.outputs])
        got = session.run(inputs)
        for key, array in want.items():
            np.testing.assert_allclose(got[key], array, rtol=1e-4, atol=1e-5, err_msg=f"{key} with {more} more")


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_exported_is_refused(name: str) -> None:
    row, error, message, _ = REFUSED[name]
    with pytest.raises((error, UnsupportedError), match=message):
        exported(row)


def test_every_module_is_in_one_table() -> None:
    names = {n for n in nn.__all__ if inspect.isclass(getattr(nn, n))}
    assert names - NO_LAYERS == {*ROWS, *REFUSED}
