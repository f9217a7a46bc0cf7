"""Serves models over HTTP: the Open Inference Protocol v2, and photos in, labels out."""

from lampion_server.app import build_app
from lampion_server.dataplane import DataPlane
from lampion_server.errors import ServerError
from lampion_server.repository import Repository
from lampion_server.scheduler import Scheduler
from lampion_server.settings import Settings

__all__ = ["DataPlane", "Repository", "Scheduler", "ServerError", "Settings", "build_app"]
