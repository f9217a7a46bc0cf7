"""Wrong uses, and what their messages say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import lampion
from lampion import nn
from lampion.nn import functional as F
from lampion.nn import init

x = lampion.zeros


class Early(nn.Module):
    def __init__(self) -> None:
        self.layer = nn.Linear(1, 1)


class Bare(nn.Module):
    pass


def assigned(name: str, value: Any) -> Callable[[], Any]:
    return lambda: setattr(nn.Linear(2, 2), name, value)


WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (Early, AttributeError, r"cannot assign 'layer' before Module.__init__\(\).*call super"),
    (lambda: Bare()(1), NotImplementedError, "Bare: expected a method `forward`"),
    (lambda: nn.Linear(2, 2).wieght, AttributeError, "no attribute 'wieght'; did you mean 'weight'"),
    (assigned("weight", x(2)), TypeError, "cannot assign Tensor as 'weight': expected a Parameter or None"),
    (assigned("bias", 3), TypeError, "cannot assign int as 'bias'"),
    (lambda: nn.Linear(2, 2).register_buffer("a.b", x(1)), KeyError, 'a name without "."'),
    (lambda: nn.Linear(2, 2).register_buffer("forward", x(1)), KeyError, "attribute 'forward' exists already"),
    (lambda: nn.Linear(2, 2).register_buffer("n", 3), TypeError, "expected a Tensor or None as 'n', got int"),  # type: ignore[arg-type]
    (lambda: nn.Linear(2, 2).register_parameter("p", x(1)), TypeError, "expected a Parameter or None as 'p'"),  # type: ignore[arg-type]
    (lambda: nn.Linear(2, 2).add_module("m", "relu"), TypeError, "expected a Module or None as 'm', got str"),  # type: ignore[arg-type]
    (lambda: nn.Linear(2, 2).get_submodule("a"), AttributeError, "no submodule 'a'"),
    (lambda: nn.Linear(2, 2).get_parameter("a"), AttributeError, "no parameter 'a'"),
    (lambda: nn.Linear(2, 2).get_buffer("a"), AttributeError, "no buffer 'a'"),
    (lambda: nn.Linear(2, 2).train("yes"), ValueError, "expected a bool as mode, got 'yes'"),  # type: ignore[arg-type]
    (lambda: nn.Linear(2, 2).to(lampion.int64), TypeError, "expected a floating point dtype, got lampion.int64"),
    (lambda: nn.Linear(2, 2).to("cuda"), RuntimeError, "device 'cuda' is not available"),
    (lambda: nn.Parameter(lampion.tensor([1])), RuntimeError, "floating point"),
    (lambda: nn.Linear(3, 2)(x(4, 5)), RuntimeError, r"linear: weight \[2, 3\] expects input \[..., 3\], got \[4, 5\]"),
    (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "channels divisible by groups 2, got 3 in and 4 out"),
    (lambda: nn.Conv2d(3, 4, 3, padding_mode="zero"), ValueError, "padding_mode"),
    (lambda: nn.Conv2d(3, 4, 3, padding="full"), ValueError, "expected padding 'valid', 'same' or numbers, got 'full'"),
    (lambda: nn.Conv2d(3, 4, 3)(x(1, 2, 8, 8)), RuntimeError, r"conv2d: weight .* to have 3 channels, got 2"),
    (lambda: F.pad(x(1, 3), (3, 0), "reflect"), RuntimeError, r"reflect padding \(3, 0\) is too large for size 3"),
    (lambda: F.pad(x(3), (1, 1), "mirror"), ValueError, "expected mode 'constant', 'reflect'"),
    (lambda: F.pad(x(3), (1, 1, 1)), RuntimeError, "expected pairs"),
    (lambda: nn.BatchNorm2d(3)(x(2, 3, 4)), ValueError, "BatchNorm2d: expected input of 4 dimensions"),
    (lambda: nn.BatchNorm2d(3)(x(2, 4, 2, 2)), RuntimeError, "BatchNorm2d: expected 3 channels"),
    (lambda: nn.BatchNorm1d(3)(x(1, 3)), ValueError, "more than 1 value per channel"),
    (lambda: nn.MultiheadAttention(4, 3), ValueError, "embed_dim divisible by num_heads, got 4 and 3"),
    (
        lambda: nn.MultiheadAttention(4, 2)(x(5, 3), x(5, 3), x(5, 3)),
        RuntimeError,
        r"query \[l, n, 4\] or \[l, 4\], got \[5, 3\]",
    ),
    (
        lambda: F.scaled_dot_product_attention(x(2, 3), x(2, 3), x(2, 3), x(2, 2), is_causal=True),
        RuntimeError,
        "got both",
    ),
    (
        lambda: nn.TransformerEncoderLayer(4, 2, activation="swish"),
        RuntimeError,
        "'relu', 'gelu' or a function, got 'swish'",
    ),
    (lambda: nn.Transformer(4, 2, 1, 1)(x(3, 1, 4), x(3, 1, 5)), RuntimeError, r"got \[3, 1, 4\] and \[3, 1, 5\]"),
    (
        lambda: F.interpolate(x(1, 1, 4), 3, mode="bilinear"),
        ValueError,
        r"expects input of 4 dimensions, got shape \[1, 1, 4\]",
    ),
    (lambda: F.interpolate(x(1, 1, 4)), ValueError, "either size or scale_factor"),
    (lambda: F.interpolate(x(1, 1, 4), 3, mode="cubic"), ValueError, "expected mode 'nearest'"),
    (
        lambda: F.interpolate(x(1, 1, 4), 3, align_corners=True),
        ValueError,
        "align_corners has no meaning for mode 'nearest'",
    ),
    (lambda: F.interpolate(x(1, 1, 4), 3, mode="linear", antialias=True), ValueError, "antialias works with"),
    (lambda: F.grid_sample(x(1, 1, 4, 4), x(2, 3, 3, 2)), RuntimeError, r"got \[1, 1, 4, 4\] and \[2, 3, 3, 2\]"),
    (lambda: F.affine_grid(x(1, 2, 2), (1, 1, 4, 4)), RuntimeError, r"expected theta \[n, 2, 3\]"),
    (lambda: F.fold(x(1, 8, 5), (4, 4), 2), RuntimeError, r"input \[n, channels \* 4, 9\], got shape \[1, 8, 5\]"),
    (lambda: F.unfold(x(1, 1, 2, 2), 3), RuntimeError, "kernel 3 with dilation 1 is larger than the padded size 2"),
    (lambda: F.pixel_shuffle(x(1, 3, 2, 2), 2), RuntimeError, r"channels divisible by 2 \* 2"),
    (lambda: F.max_unpool1d(x(1, 1, 2), x(1, 1, 2).long(), 2, output_size=(9,)), ValueError, "output_size within"),
    (lambda: F.embedding_bag(x(4).long(), x(5, 3)), ValueError, "or \\[indices\\] with offsets"),
    (lambda: F.multi_margin_loss(x(2, 3), x(3).long()), RuntimeError, r"got \[2, 3\] and \[3\]"),
    (lambda: F.multilabel_margin_loss(x(2, 3), x(3).long()), RuntimeError, r"got \[2, 3\] and \[3\]"),
    (lambda: nn.AdaptiveLogSoftmaxWithLoss(3, 5, [3, 2]), ValueError, "cutoffs that rise from 1 to below 5"),
    (lambda: F.batch_norm(x(2, 3), None, None), ValueError, "expected running_mean and running_var"),
    (lambda: nn.InstanceNorm2d(3)(x(2, 3, 1, 1)), ValueError, "more than 1 spatial element"),
    (lambda: nn.LayerNorm(4)(x(2, 3)), RuntimeError, r"normalized_shape \[4\] expects input \[..., 4\], got \[2, 3\]"),
    (lambda: nn.GroupNorm(2, 3), ValueError, "channels divisible by 2 groups, got 3"),
    (lambda: F.group_norm(x(2, 3), 2), RuntimeError, "channels divisible by num_groups 2"),
    (lambda: nn.Dropout(1.5), ValueError, "Dropout: expected a probability between 0 and 1, got 1.5"),
    (lambda: F.dropout2d(x(3)), RuntimeError, "dropout2d: expected 3 or 4 dimensions"),
    (lambda: nn.Embedding(3, 2, padding_idx=3), ValueError, "padding_idx 3 is outside the table of 3 rows"),
    (lambda: nn.Embedding(3, 2)(lampion.tensor([3])), IndexError, "index 3 is out of bounds"),
    (lambda: nn.Embedding.from_pretrained(x(3)), ValueError, "a table of 2 dimensions"),
    (lambda: F.cross_entropy(x(2, 3), lampion.tensor([0, 3])), IndexError, "target 3 is out of bounds for 3 classes"),
    (lambda: F.cross_entropy(x(2, 3), lampion.tensor([0, -1])), IndexError, "target -1 is out of bounds"),
    (lambda: F.cross_entropy(x(2, 3), lampion.tensor([0])), RuntimeError, r"expected target \[2\] for input \[2, 3\]"),
    (lambda: F.cross_entropy(x(2, 3), lampion.tensor([True, False])), RuntimeError, "expected int64 classes"),
    (
        lambda: F.cross_entropy(x(2, 3), lampion.tensor([0, 1]), x(2)),
        RuntimeError,
        r"expected weight \[3\], one a class",
    ),
    (lambda: F.cross_entropy(x(2, 3), x(2, 4)), ValueError, r"expected target \[2, 3\] as input, got \[2, 4\]"),
    (lambda: F.cross_entropy(x(2, 3), x(2, 3), label_smoothing=2), RuntimeError, "label_smoothing between 0 and 1"),
    (lambda: F.mse_loss(x(2), x(2, 1)), ValueError, r"mse_loss: expected target \[2\] as input, got \[2, 1\]"),
    (
        lambda: F.mse_loss(x(2), x(2), "average"),
        ValueError,
        "reduction: expected 'mean', 'sum' or 'none', got 'average'",
    ),
    (lambda: nn.MSELoss("avg"), ValueError, "MSELoss: expected reduction 'mean', 'sum', 'none', got 'avg'"),
    (lambda: nn.HuberLoss(delta=0.0)(x(1), x(1)), RuntimeError, "expected delta > 0"),
    (lambda: nn.SmoothL1Loss(beta=-1.0)(x(1), x(1)), RuntimeError, "expected beta >= 0"),
    (lambda: nn.GLU()(x(3)), RuntimeError, "glu: expected an even size along dim -1, got 3"),
    (lambda: nn.PReLU(3)(x(2, 4)), RuntimeError, r"prelu: expected 1 or 4 weights \(one a channel\), got 3"),
    (lambda: nn.GELU("fast")(x(1)), RuntimeError, "expected approximate 'none' or 'tanh', got 'fast'"),
    (lambda: nn.Hardtanh(1, 0), ValueError, "expected min_val < max_val, got 1 and 0"),
    (lambda: nn.RNN(2, 3, nonlinearity="elu"), ValueError, "expected nonlinearity 'tanh' or 'relu', got 'elu'"),
    (lambda: nn.GRU(0, 3), ValueError, "expected sizes of at least 1, got input 0"),
    (lambda: nn.LSTM(2, 3, proj_size=3), ValueError, "proj_size below hidden_size"),
    (
        lambda: nn.GRU(2, 3)(x(5, 1, 4)),
        RuntimeError,
        r"GRU: expected input .* the last of size 2, got shape \[5, 1, 4\]",
    ),
    (
        lambda: nn.GRU(2, 3)(x(5, 1, 2), x(1, 2, 3)),
        RuntimeError,
        r"expected a state of shape \[1, 1, 3\], got \[1, 2, 3\]",
    ),
    (
        lambda: nn.LSTM(2, 3)(x(5, 1, 2), x(1, 1, 3)),
        TypeError,
        r"LSTM: expected the state as a pair \(h, c\), got Tensor",
    ),
    (lambda: nn.LSTMCell(2, 3)(x(1, 2), x(1, 3)), TypeError, "LSTMCell: expected the state as a pair"),
    (lambda: init.xavier_uniform_(x(3)), ValueError, "at least 2 dimensions"),
    (lambda: init.kaiming_normal_(x(3, 3), mode="fan"), ValueError, "expected mode 'fan_in' or 'fan_out', got 'fan'"),
    (lambda: init.calculate_gain("rely"), ValueError, "expected one of .*, got 'rely'"),
    (lambda: init.trunc_normal_(x(3), 0, 1, 50, 60), ValueError, "holds almost nothing"),
    (lambda: init.eye_(x(3)), ValueError, "expected a matrix"),
    (lambda: init.orthogonal_(x(3)), ValueError, "at least 2 dimensions"),
    (lambda: nn.utils.vector_to_parameters(x(3), [x(2)]), RuntimeError, "expected a vector of 2 elements"),
]


@pytest.mark.parametrize(("use", "kind", "message"), WRONG, ids=[f"{k.__name__}: {m}" for _, k, m in WRONG])
def test_message(use: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        use()
