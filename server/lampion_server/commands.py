"""`lampion serve`."""

from __future__ import annotations

import logging
import socket
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack, suppress
from importlib.util import find_spec

import uvicorn

from lampion_edge.commands import Command
from lampion_server.app import build_app
from lampion_server.dataplane import DataPlane
from lampion_server.errors import StartupError
from lampion_server.metrics import Metrics
from lampion_server.repository import Repository
from lampion_server.settings import Settings, add_arguments


def arguments(parser: ArgumentParser) -> None:
    """One argument per setting."""
    parser.description = (
        "Serve models over HTTP: the Open Inference Protocol v2 for tensors, /v1/models/NAME/predict for photos. "
        "Each option can also be given as the environment variable in brackets."
    )
    parser.epilog = (
        "example: lampion serve digits.onnx, then curl --data-binary @photo.png URL/v1/models/digits/predict"
    )
    add_arguments(parser)


def serve(args: Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C, then finish what is under way. Prints one line when ready.

    Raises `StartupError` if it can't start.
    """
    settings = Settings.read(args)
    with _bound(settings) as listener, suppress(KeyboardInterrupt):  # uvicorn raises it again after its orderly end
        _run(settings, listener)
    return 0


def _bound(settings: Settings) -> socket.socket:
    """A bound socket, taken before the models are loaded, so that a port in use shows at once."""
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
        family, _, _, _, address = found[0]
        with ExitStack() as undo:
            listener = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            undo.pop_all()
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = "choose another --host or --port (0 takes a free one)"
        raise StartupError(f"can't listen on {settings.host} port {settings.port}: {reason}", hint=hint) from None
    return listener


def _run(settings: Settings, listener: socket.socket) -> None:
    if not settings.models:
        raise StartupError("expected at least one model file or folder, got none", hint="lampion serve model.onnx")
    check_extra(settings)
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s")
    metrics = Metrics()
    repository = Repository(settings.models, settings, metrics.batch)
    plane = DataPlane(repository, settings, metrics)
    app = build_app(plane)
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level=max(logging.WARNING, logging.getLevelNamesMapping()[settings.log_level.upper()]),
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=settings.drain_timeout,
    )

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            names = ", ".join(repository.names()) or "no model"
            grpc = f", gRPC on port {plane.grpc_port}" if plane.grpc_port else ""
            print(f"lampion: serving {names} at {_url(listener)}{grpc} (docs at /docs)", flush=True)

    Server(config).run([listener])


def check_extra(settings: Settings) -> None:
    """Raises `StartupError` if gRPC is wanted and its packages aren't there, before anything is loaded."""
    if settings.grpc_port >= 0 and not all(find_spec(name) for name in ("grpc", "grpc_health", "grpc_reflection")):
        raise StartupError(
            "gRPC: its packages are not installed", field="grpc_port", hint="pip install 'lampion[grpc]'"
        )


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


SERVE = Command("serve", "serve models over HTTP", arguments, serve)
