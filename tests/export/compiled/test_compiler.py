"""Compiled functions beside the same functions as Python."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lampion
from lampion import nn, optim
from lampion.nn import functional as F

CLASSES = 4
Training = tuple[nn.Module, optim.Optimizer, Callable[..., Any]]


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, CLASSES))


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 5)), nn.Conv1d(1, 3, 3, padding=1, bias=False), nn.BatchNorm1d(3), nn.ReLU(), nn.MaxPool1d(2),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(6, CLASSES),
    )  # fmt: skip


def batches(count: int, size: int = 6) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(0)
    return [
        (
            lampion.tensor(rng.standard_normal((size, 5)).astype(np.float32)),
            lampion.tensor(rng.integers(0, CLASSES, size)),
        )
        for _ in range(count)
    ]


def training(build: Callable[[], nn.Module], optimizer: Callable[..., optim.Optimizer]) -> Training:
    """A model, its optimizer and the usual step; the same one every time."""
    lampion.manual_seed(3)
    model = build()
    opt = optimizer(model.parameters())

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        return loss

    return model, opt, step


def state(model: nn.Module, opt: optim.Optimizer) -> dict[str, Any]:
    found = {name: t.numpy().copy() for name, t in model.state_dict().items()}
    found |= {f"grad of {name}": p.grad.numpy().copy() for name, p in model.named_parameters() if p.grad is not None}
    for i, kept in opt.state_dict()["state"].items():
        found |= {f"{name} of {i}": t.numpy().copy() for name, t in kept.items() if t is not None}
    return found


def assert_same(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_allclose(a[name], b[name], 1e-4, 1e-6, err_msg=name)


OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adam": lambda p: optim.Adam(p, lr=0.01),
    "amsgrad": lambda p: optim.Adam(p, lr=0.01, amsgrad=True, maximize=True, weight_decay=0.1),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.1),
    "NAdam": lambda p: optim.NAdam(p),
    "RAdam": lambda p: optim.RAdam(p),
    "Adamax": lambda p: optim.Adamax(p),
    "RMSprop": lambda p: optim.RMSprop(p, momentum=0.5, centered=True),
    "Adagrad": lambda p: optim.Adagrad(p, lr_decay=0.1),
    "Adadelta": lambda p: optim.Adadelta(p),
    "Rprop": lambda p: optim.Rprop(p),
    "ASGD": lambda p: optim.ASGD(p),
    "Muon": lambda p: optim.Muon([x for x in p if x.ndim == 2]),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_training_step_leaves_what_python_leaves(name: str) -> None:
    data = batches(6)
    found = []
    for compiled in (False, True):
        model, opt, step = training(perceptron, OPTIMIZERS[name])
        run = lampion.compile(step) if compiled else step
        losses = [run(x, y).item() for x, y in data]
        assert not compiled or run.why_not is None
        found.append(state(model, opt) | {"losses": np.array(losses)})
    assert_same(*found)


def test_buffers_and_random_numbers_are_those_of_python() -> None:
    data = batches(5)
    found = []
    for compiled in (False, True):
        model, opt, step = training(convolutional, OPTIMIZERS["Adam"])
        run = lampion.compile(step) if compiled else step
        losses = [run(x, y).item() for x, y in data]
        assert not compiled or run.why_not is None
        found.append(state(model, opt) | {"losses": np.array(losses), "next": lampion.rand(3).numpy()})
    assert_same(*found)
    assert found[0]["2.num_batches_tracked"] == 5


def test_a_schedule_changes_the_rate_without_a_new_trace() -> None:
    data = batches(6)
    found = []
    for compiled in (False, True):
        model, opt, step = training(perceptron, OPTIMIZERS["Adam"])
        schedule = optim.lr_scheduler.StepLR(opt, 2, 0.1)
        run = lampion.compile(step) if compiled else step
        programs = set()
        for x, y in data:
            run(x, y)
            schedule.step()
            programs |= {id(entry.program) for entry in run._entries.values()} if compiled else set()
        found.append(state(model, opt))
        assert len(programs) == compiled
    assert_same(*found)


def test_what_is_written_in_between_is_heard() -> None:
    found = []
    for compiled in (False, True):
        model, opt, step = training(perceptron, OPTIMIZERS["momentum"])
        run = lampion.compile(step) if compiled else step
        for i, (x, y) in enumerate(batches(8)):
            run(x, y)
            weight = next(iter(model.parameters()))
            if i == 3:
                with lampion.no_grad():
                    weight.mul_(0.5)
            if i == 4:
                weight.data = weight.data * 2
            if i == 5:
                model.load_state_dict({name: t * 0.9 for name, t in model.state_dict().items()})
            if i == 6:
                opt.load_state_dict(opt.state_dict())
        found.append(state(model, opt))
    assert_same(*found)


def test_memory_that_somebody_holds_stays_the_parameters() -> None:
    model, _, step = training(perceptron, OPTIMIZERS["SGD"])
    run = lampion.compile(step)
    data = batches(4)
    run(*data[0])
    weight = next(iter(model.parameters()))
    array, kept, first = weight.detach().numpy(), weight.detach()[0], weight.detach().numpy().copy()
    for x, y in data:
        run(x, y)
        np.testing.assert_array_equal(array, weight.detach().numpy())
        np.testing.assert_array_equal(kept.numpy(), weight.detach().numpy()[0])
    assert not np.array_equal(first, array)


def test_a_gradient_that_was_kept_is_not_written_to() -> None:
    model, _, step = training(perceptron, OPTIMIZERS["SGD"])
    run = lampion.compile(step)
    (x, y), other = batches(1)[0], batches(2)[1]
    run(x, y)
    run(*other)
    kept = next(iter(model.parameters())).grad
    assert kept is not None
    numbers = kept.numpy().copy()
    run(x, y)
    np.testing.assert_array_equal(kept.numpy(), numbers)


def test_gradients_accumulate_where_nobody_forgets_them() -> None:
    found = []
    for compiled in (False, True):
        model, opt, _ = training(perceptron, OPTIMIZERS["SGD"])

        def accumulate(x: Any, y: Any, model: nn.Module = model) -> Any:
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        run = lampion.compile(accumulate) if compiled else accumulate
        for i, (x, y) in enumerate(batches(6)):
            run(x, y)
            if i % 2:
                opt.step()
                opt.zero_grad()
        run(*batches(1)[0])
        found.append(state(model, opt))
    assert_same(*found)


def test_forms_of_arguments_are_traced_once_each() -> None:
    @lampion.compile
    def double(x: Any, times: int = 2) -> Any:
        return {"y": x * times, "more": [x + 1, times]}

    for shape in ((2, 3), (4,), (2, 3), (4,)):
        x = lampion.ones(*shape)
        result = double(x)
        np.testing.assert_array_equal(result["y"].numpy(), 2 * np.ones(shape))
        assert result["more"][1] == 2
    assert double(lampion.ones(4), times=3)["y"].sum().item() == 12
    assert len(double._entries) == 3


def test_a_named_axis_varies_without_a_new_trace() -> None:
    model = perceptron().eval()

    @lampion.compile(dynamic={"x": {0: "batch"}})
    def scores(x: Any) -> Any:
        with lampion.no_grad():
            return model(x), x.shape[0] * 2

    for n in (1, 3, 7, 3):
        x = lampion.randn(n, 5)
        got, twice = scores(x)
        np.testing.assert_allclose(got.numpy(), model(x).detach().numpy(), 1e-5, 1e-6)
        assert twice == 2 * n
    assert len(scores._entries) == 1


def test_control_flow_on_the_data_stays_control_flow() -> None:
    @lampion.compile
    def halvings(x: Any) -> Any:
        turns = 0
        while x.sum() > 1:
            x = x / 2
            turns += 1
        return x, turns

    for start, turns in ((0.5, 0), (3.0, 2), (100.0, 7), (9.0, 4)):
        x, count = halvings(lampion.tensor([start]))
        assert (x.item(), count) == (start / 2**turns, turns)
    assert len(halvings._entries) == 1


def test_arguments_that_are_changed_or_want_gradients() -> None:
    @lampion.compile
    def square(x: Any, y: Any) -> Any:
        (x * x).sum().backward()
        y.add_(1)

    x, y = lampion.tensor([1.0, 2.0], requires_grad=True), lampion.zeros(2)
    assert square(x, y) is None
    np.testing.assert_array_equal(x.grad.numpy(), [2, 4])
    np.testing.assert_array_equal(y.numpy(), [1, 1])
    assert square.why_not is None


WHY_NOT: dict[str, tuple[Callable[..., Any], str]] = {
    "a number that Python looks at": (lambda x: np.sin(x.numpy()), r"test_compiler.py:\d+"),
    "a gradient that is wanted outside": (lambda x: x * lampion.ones(2, requires_grad=True), "call backward"),
    "an argument without hash": (lambda x, y: x, "can't be compared"),
}


@pytest.mark.parametrize("what", WHY_NOT)
def test_what_can_not_be_a_graph_runs_as_python_and_says_once_why(what: str) -> None:
    function, why = WHY_NOT[what]
    more = [bytearray(b"a")] if "hash" in what else []
    run = lampion.compile(function)
    with pytest.warns(UserWarning, match=why):
        run(lampion.ones(2), *more)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(lampion.ones(2), *more)


def test_python_objects_that_change_in_every_call_keep_it_python() -> None:
    seen: list[float] = []

    def remember(x: Any) -> Any:
        seen.append(len(seen))
        return x + 1

    run = lampion.compile(remember)
    run(lampion.ones(2))
    with pytest.warns(UserWarning, match="seen"):
        run(lampion.ones(2))
    run(lampion.ones(2))
    assert seen == [0, 1, 2]


def test_an_error_of_the_function_is_its_own() -> None:
    run = lampion.compile(lambda x: x @ lampion.ones(3))
    with pytest.raises(RuntimeError, match="matmul"):
        run(lampion.ones(2))


def test_verify_compares_with_python() -> None:
    model, opt, step = training(convolutional, OPTIMIZERS["Adam"])
    run = lampion.compile(step, verify=True)
    other_model, other_opt, other = training(convolutional, OPTIMIZERS["Adam"])
    lampion.manual_seed(1)
    got = [run(x, y).item() for x, y in batches(3)]
    lampion.manual_seed(1)
    np.testing.assert_allclose(got, [other(x, y).item() for x, y in batches(3)], 1e-4)
    assert_same(state(model, opt), state(other_model, other_opt))


def test_a_mode_that_changes_is_traced_anew() -> None:
    model = nn.Sequential(nn.Dropout(0.5))
    run = lampion.compile(model)
    x = lampion.ones(1000)
    assert 0 < (run(x) == 0).sum().item() < 1000
    model.eval()
    assert run(x).sum().item() == 1000


UNUSUAL: dict[str, Callable[..., Any]] = {
    "forgets gradients last": lambda model, opt, loss: (loss.backward(), opt.step(), opt.zero_grad())[0],
    "clips": lambda model, opt, loss: (
        opt.zero_grad(), loss.backward(), nn.utils.clip_grad_norm_(model.parameters(), 0.1), opt.step(),
    )[0],
    "updates twice": lambda model, opt, loss: (opt.zero_grad(), loss.backward(), opt.step(), opt.step())[0],
    "looks at what was updated": lambda model, opt, loss: (
        opt.zero_grad(), loss.backward(), opt.step(), next(model.parameters()).detach().sum(),
    )[3],
    "keeps some gradients": lambda model, opt, loss: (
        opt.zero_grad(), loss.backward(), opt.step(), setattr(next(model.parameters()), "grad", None),
    )[0],
}  # fmt: skip


@pytest.mark.parametrize("optimizer", ["momentum", "AdamW"])
@pytest.mark.parametrize("what", UNUSUAL)
def test_optimizers_that_update_in_memory_leave_what_python_leaves(what: str, optimizer: str) -> None:
    found = []
    for compiled in (False, True):
        model, opt, _ = training(perceptron, OPTIMIZERS[optimizer])

        def step(x: Any, y: Any, model: nn.Module = model, opt: optim.Optimizer = opt) -> Any:
            loss = F.cross_entropy(model(x), y)
            return loss.detach(), UNUSUAL[what](model, opt, loss)

        run = lampion.compile(step) if compiled else step
        seen = [run(x, y) for x, y in batches(5)]
        assert not compiled or run.why_not is None
        numbers = [t.item() for pair in seen for t in pair if t is not None]
        found.append(state(model, opt) | {"seen": np.array(numbers)})
    assert_same(*found)


@pytest.mark.parametrize("optimizer", ["Adam", "RMSprop"])
def test_parameters_of_several_dtypes_and_of_no_size(optimizer: str) -> None:
    found = []
    for compiled in (False, True):
        lampion.manual_seed(0)
        shapes = [((3,), "float32"), ((3,), "float64"), ((2, 2), "float32"), ((), "float32"), ((0, 3), "float32")]
        parameters = [nn.Parameter(lampion.randn(*shape).to(getattr(lampion, kind))) for shape, kind in shapes]
        opt = OPTIMIZERS[optimizer](parameters)

        def step(x: Any, opt: optim.Optimizer = opt, p: list[Any] = parameters) -> Any:
            opt.zero_grad()
            loss = (p[0] * x).sum() + (p[1] * x).sum().float() ** 2 + p[2].square().sum() + p[3] * 2 + p[4].sum()
            loss.backward()
            opt.step()
            return loss

        run = lampion.compile(step) if compiled else step
        losses = [run(lampion.tensor([1.0, 2.0, 3.0])).item() for _ in range(4)]
        assert not compiled or run.why_not is None
        numbers = {f"{i}": p.detach().numpy().copy() for i, p in enumerate(parameters)}
        found.append(numbers | {"losses": np.array(losses)})
    assert_same(*found)


@pytest.mark.parametrize("optimizer", ["AdamW", "NAdam"])
def test_parameters_that_are_frozen_for_a_while(optimizer: str) -> None:
    found = []
    for compiled in (False, True):
        model, opt, step = training(perceptron, OPTIMIZERS[optimizer])
        run = lampion.compile(step) if compiled else step
        weight = next(iter(model.parameters()))
        for i, (x, y) in enumerate(batches(9)):
            if i in (3, 6):
                weight.requires_grad_(i == 6)
            run(x, y)
        assert not compiled or run.why_not is None
        found.append(state(model, opt))
    assert_same(*found)


def test_two_optimizers_and_what_reads_updated_parameters() -> None:
    found = []
    for compiled in (False, True):
        lampion.manual_seed(0)
        maker, judge = nn.Linear(2, 3), nn.Linear(3, 1)
        of_maker, of_judge = optim.Adam(maker.parameters(), 0.01), optim.SGD(judge.parameters(), 0.01, momentum=0.9)
        mean = [p.detach().clone() for p in maker.parameters()]

        def step(z: Any, x: Any, maker: Any = maker, judge: Any = judge, a: Any = of_maker, b: Any = of_judge) -> Any:
            b.zero_grad()
            (F.softplus(-judge(x)).mean() + F.softplus(judge(maker(z).detach())).mean()).backward()
            b.step()
            a.zero_grad()
            loss = F.softplus(-judge(maker(z))).mean()
            loss.backward()
            a.step()
            return loss

        def averaging(z: Any, x: Any, maker: Any = maker, mean: Any = mean, step: Any = step) -> Any:
            loss = step(z, x)
            with lampion.no_grad():
                for m, p in zip(mean, maker.parameters(), strict=True):
                    m.lerp_(p, 0.1)
            return loss

        runs = [lampion.compile(f) if compiled else f for f in (step, averaging)]
        losses = [run(lampion.randn(8, 2), lampion.randn(8, 3)).item() for _ in range(4) for run in runs]
        assert not compiled or {run.why_not for run in runs} == {None}
        found.append({"losses": np.array(losses)} | {f"mean {i}": m.numpy().copy() for i, m in enumerate(mean)})
    assert_same(*found)
