"""Every entry of PyTorch's module_db beside lampion: forward and gradients with the same weights, in train and eval."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import torch
from oracle.peers.compare import DisagreementError, compare, equal, tensors
from oracle.peers.convert import Converter, MissingError, find, public_name, remember_arguments
from oracle.peers.ops import compare_gradients, weight
from oracle.peers.outcome import Outcome, Status
from oracle.peers.pool import DATABASES
from oracle.peers.tally import Tally, TorchRefusesError
from torch.testing._internal.common_modules import module_db

import lampion

KINDS = DATABASES["modules"]


@cache
def entries() -> dict[str, Any]:
    """PyTorch's entries by public name."""
    remember_arguments()
    return {public_name(m.module_cls): m for m in module_db}


def names() -> list[str]:
    """The names of all entries."""
    return list(entries())


def run(name: str, *, full: bool = False) -> dict[str, Outcome]:
    """Forward in float32 and gradients in float64, for all samples of one module: few, so `full` or not."""
    try:
        find(name)
    except MissingError as error:
        return dict.fromkeys(KINDS, Outcome(Status.MISSING, str(error)))
    return {
        "forward": _run(entries()[name], torch.float32, gradients=False),
        "gradient": _run(entries()[name], torch.float64, gradients=True),
    }


def _run(entry: Any, dtype: torch.dtype, gradients: bool) -> Outcome:
    tally = Tally()
    for label, training, sample in samples(entry, dtype):
        try:
            random = compare_sample(entry.module_cls, sample, dtype, training, gradients)
        except TorchRefusesError as refusal:
            tally.refused(label, refusal)
            continue
        except Exception as error:
            tally.fails(label, error)
        else:
            tally.random |= random
        tally.compared += 1
    return tally.outcome()


def samples(entry: Any, dtype: torch.dtype) -> Iterator[tuple[str, bool, Any]]:
    """Label, training or not, constructor and forward arguments."""
    for training in (True, False):
        torch.manual_seed(0)
        many = entry.module_inputs_func(entry, device="cpu", dtype=dtype, requires_grad=True, training=training)
        for i, sample in enumerate(many):
            yield f"{'train' if training else 'eval'} sample {i}", training, sample


def compare_sample(kind: type, sample: Any, dtype: torch.dtype, training: bool, gradients: bool) -> bool:
    """Raises where a module differs from PyTorch's; gives whether the result is random, so that only shapes count."""
    convert = Converter()
    made = sample.constructor_input.args, sample.constructor_input.kwargs
    called = sample.forward_input.args, sample.forward_input.kwargs
    theirs = kind(*made[0], **made[1]).to(dtype).train(training)
    our_made, our_called = convert(made), convert(called)
    ours = find(public_name(kind))(*our_made[0], **our_made[1])
    ours = ours.to(getattr(lampion, str(dtype).removeprefix("torch."))).train(training)
    _same_weights(ours, theirs, our_called, called)
    expected, random = _accepted(theirs, called)
    got = ours(*our_called[0], **our_called[1])
    compare(got, expected, numbers=not random)
    if random:
        return True
    for key, buffer in theirs.named_buffers():
        compare(dict(ours.named_buffers()).get(key), buffer, where=f"buffer {key}")
    if gradients:
        leaves = [*convert.leaves, *_parameters(ours, theirs)]
        _compare_gradients([t for t, _ in leaves], [t for _, t in leaves], tensors(expected), tensors(got))
    return False


def _same_weights(ours: Any, theirs: Any, our_called: Any, called: Any) -> None:
    """Gives both the same numbers, other than a new module's zeros and ones."""
    if any(isinstance(p, torch.nn.UninitializedParameter) for p in theirs.parameters()):
        theirs(*called[0], **called[1])
        ours(*our_called[0], **our_called[1])
    with torch.no_grad():
        for i, p in enumerate(theirs.parameters()):
            p.copy_(weight(p, i) / 2)
        for b in theirs.buffers():
            if b.is_floating_point():
                b.copy_(torch.rand(b.shape, generator=torch.Generator().manual_seed(0), dtype=b.dtype) + 0.5)
    keys = list(theirs.state_dict())
    if list(ours.state_dict()) != keys:
        raise DisagreementError(f"state_dict: expected keys {keys}, got {list(ours.state_dict())}")
    ours.load_state_dict({k: Converter()(v) for k, v in theirs.state_dict().items()})


def _accepted(module: Any, called: Any) -> tuple[Any, bool]:
    """PyTorch's result and whether it is random. Raises TorchRefusesError."""
    try:
        before = {k: v.clone() for k, v in module.state_dict().items()}
        torch.manual_seed(1)
        other = module(*called[0], **called[1])
        module.load_state_dict(before)
        torch.manual_seed(2)
        result = module(*called[0], **called[1])
    except Exception as error:
        raise TorchRefusesError(str(error)) from error
    return result, not equal(result, other)


def _parameters(ours: Any, theirs: Any) -> list[tuple[Any, Any]]:
    mine = dict(ours.named_parameters())
    return [(p, mine[k]) for k, p in theirs.named_parameters() if p.requires_grad]


def _compare_gradients(their_leaves: Any, our_leaves: Any, expected: list[Any], got: list[Any]) -> None:
    differentiable = [i for i, t in enumerate(expected) if t.requires_grad]
    if not differentiable:
        return
    weights = [weight(expected[i], i) for i in differentiable]
    try:
        theirs = torch.autograd.grad([expected[i] for i in differentiable], their_leaves, weights, allow_unused=True)
    except (RuntimeError, NotImplementedError) as error:
        raise TorchRefusesError(str(error)) from error
    ours = lampion.autograd.grad(
        [got[i] for i in differentiable],
        our_leaves,
        [lampion.from_numpy(np.asarray(w)) for w in weights],
        allow_unused=True,
    )
    compare_gradients(ours, theirs, "gradient")
