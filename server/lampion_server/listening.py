"""Where the server listens: a TCP port or a unix socket, taken before the models are loaded."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import ExitStack
from pathlib import Path

from lampion_server.errors import StartupError
from lampion_server.settings import Settings

BACKLOG = 2048  # callers who wait to be let in


def bound(settings: Settings) -> socket.socket:
    """A bound socket, so that a port in use shows at once. Raises `StartupError`."""
    return _unix(Path(settings.uds)) if settings.uds else _tcp(settings.host, settings.port, "port")


def url(listener: socket.socket, settings: Settings) -> str:
    """What a client calls it."""
    if settings.uds:
        return f"unix:{settings.uds}"
    host, port = listener.getsockname()[:2]
    return called(host, port, settings)


def called(host: str, port: int, settings: Settings) -> str:
    """The same, for a host and a port."""
    scheme = "https" if settings.tls_cert else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def forget(settings: Settings) -> None:
    """Removes the unix socket's file, if there is one."""
    if settings.uds:
        Path(settings.uds).unlink(missing_ok=True)


def reserved(host: str, port: int, name: str) -> socket.socket:
    """A port that several processes can then share, held free while they start. Raises `StartupError`."""
    _tcp(host, port, name).close()  # what can be shared isn't refused to anybody, be it another server's
    return _tcp(host, port, name, shared=True)


def _tcp(host: str, port: int, name: str, *, shared: bool = False) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, _, _, _, address = found[0]
        with ExitStack() as undo:
            listener = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT if shared else socket.SO_REUSEADDR, 1)
            listener.bind(address)
            undo.pop_all()
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = f"choose another --host or --{name.replace('_', '-')} (0 takes a free one)"
        raise StartupError(f"can't listen on {host} port {port}: {reason}", field=name, hint=hint) from None
    return listener


def _unix(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.exists() and not path.is_socket():
            raise FileExistsError(errno.EEXIST, "there is something that is no socket")
        if path.exists() and _is_stale(path):
            path.unlink()
        listener.bind(str(path))
        os.chmod(path, 0o660)  # whoever may talk to the server is this user or of its group
    except OSError as error:
        listener.close()
        hint = "choose another --uds, in a folder that this user may write to"
        raise StartupError(f"can't listen on {path}: {error.strerror or error}", field="uds", hint=hint) from None
    return listener


def _is_stale(path: Path) -> bool:
    """Whether a server that is no longer there left this socket behind."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return True
    return False
