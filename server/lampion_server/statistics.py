"""The protocol's statistics extension: what became of the requests of each version of a model."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from lampion_server.tickets import Answer

STAGES = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss")


@dataclass(slots=True)
class Duration:
    """How often something happened, and the seconds it took in all."""

    count: float = 0.0
    seconds: float = 0.0

    def add(self, seconds: float, count: float = 1.0) -> None:
        """Once more, or a part of once."""
        self.count += count
        self.seconds += seconds

    def as_json(self) -> dict[str, int]:
        """As the protocol has it, in nanoseconds."""
        return {"count": round(self.count), "ns": round(self.seconds * 1e9)}


@dataclass(slots=True)
class ModelStatistics:
    """Counts of one version. An answer counts as its share of the batch it was in, so that batches add up to whole ones."""

    last: float = 0.0
    inferences: int = 0
    stages: dict[str, Duration] = field(default_factory=lambda: {stage: Duration() for stage in STAGES})
    batches: dict[int, Duration] = field(default_factory=lambda: defaultdict(Duration))

    def answered(self, answer: Answer, rows: int, preparation: float = 0.0, *, cached: bool = False) -> None:
        """A request of `rows` rows was answered; `preparation` is the seconds that came before its tensors were there,
        `cached` whether there is a cache that could have known the answer.
        """
        if cached:
            self.stages["cache_miss" if answer.rows else "cache_hit"].add(0.0)
            if not answer.rows:
                return
        share = rows / answer.rows if rows else 0.0
        self.last = time.time()
        self.inferences += rows
        self.stages["queue"].add(answer.queue)
        self.stages["compute_input"].add(preparation)
        self.stages["compute_infer"].add(answer.compute)
        self.stages["compute_output"].add(0.0)
        self.batches[answer.rows].add(answer.compute * share, share)

    def as_json(self, name: str, version: str) -> dict[str, Any]:
        """One entry of the protocol's `model_stats`; the time of the last inference is in milliseconds since 1970."""
        none = Duration().as_json()
        batches = [
            {"batch_size": rows, "compute_input": none, "compute_infer": batch.as_json(), "compute_output": none}
            for rows, batch in sorted(self.batches.items())
        ]
        return {
            "name": name,
            "version": version,
            "last_inference": round(self.last * 1000),
            "inference_count": self.inferences,
            "execution_count": round(sum(batch.count for batch in self.batches.values())),
            "inference_stats": {stage: duration.as_json() for stage, duration in self.stages.items()},
            "batch_stats": batches,
            "memory_usage": [],
        }


def added(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One entry out of those that several processes have of the same version: counts add up, the last inference is the last."""
    first, *others = parts
    total: dict[str, Any] = dict(first)
    for part in others:
        total["last_inference"] = max(total["last_inference"], part["last_inference"])
        for count in ("inference_count", "execution_count"):
            total[count] += part[count]
        stages = total["inference_stats"].items()
        total["inference_stats"] = {name: _sum(stage, part["inference_stats"][name]) for name, stage in stages}
        batches = {batch["batch_size"]: batch for batch in total["batch_stats"]}
        for batch in part["batch_stats"]:
            known = batches.get(batch["batch_size"])
            batches[batch["batch_size"]] = _batch_sum(known, batch) if known else batch
        total["batch_stats"] = [batches[size] for size in sorted(batches)]
    return total


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {key: one[key] + other[key] for key in ("count", "ns")}


def _batch_sum(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    stages = {key: _sum(one[key], other[key]) for key in ("compute_input", "compute_infer", "compute_output")}
    return {"batch_size": one["batch_size"], **stages}


class Counted:
    """`with` it: a request is counted by how the block ends."""

    __slots__ = "_started", "_statistics"

    def __init__(self, statistics: ModelStatistics) -> None:
        self._statistics = statistics
        self._started = time.monotonic()

    def __enter__(self) -> ModelStatistics:
        return self._statistics

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        outcome = "fail" if kind else "success"
        self._statistics.stages[outcome].add(time.monotonic() - self._started)


class Statistics:
    """The statistics of all models since the server began, by name and version; written by the event loop alone.

    `known` tells which there are. Others are forgotten, or a server that gets new versions for months would keep them all.
    """

    def __init__(self, known: Callable[[], Collection[tuple[str, str]]]) -> None:
        self._known = known
        self._models: dict[tuple[str, str], ModelStatistics] = {}

    def of_request(self, name: str, version: str) -> Counted:
        """Count a request as success or failure by how the block ends; what it computed is told to the value."""
        return Counted(self._of(name, version))

    def refused(self, name: str, version: str) -> None:
        """A request was turned away before it was read, which is a failure as well."""
        self._of(name, version).stages["fail"].add(0.0)

    def as_json(self, name: str, version: str) -> dict[str, Any]:
        """The protocol's entry of one version, all zero if nobody asked it yet."""
        return (self._models.get((name, version)) or ModelStatistics()).as_json(name, version)

    def _of(self, name: str, version: str) -> ModelStatistics:
        found = self._models.get((name, version))
        if found is None:
            known = self._known()
            self._models = {key: value for key, value in self._models.items() if key in known}
            found = self._models[name, version] = ModelStatistics()
        return found
