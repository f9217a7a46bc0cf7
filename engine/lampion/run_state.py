"""What `fit` knows of a run while it runs: what was measured, where it stands, and all that must be kept to go on."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from lampion.checkpoint import load_checkpoint, save_checkpoint
from lampion.nn.module import Module
from lampion.ops.random import Generator, default_generator
from lampion.optim.optimizer import Optimizer


@dataclass
class History:
    """What `fit` measured: one dict an epoch with `loss`, the metrics, `lr`, and the same as `val_...` on validation data."""

    epochs: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = -1  # of the smallest val_loss, or loss without validation data; counted from 0
    stopped_early: bool = False

    def __getitem__(self, name: str) -> list[float]:
        if not any(name in epoch for epoch in self.epochs):
            raise KeyError(
                f"History: nothing measured as {name!r}, only {', '.join(self.epochs[0] if self.epochs else [])}"
            )
        return [epoch[name] for epoch in self.epochs]


@dataclass
class Sums:
    """Means over samples, in the making."""

    samples: int = 0
    totals: dict[str, float] = field(default_factory=dict)

    def add(self, values: Mapping[str, float], count: int) -> None:
        """Counts values that are means over `count` samples."""
        self.samples += count
        for name, value in values.items():
            self.totals[name] = self.totals.get(name, 0.0) + value * count

    def means(self) -> dict[str, float]:
        """The mean of everything. Raises ValueError for no samples."""
        if not self.samples:
            raise ValueError("fit: expected a loader with at least one batch, got none")
        return {name: total / self.samples for name, total in self.totals.items()}


class Run:
    """A run with its model, optimizer, scheduler and sources of random numbers, which can be written and read back."""

    def __init__(self, model: Module, optimizer: Optimizer, scheduler: Any, loader: Iterable[Any]) -> None:
        self.model, self.optimizer, self.scheduler, self.loader = model, optimizer, scheduler, loader
        self.generators = _generators(loader)
        self.history, self.sums = History(), Sums()
        self.epoch = self.batch = self.updates = 0  # batch: how many of this epoch are done
        self.best, self.best_weights = math.inf, dict[str, Any]()
        self.at_start: list[Any] = []  # of the generators, when the epoch began

    def batches(self) -> Iterator[Any]:
        """The batches of this epoch that are still to come, in the order that was drawn when it began."""
        if not self.batch:
            self.at_start = self._generator_states()
            yield from self.loader
            return
        now = self._generator_states()
        self._set_generators(self.at_start)
        rest = iter(self.loader)
        for _ in islice(rest, self.batch):
            pass
        self._set_generators(now)
        yield from rest

    def next_epoch(self) -> None:
        """Starts over with sums and batches."""
        self.epoch, self.batch, self.sums = self.epoch + 1, 0, Sums()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes everything that the rest of the run depends on."""
        save_checkpoint(
            {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
                "place": {"epoch": self.epoch, "batch": self.batch, "updates": self.updates, "best": self.best},
                "best_weights": self.best_weights,
                "history": asdict(self.history),
                "sums": asdict(self.sums),
                "generators": {"now": self._generator_states(), "at_start": self.at_start},
            },
            path,
        )

    def load(self, path: str | os.PathLike[str]) -> None:
        """Goes on from what `save` wrote. Raises ValueError where it was another kind of run."""
        state = load_checkpoint(path)
        generators = state["generators"]
        if (state["scheduler"] is None) != (self.scheduler is None) or len(generators["now"]) != len(self.generators):
            raise ValueError(
                f"fit: {Path(path)} is of a run with another scheduler or loader; build the run as it was, or drop resume"
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        vars(self).update(state["place"], best_weights=state["best_weights"], at_start=generators["at_start"])
        self.history, self.sums = History(**state["history"]), Sums(**state["sums"])
        self._set_generators(generators["now"])

    def _generator_states(self) -> list[Any]:
        return [generator.get_state() for generator in self.generators]

    def _set_generators(self, states: list[Any]) -> None:
        for generator, state in zip(self.generators, states, strict=True):
            generator.set_state(state)


def _generators(loader: Any) -> list[Generator]:
    """The default generator, and those of the loader and its samplers, each once."""
    owners = [loader, *(getattr(loader, name, None) for name in ("sampler", "batch_sampler"))]
    found = [default_generator, *(getattr(owner, "generator", None) for owner in owners)]
    return list({id(generator): generator for generator in found if generator is not None}.values())
