"""What edge's commands do that is no device's business: the package lampion brings it, found by name when it is typed."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from lampion_edge.errors import EdgeError

LOAD = "lampion_server.load.command"  # `bench` of a server


def installed(module: str) -> bool:
    """Whether the module's package is."""
    return find_spec(module.partition(".")[0]) is not None


def brought(module: str, what: str) -> Any:
    """The module. Raises EdgeError where its package isn't installed: `what` needs it."""
    if not installed(module):
        message = f"{what} needs the package lampion, which isn't installed here"
        raise EdgeError(message, hint="pip install lampion")
    return import_module(module)
