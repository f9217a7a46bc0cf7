"""Bytes to one address by HTTP."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from lampion_edge.client import Client
from lampion_edge.errors import InputError


class Post:
    """POSTs bodies to a URL, one attempt each; `key` is an API key. Raises ServiceError, InputError for a wrong URL."""

    def __init__(self, url: str, *, key: str | None = None, timeout: float = 10.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise InputError(f"url: expected http://host/path or https://..., got {url!r}", field="url")
        self._path = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        self._client = Client(f"{parts.scheme}://{parts.netloc}", key=key, timeout=timeout, retries=0)

    def __call__(self, body: bytes, kind: str = "application/json") -> bytes:
        """The answer's body."""
        return self._client.request("POST", self._path, body, {"Content-Type": kind})[0]
