"""API keys: a file of hashes, each with a name and what it allows.

A key is 256 random bits, so its hash needs no salt and no slow function: there is no dictionary to try, and a lookup by
hash tells nothing by the time it takes. (Passwords, which people choose, would need scrypt.)
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lampion_server.errors import StartupError

INFER, ADMIN = "infer", "admin"
SCOPES = (INFER, ADMIN)
_LOOK = 1.0  # seconds between looks whether the file has changed


@dataclass(frozen=True)
class Key:
    """A key's name, the SHA-256 of its text in hex, and its scopes: `infer` asks models, `admin` changes what is served."""

    name: str
    sha256: str
    scopes: tuple[str, ...]
    created: str = ""


def digest(token: str) -> str:
    """The hash under which a key is known."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_key(name: str, scopes: Iterable[str]) -> tuple[Key, str]:
    """A fresh key and its text, which is told once and kept nowhere."""
    token = f"lampion-{secrets.token_urlsafe(32)}"
    return Key(name, digest(token), tuple(scopes), time.strftime("%Y-%m-%d", time.gmtime())), token


def read_keys(path: str | Path) -> list[Key]:
    """The keys in a file. Raises `StartupError` naming what is wrong with it."""
    try:
        entries = json.loads(Path(path).read_text())["keys"]
        return [_key(entry) for entry in entries]
    except OSError as error:
        hint = "make it with: lampion keys add FILE NAME"
        raise StartupError(f"{path}: can't be read: {error.strerror}", field="keys", hint=hint) from None
    except (ValueError, KeyError, TypeError) as error:
        raise StartupError(f"{path}: not a file of keys ({error})", field="keys") from None


def write_keys(path: str | Path, keys: Iterable[Key]) -> None:
    """Writes the file in one step, readable by its owner alone. Raises OSError."""
    draft = Path(f"{path}.{os.getpid()}.draft")
    entries = [{"name": key.name, "sha256": key.sha256, "scopes": key.scopes, "created": key.created} for key in keys]
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"keys": entries}, file, indent=1)
    draft.replace(path)


def _key(entry: Mapping[str, Any]) -> Key:
    key = Key(str(entry["name"]), str(entry["sha256"]), tuple(entry["scopes"]), str(entry.get("created", "")))
    if unknown := [scope for scope in key.scopes if scope not in SCOPES]:
        raise ValueError(f"{key.name}: expected scopes {' or '.join(SCOPES)}, got {unknown[0]!r}")
    return key


class KeyRing:
    """The keys of a file by their hash; a changed file counts within a second, a broken one is ignored until it is whole."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._keys = _by_hash(path)
        self._stamp = self._path.stat().st_mtime_ns
        self._looked = time.monotonic()

    def find(self, token: str) -> Key | None:
        """The key of this text, None if there is none."""
        if time.monotonic() - self._looked > _LOOK:
            self._look()
        return self._keys.get(digest(token))

    def _look(self) -> None:
        self._looked = time.monotonic()
        try:
            stamp = self._path.stat().st_mtime_ns
            if stamp != self._stamp:
                self._keys, self._stamp = _by_hash(self._path), stamp
        except (OSError, StartupError):
            pass


def _by_hash(path: str | Path) -> dict[str, Key]:
    return {key.sha256: key for key in read_keys(path)}
