"""Every entry of PyTorch's optim_db beside lampion: twenty steps from the same parameters."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from oracle.peers.compare import DisagreementError
from oracle.peers.convert import Converter, MissingError, find
from oracle.peers.outcome import Outcome, Status
from oracle.peers.tally import Tally, TorchRefusesError
from torch.testing._internal.common_optimizers import optim_db

import lampion

STEPS = 20
TOLERANCE = 1e-5
IMPLEMENTATION = {"foreach", "fused", "capturable", "differentiable"}  # choose how, not what
SHAPES = {"Muon": [(4, 3), (3, 2)]}  # takes matrices only


@cache
def entries() -> dict[str, Any]:
    """PyTorch's entries by class name."""
    database: list[Any] = optim_db
    return {f"optim.{o.optim_cls.__name__}": o for o in database}


def names() -> list[str]:
    """The names of all entries."""
    return list(entries())


def run(name: str, *, full: bool = False) -> dict[str, Outcome]:
    """Twenty steps for each of PyTorch's settings, `full` or not; after every step all parameters are compared."""
    try:
        kind = find(name)
    except MissingError as error:
        return {"steps": Outcome(Status.MISSING, str(error))}
    entry, tally = entries()[name], Tally()
    for i, setting in enumerate(entry.optim_inputs_func(device="cpu")):
        kwargs = {k: v for k, v in setting.kwargs.items() if k not in IMPLEMENTATION}
        shown = ", ".join(f"{k}={v}" for k, v in kwargs.items()) or "defaults"
        try:
            compare_steps(kind, entry.optim_cls, kwargs)
        except TorchRefusesError as refusal:
            tally.refused(f"setting {i} ({shown})", refusal)
            continue
        except Exception as error:
            tally.fails(f"setting {i} ({shown})", error)
        tally.compared += 1
    return {"steps": tally.outcome()}


def compare_steps(ours: type, theirs: type, kwargs: dict[str, Any]) -> None:
    """Raises DisagreementError at the first step after which a parameter is off."""
    shapes = SHAPES.get(theirs.__name__, [(4, 3), (3,)])
    starts = [np.random.default_rng(i).normal(size=shape) for i, shape in enumerate(shapes)]
    their_parameters = [torch.nn.Parameter(torch.tensor(a)) for a in starts]
    our_parameters = [lampion.nn.Parameter(lampion.tensor(a)) for a in starts]
    try:
        their_optimizer = theirs(their_parameters, **kwargs)
        expected = [_step(torch, their_optimizer, their_parameters) for _ in range(STEPS)]
    except Exception as error:
        raise TorchRefusesError(str(error)) from error
    our_optimizer = ours(our_parameters, **Converter()(kwargs))
    for step, after in enumerate(expected, 1):
        for i, (a, b) in enumerate(zip(_step(lampion, our_optimizer, our_parameters), after, strict=True)):
            if not np.allclose(a, b, TOLERANCE, TOLERANCE):
                off = float(np.abs(a - b).max())
                raise DisagreementError(f"step {step}, parameter {i}: off by up to {off:.2g}")


def _step(t: Any, optimizer: Any, parameters: list[Any]) -> list[Any]:
    """One step down sum(tanh(x w + b)^2 (1 + x)), and the parameters after it."""
    x = np.random.default_rng(9).normal(size=(5, 4))

    def closure() -> Any:
        optimizer.zero_grad()
        w, b = parameters
        y = t.tanh(t.matmul(t.matmul(t.tensor(x), w), b) if b.ndim == 2 else t.matmul(t.tensor(x), w) + b)
        loss = (y * y * t.tensor(1 + x[:, : y.shape[1]])).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return [np.array(p.detach().numpy()) for p in parameters]
