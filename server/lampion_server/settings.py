"""Every setting of the server: name, default and meaning in one place, read from flags, environment and a file."""

from __future__ import annotations

import argparse
import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from lampion_server.errors import StartupError

PREFIX = "LAMPION_"
OTHERS = ["LAMPION_CONFIG", "LAMPION_CACHE", "LAMPION_API_KEY", "LAMPION_KEY"]  # what else lampion reads
# What Kubernetes tells of services whose names begin with lampion.
_SERVICE_LINK = re.compile(
    r"_SERVICE_(HOST|PORT\w*)=|_PORT(_\d+_\w+)?=\w+://|_PORT_\d+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR)="
)
_BOOLEANS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_ORIGIN = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://[^\sA-Z/,?#@*]+")
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")
GROUPS = ("where it listens", "how models run", "which version answers", "limits", "who may ask", "operation", "Ray")
# What would silently mean nothing without the other.
NEEDS = {
    "tls_cert": "tls_key",
    "tls_key": "tls_cert",
    "tls_password": "tls_key",
    "tls_client_ca": "tls_cert",
    **dict.fromkeys(("ray_address", "replicas", "max_replicas", "replica_load"), "ray"),
}
LISTEN, RUN, VERSIONS, LIMITS, ACCESS, OPERATION, RAY = GROUPS


def setting(
    default: Any,
    help: str,
    *,
    group: str,
    least: float | None = None,
    most: float = math.inf,
    choices: tuple[str, ...] = (),
    separator: str = ",",
) -> Any:
    """A field of `Settings` that carries its own documentation and bounds."""
    known = {"help": help, "group": group, "least": least, "most": most, "choices": choices, "separator": separator}
    return field(default=default, metadata=known)


