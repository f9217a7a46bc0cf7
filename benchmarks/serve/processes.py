"""Peers as processes: installed once, started, frozen while another one is measured, ended by their ids."""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from peers import SERVERS, Peer, command

from lampion_edge import Client, ServiceError

_START = 120.0  # seconds that a server gets until its first answer
_REFUSED = 10.0  # seconds in which it may refuse: some say 400 of a model that they are still loading


def installed(peer: Peer, cache: Path) -> Path:
    """The Python that runs a peer: this one, or that of its own venv, which is made at the first time."""
    if not peer.packages:
        return Path(sys.executable)
    venv = cache / "venvs" / peer.key
    done = venv / "installed"
    wanted = "\n".join(peer.packages)
    if not done.exists() or done.read_text() != wanted:
        print(f"installing {peer.name} into {venv} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
        subprocess.run([venv / "bin" / "pip", "install", "--quiet", *peer.packages], check=True)
        done.write_text(wanted)
    return venv / "bin" / "python"


class Running:
    """A started peer."""

    def __init__(self, peer: Peer, process: subprocess.Popen[bytes], url: str) -> None:
        self.peer = peer
        self.url = url
        self._process = process

    def wait(self, path: str, body: bytes, headers: dict[str, str]) -> bytes:
        """Its first good answer. Raises EdgeError if none comes."""
        end, refused = time.monotonic() + _START, math.inf
        with Client(self.url, retries=0, timeout=20) as client:
            while True:
                try:
                    return client.request("POST", path, body, headers)[0]
                except ServiceError as error:
                    refused = min(refused, time.monotonic()) if error.status in (400, 422, 500) else math.inf
                    if time.monotonic() > min(end, refused + _REFUSED) or self._process.poll() is not None:
                        raise
                    time.sleep(0.2)

    def freeze(self) -> None:
        """Takes it off the processor."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def end(self) -> None:
        """Asks it to end, and after a while insists; its children too."""
        ids = family(self._process.pid)
        self.thaw()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pid in ids:
            _kill(pid, signal.SIGKILL)
        with suppress(ProcessLookupError):  # whose parent died before they did
            os.killpg(self._process.pid, signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        for pid in family(self._process.pid):
            _kill(pid, number)


def _kill(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def family(pid: int) -> list[int]:
    """A process and all that came from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit():
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
        except (OSError, IndexError):  # it has just ended
            continue
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


@contextmanager
def running(peer: Peer, scenario: str, model: Path, workers: int, cache: Path) -> Iterator[Running]:
    """A peer that was told to start; `wait` tells when it is there."""
    ports = [str(port) for port in free_ports(3)]
    environment = os.environ | {"MODEL": str(model), "WORKERS": str(workers), "SCENARIO": scenario}
    environment |= dict(zip(("PORT", "PORT_2", "PORT_3"), ports, strict=True))
    environment |= {
        "OMP_NUM_THREADS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "BENTOML_DO_NOT_TRACK": "1",
    }
    log = cache / "logs" / f"{peer.key if peer.packages else peer.name}-{scenario}.log"
    log.parent.mkdir(exist_ok=True)
    # Below /tmp, since Ray's sockets need a short path.
    with log.open("wb") as output, TemporaryDirectory(prefix="lampion-", ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            command(peer, installed(peer, cache), model, int(ports[0])),
            env=environment | {"FOLDER": folder},
            cwd=SERVERS,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        started = Running(peer, process, f"http://127.0.0.1:{ports[0]}")
        try:
            yield started
        finally:
            started.end()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports
