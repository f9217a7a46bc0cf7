"""Every setting is documented, and read from the flag, the variable, the default, in this order."""

from __future__ import annotations

import argparse
import os
import sys
from argparse import Namespace
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from lampion_server.commands import SERVE, check_extras, check_ray, warnings
from lampion_server.errors import StartupError
from lampion_server.settings import Settings

NAMES = [item.name for item in fields(Settings)]


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    SERVE.arguments(made)
    return made


def read(*flags: str, **environ: str) -> Settings:
    return Settings.read(parser().parse_args(flags), environ)


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_in_the_help(name: str) -> None:
    (item,) = (item for item in fields(Settings) if item.name == name)
    text = " ".join(parser().format_help().split())
    assert len(item.metadata["help"]) > 15
    assert " ".join(item.metadata["help"].split()) in text
    assert f"[LAMPION_{name.upper()}]" in text
    assert name == "models" or f"--{name.replace('_', '-')}" in text


VALUES = [
    ("host", "0.0.0.0", "0.0.0.0"),
    ("port", "0", 0),
    ("max_queue", "7", 7),
    ("request_timeout", "1.5", 1.5),
    ("log_level", "error", "error"),
]


@pytest.mark.parametrize(("name", "text", "value"), VALUES)
def test_flag_before_variable_before_default(name: str, text: str, value: Any) -> None:
    flag, variable = f"--{name.replace('_', '-')}", f"LAMPION_{name.upper()}"
    assert getattr(read(flag, text), name) == value
    assert getattr(read(**{variable: text}), name) == value
    default = getattr(Settings(), name)
    assert getattr(read(flag, str(default), **{variable: text}), name) == default
    assert getattr(read(**{variable: ""}), name) == default


def test_models_from_either() -> None:
    assert read("a.onnx", "b").models == ("a.onnx", "b")
    assert read(LAMPION_MODELS=os.pathsep.join(["a.onnx", "b"])).models == ("a.onnx", "b")


ORIGINS = [
    "https://a/",
    "https://a,https://b",
    " https://b",
    "localhost:3000",
    "https://Shop.example",
    "https://*.a",
    "",
]


def test_origins() -> None:
    origins = (
        "*",
        "null",
        "https://shop.example",
        "http://localhost:3000",
        "http://[::1]:80",
        "chrome-extension://abc",
    )
    assert Settings(cors_origins=origins).cors_origins == origins


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_batch", 0),
        ("max_queue", 0),
        ("workers", 0),
        ("threads", -1),
        ("request_timeout", 0),
        ("request_timeout", float("nan")),
        ("log_level", "loud"),
        ("port", -1),
        ("port", 65536),
        *(("cors_origins", (origin,)) for origin in ORIGINS),
    ],
)
def test_values_out_of_bounds(name: str, value: Any) -> None:
    with pytest.raises(StartupError, match=name):
        Settings(**{name: value})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", "there is no setting 'prot'"),
        ("port = 'a'", "setting port: expected int, got 'a'"),
        ("port = true", "setting port: expected int, got True"),
        ("models = 'a.onnx'", "setting models: expected a list of strings, got 'a.onnx'"),
        ("open_metrics = 1", "setting open_metrics: expected bool, got 1"),
        ("port =", "can't be read"),
        (None, "can't be read"),
    ],
)
def test_a_file_that_is_wrong(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "lampion.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(StartupError, match=message) as raised:
        Settings.read(Namespace(config=str(path)), {})
    assert str(path) in str(raised.value)
    if text and text.startswith("prot"):
        assert raised.value.hint == "port?"


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "lampion.toml"
    path.write_text('models = ["m.onnx"]\nport = 1\nhost = "a"\nwatch = 2\nopen_metrics = true\n')
    environment = {
        "LAMPION_PORT": "2",
        "LAMPION_HOST": "b",
        "LAMPION_CONFIG": str(path),
        "LAMPION_CORS_ORIGINS": "https://x,http://y",
    }
    settings = Settings.read(Namespace(port=3), environment)
    assert (settings.models, settings.port, settings.host, settings.watch) == (("m.onnx",), 3, "b", 2.0)
    assert (settings.open_metrics, settings.cors_origins) == (True, ("https://x", "http://y"))
    assert Settings.read(Namespace(), environment | {"LAMPION_OPEN_METRICS": "no"}).open_metrics is False


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        ({"tls_cert": "c"}, "tls_key"),
        ({"tls_key": "k"}, "tls_cert"),
        ({"tls_client_ca": "a"}, "tls_cert"),
        ({"tls_password": "p"}, "tls_key"),
        ({"replicas": 2}, "ray"),
        ({"max_replicas": 2}, "ray"),
        ({"ray_address": "auto"}, "ray"),
    ],
)
def test_settings_that_need_each_other(given: dict[str, Any], needed: str) -> None:
    with pytest.raises(StartupError, match=f"expected {needed} beside it, got none") as raised:
        Settings(**given)
    assert raised.value.field == needed


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"uds": "a.sock", "port": 9000}, "setting port: doesn't go together with uds"),
        ({"uds": "a.sock", "host": "0.0.0.0"}, "setting host: doesn't go together with uds"),
        ({"port": 9000, "grpc_port": 9000}, "setting grpc_port: expected another one than port, got 9000 for both"),
        (
            {"ray": True, "replicas": 3, "max_replicas": 2},
            "setting max_replicas: expected at least 3, the replicas, got 2",
        ),
        ({"traces": "localhost:4318"}, "setting traces: expected an address such as http://.*, got 'localhost:4318'"),
        (
            {"trusted_proxies": "10.0.0.1,proxy"},
            "setting trusted_proxies: expected addresses or networks .*, got 'proxy'",
        ),
        ({"trusted_proxies": "10.0.0.1/8"}, "setting trusted_proxies: expected addresses or networks"),
    ],
)
def test_settings_that_contradict_each_other_or_mean_nothing(given: dict[str, Any], message: str) -> None:
    with pytest.raises(StartupError, match=message):
        Settings(**given)


