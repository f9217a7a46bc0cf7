"""Every setting is documented, and read from the flag, the variable, the default, in this order."""

from __future__ import annotations

import argparse
import os
from dataclasses import fields
from typing import Any

import pytest

from lampion_server.commands import SERVE
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
    ],
)
def test_values_out_of_bounds(name: str, value: Any) -> None:
    with pytest.raises(StartupError, match=name):
        Settings(**{name: value})
