"""Tools on modules, packed sequences and averaged models beside PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import lampion

R = np.random.default_rng(0)
LENGTHS = [2, 5, 3, 5]
PADDED = R.standard_normal((5, 4, 3))


def both(run: Callable[[Any, Callable[..., Any]], Any]) -> tuple[list[Any], list[Any]]:
    """What `run(library, tensor)` gives under lampion and under torch, as flat lists of arrays and numbers."""
    ours = run(lampion, lambda x: lampion.tensor(x, requires_grad=x.dtype.kind == "f"))
    theirs = run(torch, lambda x: torch.tensor(x, requires_grad=x.dtype.kind == "f"))
    return flat(ours), flat(theirs)


def flat(x: Any) -> list[Any]:
    if isinstance(x, tuple | list):
        return [t for part in x for t in flat(part)]
    return [] if x is None else [x.detach().numpy() if hasattr(x, "detach") else x]


def agree(run: Callable[[Any, Callable[..., Any]], Any], rtol: float = 1e-6) -> None:
    ours, theirs = both(run)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-9)


# ---- sequences ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("total", [None, 7])
def test_pack_and_pad(batch_first: bool, total: int | None) -> None:
    x = PADDED.swapaxes(0, 1).copy() if batch_first else PADDED

    def run(t: Any, tensor: Any) -> Any:
        rnn = t.nn.utils.rnn
        packed = rnn.pack_padded_sequence(tensor(x), LENGTHS, batch_first, enforce_sorted=False)
        padded, lengths = rnn.pad_packed_sequence(packed, batch_first, -1.0, total)
        return [
            *packed,
            padded,
            lengths,
            *rnn.unpad_sequence(padded * 1, lengths, batch_first),
            *rnn.unpack_sequence(packed),
        ]

    agree(run)


@pytest.mark.parametrize("side", ["left", "right"])
def test_pad_sequence(side: str) -> None:
    def run(t: Any, tensor: Any) -> Any:
        rnn = t.nn.utils.rnn
        several = [tensor(PADDED[:n, 0]) for n in sorted(LENGTHS, reverse=True)]
        return [rnn.pad_sequence(several, True, 2.0, padding_side=side), *rnn.pack_sequence(several)]

    agree(run)


@pytest.mark.parametrize("settings", [{}, {"bidirectional": True, "num_layers": 2}])
@pytest.mark.parametrize("enforce_sorted", [True, False])
@pytest.mark.parametrize("with_state", [True, False])
@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM", "LSTM projected"])
def test_recurrent_layers_take_packed_sequences(
    name: str, with_state: bool, enforce_sorted: bool, settings: dict[str, Any]
) -> None:
    kind, _, projected = name.partition(" ")
    size = 2 if projected else 4
    rows = settings.get("num_layers", 1) * (1 + settings.get("bidirectional", False))
    lengths = sorted(LENGTHS, reverse=True) if enforce_sorted else LENGTHS
    h, c = R.standard_normal((rows, 4, size)), R.standard_normal((rows, 4, 4))

    def run(t: Any, tensor: Any) -> Any:
        layer = getattr(t.nn, kind)(3, 4, **settings, **({"proj_size": 2} if projected else {})).double()
        with t.no_grad():
            for i, p in enumerate(layer.parameters()):
                p.copy_(t.tensor(np.random.default_rng(i).uniform(-0.5, 0.5, tuple(p.shape))))
        x = tensor(PADDED)
        packed = t.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=enforce_sorted)
        state = None if not with_state else (tensor(h), tensor(c)) if kind == "LSTM" else tensor(h)
        output, last = layer(packed, state)
        ends = last if kind == "LSTM" else (last,)
        (sum((e * e).sum() for e in ends) + (output.data**3).sum()).backward()
        return [output.data, output.batch_sizes, *ends, x.grad, *[p.grad for p in layer.parameters()]]

    agree(run)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda r, x: r.pack_padded_sequence(x, [1, 2, 2, 1]), RuntimeError, "expected falling lengths"),
        (lambda r, x: r.pack_padded_sequence(x, [2, 1, 1, 0]), RuntimeError, "4 lengths of at least 1"),
        (lambda r, x: r.pad_sequence([x], padding_side="top"), RuntimeError, "'left' or 'right', got 'top'"),
        (lambda r, x: r.pad_packed_sequence(r.pack_sequence([x]), total_length=2), ValueError, "at least 5, got 2"),
    ],
)
def test_sequences_that_do_not_fit(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(lampion.nn.utils.rnn, lampion.zeros(5, 4, 3))


# ---- parametrizations -----------------------------------------------------------------------------------------------


def layer(t: Any, kind: str, *args: Any) -> Any:
    module = getattr(t.nn, kind)(*args).double()
    with t.no_grad():
        for i, p in enumerate(module.parameters()):
            p.copy_(t.tensor(np.random.default_rng(i).uniform(-0.5, 0.9, tuple(p.shape))))
    return module


def trained(t: Any, module: Any, x: Any) -> Any:
    (module(x) ** 2).sum().backward()
    return [module(x), x.grad, *[p.grad for p in module.parameters()]]


@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("way", ["parametrizations", "hooks"])
@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning", "ignore:.*weight_norm.*:UserWarning")
def test_weight_norm(way: str, dim: int | None) -> None:
    def run(t: Any, tensor: Any) -> Any:
        utils = t.nn.utils.parametrizations if way == "parametrizations" else t.nn.utils
        module = utils.weight_norm(layer(t, "Linear", 3, 4), dim=dim)
        names.append(list(module.state_dict()))
        found = trained(t, module, tensor(PADDED[0]))
        if way == "parametrizations":
            t.nn.utils.parametrize.remove_parametrizations(module, "weight")
        else:
            t.nn.utils.remove_weight_norm(module)
        names.append(list(module.state_dict()))
        return [*found, module.weight, module(tensor(PADDED[0]))]

    names: list[list[str]] = []
    agree(run)
    assert names[0] == names[2]
    assert names[1] == names[3]


@pytest.mark.parametrize("trivial", [True, False])
@pytest.mark.parametrize("kind", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5)])
def test_orthogonal(shape: tuple[int, int], kind: str, trivial: bool) -> None:
    x = np.random.default_rng(1).normal(size=shape)
    q, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(max(shape), max(shape))))
    signs = np.zeros(shape)
    np.fill_diagonal(signs, 1 if trivial else [1, -1, 1, -1][: min(shape)])

    def run(t: Any, tensor: Any) -> Any:
        module = t.nn.utils.parametrizations.orthogonal(
            t.nn.Linear(*reversed(shape), bias=False).double(), "weight", kind, use_trivialization=trivial
        )
        with t.no_grad():
            module.parametrizations.weight.original.copy_(
                tensor(np.tril(x, -1) + signs if kind == "householder" else x)
            )
            if trivial:
                module.parametrizations.weight[0].base.copy_(tensor(q))
        (module.weight * tensor(x)).sum().backward()
        found = [module.weight, module.parametrizations.weight.original.grad]
        if kind == "householder" or trivial:
            module.weight = tensor(q[: shape[0], : shape[1]])
            found += [] if trivial else [module.weight, module.parametrizations.weight.original]
        weight = module.weight if shape[0] >= shape[1] else module.weight.mT
        return [*found, weight.mT @ weight]

    agree(run)


@pytest.mark.parametrize("kind", ["Linear", "Conv1d", "ConvTranspose1d"])
@pytest.mark.parametrize("way", ["parametrizations", "hooks"])
@pytest.mark.filterwarnings("ignore:.*spectral_norm.*:FutureWarning", "ignore:.*spectral_norm.*:UserWarning")
def test_spectral_norm(way: str, kind: str) -> None:
    start = {"_u": np.array([0.5, 0.5, -0.5, 0.5]), "_v": np.full(3 if kind == "Linear" else 6, 0.4)}

    def run(t: Any, tensor: Any) -> Any:
        utils = t.nn.utils.parametrizations if way == "parametrizations" else t.nn.utils
        module = utils.spectral_norm(layer(t, kind, 3, 4, *(() if kind == "Linear" else (2,))))
        names.append(list(module.state_dict()))
        with t.no_grad():
            for name, buffer in module.named_buffers():
                buffer.copy_(t.tensor(start["_" + name[-1]]))
        x = tensor(PADDED[0] if kind == "Linear" else PADDED[:, :3])
        found = trained(t, module, x)
        module.eval()
        return [*found, *module.buffers(), module(x), module(x)]

    names: list[list[str]] = []
    agree(run)
    assert names[0] == names[1]


def test_parametrizations_of_ones_own() -> None:
    def run(t: Any, tensor: Any) -> Any:
        class Symmetric(t.nn.Module):  # type: ignore[name-defined, misc]
            def forward(self, x: Any) -> Any:
                return t.triu(x) + t.triu(x, 1).transpose(-1, -2)

        class Doubled(t.nn.Module):  # type: ignore[name-defined, misc]
            def forward(self, x: Any) -> Any:
                return x * 2

            def right_inverse(self, x: Any) -> Any:
                return x / 2

        parametrize = t.nn.utils.parametrize
        module = layer(t, "Linear", 3, 3)
        parametrize.register_parametrization(module, "weight", Doubled())
        before = module.weight
        with t.no_grad():
            module.weight = module.weight + 1
        parametrize.register_parametrization(module, "weight", Symmetric())
        names.append(list(module.state_dict()))
        with parametrize.cached():
            assert module.weight is module.weight
        found = [before, *trained(t, module, tensor(PADDED[0])), module.weight]
        assert parametrize.is_parametrized(module, "weight")
        parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
        assert not parametrize.is_parametrized(module)
        assert type(module) is t.nn.Linear
        return [*found, module.weight]

    names: list[list[str]] = []
    agree(run)
    assert names[0] == names[1]


# ---- fusion, norms of gradients, averages ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "norm", "x"),
    [("Conv1d", "BatchNorm1d", PADDED[:, :3]), ("ConvTranspose1d", "BatchNorm1d", PADDED[:, :3])],
)
def test_batch_norm_fuses_into_the_layer_before(kind: str, norm: str, x: Any) -> None:
    def run(t: Any, tensor: Any) -> Any:
        first, second = layer(t, kind, 3, 4, 2).eval(), layer(t, norm, 4).eval()
        second.running_mean.copy_(t.tensor([0.1, 0.2, 0.3, 0.4]))
        second.running_var.copy_(t.tensor([1.0, 2.0, 3.0, 4.0]))
        fused = t.nn.utils.fuse_conv_bn_eval(first, second, kind.startswith("ConvTranspose"))
        np.testing.assert_allclose(
            fused(tensor(x)).detach().numpy(), second(first(tensor(x))).detach().numpy(), rtol=1e-9
        )
        return [fused.weight, fused.bias]

    agree(run)


def test_norms_of_gradients() -> None:
    def run(t: Any, tensor: Any) -> Any:
        module = layer(t, "Linear", 3, 4)
        (module(tensor(PADDED[0])) ** 2).sum().backward()
        grads = [p.grad for p in module.parameters()]
        totals = [t.nn.utils.get_total_norm(grads, p) for p in (1.0, 2.0, float("inf"))]
        t.nn.utils.clip_grads_with_norm_(module.parameters(), 0.5, totals[1])
        return [*totals, *[p.grad for p in module.parameters()]]

    agree(run)


AVERAGES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "mean": lambda s: {},
    "mean with buffers": lambda s: {"use_buffers": True},
    "moving": lambda s: {"multi_avg_fn": s.get_ema_multi_avg_fn(0.9)},
    "moving one by one": lambda s: {"avg_fn": s.get_ema_avg_fn(0.9)},
    "mean over lists": lambda s: {"multi_avg_fn": s.get_swa_multi_avg_fn()},
}


@pytest.mark.parametrize("name", AVERAGES)
def test_averaged_model(name: str) -> None:
    def run(t: Any, tensor: Any) -> Any:
        swa = t.optim.swa_utils
        module = t.nn.Sequential(layer(t, "Linear", 3, 4), t.nn.BatchNorm1d(4).double())
        averaged = swa.AveragedModel(module, **AVERAGES[name](swa))
        optimizer = t.optim.SGD(module.parameters(), lr=0.1)
        for _ in range(4):
            optimizer.zero_grad()
            (module(tensor(PADDED[0])) ** 3).sum().backward()
            optimizer.step()
            averaged.update_parameters(module)
        names.append(list(averaged.state_dict()))
        before = list(averaged.state_dict().values())
        found = [t.tensor(x.numpy().copy()) for x in before]
        swa.update_bn([tensor(PADDED[1]), tensor(PADDED[2])], averaged)
        return [*found, *averaged.buffers(), averaged.eval()(tensor(PADDED[3]))]

    names: list[list[str]] = []
    agree(run)
    assert names[0] == names[1]


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [0, 1, 5])
@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step.*:UserWarning")
def test_swa_schedule(epochs: int, strategy: str) -> None:
    def run(t: Any, tensor: Any) -> Any:
        optimizer = t.optim.SGD([tensor(PADDED)], lr=0.3)
        schedule = t.optim.swa_utils.SWALR(optimizer, 0.05, epochs, strategy)
        rates = []
        for _ in range(8):
            rates.append(optimizer.param_groups[0]["lr"])
            schedule.step()
        return rates

    agree(run)


# ---- adaptive softmax -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("targets", [np.array([0, 9, 3, 4]), np.array([1, 1, 0, 0])])
@pytest.mark.parametrize("head_bias", [False, True])
def test_adaptive_softmax(head_bias: bool, targets: Any) -> None:
    def run(t: Any, tensor: Any) -> Any:
        module = layer(t, "AdaptiveLogSoftmaxWithLoss", 3, 10, [2, 4], 1.5, head_bias)
        names.append(list(module.state_dict()))
        x = tensor(PADDED[0])
        output, loss = module(x, tensor(targets))
        loss.backward()
        gradients = [p.grad for p in module.head.parameters()]  # PyTorch has none for a cluster without targets
        return [output, loss, x.grad, module.log_prob(x), module.predict(x), *gradients]

    names: list[list[str]] = []
    agree(run)
    assert names[0] == names[1]
