"""Folders that are made once and kept: whole or not at all, by one process even if several ask."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from lampion_edge.errors import EdgeError
from lampion_edge.tuning import cache


def home() -> Path:
    """Where everything about boards is kept."""
    return cache().absolute() / "boards"


def fingerprint(*parts: object) -> str:
    """A short name for these parts, another for others."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:12]


def made(name: str, build: Callable[[Path], None], *, what: str = "") -> Path:
    """The folder `name` below home(). If it isn't there, `build` is given an empty one; it gets its name when that is done."""
    import fcntl  # not on Windows, where the other commands work

    folder = home() / name
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return folder
        if what:
            print(f"once: {what}, into {folder}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as draft:
            whole = Path(draft) / "whole"
            whole.mkdir()
            build(whole)
            whole.rename(folder)
    return folder


def call(
    command: Sequence[str | Path], *, why: str, environment: dict[str, str] | None = None, cwd: Path | None = None
) -> str:
    """What the program prints. Raises EdgeError with its last words, or if there is no such program."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd, check=False)
    except FileNotFoundError:
        raise EdgeError(
            f"{why}: there is no program {command[0]} here",
            hint="boards are emulated on Debian and what descends from it, with apt-get and dpkg-deb",
        ) from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        errors = [line for line in lines if line.startswith(("E:", "ERROR:"))]
        words = (errors or lines)[-2:]
        raise EdgeError(f"{why}: {' '.join(words) or f'{command[0]} ended with code {done.returncode}'}")
    return done.stdout
