"""What devices fetch: the signature of a model and its files, from any byte on."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lampion_edge import RefusedError, ServiceError
from lampion_edge.update.repository import Repository
from lampion_edge.update.source import WebSource
from lampion_edge.update.updating import Rules, install, offered
from lampion_server.keys import INFER, new_key, write_keys


@pytest.fixture(scope="module")
def versions(build: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two signed versions and one that isn't, which has the traffic."""
    tmp_path = tmp_path_factory.mktemp("releases")
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "secret").write_text("secret")
    for version, scale in (("1", 2.0), ("2", 3.0), ("3", 4.0)):
        model = build.iris(tmp_path / "served" / "iris" / version / "model.onnx", version=version, scale=scale)
        if version != "3":
            build.signed(model)
    return tmp_path / "served"


@pytest.fixture(scope="module")
def server(serve: Any, versions: Path) -> Iterator[Any]:
    with serve(versions, tune_seconds=0.0) as running:
        yield running


def test_a_release_of_the_version_that_has_the_traffic(serve: Any, versions: Path) -> None:
    with serve(versions, tune_seconds=0.0) as server:
        server.client.post("/v1/models/iris/traffic/promote?version=2")
        answer = server.client.get("/v1/models/iris/release")
        want = (versions / "iris" / "2" / "model.onnx.sig").read_bytes()
        assert (answer.status_code, answer.content) == (200, want)
        assert answer.headers["etag"] == f'"{hashlib.sha256(want).hexdigest()}"'
        assert str(answer.url.join(answer.headers["content-location"])).endswith("/v1/models/iris/versions/2/release")
        known = {"If-None-Match": answer.headers["etag"]}
        assert server.client.get("/v1/models/iris/release", headers=known).status_code == 304
        assert server.client.get("/v1/models/iris/versions/1/release", headers=known).status_code == 200


def test_a_file_and_its_end(server: Any, versions: Path) -> None:
    path, content = "/v1/models/iris/versions/1/files/model.onnx", (versions / "iris/1/model.onnx").read_bytes()
    whole = server.client.get(path)
    assert (whole.status_code, whole.content) == (200, content)
    end = server.client.get(path, headers={"Range": "bytes=100-"})
    assert (end.status_code, end.content) == (206, content[100:])
    assert server.client.get(path, headers={"Range": "bytes=99999999-"}).status_code == 416
    for what_is_none in ("bytes=begin-end", "items=0-1", "bytes", ""):
        answer = server.client.get(path, headers={"Range": what_is_none})
        assert (answer.status_code, answer.content) == (200, content)
    assert server.client.get(path, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/v1/models/iris/versions/3/release", "model iris version 3 isn't signed"),
        ("/v1/models/iris/release", "model iris version 3 isn't signed"),
        ("/v1/models/rose/release", "there is no model 'rose'; served are: iris"),
        ("/v1/models/iris/versions/1/files/x.onnx", "the release has no file 'x.onnx'; it has: model.onnx"),
        ("/v1/models/iris/versions/1/files/release.key", "the release has no file 'release.key'; it has: model.onnx"),
        ("/v1/models/iris/versions/1/files/..%2F..%2Fsecret", "there is no route"),
    ],
)
def test_what_is_not_handed_out(server: Any, path: str, error: str) -> None:
    answer = server.client.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"].startswith(error)


@pytest.fixture
def device(versions: Path, tmp_path: Path) -> Repository:
    """A device that trusts the key of version 1."""
    repository = Repository(tmp_path / "models")
    repository.pin((versions / "iris" / "1" / "release.pub").read_bytes(), "release.pub")
    return repository


def update(device: Repository, source: WebSource) -> str | None:
    with device.updating():
        signed = offered(device, source, Rules())
        if signed:
            install(device, source, signed, Rules(), lambda model: None, lambda done, size: None)
    return signed.release.version if signed else None


def count(server: Any, status: str) -> float:
    """How many requests for iris were answered so."""
    found: float = server.metric("lampion_requests_total", model="iris", status=status)
    return found


def one_more(server: Any, status: str, before: float) -> bool:
    """Whether there was one more answer of this status; the server counts it a moment after the device has it."""
    end = time.monotonic() + 10
    while count(server, status) == before and time.monotonic() < end:
        time.sleep(0.01)
    return count(server, status) == before + 1


def test_a_device_updates_itself(serve: Any, versions: Path, device: Repository) -> None:
    """The second time nothing but a 304 travels, and the device reads what the server serves."""
    with serve(versions) as server:
        server.client.post("/v1/models/iris/traffic/promote?version=1")
        source = WebSource(f"{server.url}/v1/models/iris")
        assert update(device, source) == "1"
        assert update(device, source) is None
        current = device.state.current
        assert current is not None
        assert device.model(current).read_bytes() == (versions / "iris" / "1" / "model.onnx").read_bytes()
        assert one_more(server, "304", 0)


def test_a_device_goes_on_where_the_last_download_broke(server: Any, versions: Path, device: Repository) -> None:
    source = WebSource(f"{server.url}/v1/models/iris/versions/1")
    signed = offered(device, source, Rules())
    assert signed is not None
    content = (versions / "iris" / "1" / "model.onnx").read_bytes()
    with device.updating():
        device.incoming(signed.id).mkdir()
        (device.incoming(signed.id) / "model.onnx").write_bytes(content[:200])
    before = count(server, "206")
    assert update(device, source) == "1"
    assert one_more(server, "206", before)


def test_what_a_server_refuses_is_told_in_its_words(serve: Any, versions: Path, device: Repository) -> None:
    with serve(versions) as server:
        with pytest.raises(RefusedError, match="model iris version 3 isn't signed"):
            offered(device, WebSource(f"{server.url}/v1/models/iris"), Rules())
        with pytest.raises(ServiceError, match="there is no model 'rose'"):
            offered(device, WebSource(f"{server.url}/v1/models/rose"), Rules())
        with pytest.raises(RefusedError, match="the signature is not by the pinned key"):
            offered(device, WebSource(f"{server.url}/v1/models/iris/versions/2"), Rules())
    with pytest.raises(ServiceError, match=r"no answer: .*refused"):
        offered(device, WebSource(f"{server.url}/v1/models/iris"), Rules())


def test_a_server_with_keys_wants_one(
    serve: Any, build: Any, versions: Path, device: Repository, tmp_path: Path
) -> None:
    known, key = new_key("device", [INFER])
    write_keys(tmp_path / "keys.json", [known])
    with serve(versions, keys=str(tmp_path / "keys.json")) as server:
        url = f"{server.url}/v1/models/iris/versions/1"
        with pytest.raises(ServiceError, match="key"):
            offered(device, WebSource(url), Rules())
        assert offered(device, WebSource(url, key), Rules()) is not None
