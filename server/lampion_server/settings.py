"""Every setting of the server: name, default and meaning in one place, read from flags and from the environment."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from lampion_server.errors import StartupError

PREFIX = "LAMPION_"
LOG_LEVELS = ("debug", "info", "warning", "error")


def setting(
    default: Any, help: str, *, least: float | None = None, most: float = math.inf, choices: tuple[str, ...] = ()
) -> Any:
    """A field of `Settings` that carries its own documentation and bounds."""
    return field(default=default, metadata={"help": help, "least": least, "most": most, "choices": choices})


@dataclass(frozen=True)
class Settings:
    """What `lampion serve` can be told; each field is the flag `--its-name` and the variable `LAMPION_ITS_NAME`.

    Raises `StartupError` for a value out of bounds.
    """

    models: tuple[str, ...] = setting(
        (),
        "model files, a folder of .onnx files, or a folder NAME/VERSION/model.onnx "
        f"(in the variable separated by '{os.pathsep}')",
    )
    host: str = setting("127.0.0.1", "address to listen on; 0.0.0.0 lets other machines in")
    port: int = setting(8000, "port to listen on; 0 takes a free one", least=0, most=65535)
    grpc_port: int = setting(-1, "port for gRPC; 0 takes a free one, -1 serves none", least=-1, most=65535)
    workers: int = setting(1, "processes that share the port and the cores; a dead one is replaced", least=1)
    instances: int = setting(0, "batches of one model that compute at once; 0 finds out by measuring", least=0)
    threads: int = setting(0, "threads of one batch; 0 finds out by measuring", least=0)
    tune_seconds: float = setting(0.2, "seconds that a model is measured when it is loaded; 0 doesn't", least=0)
    max_batch: int = setting(
        32, "most rows that are computed together; 1 switches batching off, measuring may choose fewer", least=1
    )
    memory_budget: int = setting(
        0, "bytes of models in memory, by the size of their files; 0 is all that the process may use", least=0
    )
    cache_bytes: int = setting(0, "bytes of answers that each model keeps for equal questions; 0 keeps none", least=0)
    watch: float = setting(0.0, "seconds between looks for changed files and new versions; 0 doesn't look", least=0)
    canary_percent: float = setting(
        0.0, "share of the traffic that a new version gets until it is promoted; 0 gives it all", least=0, most=100
    )
    max_queue: int = setting(256, "requests of one model that may wait; the next one is refused with 503", least=1)
    max_body_bytes: int = setting(32 * 1024 * 1024, "largest request body in bytes; 413 above it", least=1)
    max_pixels: int = setting(50_000_000, "most pixels (width times height) a photo may have", least=1)
    request_timeout: float = setting(60.0, "seconds until a request is given up with 504", least=0.001)
    drain_timeout: int = setting(30, "seconds that requests in flight get at shutdown", least=0)
    log_level: str = setting("info", "how much is logged; info has a line per request", choices=LOG_LEVELS)

    def __post_init__(self) -> None:
        for item in fields(self):
            _check(item.name, getattr(self, item.name), item.metadata)

    @classmethod
    def read(cls, flags: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Settings:
        """Settings from parsed `flags`, else from `environ`, else the defaults."""
        given: dict[str, Any] = {}
        for item in fields(cls):
            flag, variable = getattr(flags, item.name, None), PREFIX + item.name.upper()
            if flag not in (None, []):
                given[item.name] = tuple(flag) if isinstance(flag, list) else flag
            elif environ.get(variable):
                given[item.name] = _parse(variable, environ[variable], item.default)
        return cls(**given)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give `parser` one argument per setting, each with its documentation."""
    for item in fields(Settings):
        text = item.metadata["help"].replace("%", "%%")
        if item.name == "models":
            parser.add_argument("models", nargs="*", metavar="MODEL", help=f"{text} [{PREFIX}MODELS]")
            continue
        flag = "--" + item.name.replace("_", "-")
        parser.add_argument(
            flag,
            type=type(item.default),
            choices=item.metadata["choices"] or None,
            metavar=None if item.metadata["choices"] else type(item.default).__name__.upper(),
            help=f"{text} (default {item.default}) [{PREFIX}{item.name.upper()}]",
        )


def _parse(variable: str, text: str, default: Any) -> Any:
    if isinstance(default, tuple):
        return tuple(text.split(os.pathsep))
    try:
        return type(default)(text)
    except ValueError:
        kind = type(default).__name__
        raise StartupError(f"{variable}: expected a value of type {kind}, got {text!r}") from None


def _check(name: str, value: Any, metadata: Mapping[str, Any]) -> None:
    least, most, choices = (metadata[key] for key in ("least", "most", "choices"))
    if least is not None and not least <= value <= most:
        bounds = f"at least {least}" if most == math.inf else f"{least} to {most}"
        raise StartupError(f"setting {name}: expected {bounds}, got {value}", field=name)
    if choices and value not in choices:
        raise StartupError(f"setting {name}: expected one of {', '.join(choices)}, got {value!r}", field=name)
