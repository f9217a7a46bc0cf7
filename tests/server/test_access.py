"""Keys, rates, TLS, unix sockets, web pages: who gets in."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import stat
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from server.processes import run, running

from lampion_server.access import Rates, bearer
from lampion_server.commands import check_files
from lampion_server.errors import StartupError, TooManyRequestsError
from lampion_server.grpc.schema import SERVICE, message
from lampion_server.keys import KeyRing, new_key, read_keys, write_keys
from lampion_server.settings import Settings

TENSOR = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}
INFER, LOAD = ("POST", "/v2/models/iris/infer"), ("POST", "/v2/repository/models/iris/load")


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, str, str]:
    """A file of two keys, the text of one that may ask, and of one that may do everything."""
    asks, admin = new_key("asks", ["infer"]), new_key("admin", ["infer", "admin"])
    write_keys(tmp_path / "keys.json", [asks[0], admin[0]])
    return tmp_path / "keys.json", asks[1], admin[1]


def test_keys(serve: Any, folder: Path, keys: tuple[Path, str, str]) -> None:
    path, asks, admin = keys
    cases = [
        (INFER, {}, 401),
        (INFER, {"Authorization": "Bearer nonsense"}, 401),
        (INFER, {"Authorization": f"Basic {asks}"}, 401),
        (INFER, {"Authorization": f"Bearer {asks}"}, 200),
        (INFER, {"X-API-Key": asks}, 200),
        (LOAD, {"X-API-Key": asks}, 403),
        (LOAD, {"X-API-Key": admin}, 200),
        (("GET", "/metrics"), {}, 401),
        (("GET", "/v1/models"), {}, 401),
        (("GET", "/v2/health/live"), {}, 200),
        (("GET", "/v2/health/ready"), {}, 200),
    ]
    with serve(folder / "iris.onnx", keys=str(path)) as server:
        for (method, route), headers, status in cases:
            answer = server.client.request(
                method, route, headers=headers, json=TENSOR if method == "POST" and "infer" in route else None
            )
            assert answer.status_code == status, (route, headers, answer.text)
            assert answer.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)
            assert "lampion-" not in answer.text
    with serve(folder / "iris.onnx", keys=str(path), open_metrics=True) as server:
        assert server.client.get("/metrics").status_code == 200


def test_keys_over_grpc(serve: Any, folder: Path, keys: tuple[Path, str, str]) -> None:
    path, asks, admin = keys
    load, live = message("RepositoryModelLoadRequest")(model_name="iris"), message("ServerLiveRequest")()
    with ExitStack() as stack:
        server = stack.enter_context(serve(folder / "iris.onnx", keys=str(path), grpc_port=0))
        channel = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{server.plane.grpc_port}"))

        def call(name: str, request: Any, token: str = "") -> grpc.StatusCode:
            method = channel.unary_unary(f"/{SERVICE}/{name}", request_serializer=type(request).SerializeToString)
            try:
                method(request, metadata=[("authorization", f"Bearer {token}")] if token else None)
            except grpc.RpcError as error:
                code: grpc.StatusCode = error.code()
                return code
            return grpc.StatusCode.OK

        assert call("ServerLive", live) == grpc.StatusCode.OK
        assert call("RepositoryModelLoad", load) == grpc.StatusCode.UNAUTHENTICATED
        assert call("RepositoryModelLoad", load, asks) == grpc.StatusCode.PERMISSION_DENIED
        assert call("RepositoryModelLoad", load, admin) == grpc.StatusCode.OK


def test_a_removed_key_is_noticed(keys: tuple[Path, str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    path, asks, _ = keys
    ring = KeyRing(path)
    monkeypatch.setattr("lampion_server.keys._LOOK", 0.0)
    assert ring.find(asks)
    path.write_text("{")  # half written by an editor: what was known still holds
    assert ring.find(asks)
    write_keys(path, [])
    os.utime(path, ns=(1, time.time_ns()))
    assert ring.find(asks) is None


def test_the_command(tmp_path: Path) -> None:
    program = "import argparse, sys\nfrom lampion_edge.commands import run_command\nfrom lampion_server.commands import KEYS\n"
    program += "p = argparse.ArgumentParser()\nKEYS.arguments(p)\nsys.exit(run_command(KEYS, p.parse_args()))"

    def keys(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True)

    file = tmp_path / "keys.json"
    token = keys("add", file, "shop").stdout.strip()
    assert KeyRing(file).find(token) == read_keys(file)[0]
    assert token not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "there is a key 'shop' already" in keys("add", file, "shop").stderr
    keys("add", file, "deploy", "--scope", "admin")
    assert [line.split()[:2] for line in keys("list", file).stdout.splitlines()[1:]] == [
        ["shop", "infer"],
        ["deploy", "admin"],
    ]
    assert keys("remove", file, "shop").returncode == 0
    assert "there is no key 'shop'; it has: deploy" in keys("remove", file, "shop").stderr
    assert "can't be read" in keys("list", tmp_path / "none").stderr
    file.write_text('{"keys": [{"name": "a", "sha256": "", "scopes": ["all"]}]}')
    assert "a: expected scopes infer or admin, got 'all'" in keys("list", file).stderr


@pytest.mark.parametrize(
    ("authorization", "api_key", "token"),
    [
        ("Bearer t", "", "t"),
        ("bearer  t ", "", "t"),
        ("", "k", "k"),
        ("Basic t", "k", "k"),
        ("Bearer", "k", "k"),
        ("", "", None),
    ],
)
def test_where_a_key_may_be(authorization: str, api_key: str, token: str | None) -> None:
    assert bearer(authorization, api_key) == token


# --- rates ---


def test_rates() -> None:
    now = 100.0
    rates = Rates(10, lambda: now, callers=2)
    for _ in range(10):
        rates.count("a")
    with pytest.raises(TooManyRequestsError) as raised:
        rates.count("a")
    assert raised.value.headers() == {"Retry-After": "1"}
    rates.count("b")
    now += 0.1
    rates.count("a")
    with pytest.raises(TooManyRequestsError):
        rates.count("a")
    rates.count("c")
    assert len(rates._due) == 2


def test_less_than_one_a_second() -> None:
    now = 0.0
    rates = Rates(0.1, lambda: now)
    rates.count("a")
    with pytest.raises(TooManyRequestsError) as raised:
        rates.count("a")
    assert raised.value.retry_after == 10
    now = 10.0
    rates.count("a")


def test_a_rate_over_http(serve: Any, folder: Path) -> None:
    with serve(folder / "iris.onnx", rate_limit=0.01) as server:
        answers = [server.client.get("/v2") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 429, 429]
        assert int(answers[1].headers["retry-after"]) > 90
        assert answers[1].json()["code"] == "TOO_MANY_REQUESTS"
        assert {server.client.get("/v2/health/live").status_code for _ in range(5)} == {200}


@pytest.mark.parametrize(("trusted", "statuses"), [("127.0.0.1", [200, 200, 429]), ("10.0.0.1", [200, 429, 429])])
def test_rates_count_whom_a_trusted_proxy_speaks_for(folder: Path, trusted: str, statuses: list[int]) -> None:
    flags = ("--port", 0, "--rate-limit", 0.01, "--trusted-proxies", trusted, "--log-level", "error")
    with running(folder / "iris.onnx", *flags) as (_, url):
        callers = ({}, {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.1"})
        assert [httpx.get(f"{url}/v2", headers=headers).status_code for headers in callers] == statuses


# --- transports ---


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(folder / "chain.pem", append=True)
    return authority, folder


def test_tls(folder: Path, authority: tuple[trustme.CA, Path]) -> None:
    ca, files = authority
    known = ssl.create_default_context()
    ca.configure_trust(known)
    given = ["--tls-cert", files / "chain.pem", "--tls-key", files / "key.pem", "--grpc-port", 0]
    with running(folder / "iris.onnx", "--port", 0, *given) as (_, url):
        assert url.startswith("https://")
        assert httpx.get(f"{url}/v2/health/ready", verify=known).status_code == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{url}/v2")
        with pytest.raises(httpx.HTTPError):
            httpx.get(url.replace("https", "http"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tls_cert": "text"}, "setting tls_cert: expected a PEM certificate chain, got {text} (no certificate"),
        ({"tls_key": "text"}, "setting tls_key: expected the PEM private key of {chain}, and its tls_password"),
        ({"tls_key": "other"}, "(key values mismatch)"),
        ({"tls_key": "locked"}, "setting tls_key: expected the PEM private key of {chain}, and its tls_password"),
        ({"tls_key": "locked", "tls_password": "wrong"}, "setting tls_key"),
        ({"tls_client_ca": "text"}, "setting tls_client_ca: expected PEM certificates, got {text}"),
        ({"tls_key": "locked", "tls_password": "secret"}, ""),
    ],
)
def test_certificates_that_dont_fit(
    given: dict[str, str], message: str, authority: tuple[trustme.CA, Path], tmp_path: Path
) -> None:
    ca, files = authority
    paths = {"text": tmp_path / "text", "other": tmp_path / "other", "locked": tmp_path / "locked"}
    paths |= {"chain": files / "chain.pem", "key": files / "key.pem"}
    paths["text"].write_text("no certificate")
    ca.issue_cert("other").private_key_pem.write_to_path(paths["other"])
    key = serialization.load_pem_private_key(paths["key"].read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"secret")
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    paths["locked"].write_bytes(key.private_bytes(pem, pkcs8, locked))
    wanted = {"tls_cert": "chain", "tls_key": "key"} | given
    settings = Settings(**{name: str(paths.get(value, value)) for name, value in wanted.items()})
    if message:
        with pytest.raises(StartupError, match=re.escape(message.format(**paths))):
            check_files(settings)
    else:
        check_files(settings)


def test_clients_that_must_show_a_certificate(folder: Path, authority: tuple[trustme.CA, Path]) -> None:
    ca, files = authority
    known = ssl.create_default_context()
    ca.configure_trust(known)
    given = ["--tls-cert", files / "chain.pem", "--tls-key", files / "key.pem", "--tls-client-ca", files / "ca.pem"]
    with running(folder / "iris.onnx", "--port", 0, *given) as (_, url):
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{url}/v2", verify=known)
        ca.issue_cert("client@example.org").configure_cert(known)
        assert httpx.get(f"{url}/v2", verify=known).status_code == 200


def test_a_unix_socket(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "lampion.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    with running(folder / "iris.onnx", "--uds", path) as (process, url):
        assert url == f"unix:{path}"
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
            assert client.get("http://lampion/v2/health/ready").status_code == 200
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        second = run(folder / "iris.onnx", "--uds", path)
        assert second.stderr.startswith(f"lampion: error: can't listen on {path}: Address already in use")
        process.terminate()
        process.wait(timeout=20)
    assert not path.exists()
    path.write_text("mine")
    assert "there is something that is no socket" in run(folder / "iris.onnx", "--uds", path).stderr
    assert path.read_text() == "mine"


def test_web_pages(serve: Any, folder: Path) -> None:
    with serve(folder / "iris.onnx", cors_origins=("https://shop.example",)) as server:
        asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
        answer = server.client.options("/v2/models/iris/infer", headers=asked)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "https://shop.example")
        answer = server.client.post(INFER[1], json=TENSOR, headers={"Origin": "https://shop.example"})
        assert "X-Request-Id" in answer.headers["access-control-expose-headers"]
        answer = server.client.post(INFER[1], json=TENSOR, headers={"Origin": "https://other.example"})
        assert "access-control-allow-origin" not in answer.headers
        answer = server.client.options("/v2", headers=asked | {"Access-Control-Request-Private-Network": "true"})
        assert (answer.status_code, answer.headers["access-control-allow-private-network"]) == (200, "true")
        answer = server.client.options("/v2", headers=asked | {"Origin": "https://other.example"})
        assert (answer.status_code, answer.json()["field"]) == (400, "Origin")
        assert "access-control-allow-origin" not in answer.headers
        for path in ("/nowhere", "/v2/models/none", "/v2/models/iris/infer"):
            answer = server.client.get(path, headers={"Origin": "https://shop.example"})
            assert answer.status_code in (404, 405)
            assert answer.headers["access-control-allow-origin"] == "https://shop.example"


def test_the_log_in_json(folder: Path, keys: tuple[Path, str, str]) -> None:
    path, asks, _ = keys
    with running(folder / "iris.onnx", "--port", 0, "--log-format", "json", "--keys", path) as (process, url):
        sent = {"X-Request-Id": "abc", "X-API-Key": asks}
        httpx.post(f"{url}{INFER[1]}", json=TENSOR, headers=sent)
        process.terminate()
        _, errors = process.communicate(timeout=20)
    lines = [json.loads(line) for line in errors.splitlines()]
    (line,) = [line for line in lines if line.get("request_id") == "abc"]
    assert (line["method"], line["path"], line["status"], line["level"]) == (*INFER, 200, "INFO")
    assert asks not in errors
