"""No server: two processes of one thread each decode and run the same photos; prints photos per second."""

from __future__ import annotations

import os
import sys
import time
from multiprocessing import Barrier, Pipe, Process
from pathlib import Path
from typing import Any

from lampion_edge import Session


def work(photos: list[bytes], seconds: float, start: Any, told: Any) -> None:
    session = Session(os.environ["MODEL"], threads=1)
    session.predict(photos[0], top=5)
    start.wait()
    count, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        session.predict(photos[count % len(photos)], top=5)
        count += 1
    told.send(count / (time.perf_counter() - end + seconds))


if __name__ == "__main__":
    seconds, workers = float(sys.argv[1]), 2
    photos = [Path(name).read_bytes() for name in sys.argv[2:]]
    start, (mine, theirs) = Barrier(workers), Pipe()
    processes = [Process(target=work, args=(photos, seconds, start, theirs)) for _ in range(workers)]
    for process in processes:
        process.start()
    print(sum(mine.recv() for _ in processes))
    for process in processes:
        process.join()
