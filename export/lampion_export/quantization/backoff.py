"""Which layers go back to float, so that what the file loses stays within the bound."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lampion_edge import EdgeError, Session
from lampion_export.errors import ExportError, MismatchError
from lampion_export.quantization.judge import Judge, error, outputs
from lampion_export.quantization.scheme import Scheme, Tick

# Batches that the order of layers is found on: there is a run of them for every layer.
RANKED_ON = 2


def layers_to_leave(scheme: Scheme, judge: Judge, progress: Callable[[int], Tick]) -> list[str]:
    """The layers that have to stay in float, in the order they run: as many of the most harmful as it takes.

    Harm is the error with a single layer converted: two that share a bad range both show it, where leaving one of them
    in float would change nothing. Raises MismatchError if nothing would be left to convert.
    """

    def accepted(left: list[str]) -> bool:
        return judge.accepts(judge.score(session_of(scheme, left)))

    if accepted([]):
        return []
    ranked = _most_harmful_first(scheme, judge, progress(len(scheme.layers)))
    few, enough = 0, 1
    while enough < len(ranked) and not accepted(ranked[:enough]):
        few, enough = enough, min(2 * enough, len(ranked))
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if accepted(ranked[:middle]) else (middle, enough)
    if enough >= len(ranked):
        raise MismatchError(
            f"{judge.name}: expected at least {judge.before - judge.bound:.4g}, which no choice of layers reaches; "
            "nothing was written",
            hint="allow a larger bound, or give more samples: one of few weighs much",
        )
    return [layer for layer in scheme.layers if layer in ranked[:enough]]


def session_of(scheme: Scheme, left: list[str]) -> Session:
    """A session of the model with all layers converted but those in `left`; its card is still the float32 file's."""
    data = scheme.convert(left).SerializeToString()
    try:
        return Session(data, verify_checksum=False)
    except EdgeError as refused:
        raise ExportError(f"the converted graph can't be run: {refused}", hint=refused.hint) from refused


def _most_harmful_first(scheme: Scheme, judge: Judge, tick: Tick) -> list[str]:
    batches = judge.batches[:RANKED_ON]
    want = outputs(judge.session, batches)
    harm: dict[str, float] = {}
    for layer in scheme.layers:
        others = [name for name in scheme.layers if name != layer]
        harm[layer] = float(np.nan_to_num(error(want, outputs(session_of(scheme, others), batches)), nan=np.inf))
        tick()
    return sorted(scheme.layers, key=lambda layer: -harm[layer])