@dataclass(frozen=True)
class Settings:
    """What `lampion serve` can be told; each field is the flag `--its-name`, the variable `LAMPION_ITS_NAME`, and the key
    `its_name` of the file that `--config` names.

    Raises `StartupError` for a value out of bounds, or for two that contradict each other.
    """

    models: tuple[str, ...] = setting(
        (),
        "model files, pipelines, a folder of them, or a folder NAME/VERSION/model.onnx "
        f"(in the variable separated by '{os.pathsep}')",
        group=LISTEN,
        separator=os.pathsep,
    )
    host: str = setting("127.0.0.1", "address to listen on; 0.0.0.0 lets other machines in", group=LISTEN)
    port: int = setting(8000, "port to listen on; 0 takes a free one", group=LISTEN, least=0, most=65535)
    grpc_port: int = setting(
        -1, "port for gRPC; 0 takes a free one, -1 serves none", group=LISTEN, least=-1, most=65535
    )
    uds: str = setting("", "path of a unix socket to listen on instead of host and port", group=LISTEN)
    tls_cert: str = setting("", "PEM file of the certificate chain; with it the server speaks HTTPS", group=LISTEN)
    tls_key: str = setting("", "PEM file of the certificate's private key", group=LISTEN)
    tls_password: str = setting("", "password of the private key; better given as the variable", group=LISTEN)
    tls_client_ca: str = setting(
        "", "PEM file of the authority whose certificates clients must show; empty asks for none", group=LISTEN
    )
    workers: int = setting(1, "processes that share the port and the cores; a dead one is replaced", group=RUN, least=1)
    cores: int = setting(0, "cores in use; 0 is all that this process may use, with --ray 1", group=RUN, least=0)
    instances: int = setting(
        0, "batches of one model that compute at once; 0 finds out by measuring", group=RUN, least=0
    )
    threads: int = setting(0, "threads of one batch; 0 finds out by measuring", group=RUN, least=0)
    tune_seconds: float = setting(
        0.2, "seconds that a model is measured when it is loaded; 0 doesn't", group=RUN, least=0
    )
    max_batch: int = setting(
        32,
        "most rows that are computed together; 1 switches batching off, measuring may choose fewer",
        group=RUN,
        least=1,
    )
    memory_budget: int = setting(
        0,
        "bytes of models in memory, by the size of their files; 0 is all that the process may use",
        group=RUN,
        least=0,
    )
    cache_bytes: int = setting(
        0, "bytes of answers that each model keeps for equal questions; 0 keeps none", group=RUN, least=0
    )
    watch: float = setting(
        0.0, "seconds between looks for changed files and new versions; 0 doesn't look", group=VERSIONS, least=0
    )
    canary_percent: float = setting(
        0.0,
        "share of the traffic that a new version gets until it is promoted; 0 gives it all",
        group=VERSIONS,
        least=0,
        most=100,
    )
    max_queue: int = setting(
        256, "requests of one model that may wait; the next one is refused with 503", group=LIMITS, least=1
    )
    max_body_bytes: int = setting(
        32 * 1024 * 1024, "largest request body in bytes; 413 above it", group=LIMITS, least=1
    )
    max_pixels: int = setting(50_000_000, "most pixels (width times height) a photo may have", group=LIMITS, least=1)
    request_timeout: float = setting(60.0, "seconds until a request is given up with 504", group=LIMITS, least=0.001)
    keep_alive: float = setting(
        75.0,
        "seconds that a connection is kept for another request; longer than a load balancer keeps it",
        group=LIMITS,
        least=0,
    )
    rate_limit: float = setting(
        0.0,
        "requests a second that one key, or without keys one address, may send; 429 above it, 0 is no limit",
        group=LIMITS,
        least=0,
    )
    keys: str = setting("", "file of API keys, as `lampion keys` writes it; without it everybody may ask", group=ACCESS)
    open_metrics: bool = setting(False, "answer /metrics without a key", group=ACCESS)
    cors_origins: tuple[str, ...] = setting(
        (), "web pages of these origins may ask, such as https://shop.example; * is every page", group=ACCESS
    )
    trusted_proxies: str = setting(
        "127.0.0.1", "addresses whose X-Forwarded-For is believed, with commas; * is every address", group=ACCESS
    )
    collect: str = setting(
        "", "folder that keeps what devices send to POST /v1/records; empty takes nothing", group=OPERATION
    )
    collect_bytes: int = setting(2**30, "most bytes in that folder; 503 above them", group=OPERATION, least=1)
    drain_delay: float = setting(
        0.0, "seconds between SIGTERM, when ready begins to say no, and the end of listening", group=OPERATION, least=0
    )
    drain_timeout: int = setting(30, "seconds that requests in flight get at shutdown", group=OPERATION, least=0)
    triton_metrics: bool = setting(
        False, "tell /metrics under Triton's names as well, for dashboards that know them", group=OPERATION
    )
    log_level: str = setting(
        "info", "how much is logged; info has a line per request", group=OPERATION, choices=LOG_LEVELS
    )
    log_format: str = setting("text", "lines for people, or JSON for machines", group=OPERATION, choices=LOG_FORMATS)
    traces: str = setting(
        "", "OpenTelemetry collector (OTLP over HTTP) that gets traces, such as http://localhost:4318", group=OPERATION
    )
    trace_share: float = setting(
        1.0,
        "share of the requests that are traced; those that a caller traces always are",
        group=OPERATION,
        least=0,
        most=1,
    )
    ray: bool = setting(False, "serve as replicas on Ray Serve, each with --cores", group=RAY)
    ray_address: str = setting("", "Ray cluster to serve on, or auto; empty starts one here", group=RAY)
    replicas: int = setting(1, "replicas, at least", group=RAY, least=1)
    max_replicas: int = setting(0, "replicas, at most; Ray starts and ends them by the load", group=RAY, least=0)
    replica_load: float = setting(
        16.0, "requests under way in each replica that more replicas are started for", group=RAY, least=0.1
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            _check(item.name, getattr(self, item.name), item.metadata)
        for origin in self.cors_origins:
            if not _ORIGIN.fullmatch(origin):
                message = f"setting cors_origins: expected origins such as https://shop.example, got {origin!r:.80}"
                hint = "as browsers send them: scheme, host and port in small letters, without a path; each on its own"
                raise StartupError(message, field="cors_origins", hint=hint)
        for name, other in NEEDS.items():
            if self._given(name) and not self._given(other):
                raise StartupError(f"setting {name}: expected {other} beside it, got none", field=other)
        self._check_addresses()
        if 0 < self.max_replicas < self.replicas:
            message = f"setting max_replicas: expected at least {self.replicas}, the replicas, got {self.max_replicas}"
            raise StartupError(message, field="max_replicas")

    def _check_addresses(self) -> None:
        for name in ("host", "port"):
            if self.uds and self._given(name):
                hint = f"leave out one of --uds and --{name}"
                raise StartupError(f"setting {name}: doesn't go together with uds", field=name, hint=hint)
        if self.grpc_port == self.port > 0 and not self.uds:
            message = f"setting grpc_port: expected another one than port, got {self.port} for both"
            raise StartupError(message, field="grpc_port", hint="gRPC and HTTP each have a port of their own")
        if self.traces and not re.match(r"https?://[^/]", self.traces):
            message = f"setting traces: expected an address such as http://localhost:4318, got {self.traces!r:.80}"
            raise StartupError(message, field="traces")
        for proxy in self.trusted_proxies.split(","):
            if not _is_address(proxy.strip()):
                message = (
                    f"setting trusted_proxies: expected addresses or networks such as 10.0.0.0/8, got {proxy!r:.80}"
                )
                raise StartupError(message, field="trusted_proxies")

    def _given(self, name: str) -> bool:
        return bool(getattr(self, name) != getattr(Settings, name))

    @classmethod
    def read(cls, flags: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Settings:
        """Settings from parsed `flags`, else from `environ`, else from the file that `--config` names, else the defaults."""
        path = getattr(flags, "config", None) or environ.get(PREFIX + "CONFIG")
        given: dict[str, Any] = read_file(path) if path else {}
        for item in fields(cls):
            flag, variable = getattr(flags, item.name, None), PREFIX + item.name.upper()
            if flag not in (None, []):
                given[item.name] = tuple(flag) if isinstance(flag, list) else flag
            elif environ.get(variable):
                given[item.name] = _parse(variable, environ[variable], item)
        return cls(**given)


def unknown_variables(environ: Mapping[str, str] = os.environ) -> list[str]:
    """A sentence for each variable that looks like a setting and isn't one."""
    known = [PREFIX + item.name.upper() for item in fields(Settings)] + OTHERS
    strange = [name for name in environ if name.startswith(PREFIX) and name not in known]
    return [_unknown(name, known) for name in sorted(strange) if not _SERVICE_LINK.search(f"{name}={environ[name]}")]


def _unknown(name: str, known: list[str]) -> str:
    close = get_close_matches(name.removeprefix(PREFIX), [one.removeprefix(PREFIX) for one in known], 1)
    return f"the environment has {name}, and there is no such setting" + (f": {PREFIX}{close[0]}?" if close else "")


def read_file(path: str) -> dict[str, Any]:
    """The settings in a TOML file, its paths as they are from here. Raises `StartupError` naming the key that is wrong."""
    try:
        given = tomllib.loads(Path(path).read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StartupError(f"{path}: can't be read: {reason}", field="config") from None
    known = {item.name: item for item in fields(Settings)}
    return {key: _from_file(path, key, value, known) for key, value in given.items()}


def _from_file(path: str, key: str, value: Any, known: Mapping[str, Any]) -> Any:
    if key not in known:
        close = get_close_matches(key, known, 1)
        raise StartupError(f"{path}: there is no setting {key!r}", field=key, hint=f"{close[0]}?" if close else None)
    kind = type(known[key].default)
    if kind is tuple and isinstance(value, list) and all(isinstance(part, str) for part in value):
        return tuple(value)
    if kind is float and type(value) is int:
        return float(value)
    if kind is tuple or type(value) is not kind:
        expected = "a list of strings" if kind is tuple else kind.__name__
        raise StartupError(f"{path}: setting {key}: expected {expected}, got {value!r:.80}", field=key)
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give `parser` one argument per setting, each with its documentation, in groups."""
    groups = {name: parser.add_argument_group(name) for name in GROUPS}
    groups[OPERATION].add_argument("--config", metavar="FILE", help=f"a TOML file of settings [{PREFIX}CONFIG]")
    for item in fields(Settings):
        text = item.metadata["help"].replace("%", "%%")
        if item.name == "models":
            parser.add_argument("models", nargs="*", metavar="MODEL", help=f"{text} [{PREFIX}MODELS]")
        else:
            groups[item.metadata["group"]].add_argument(*_flag(item), **_kind(item), help=_help(item, text))


def _flag(item: Field[Any]) -> list[str]:
    return ["--" + item.name.replace("_", "-")]


def _kind(item: Field[Any]) -> dict[str, Any]:
    """How argparse takes a value of the setting's type; None is what stays if it isn't given."""
    choices, default = item.metadata["choices"], item.default
    if isinstance(default, bool):
        return {"action": argparse.BooleanOptionalAction, "default": None}
    if isinstance(default, tuple):
        return {"action": "append", "metavar": "STR", "default": None}
    return {
        "type": type(default),
        "choices": choices or None,
        "metavar": None if choices else type(default).__name__.upper(),
    }


def _help(item: Field[Any], text: str) -> str:
    default = f" (default {item.default})" if item.default not in ("", ()) else ""
    return f"{text}{default} [{PREFIX}{item.name.upper()}]"


def _parse(variable: str, text: str, item: Field[Any]) -> Any:
    default: Any = item.default
    if isinstance(default, tuple):
        return tuple(text.split(item.metadata["separator"]))
    if isinstance(default, bool):
        if text.lower() not in _BOOLEANS:
            raise StartupError(f"{variable}: expected true or false, got {text!r}")
        return _BOOLEANS[text.lower()]
    try:
        return type(default)(text)
    except ValueError:
        kind = type(default).__name__
        links = "Kubernetes says this of a service of that name: set enableServiceLinks: false, or call it otherwise"
        hint = links if _SERVICE_LINK.search(f"{variable}={text}") else None
        raise StartupError(f"{variable}: expected a value of type {kind}, got {text!r}", hint=hint) from None


def _is_address(text: str) -> bool:
    try:
        return text in ("", "*") or bool(ip_network(text))
    except ValueError:
        return False


def _check(name: str, value: Any, metadata: Mapping[str, Any]) -> None:
    least, most, choices = (metadata[key] for key in ("least", "most", "choices"))
    if least is not None and not least <= value <= most:
        bounds = f"at least {least}" if most == math.inf else f"{least} to {most}"
        raise StartupError(f"setting {name}: expected {bounds}, got {value}", field=name)
    if choices and value not in choices:
        raise StartupError(f"setting {name}: expected one of {', '.join(choices)}, got {value!r}", field=name)
