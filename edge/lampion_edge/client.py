"""`Client` and `AsyncClient`: a lampion server, or any that speaks the Open Inference Protocol, asked from Python."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from email.message import Message
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from lampion_edge import tensor_message
from lampion_edge.errors import InputError, ServiceError
from lampion_edge.labels import Label

if TYPE_CHECKING:
    from lampion_edge.golden import Array

P = ParamSpec("P")
T = TypeVar("T")
_LONGEST = 30.0  # seconds that a server may ask to wait before the next attempt


class Client:
    """Asks the server at `url` (http, https, with a path if a proxy puts it there, or unix:/path/of/the.sock); safe to call
    from several threads.

    `key` is an API key, `timeout` the seconds that one attempt may take, `retries` how often it is tried again when the
    server can't be reached or says 503; `context` is for https. Connections are kept for the next call.

    Every method raises ServiceError, with the server's own sentence, `field`, `hint` and HTTP `status` (None if there was
    no answer).

        with Client("http://pi.local:8000") as client:
            client.predict("digits", "photo.png")[0].name
            client.infer("iris", {"x": rows})["y"]
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout: float = 60.0,
        retries: int = 3,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._parts = parsed(url if "://" in url or url.startswith("unix:") else f"http://{url}")
        self._url = self._parts.geturl().rstrip("/")
        self._base = base(self._parts)
        self._headers = {"Authorization": f"Bearer {key.strip()}"} if key else {}
        self._timeout = timeout
        self._retries = retries
        self._context = context
        self._idle: list[http.client.HTTPConnection] = []
        self._ends = weakref.finalize(self, _close, self._idle)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections that are kept; another call opens a new one."""
        _close(self._idle)

    # --- asking models ---

    def predict(
        self, model: str, photo: str | Path | bytes, *, top: int | None = None, version: str | None = None
    ) -> list[Label]:
        """What a photo shows (a path, or the bytes of an image file), the most probable label first."""
        content = photo if isinstance(photo, bytes) else _file(photo)
        query = {"top": top} if top is not None else {}
        path = f"{_model(model, version, 1)}/predict?{urlencode(query)}"
        prediction = self._json("POST", path, content)["predictions"][0]
        if "labels" not in prediction:
            raise ServiceError(f"model {model} tells no labels: ask it with infer")
        return [Label(entry["label"], entry["probability"], entry["index"]) for entry in prediction["labels"]]

    def infer(
        self,
        model: str,
        inputs: Mapping[str, object],
        outputs: Sequence[str] | None = None,
        *,
        version: str | None = None,
    ) -> dict[str, Array]:
        """The model's outputs (default: all) for arrays by name, sent and answered as bytes."""
        body, length = tensor_message.written(inputs, outputs)
        path = f"{_model(model, version)}/infer"
        answer, headers = self.request("POST", path, body, {tensor_message.JSON_LENGTH: str(length)})
        return tensor_message.read(answer, int(headers.get(tensor_message.JSON_LENGTH) or len(answer)))

    # --- asking and managing the server ---

    def ready(self) -> bool:
        """Whether the server serves all its models; False also if there is none."""
        try:
            self.request("GET", "/v2/health/ready", retries=0)
        except ServiceError:
            return False
        return True

    def models(self) -> list[dict[str, Any]]:
        """Every model and version, with its state and the reason if it isn't served."""
        return self._json("POST", "/v2/repository/index")

    def metadata(self, model: str, version: str | None = None) -> dict[str, Any]:
        """A model's inputs and outputs."""
        return self._json("GET", _model(model, version))

    def load(self, model: str) -> None:
        """Has the server read a model from its disk again."""
        self._json("POST", f"/v2/repository/models/{quote(model)}/load")

    def unload(self, model: str) -> None:
        """Has the server stop serving a model."""
        self._json("POST", f"/v2/repository/models/{quote(model)}/unload")

    # --- HTTP ---

    def _json(self, method: str, path: str, body: bytes | None = None) -> Any:
        content, _ = self.request(method, path, body)
        try:
            return json.loads(content)
        except ValueError:
            raise ServiceError(f"{self._url}{path}: expected JSON, got {content[:40]!r}") from None

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        retries: int | None = None,
    ) -> tuple[bytes, Message]:
        """The answer's body and headers, of any request. It is tried again `retries` times (default: the client's)."""
        left = self._retries if retries is None else retries
        while True:
            try:
                return self._once(method, path, body, headers or {})
            except ServiceError as error:
                if left <= 0 or error.status not in (None, 503):
                    raise
                wait = error.retry_after if error.retry_after is not None else 0.2 * 2 ** (self._retries - left)
            left -= 1
            time.sleep(min(wait, _LONGEST))

    def _once(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[bytes, Message]:
        try:
            connection = self._idle.pop()  # one step, so that no two threads get the same
        except IndexError:
            connection = self._new_connection()
        try:
            connection.request(method, self._base + path, body, {**self._headers, **headers})
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            hint = "is the server running, and is this its address?"
            raise ServiceError(f"{self._url}: no answer: {str(error) or type(error).__name__}", hint=hint) from None
        self._idle.append(connection)
        if response.status >= 300:  # a redirection has not taken what was sent
            raise _refusal(response, content)
        return content, response.headers

    def _new_connection(self) -> http.client.HTTPConnection:
        if self._parts.scheme == "unix":
            return _UnixConnection(self._parts.path, self._timeout)
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._context)
        return http.client.HTTPConnection(host, port, timeout=self._timeout)


def parsed(url: str) -> SplitResult:
    """A server's address: http, https or unix. Raises InputError for any other."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("http", "https", "unix") or not (parts.netloc or parts.path) or port == -1:
        raise InputError(f"url: expected http://host:port, https://... or unix:/path, got {url!r}", field="url")
    return parts


def base(server: SplitResult) -> str:
    """What the path of each request to this server begins with."""
    return "" if server.scheme == "unix" else server.path.rstrip("/")


class AsyncClient:
    """The same for asyncio: each call runs in one of the loop's threads, `await client.infer(...)`."""

    def __init__(self, url: str, **options: Any) -> None:
        self._client = Client(url, **options)
        self.predict = _awaited(self._client.predict)
        self.infer = _awaited(self._client.infer)
        self.ready = _awaited(self._client.ready)
        self.models = _awaited(self._client.models)
        self.metadata = _awaited(self._client.metadata)
        self.load = _awaited(self._client.load)
        self.unload = _awaited(self._client.unload)


def _awaited(method: Callable[P, T]) -> Callable[P, Any]:
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(method, *args, **kwargs)

    call.__doc__ = method.__doc__
    return call


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _close(connections: list[http.client.HTTPConnection]) -> None:
    while connections:
        connections.pop().close()


def _refusal(response: http.client.HTTPResponse, content: bytes) -> ServiceError:
    """What a server said no with, in its own words where it has some."""
    try:
        told = json.loads(content)
        message = str(told["error"])
    except (ValueError, KeyError, TypeError):
        told, message = {}, f"status {response.status}: {content[:80].decode(errors='replace')}"
    after = response.headers.get("Retry-After", "")
    wait = float(after) if after.isdecimal() else None
    return ServiceError(
        message, field=told.get("field"), hint=told.get("hint"), status=response.status, retry_after=wait
    )


def _model(model: str, version: str | None, protocol: int = 2) -> str:
    return f"/v{protocol}/models/{quote(model)}" + (f"/versions/{quote(version)}" if version else "")


def _file(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror})", field="photo") from None
