"""Serves models over HTTP: the Open Inference Protocol v2, and photos in, labels out.

A name's module is imported when the name is first used: `lampion bench` and `lampion keys` don't wait for a web framework.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same table, for type checkers and editors
    from lampion_server.app import build_app as build_app
    from lampion_server.dataplane import DataPlane as DataPlane
    from lampion_server.errors import ServerError as ServerError
    from lampion_server.repository import Repository as Repository
    from lampion_server.scheduler import Scheduler as Scheduler
    from lampion_server.settings import Settings as Settings

_HOMES = {
    "DataPlane": "dataplane",
    "Repository": "repository",
    "Scheduler": "scheduler",
    "ServerError": "errors",
    "Settings": "settings",
    "build_app": "app",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """A public name, from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return __all__
