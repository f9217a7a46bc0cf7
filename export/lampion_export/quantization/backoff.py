"""Which layers go back to float, so that what the file loses stays within the bound."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lampion_edge import EdgeError, Session
from lampion_export.errors import ExportError, MismatchError
from lampion_export.quantization.judge import Judge, error, outputs
from lampion_export.quantization.scheme import Scheme, Tick

# Batches that the order of layers is found on: there is a run of them for every layer.
RANKED_ON = 4


def layers_to_leave(scheme: Scheme, judge: Judge, progress: Callable[[int], Tick]) -> list[str]:
    """The fewest layers, the most harmful first, that have to stay in float; in the order they run.

    Harm is measured by leaving one layer at a time in float. Raises MismatchError if the bound is not even
    met with all of them in float.
    """

    def accepted(left: list[str]) -> bool:
        return judge.accepts(judge.score(session_of(scheme, left)))

    if accepted([]):
        return []
    if not accepted(scheme.layers):
        raise MismatchError(
            f"{judge.name}: expected at least {judge.before - judge.bound:.4g}, but no choice of layers gets there; "
            "nothing was written",
            hint="is the metric the same when it is called twice?",
        )
    ranked = _most_harmful_first(scheme, judge, progress(len(scheme.layers)))
    few, enough = 0, 1
    while enough < len(ranked) and not accepted(ranked[:enough]):
        few, enough = enough, min(2 * enough, len(ranked))
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if accepted(ranked[:middle]) else (middle, enough)
    return [layer for layer in scheme.layers if layer in ranked[:enough]]


def session_of(scheme: Scheme, left: list[str]) -> Session:
    """A session of the model with all layers converted but those in `left`."""
    try:
        return Session(
            scheme.convert(left).SerializeToString(), verify_checksum=False
        )  # the card is the float32 file's
    except EdgeError as refused:
        raise ExportError(f"the converted graph can't be run: {refused}", hint=refused.hint) from refused


def _most_harmful_first(scheme: Scheme, judge: Judge, tick: Tick) -> list[str]:
    batches = judge.batches[:RANKED_ON]
    want = outputs(judge.session, batches)
    remaining: dict[str, float] = {}
    for layer in scheme.layers:
        remaining[layer] = error(want, outputs(session_of(scheme, [layer]), batches))
        tick()
    return sorted(scheme.layers, key=lambda layer: np.nan_to_num(remaining[layer], nan=np.inf))
