"""The servers that tests/server has, for clients of other makers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from server.conftest import build, folder, serve  # fixtures

__all__ = ["build", "folder", "running", "serve"]


@pytest.fixture(scope="module")
def running(serve: Any, folder: Any) -> Iterator[Any]:
    """A server of all models, with gRPC."""
    with serve(folder, grpc_port=0) as server:
        yield server