@pytest.mark.parametrize("proxies", ["", "*", "127.0.0.1, ::1", "10.0.0.0/8,192.168.0.7"])
def test_proxies_that_can_be_trusted(proxies: str) -> None:
    assert Settings(trusted_proxies=proxies).trusted_proxies == proxies


@pytest.mark.parametrize(
    ("variable", "value", "warning"),
    [
        ("LAMPION_WORKER", "2", "LAMPION_WORKER, and there is no such setting: LAMPION_WORKERS?"),
        ("LAMPION_MAXBATCH", "2", "LAMPION_MAXBATCH, and there is no such setting: LAMPION_MAX_BATCH?"),
        ("LAMPION_XYZZY", "2", "LAMPION_XYZZY, and there is no such setting"),
        ("LAMPION_GRCP_PORT", "1", "LAMPION_GRCP_PORT, and there is no such setting: LAMPION_GRPC_PORT?"),
        ("LAMPION_WORKERS", "2", None),
        ("LAMPION_CONFIG", "a", None),
        ("LAMPION_KEY", "a", None),
        ("LAMPION_SERVICE_HOST", "10.0.0.1", None),
        ("LAMPION_IRIS_PORT_8000_TCP_ADDR", "10.0.0.1", None),
        ("LAMPION_IRIS_PORT", "tcp://10.0.0.1:8000", None),
        ("LAMP", "1", None),
    ],
)
def test_variables_that_are_no_settings(variable: str, value: str, warning: str | None) -> None:
    assert warnings(Settings(), {variable: value}) == ([f"the environment has {warning}"] if warning else [])


def test_more_cores_than_there_are() -> None:
    (warning,) = warnings(Settings(cores=999), {})
    assert warning.startswith("setting cores: 999 are more than this process may use; ")


def test_a_port_that_kubernetes_set() -> None:
    with pytest.raises(StartupError, match="LAMPION_PORT: expected a value of type int, got 'tcp://") as raised:
        read(LAMPION_PORT="tcp://10.0.0.1:80")
    assert "enableServiceLinks" in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("name", "value"),
    [("workers", 2), ("grpc_port", 0), ("uds", "a.sock"), ("trusted_proxies", "*"), ("drain_delay", 1.0)],
)
def test_settings_that_have_no_meaning_on_ray(name: str, value: Any) -> None:
    with pytest.raises(StartupError, match=f"setting {name}: doesn't go together with ray") as raised:
        check_ray(Settings(ray=True, **{name: value}))
    assert raised.value.hint


@pytest.mark.parametrize(("setting", "package"), [({"ray": True}, "ray"), ({"grpc_port": 0}, "grpc")])
def test_a_package_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, setting: dict[str, Any], package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(StartupError, match=f"expected the package {package}, which is not installed") as raised:
        check_extras(Settings(**setting))
    assert raised.value.hint == f"pip install 'lampion[{package}]'"
