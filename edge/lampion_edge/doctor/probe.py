"""Opens a model, replays its golden samples, runs it once, and prints that as JSON; `doctor` starts a process of this."""

from __future__ import annotations

import json
import sys

from lampion_edge.bench_worker import resident
from lampion_edge.errors import EdgeError
from lampion_edge.session import Session

if __name__ == "__main__":
    try:
        session = Session(sys.argv[1])
        verification = session.verify()
        milliseconds = session.warm_up()
        told = {
            "name": session.name,
            "ok": verification.ok,
            "golden": str(verification),
            "ms": milliseconds,
            "memory": resident(),
        }
        print(json.dumps(told))
    except EdgeError as error:
        print(json.dumps({"error": str(error), "hint": error.hint}))
