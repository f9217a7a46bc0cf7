"""The pipelines of a repository, wired again whenever its models or their traffic change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lampion_edge import ModelError
from lampion_server.described import Described
from lampion_server.errors import NotFoundError, UnavailableError
from lampion_server.model import EVICTED, UNLOADED, Entries
from lampion_server.pipelines.pipeline import wired
from lampion_server.pipelines.running import Lease, Look
from lampion_server.pipelines.wiring import Find
from lampion_server.settings import Settings
from lampion_server.traffic import Traffic


def rewired(entries: Entries, traffic: Mapping[str, Traffic], lease: Lease, look: Look, settings: Settings) -> Entries:
    """The pipelines among `entries`, each wired to the models that are there now, or with the reason why it can't be."""
    find, found = _finder(entries, traffic), {}
    models = {name for (name, _), entry in entries.items() if entry.pipeline is None}
    for key, entry in entries.items():
        if entry.pipeline is None or entry.reason == UNLOADED:
            continue
        try:
            if entry.name in models:  # it could ask itself for ever
                raise ModelError(f"name: {entry.name!r} is a model's already")
            model = wired(entry.pipeline, find, lease, look, settings)
            found[key] = replace(entry, model=model, reason=entry.pipeline.stale)
        except ModelError as error:
            # One whose model was moved out stays, since asking it brings the model back.
            if not (entry.model and str(error).endswith(EVICTED)):
                found[key] = replace(entry, model=None, reason=str(error))
    return found


def _finder(entries: Entries, traffic: Mapping[str, Traffic]) -> Find:
    """What describes a model's version, its label, or who has its traffic."""
    models = [entry for entry in entries.values() if entry.pipeline is None]

    def find(name: str, version: str | None) -> Described:
        known = traffic.get(name)
        if known:
            version = known.labels().get(version, version) if version else known.stable
        there = [entry for entry in models if entry.name == name]
        entry = next((entry for entry in there if version in (None, entry.version)), None)
        if entry is None:
            served = ", ".join(sorted({entry.name for entry in models if entry.model}))
            of = f" version {version!r}" if there else ""
            raise NotFoundError(f"there is no model {name!r}{of}; served are: {served}")
        if entry.model is None:
            raise UnavailableError(f"model {name} version {entry.version} is not served: {entry.reason}")
        return entry.model.session

    return find
