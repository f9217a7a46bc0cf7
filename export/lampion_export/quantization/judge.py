"""How far a converted file is from the float32 one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from lampion_edge import Session
from lampion_export.quantization.scheme import Array, Batch

Metric = Callable[[Session], float]
CLASSIFIERS = ("image-classification", "audio-classification")


class Judge:
    """Scores sessions with the caller's metric or, without one, by their agreement with `session` on `batches`.

    Agreement is the share of equal top-1 answers for a classifier (its card says so, or its first output is float and
    [batch, classes]), else R², the share of the outputs' variance that is explained.
    """

    def __init__(self, session: Session, batches: list[Batch], metric: Metric | None, bound: float) -> None:
        self.session, self.batches, self.bound = session, batches, bound
        self._metric = metric
        classifies = _classifies(session)
        self.name = getattr(metric, "__name__", "metric") if metric else "top-1 agreement" if classifies else "R²"
        self._agreement = _top1 if classifies else _explained

    @property
    def can_judge(self) -> bool:
        """Whether there is something to judge with."""
        return bool(self._metric or self.batches)

    @cached_property
    def before(self) -> float:
        """The score of the float32 file."""
        return self.score(self.session)

    def score(self, session: Session) -> float:
        """The metric's, or the agreement with float32; more is better."""
        if self._metric:
            return float(self._metric(session))
        return self._agreement(self._wanted, outputs(session, self.batches))

    def accepts(self, score: float) -> bool:
        """Whether a score has lost no more than the bound; nan never is."""
        return self.before - score <= self.bound

    @cached_property
    def _wanted(self) -> list[Array]:
        return outputs(self.session, self.batches)


def outputs(session: Session, batches: list[Batch]) -> list[Array]:
    """The first floating-point output (or else the first), batch by batch."""
    name = next((spec.name for spec in session.outputs if spec.dtype.startswith("float")), session.outputs[0].name)
    return [session.run(batch, [name])[name] for batch in batches]


def error(want: list[Array], got: list[Array]) -> float:
    """The mean square of the difference, as a share of that of what is wanted."""
    pairs = [(w.astype(np.float64), g.astype(np.float64)) for w, g in zip(want, got, strict=True)]
    off, whole = (sum(float(part.sum()) for part in parts) for parts in
                  ([(w - g) ** 2 for w, g in pairs], [w**2 for w, _ in pairs]))  # fmt: skip
    return off / whole if whole else off


def _classifies(session: Session) -> bool:
    first = session.outputs[0]
    columns = first.shape[1] if len(first.shape) == 2 else 1
    return session.card.task in CLASSIFIERS or (first.dtype.startswith("float") and columns != 1)


def _top1(want: list[Array], got: list[Array]) -> float:
    same = np.concatenate(
        [
            ((w.argmax(-1) == g.argmax(-1)) & (np.isfinite(g).all(-1) | ~np.isfinite(w).all(-1))).ravel()
            for w, g in zip(want, got, strict=True)
        ]
    )
    return float(same.mean())


def _explained(want: list[Array], got: list[Array]) -> float:
    true, found = (np.concatenate([array.ravel().astype(np.float64) for array in arrays]) for arrays in (want, got))
    spread = ((true - true.mean()) ** 2).sum()
    off = ((true - found) ** 2).sum()
    return float(1 - off / spread) if spread else float(off == 0)
