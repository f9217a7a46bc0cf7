"""Opens a model, replays its golden samples and times it, and prints a line of JSON; `trial` starts a process of this."""

from __future__ import annotations

import json
import math
import signal
import sys
from time import perf_counter

from lampion_edge.errors import EdgeError
from lampion_edge.samples import sample_inputs
from lampion_edge.session import Session

_SECONDS, _MOST = 1.0, 50


def tried(model: str) -> dict[str, object]:
    """Whether the golden samples agree (None without any), what there is to say of it, and the median ms of a call.

    Raises EdgeError.
    """
    session = Session(model)
    verification = session.verify()
    inputs = sample_inputs(session)
    calls: list[float] = []
    end = perf_counter() + _SECONDS
    while not calls or (perf_counter() < end and len(calls) < _MOST):
        start = perf_counter()
        session.run(inputs)
        calls.append((perf_counter() - start) * 1000)
    errors = [sample.error for sample in verification.samples if sample.error]
    said = "; ".join([str(verification), *errors[:1]])
    return {"ok": verification.ok, "said": said, "latency": sorted(calls)[len(calls) // 2]}


if __name__ == "__main__":
    signal.alarm(math.ceil(float(sys.argv[2])) + 1)  # an end, though nobody may be left to bring it about
    try:
        print(json.dumps(tried(sys.argv[1])))
    except EdgeError as error:
        print(json.dumps({"error": str(error)}))
