"""Records: JSON objects of named values, or lists of values, one row of a model's inputs each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lampion_edge import TensorSpec
from lampion_server.datatypes import BINARY_ONLY, PROTOCOL_NAMES, Array, from_json, numpy_dtype
from lampion_server.described import Described
from lampion_server.errors import BadRequestError
from lampion_server.settings import Settings
from lampion_server.tasks.task import Task


def prepare(session: Described, record: Any, settings: Settings) -> dict[str, Array]:
    """Arrays of one row from one record.

    Its keys are the inputs' names, or the columns that the card names in `preprocessing.features`; a model of one input
    takes a bare list too. Raises `BadRequestError` whose field is the key.
    """
    for spec in session.inputs:
        if not spec.shape or (spec.shape[0] not in (1, None) and not isinstance(spec.shape[0], str)):
            message = f"model {session.name} takes no records: its input {spec.name} has no axis for them"
            raise BadRequestError(message, field="model", hint="send it tensors, to infer")
    columns = features(session)
    if columns and isinstance(record, dict):
        (spec,) = session.inputs
        record = {spec.name: [record[name] for name in _checked(record, columns)]}
    elif isinstance(record, list) and len(session.inputs) == 1:
        record = {session.inputs[0].name: record}
    if not isinstance(record, dict):
        raise BadRequestError(f"expected an object of {', '.join(names(session))}, got {record!r:.80}")
    _checked(record, [spec.name for spec in session.inputs])
    return {spec.name: _row(spec, record[spec.name]) for spec in session.inputs}


def features(session: Described) -> list[str]:
    """The names of the columns of a model's one input, empty if its card has none."""
    preprocessing = session.card.preprocessing
    named = preprocessing.extra.get("features") if preprocessing else None
    one = len(session.inputs) == 1 and len(session.inputs[0].shape) == 2
    return [str(name) for name in named] if isinstance(named, list) and one else []


def names(session: Described) -> list[str]:
    """The keys of a record."""
    return features(session) or [spec.name for spec in session.inputs]


def _checked(record: dict[str, Any], expected: Sequence[str]) -> Sequence[str]:
    for name in expected:
        if name not in record:
            raise BadRequestError(f"{name} is missing: expected {', '.join(expected)}", field=f".{name}")
    for name in record:
        if name not in expected:
            raise BadRequestError(f"{name!r:.80} is unknown: expected {', '.join(expected)}", field=f".{name:.80}")
    return expected


def _row(spec: TensorSpec, value: Any) -> Array:
    field, datatype = f".{spec.name}", PROTOCOL_NAMES[spec.dtype]
    wanted = spec.shape[1:]
    data = value if isinstance(value, list) else [value]
    shape = _nesting(data) if wanted else (1,)
    readable = "FP32" if datatype in BINARY_ONLY else datatype
    try:
        with np.errstate(over="raise"):
            array = from_json(data, readable, shape, field).astype(numpy_dtype(datatype, field), copy=False)
    except FloatingPointError:
        raise BadRequestError(f"{spec.name}: a value is out of the range of {datatype}", field=field) from None
    fits = len(shape) == len(wanted) and all(
        not isinstance(want, int) or want == size for want, size in zip(wanted, shape, strict=True)
    )
    if wanted and not fits:
        raise BadRequestError(f"{spec.name}: a row is {list(wanted)}, got {list(shape)}", field=field)
    return array.reshape(1, *(shape if wanted else ()))


def _nesting(data: Any) -> tuple[int, ...]:
    """The sizes of nested lists, by the first of each."""
    sizes = []
    while isinstance(data, list):
        sizes.append(len(data))
        data = data[0] if data else None
    return tuple(sizes)


RECORDS = Task("record", "records", prepare)
