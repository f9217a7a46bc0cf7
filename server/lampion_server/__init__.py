"""Serves models over HTTP: the Open Inference Protocol v2, and photos in, labels out.

A name's module is imported when the name is first used: `lampion bench` and `lampion keys` don't wait for a web framework.
"""

from typing import TYPE_CHECKING

from lampion_edge.lazily import lazily

if TYPE_CHECKING:  # the same table, for type checkers and editors
    from lampion_server.app import build_app as build_app
    from lampion_server.dataplane import DataPlane as DataPlane
    from lampion_server.errors import ServerError as ServerError
    from lampion_server.repository import Repository as Repository
    from lampion_server.scheduler import Scheduler as Scheduler
    from lampion_server.settings import Settings as Settings

_HOMES = {
    "DataPlane": ".dataplane",
    "Repository": ".repository",
    "Scheduler": ".scheduler",
    "ServerError": ".errors",
    "Settings": ".settings",
    "build_app": ".app",
}
__all__ = list(_HOMES)
__getattr__, __dir__ = lazily(globals(), _HOMES)
