"""Connectionist temporal classification (Graves et al. 2006)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lampion import dtypes
from lampion.errors import UntraceableError
from lampion.nn.functional.loss import reduced
from lampion.ops.analysis import exp
from lampion.ops.arithmetic import clamp
from lampion.ops.comparison import where
from lampion.ops.create import arange, full, full_like
from lampion.ops.promote import as_tensor
from lampion.ops.reduce import logsumexp, mean
from lampion.ops.reduce import sum as total
from lampion.ops.shape import cat, stack
from lampion.symbolic import SymInt
from lampion.tensor import Tensor

NEVER = -1e30  # the logarithm of a probability of 0: finite, so that no gradient is nan


def ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: int = 0,
    reduction: str = "mean", zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """-log of the probability of `targets`, over all their alignments with blanks and repeats.

    log_probs [time, n, classes] (or [time, classes]), int targets [n, longest] or all of them joined, lengths [n]. The
    mean is over the loss of each target divided by its length. `zero_infinity` takes 0 where no alignment fits. As in
    PyTorch, the gradient is that of the scores behind `log_softmax`, which must have made log_probs.
    """
    if isinstance(log_probs.shape[0], SymInt):
        raise UntraceableError("ctc_loss loops over time, whose length is not known", "a fixed number of time steps")
    single = log_probs.ndim == 2
    x = log_probs.unsqueeze(1) if single else log_probs
    inputs, lengths = _lengths(input_lengths), _lengths(target_lengths)
    labels = _padded(targets.reshape(1, -1) if single and targets.ndim < 2 else targets, lengths)
    loss = _negative_log(x, labels, inputs, lengths, blank)
    reachable = loss < -NEVER / 2
    loss = where(reachable, loss, 0.0 if zero_infinity else float("inf"))
    if reduction == "mean":
        return mean(loss / clamp(lengths, min=1).to(loss.dtype))
    return reduced(loss.squeeze(0) if single else loss, reduction)


def _lengths(lengths: Any) -> Tensor:
    return as_tensor(np.array(lengths) if isinstance(lengths, Sequence) else lengths, dtypes.int64).reshape(-1)


def _padded(targets: Tensor, lengths: Tensor) -> Tensor:
    """int64 [n, longest]: joined targets cut apart."""
    targets = targets.to(dtypes.int64)
    if targets.ndim == 2:
        return targets
    known = lengths.numpy()
    starts = np.concatenate([[0], np.cumsum(known)[:-1]])
    places = starts[:, None] + np.arange(max(int(known.max(initial=0)), 1))
    return targets[np.minimum(places, max(targets.shape[0] - 1, 0))]


def _negative_log(x: Tensor, labels: Tensor, inputs: Tensor, lengths: Tensor, blank: int) -> Tensor:
    """[n]: the forward recursion over states blank, label, blank, ..., blank."""
    n, states = x.shape[1], 2 * labels.shape[1] + 1
    blanks = full_like(labels, blank)
    path = cat([stack([blanks, labels], 2).flatten(1), blanks[:, :1]], 1)
    scores = x.gather(2, path.unsqueeze(0).expand(x.shape[0], n, states))
    skips = cat([full((n, 2), False), (path[:, 2:] != blank) & (path[:, 2:] != path[:, :-2])], 1)
    first = where((arange(states) < 2) & (arange(states) <= 2 * lengths.unsqueeze(1)), scores[0], NEVER)
    alpha = _softened(first, x[0], inputs > 0)
    for t in range(1, x.shape[0]):
        before = [alpha, _shifted(alpha, 1), where(skips, _shifted(alpha, 2), NEVER)]
        running = t < inputs
        after = clamp(logsumexp(stack(before), 0) + scores[t], min=NEVER)
        alpha = where(running.unsqueeze(1), _softened(after, x[t], running), alpha)
    ends = lengths.unsqueeze(1) * 2
    last = where((arange(states) == ends) | (arange(states) == ends - 1), alpha, NEVER)
    return -logsumexp(last, 1)


def _shifted(alpha: Tensor, by: int) -> Tensor:
    return alpha.pad_constant([by, -by], NEVER)


def _softened(alpha: Tensor, logp: Tensor, counted: Tensor) -> Tensor:
    """`alpha` as it is, with the gradient that log_softmax would add if its scores were asked instead."""
    mass = total(exp(logp), 1, keepdim=True)
    return alpha - where(counted.unsqueeze(1), mass - mass.detach(), 0.0)
