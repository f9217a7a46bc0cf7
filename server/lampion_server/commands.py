"""`lampion serve` and `lampion keys`."""

from __future__ import annotations

import logging
import os
import socket
import ssl
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile

from lampion_edge import usable_cores
from lampion_edge.commands import Command
from lampion_server import command_keys
from lampion_server.dataplane import DataPlane
from lampion_server.errors import StartupError
from lampion_server.extras import check
from lampion_server.keys import read_keys
from lampion_server.listening import BACKLOG, bound, called, forget, reserved, url
from lampion_server.logs import set_up
from lampion_server.relay import Ready
from lampion_server.settings import Settings, add_arguments, unknown_variables
from lampion_server.signals import leave

log = logging.getLogger(__name__)


def arguments(parser: ArgumentParser) -> None:
    """One argument per setting."""
    parser.description = (
        "Serve models over HTTP: the Open Inference Protocol v2 for tensors, /v1/models/NAME/predict for photos. "
        "Each option can also be given as the environment variable in brackets, or in the file of --config."
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
    if not settings.models:
        raise StartupError("expected at least one model file or folder, got none", hint="lampion serve model.onnx")
    check_files(settings)
    check_extras(settings)
    set_up(settings)
    for warning in warnings(settings):
        log.warning("%s", warning)
    if settings.ray:
        _serve_on_ray(settings)
        return 0
    with bound(settings) as listener:
        try:
            unfinished = _serve(settings, listener)
        finally:
            forget(settings)
    if unfinished:
        leave()
    return 0


def warnings(settings: Settings, environ: Mapping[str, str] = os.environ) -> list[str]:
    """What was asked for and won't be so, though nothing keeps the server from starting."""
    usable = usable_cores()
    if settings.ray or settings.cores <= usable:
        return unknown_variables(environ)
    return [
        *unknown_variables(environ),
        f"setting cores: {settings.cores} are more than this process may use; {usable} are used",
    ]


def _announced(settings: Settings, address: str) -> Callable[[Ready], None]:
    """What prints the line that says that everything is served."""

    def started(ready: Ready) -> None:
        names = ", ".join(ready.names) or "no model"
        grpc = f", gRPC on port {ready.grpc_port}" if ready.grpc_port else ""
        workers = f", {settings.workers} workers" if settings.workers > 1 else ""
        replicas = f", {settings.replicas} replicas" if settings.ray and settings.replicas > 1 else ""
        print(f"lampion: serving {names} at {address}{grpc}{workers}{replicas} (docs at /docs)", flush=True)

    return started


def _serve(settings: Settings, listener: socket.socket) -> bool:
    """Whether it has left something behind that would hold the process."""
    started = _announced(settings, url(listener, settings))
    with _grpc_port(settings) as taken:
        settings = replace(settings, grpc_port=taken.port)
        # Imported when it is known which of the two is needed: the supervisor itself runs no model.
        if settings.workers > 1:
            from lampion_server import worker
            from lampion_server.loading import own_cores
            from lampion_server.workers import Supervisor

            own_cores(settings)
            listener.listen(BACKLOG)
            Supervisor(settings, listener, worker.main, started).run()
            return False
        from lampion_server.serving import opened, serve

        def told(plane: DataPlane) -> None:
            started(Ready(plane.repository.names(), plane.grpc_port))

        return serve(opened(settings), listener, told, lambda plane: plane.repository.load_all())


def _serve_on_ray(settings: Settings) -> None:
    from lampion_server.on_ray import serving as on_ray

    if settings.ray_address:  # the port may be taken, by Ray Serve's own proxy
        port, address = settings.port, called(settings.host, settings.port, settings)
    else:
        with bound(settings) as listener:
            port, address = listener.getsockname()[1], url(listener, settings)
    started = _announced(settings, address)
    on_ray.serve(settings, port, lambda names: started(Ready(names, None)))


class _grpc_port:  # noqa: N801  (used like the functions of contextlib)
    """gRPC's port, chosen once for all processes and held: gRPC itself would share it with any other server of this user."""

    def __init__(self, settings: Settings) -> None:
        self._held = reserved(settings.host, settings.grpc_port, "grpc_port") if settings.grpc_port >= 0 else None
        self.port = self._held.getsockname()[1] if self._held else -1

    def __enter__(self) -> _grpc_port:
        return self

    def __exit__(self, *error: object) -> None:
        if self._held:
            self._held.close()


def check_files(settings: Settings) -> None:
    """Raises `StartupError` for files of the settings that can't be used, before anything is loaded."""
    for name in ("tls_cert", "tls_key", "tls_client_ca"):
        path = getattr(settings, name)
        if path and not Path(path).is_file():
            raise StartupError(f"setting {name}: there is no file {path}", field=name)
    if settings.tls_cert:
        _check_tls(settings)
    if settings.keys:
        read_keys(settings.keys)
    if settings.collect:
        _check_writable(settings.collect)
    if settings.grpc_port >= 0 and settings.tls_password:
        hint = "write the key without its password: openssl pkey -in KEY -out PLAIN"
        raise StartupError(
            "setting tls_password: gRPC takes no private key that has one", field="tls_password", hint=hint
        )


def _check_writable(folder: str) -> None:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        message = f"setting collect: expected a folder to write to, got {folder} ({error.strerror})"
        raise StartupError(message, field="collect") from None


def _check_tls(settings: Settings) -> None:
    context, name, wanted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), "tls_cert", "a PEM certificate chain"
    try:
        context.load_verify_locations(settings.tls_cert)
        if settings.tls_client_ca:
            name, wanted = "tls_client_ca", "PEM certificates"
            context.load_verify_locations(settings.tls_client_ca)
        name, wanted = "tls_key", f"the PEM private key of {settings.tls_cert}, and its tls_password if it has one"
        context.load_cert_chain(settings.tls_cert, settings.tls_key, settings.tls_password)
    except OSError as error:  # what ssl raises is one
        path, reason = getattr(settings, name), getattr(error, "reason", None) or error.strerror or "not readable"
        reason = reason.replace("_", " ").lower()
        raise StartupError(f"setting {name}: expected {wanted}, got {path} ({reason})", field=name) from None


NOT_ON_RAY = {
    "workers": "--replicas says how many processes serve",
    "grpc_port": "Ray's proxy carries HTTP alone",
    "uds": "Ray's proxy listens on --host and --port",
    "trusted_proxies": "Ray's proxy is who asks here",
    "drain_delay": "Ray tells its proxies before it ends a replica",
}


def check_ray(settings: Settings) -> None:
    """Raises `StartupError` for settings that have no meaning on Ray."""
    if settings.ray_address and not settings.port:
        raise StartupError("setting port: expected one that each node has free, got 0", field="port")
    for name, hint in NOT_ON_RAY.items():
        if getattr(settings, name) != getattr(Settings, name):
            raise StartupError(f"setting {name}: doesn't go together with ray", field=name, hint=hint)


def check_extras(settings: Settings) -> None:
    """Raises `StartupError` if gRPC or Ray is wanted and its packages aren't there, before anything is loaded."""
    if settings.grpc_port >= 0:
        check(["grpc", "grpc_health", "grpc_reflection"], "grpc", "grpc_port")
    if settings.ray:
        check(["ray"], "ray", "ray")
        check_ray(settings)


SERVE = Command("serve", "serve models over HTTP", arguments, serve)
KEYS = Command("keys", "make, list and remove API keys of a server", command_keys.arguments, command_keys.run)
