"""Measures one setting of a model in a process of its own: cold start is cold, memory holds nothing of the last one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict

from lampion_edge.bench_worker import Measured, Setting
from lampion_edge.errors import ModelError


def measured(setting: Setting) -> Measured:
    """Latency, throughput, cold start and memory of the setting. Raises ModelError if the process can't measure it."""
    (result,) = measurements(setting)
    return result


def measurements(setting: Setting) -> Iterator[Measured]:
    """The same as often as the setting says, each as soon as it is there. Raises ModelError."""
    # -P: a numpy.py in the folder one happens to be in must not be imported. A session of its own: Ctrl-C reaches
    # only this process, which then ends the worker without a traceback.
    command = [sys.executable, "-P", "-m", "lampion_edge.bench_worker", json.dumps(asdict(setting))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as worker:
        try:
            assert worker.stdout is not None
            for line in worker.stdout:
                answer = json.loads(line)
                if "error" in answer:
                    raise ModelError(answer["error"], hint=answer["hint"])
                yield Measured(**answer)
        except BaseException:  # Ctrl-C too: the worker must not go on by itself
            worker.kill()
            raise
    if worker.returncode:
        raise ModelError(f"{setting.model}: the measuring process ended with code {worker.returncode}")
