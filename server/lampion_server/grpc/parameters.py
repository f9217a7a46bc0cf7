"""The parameters of gRPC messages as Python values, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lampion_server.errors import BadRequestError

_FIELDS: dict[type, str] = {bool: "bool_param", int: "int64_param", str: "string_param", float: "double_param"}


def read_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Names to values; a parameter without a value is left out."""
    chosen = {name: value.WhichOneof("parameter_choice") for name, value in parameters.items()}
    return {name: getattr(parameters[name], field) for name, field in chosen.items() if field}


def write_parameters(values: Mapping[str, Any], parameters: Any) -> None:
    """Put values into a message's map of parameters."""
    for name, value in values.items():
        field = "uint64_param" if type(value) is int and value >= 2**63 else _FIELDS[type(value)]
        setattr(parameters[name], field, value)


def integer(parameters: Mapping[str, Any], name: str, path: str) -> int:
    """A parameter that counts something, 0 if it isn't there. Raises `BadRequestError`."""
    value = parameters.get(name, 0)
    if type(value) is not int or value < 0:
        field = f"{path}parameters.{name}"
        raise BadRequestError(f"{field}: expected a number of at least 0, got {value!r:.80}", field=field)
    return value
