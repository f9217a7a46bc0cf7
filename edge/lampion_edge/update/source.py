"""Where a release comes from: a lampion server, any web server, or a folder such as a USB stick's."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urljoin

from lampion_edge.errors import InputError, ModelError, RefusedError, ServiceError
from lampion_edge.update.release import SUFFIX

BLOCK = 2**18
_LARGEST_RELEASE = 2**20
_TIMEOUT = 30.0  # seconds without a byte


class Source(Protocol):
    """Hands out a signed release, and its files from any byte on."""

    def release(self, known: bytes | None = None) -> bytes | None:
        """The content of the file with the signature; None if it is the `known` one still.

        Raises RefusedError if there is a model without one, else ModelError or ServiceError.
        """

    def read(self, name: str, start: int) -> Iterator[bytes]:
        """The bytes of a file beside it, from `start` on. Raises ModelError or ServiceError, which another try may mend."""


def source_of(named: str, key: str | None = None) -> Source:
    """The source that the text means: a URL, or a path. `key` is an API key for a server that wants one."""
    if named.startswith(("http://", "https://")):
        return WebSource(named, key)
    if "://" in named:
        raise InputError(f"source: expected http://..., https://... or a path, got {named!r}", field="source")
    return FolderSource(Path(named))


class FolderSource:
    """A signed model file, or a folder with one in it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def release(self, known: bytes | None = None) -> bytes | None:
        try:
            content = self._signature().read_bytes()
        except OSError as error:
            raise ModelError(f"{self._path}: can't be read ({error.strerror})") from None
        return None if content == known else content

    def read(self, name: str, start: int) -> Iterator[bytes]:
        path = self._signature().parent / name
        try:
            with path.open("rb") as file:
                file.seek(start)
                while block := file.read(BLOCK):
                    yield block
        except OSError as error:
            raise ModelError(f"{path}: can't be read ({error.strerror})") from None

    def _signature(self) -> Path:
        """The file with the signature. Raises ModelError and RefusedError."""
        path = self._path
        if not path.exists():
            raise ModelError(f"{path}: there is no such file or folder", hint="is the stick mounted?")
        if path.is_dir():
            found = sorted(path.glob(f"*{SUFFIX}"))
            if len(found) > 1:
                raise ModelError(f"{path}: holds {len(found)} signed models", hint="name the .onnx file that is meant")
            if not found and not any(path.glob("*.onnx")):
                raise ModelError(f"{path}: holds no model")
            path = found[0] if found else path / "*.onnx"
        signature = path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)
        if not signature.is_file():
            raise _unsigned(str(self._path))
        return signature


class WebSource:
    """A model of a lampion server (`http://pi.local:8000/v1/models/digits`), or the URL of an .onnx file on any server."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._base = ""  # what the files' names are put behind; known when the release is

    def __str__(self) -> str:
        return self._url

    def release(self, known: bytes | None = None) -> bytes | None:
        plain = self._url.endswith((".onnx", SUFFIX))
        url = self._url.removesuffix(SUFFIX) + SUFFIX if plain else f"{self._url}/release"
        etag = {"If-None-Match": _etag(known)} if known else {}
        try:
            with self._open(url, etag) as response:
                content: bytes = response.read(_LARGEST_RELEASE)
                # A server that answers for its newest version says where that one's files will stay.
                found = urljoin(response.url, response.headers.get("Content-Location") or response.url)
        except ServiceError as error:
            if error.status == 304:
                return None
            if error.status == 404 and plain:
                raise _unsigned(self._url) from None
            if error.status == 404 and error.field == "release":
                raise RefusedError(str(error), hint=error.hint) from None
            raise
        self._base = urljoin(found, "." if plain else "files/")
        return content

    def read(self, name: str, start: int) -> Iterator[bytes]:
        url = urljoin(self._base, quote(name))
        with self._open(url, {"Range": f"bytes={start}-"} if start else {}) as response:
            skip = start if response.status == 200 else 0  # a server that knows no ranges begins at the first byte
            while block := _block(response, url):
                yield block[skip:]
                skip = max(0, skip - len(block))

    def _open(self, url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        """The answer, to be read. Raises ServiceError."""
        try:
            request = urllib.request.Request(url, headers=headers)
            if self._key:  # which isn't for the server that this one may send us to
                request.add_unredirected_header("Authorization", f"Bearer {self._key}")
            answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT)
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(url, error) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            hint = "is the server running, and is this its address?"
            raise ServiceError(f"{url}: no answer: {reason}", hint=hint) from None
        return answer


def _block(response: http.client.HTTPResponse, url: str) -> bytes:
    try:
        block = response.read(BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise ServiceError(f"{url}: the connection broke: {str(error) or type(error).__name__}") from None
    if not block and response.length:  # what was announced and didn't come
        raise ServiceError(f"{url}: the connection broke")
    return block


def _etag(content: bytes) -> str:
    """As a lampion server names the content of a signature."""
    import hashlib

    return f'"{hashlib.sha256(content).hexdigest()}"'


def _refusal(url: str, error: urllib.error.HTTPError) -> ServiceError:
    """What a server said no with, in its own words where it has some."""
    try:
        told = json.loads(error.read(2**16))
        message, field, hint = str(told["error"]), told.get("field"), told.get("hint")
    except (ValueError, KeyError, TypeError, OSError, http.client.HTTPException):
        message, field, hint = f"{url}: status {error.code}, {error.reason}", None, None
    return ServiceError(message, field=field, hint=hint, status=error.code)


def _unsigned(name: str) -> RefusedError:
    hint = "lampion sign model.onnx --key release.key"
    return RefusedError(f"{name}: isn't signed: there is no {SUFFIX} beside it", hint=hint)
