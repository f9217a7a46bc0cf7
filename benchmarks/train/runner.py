"""One model under one framework, in a process of its own that does what it is told through a pipe."""

from __future__ import annotations

import itertools
import logging
import math
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

MEASURES = ("forward", "backward", "step")
STEPS = 20  # whose losses are compared
TURN = 0.03  # seconds that are timed at once
LINE = "import lampion as torch\n"


def models(framework: str) -> ModuleType:
    """models.py for a framework, by the name of its package."""
    if framework == "lampion":
        return import_module("train.models")
    path = Path(__file__).with_name("models.py")
    module = sys.modules["models_of_torch"] = ModuleType("models_of_torch")
    exec(compile(path.read_text().replace(LINE, "import torch\n"), str(path), "exec"), vars(module))
    return module


def serve(pipe: Any, name: str, framework: str, compiled: bool, cores: int | None) -> None:
    """Answers what the pipe asks: "start", ("time", measure) until None."""
    warnings.simplefilter("ignore")
    logging.getLogger("torch").setLevel(logging.ERROR)
    os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"  # so that it compiles what it says it compiled
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:] if cores else os.sched_getaffinity(0))
    torch = import_module(framework)
    runner = Runner(torch, models(framework).CASES[name], compiled)
    while (asked := pipe.recv()) is not None:
        try:
            pipe.send(runner.started() if asked == "start" else runner.timed(asked))
        except Exception as error:
            pipe.send(error)
            raise


class Runner:
    """A model, its optimizer, and the three things that are done with it."""

    def __init__(self, torch: Any, case: Any, compiled: bool) -> None:
        import numpy as np

        draw = np.random.default_rng(0)
        model = case.build()
        with torch.no_grad():
            for p in model.parameters():  # what has one dim starts as both frameworks start it, or as nothing
                if p.ndim > 1:
                    p.copy_(torch.from_numpy(draw.standard_normal(p.shape, np.float32) / p[0].numel() ** 0.5))
                elif not (p == 1).all():
                    p.zero_()
        self.batches = [tuple(map(torch.from_numpy, batch)) for batch in case.batches(draw)]
        self.imported = _memory("VmRSS")
        self.functions = functions(torch, model, case.dynamic, compiled)
        self._many: dict[str, int] = {}

    def started(self) -> dict[str, Any]:
        """The losses of the first steps, the seconds that the first took more than later ones, and MB of memory at most."""
        step, losses, times = self.functions["step"], [], []
        for x, y in self._data(STEPS):
            start = time.perf_counter()
            losses.append(step(x, y).item())
            times.append(time.perf_counter() - start)
        why = getattr(step, "why_not", None)
        peak = _memory("VmHWM")
        return {
            "losses": losses,
            "first": sum(times[:3]) - 3 * min(times),
            "peak": peak,
            "grown": peak - self.imported,
            "why_not": why,
        }

    def timed(self, measure: str) -> float:
        """Seconds of one call, on average over as many as fill a turn."""
        function = self.functions[measure]
        if measure not in self._many:
            self._many[measure] = _calls_of_a_turn(function, self.batches)
        data = list(self._data(self._many[measure]))
        start = time.perf_counter()
        for x, y in data:
            function(x, y)
        return (time.perf_counter() - start) / len(data)

    def _data(self, count: int) -> Iterator[Any]:
        return itertools.islice(itertools.cycle(self.batches), count)


def functions(torch: Any, model: Any, dynamic: Any, compiled: bool) -> dict[str, Callable[..., Any]]:
    """What is measured. lampion compiles the function as it is, PyTorch the model in it, as its users do."""
    whole = compiled and torch.__name__ == "lampion"
    score = torch.compile(model) if compiled and not whole else model
    loss_of, optimizer = torch.nn.functional.cross_entropy, torch.optim.Adam(model.parameters(), lr=1e-4)

    def forward(x: Any, y: Any) -> Any:
        with torch.no_grad():
            return loss_of(score(x), y)

    def backward(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(score(x), y)
        loss.backward()
        return loss

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(score(x), y)
        loss.backward()
        optimizer.step()
        return loss

    many = (forward, backward, step)
    return dict(zip(MEASURES, [torch.compile(f, dynamic=dynamic) for f in many] if whole else many, strict=True))


def _calls_of_a_turn(function: Callable[..., Any], batches: list[Any]) -> int:
    for x, y in batches:  # every shape has been there once
        function(x, y)
    start = time.perf_counter()
    for x, y in batches:
        function(x, y)
    rounds = TURN / (time.perf_counter() - start)
    return len(batches) * max(1, math.ceil(rounds))


def _memory(what: str) -> float:
    """MB of this process, by the name that /proc has for it."""
    found = re.search(rf"^{what}:\s*(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024
