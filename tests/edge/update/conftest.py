"""Signed versions of the digits classifier, a key, and a device that trusts it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from edge.update.publishing import resign

from lampion_edge import METADATA_CARD, METADATA_GOLDEN, Card, ModelFile
from lampion_edge.update.repository import Repository
from lampion_edge.update.signature import new_key

Digits = Callable[..., bytes]
Publish = Callable[..., Path]


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key, with the public one beside it as release.pub."""
    path = tmp_path_factory.mktemp("keys") / "release.key"
    path.with_name("release.pub").write_text(new_key(path))
    return path


@pytest.fixture(scope="session")
def publish(digits: Digits, card: Card, key: Path, tmp_path_factory: pytest.TempPathFactory) -> Publish:
    """Writes a signed version of the classifier into a folder of its own, and gives the file's path."""

    def published(
        version: str, *, boards: tuple[str, ...] = (), name: str = "digits", golden: str | None = None, by: Path = key
    ) -> Path:
        whole = ModelFile.parse(digits())
        told = replace(card, name=name, version=version, checksum=whole.graph_checksum())
        metadata = {METADATA_CARD: told.to_json(), METADATA_GOLDEN: golden or whole.metadata[METADATA_GOLDEN]}
        path = tmp_path_factory.mktemp("published") / "digits.onnx"
        path.write_bytes(digits(metadata))
        resign(path, by, boards)
        return path

    return published


@pytest.fixture
def device(key: Path, tmp_path: Path) -> Repository:
    """A device without a version yet."""
    repository = Repository(tmp_path / "models")
    repository.pin(key.with_name("release.pub").read_bytes(), "release.pub")
    return repository
