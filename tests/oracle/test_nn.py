"""Every module and loss beside PyTorch's: the same weights copied over, forward and all gradients compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import lampion
from lampion import nn

R = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return R.standard_normal(shape)


def classes(*shape: int, below: int) -> Any:
    return R.integers(0, below, shape)


def signs(*shape: int) -> Any:
    return R.integers(0, 2, shape) * 2.0 - 1


def unit(*shape: int) -> Any:
    return R.uniform(0.05, 0.95, shape)


def case(name: str, *inputs: Any, args: tuple[Any, ...] = (), train: bool = True, **kwargs: Any) -> Any:
    """One module: its name, arguments of the constructor, arguments of the call."""
    shown = [*map(str, args), *(f"{k}={v}" for k, v in kwargs.items()), *(str(list(np.shape(i))) for i in inputs)]
    return pytest.param(name, args, kwargs, inputs, train, id=f"{name}({', '.join(shown)})")


IMAGE, LINE, VOLUME = normal(2, 4, 7, 6), normal(3, 4, 9), normal(2, 4, 5, 6, 4)

LAYERS = [
    case("Linear", normal(5, 3), args=(3, 2)),
    case("Linear", normal(2, 4, 3), args=(3, 2), bias=False),
    case("Linear", normal(3), args=(3, 2)),
    case("Bilinear", normal(5, 3), normal(5, 4), args=(3, 4, 2)),
    case("Identity", normal(3)),
    case("Flatten", IMAGE),
    case("Flatten", IMAGE, args=(2, 3)),
    case("Unflatten", normal(2, 12), args=(1, (3, 4))),
    case("Conv1d", LINE, args=(4, 6, 3)),
    case("Conv1d", LINE, args=(4, 6, 4), padding="same"),
    case("Conv1d", normal(4, 9), args=(4, 6, 3), stride=2),
    case("Conv2d", IMAGE, args=(4, 6, 3)),
    case("Conv2d", IMAGE, args=(4, 6, 3), padding="valid"),
    case("Conv2d", IMAGE, args=(4, 6, (3, 2)), stride=(2, 1), padding=(1, 0), bias=False),
    case("Conv2d", IMAGE, args=(4, 8, 3), groups=4, padding=1, dilation=2),
    case("Conv2d", IMAGE, args=(4, 6, 3), padding="same", dilation=2),
    *[case("Conv2d", IMAGE, args=(4, 6, 3), padding=(2, 1), padding_mode=m) for m in ("reflect", "replicate", "circular")],
    case("Conv2d", IMAGE, args=(4, 6, 4), padding="same", padding_mode="reflect"),
    case("Conv3d", VOLUME, args=(4, 3, 2), stride=2, padding=1),
    case("ConvTranspose1d", LINE, args=(4, 6, 3), stride=2, padding=1, output_padding=1),
    case("ConvTranspose2d", IMAGE, args=(4, 6, 3), stride=2),
    case("ConvTranspose2d", IMAGE, args=(4, 6, (3, 2)), groups=2, dilation=2, bias=False),
    case("ConvTranspose3d", VOLUME, args=(4, 2, 2), stride=2),
    case("MaxPool1d", LINE, args=(3,)),
    case("MaxPool2d", IMAGE, args=(2,)),
    case("MaxPool2d", IMAGE, args=(3,), stride=2, padding=1, ceil_mode=True),
    case("MaxPool2d", IMAGE, args=((3, 2),), stride=1, dilation=2),
    case("MaxPool3d", VOLUME, args=(2,)),
    case("AvgPool1d", LINE, args=(3,), stride=2, padding=1),
    case("AvgPool2d", IMAGE, args=(2,)),
    case("AvgPool2d", IMAGE, args=(3,), stride=2, padding=1, count_include_pad=False),
    case("AvgPool2d", IMAGE, args=(3,), stride=2, padding=1, ceil_mode=True),
    case("AvgPool2d", IMAGE, args=(2,), divisor_override=3),
    case("AvgPool3d", VOLUME, args=(2,)),
    case("AdaptiveAvgPool1d", LINE, args=(4,)),
    case("AdaptiveAvgPool2d", IMAGE, args=(1,)),
    case("AdaptiveAvgPool2d", IMAGE, args=((3, None),)),
    case("AdaptiveAvgPool3d", VOLUME, args=((2, 3, 2),)),
    case("AdaptiveMaxPool1d", LINE, args=(4,)),
    case("AdaptiveMaxPool2d", IMAGE, args=(1,)),
    case("AdaptiveMaxPool2d", IMAGE, args=((3, 4),)),
    case("AdaptiveMaxPool3d", VOLUME, args=(2,)),
    *[case(f"BatchNorm{d}d", x, args=(4,), train=t) for d, x in ((1, LINE), (2, IMAGE), (3, VOLUME)) for t in (True, False)],
    case("BatchNorm1d", normal(5, 4), args=(4,)),
    case("BatchNorm2d", IMAGE, args=(4,), momentum=None),
    case("BatchNorm2d", IMAGE, args=(4,), affine=False, eps=0.1, momentum=0.5),
    case("BatchNorm2d", IMAGE, args=(4,), track_running_stats=False, train=False),
    case("InstanceNorm1d", LINE, args=(4,), affine=True),
    case("InstanceNorm2d", IMAGE, args=(4,), affine=True, track_running_stats=True),
    case("InstanceNorm2d", IMAGE, args=(4,), affine=True, track_running_stats=True, train=False),
    case("InstanceNorm2d", normal(4, 7, 6), args=(4,)),
    case("InstanceNorm3d", VOLUME, args=(4,)),
    case("LayerNorm", normal(2, 3, 5), args=(5,)),
    case("LayerNorm", normal(2, 3, 5), args=((3, 5),), bias=False, eps=0.1),
    case("LayerNorm", normal(2, 5), args=(5,), elementwise_affine=False),
    case("RMSNorm", normal(2, 3, 5), args=(5,)),
    case("RMSNorm", normal(2, 3, 5), args=((3, 5),), eps=0.1),
    case("GroupNorm", IMAGE, args=(2, 4)),
    case("GroupNorm", normal(3, 6), args=(3, 6), affine=False),
    case("Embedding", classes(2, 5, below=7), args=(7, 3)),
    case("Embedding", classes(2, 5, below=7), args=(7, 3), padding_idx=-2),
    case("Dropout", normal(3, 4), args=(0.5,), train=False),
    case("Dropout2d", IMAGE, args=(1.0,)),
    case("AlphaDropout", normal(3, 4), args=(0.5,), train=False),
    case("ZeroPad2d", IMAGE, args=((1, 2, 0, 3),)),
    case("ConstantPad1d", LINE, args=(2, 1.5)),
    case("ConstantPad2d", IMAGE, args=((1, -1, 0, 2), 1.5)),
    *[case(f"{kind}Pad2d", IMAGE, args=((1, 2, 3, 0),)) for kind in ("Reflection", "Replication", "Circular")],
    *[case(f"{kind}Pad1d", LINE, args=(2,)) for kind in ("Reflection", "Replication", "Circular")],
]  # fmt: skip

ACTIVATIONS = [
    *[
        case(name, normal(4, 6) * 3)
        for name in (
            "ReLU",
            "ReLU6",
            "SELU",
            "SiLU",
            "Mish",
            "Hardswish",
            "Hardsigmoid",
            "Sigmoid",
            "Tanh",
            "LogSigmoid",
            "Softsign",
            "Tanhshrink",
            "LeakyReLU",
            "ELU",
            "CELU",
            "GELU",
            "Hardtanh",
            "Softplus",
            "Softshrink",
            "Hardshrink",
            "GLU",
            "PReLU",
        )
    ],
    case("LeakyReLU", normal(4), args=(0.3,)),
    case("ELU", normal(4), args=(0.3,)),
    case("CELU", normal(4), args=(0.3,)),
    case("GELU", normal(4, 5), approximate="tanh"),
    case("Hardtanh", normal(4, 5), args=(-0.2, 0.3)),
    case("Threshold", normal(4, 5), args=(0.1, 20.0)),
    case("Softplus", normal(4, 5), beta=2.0, threshold=1.0),
    case("Softshrink", normal(4, 5), args=(0.2,)),
    case("RReLU", normal(4, 5), train=False),
    case("GLU", normal(4, 5), args=(0,)),
    case("PReLU", IMAGE, args=(4,)),
    case("Softmax", normal(4, 5), dim=1),
    case("LogSoftmax", IMAGE, dim=1),
    case("Softmin", normal(4, 5), dim=0),
]

SEQUENCE = normal(5, 3, 4)
RECURRENT = [
    case("RNNCell", normal(3, 4), args=(4, 6)),
    case("RNNCell", normal(4), normal(6), args=(4, 6), nonlinearity="relu"),
    case("GRUCell", normal(3, 4), normal(3, 6), args=(4, 6)),
    case("GRUCell", normal(3, 4), args=(4, 6), bias=False),
    case("LSTMCell", normal(3, 4), args=(4, 6)),
    case("LSTMCell", normal(3, 4), (normal(3, 6), normal(3, 6)), args=(4, 6)),
    *[case(name, SEQUENCE, args=(4, 6), **k)
      for name in ("RNN", "GRU", "LSTM")
      for k in ({}, {"num_layers": 2, "bidirectional": True}, {"batch_first": True, "bias": False})],
    case("RNN", SEQUENCE, normal(1, 3, 6), args=(4, 6), nonlinearity="relu"),
    case("RNN", normal(5, 4), args=(4, 6)),
    case("GRU", SEQUENCE, normal(4, 3, 6), args=(4, 6, 2), bidirectional=True),
    case("GRU", normal(5, 4), normal(1, 6), args=(4, 6)),
    case("LSTM", normal(5, 4), (normal(1, 6), normal(1, 6)), args=(4, 6)),
    case("LSTM", SEQUENCE, args=(4, 6), proj_size=2, num_layers=2, bidirectional=True),
    case("LSTM", SEQUENCE, args=(4, 6, 3), dropout=0.5, train=False),
]  # fmt: skip

LABELS = classes(5, below=4)
IGNORED = np.where(np.arange(5) == 2, -100, LABELS)
PER_PIXEL = classes(2, 7, 6, below=4)
WEIGHT = np.array([0.5, 1.0, 2.0, 0.1])
LOSSES = [
    *[case("CrossEntropyLoss", normal(5, 4), IGNORED, reduction=r, label_smoothing=s, weight=w)
      for r in ("mean", "sum", "none") for s in (0.0, 0.2) for w in (None, WEIGHT)],
    *[case("CrossEntropyLoss", normal(5, 4), unit(5, 4), reduction=r, label_smoothing=s, weight=WEIGHT)
      for r in ("mean", "sum", "none") for s in (0.0, 0.2)],
    case("CrossEntropyLoss", normal(4), np.array(2)),
    case("CrossEntropyLoss", IMAGE, PER_PIXEL, weight=WEIGHT, label_smoothing=0.1),
    case("CrossEntropyLoss", normal(5, 4), LABELS, ignore_index=1),
    case("NLLLoss", normal(5, 4), IGNORED),
    case("NLLLoss", IMAGE, PER_PIXEL, weight=WEIGHT),
    case("NLLLoss", normal(5, 4), LABELS, reduction="none", weight=WEIGHT),
    *[case(name, normal(5, 4), normal(5, 4) * 2, reduction=r)
      for name in ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "PoissonNLLLoss") for r in ("mean", "sum", "none")],
    case("SmoothL1Loss", normal(5, 4), normal(5, 4), beta=0.3),
    case("SmoothL1Loss", normal(5, 4), normal(5, 4), beta=0.0),
    case("HuberLoss", normal(5, 4), normal(5, 4), delta=0.3),
    case("PoissonNLLLoss", unit(5, 4), unit(5, 4) * 4, log_input=False, full=True),
    case("GaussianNLLLoss", normal(5, 4), normal(5, 4), unit(5, 4)),
    case("GaussianNLLLoss", normal(5, 4), normal(5, 4), unit(5, 4), full=True, eps=0.5, reduction="sum"),
    case("BCELoss", unit(5, 4), unit(5, 4)),
    case("BCELoss", unit(5, 4), unit(5, 4), weight=unit(5, 4), reduction="sum"),
    case("BCEWithLogitsLoss", normal(5, 4) * 30, unit(5, 4)),
    case("BCEWithLogitsLoss", normal(5, 4), unit(5, 4), weight=unit(5, 4), pos_weight=WEIGHT, reduction="none"),
    *[case("KLDivLoss", -unit(5, 4), unit(5, 4), reduction=r) for r in ("batchmean", "sum", "none")],
    case("KLDivLoss", -unit(5, 4), -unit(5, 4), reduction="sum", log_target=True),
    case("KLDivLoss", -unit(3), np.array([0.0, 0.5, 0.5]), reduction="sum"),
    case("MarginRankingLoss", normal(5), normal(5), signs(5), margin=0.3),
    case("HingeEmbeddingLoss", normal(5, 4), signs(5, 4), margin=0.3),
    case("SoftMarginLoss", normal(5, 4), signs(5, 4)),
    case("CosineEmbeddingLoss", normal(5, 4), normal(5, 4), signs(5), margin=0.1),
    case("TripletMarginLoss", normal(5, 4), normal(5, 4), normal(5, 4)),
    case("TripletMarginLoss", normal(5, 4), normal(5, 4), normal(5, 4), p=1.0, swap=True, margin=2.0),
]  # fmt: skip


# How many inputs of a loss PyTorch gives gradients for; the rest are targets.
LEARNED = {"TripletMarginLoss": 3, "GaussianNLLLoss": 1, "MarginRankingLoss": 2, "CosineEmbeddingLoss": 2}


@pytest.mark.filterwarnings("ignore:.*padding='same'.*:UserWarning", "ignore:.*AccumulateGrad.*:UserWarning")
@pytest.mark.parametrize(("name", "args", "kwargs", "inputs", "train"), [*LAYERS, *ACTIVATIONS, *RECURRENT, *LOSSES])
def test_module(name: str, args: Any, kwargs: Any, inputs: Any, train: bool) -> None:
    theirs = getattr(torch.nn, name)(*args, **_converted(kwargs, torch.tensor)).double().train(train)
    ours = getattr(nn, name)(*args, **_converted(kwargs, lampion.tensor)).double().train(train)
    _scramble(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})

    learned = LEARNED.get(name, 1) if name.endswith("Loss") else len(inputs)
    mine = [_converted(x, lampion.tensor, grad=i < learned) for i, x in enumerate(inputs)]
    yours = [_converted(x, torch.tensor, grad=i < learned) for i, x in enumerate(inputs)]
    got, expected = _flat(ours(*mine)), _flat(theirs(*yours))
    _compare(got, expected)
    if any(t.requires_grad for t in expected):
        seeds = [normal(*t.shape) for t in expected]
        lampion.autograd.backward(got, [lampion.tensor(s) for s in seeds])
        torch.autograd.backward(expected, [torch.tensor(s) for s in seeds])
    leaves = [*_flat(mine), *ours.parameters()], [*_flat(yours), *theirs.parameters()]
    _compare([t.grad for t in leaves[0]], [t.grad for t in leaves[1]])
    _compare(list(ours.buffers()), list(theirs.buffers()))


@pytest.mark.parametrize("name", sorted({str(c.values[0]) for c in [*LAYERS, *ACTIVATIONS, *RECURRENT, *LOSSES]}))
def test_arguments_come_in_torchs_order(name: str) -> None:
    """A positional call means the same: ours take a beginning of theirs, with the same defaults."""
    import inspect

    def signature(kind: Any) -> list[tuple[str, Any]]:
        parameters = inspect.signature(kind.__init__).parameters.values()
        return [(p.name, p.default) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD][1:]

    ours, theirs = signature(getattr(nn, name)), signature(getattr(torch.nn, name))
    ignored = ("size_average", "reduce", "reduction", "device", "dtype", "_weight", "_freeze")
    theirs = [p for p in theirs if p[0] not in ignored]
    ours = [p for p in ours if p[0] not in ignored]
    if theirs:
        assert ours == theirs[: len(ours)]


def test_binary_cross_entropy_at_the_ends() -> None:
    """Where log(0) comes up, the value is PyTorch's and the gradient stays finite."""
    x, y = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0, 0.0])
    mine = lampion.tensor(x, requires_grad=True)
    ours = nn.functional.binary_cross_entropy(mine, lampion.tensor(y), reduction="none")
    theirs = torch.nn.functional.binary_cross_entropy(torch.tensor(x), torch.tensor(y), reduction="none")
    _compare([ours], [theirs])
    ours.sum().backward()
    assert mine.grad is not None
    assert np.isfinite(mine.grad.numpy()).all()


def _scramble(module: Any) -> None:
    """Other numbers than a new module's zeros and ones, the same in both."""
    with torch.no_grad():
        for t in [*module.parameters(), *module.buffers()]:
            if t.is_floating_point():
                t.copy_(torch.tensor(R.uniform(0.3, 1.2, t.shape)))


def _converted(x: Any, tensor: Any, grad: bool = False) -> Any:
    if isinstance(x, dict):
        return {k: _converted(v, tensor) for k, v in x.items()}
    if isinstance(x, tuple) and x and isinstance(x[0], np.ndarray):
        return tuple(_converted(v, tensor, grad) for v in x)
    if isinstance(x, np.ndarray):
        return tensor(x, **({"requires_grad": True} if grad and x.dtype.kind == "f" else {}))
    return x


def _flat(x: Any) -> list[Any]:
    return [t for part in x for t in _flat(part)] if isinstance(x, tuple | list) else [x]


def _compare(ours: list[Any], theirs: list[Any]) -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert tuple(a.shape) == tuple(b.shape)
            # PyTorch keeps some constants (1 / 6, 1 / alpha) as float32 even in float64 kernels.
            np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=2e-7, atol=1e-10)
