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
    if (unfit := without_rows(session)) is not None:
        message = f"model {session.name} takes no records: its input {unfit.name} has no axis for them"
        raise BadRequestError(message, field="model", hint="send it tensors, to infer")
    columns = features(session)
    if columns and isinstance(record, dict):
        return _of_columns(session.inputs[0], record, _checked(record, columns))
    if isinstance(record, list) and len(session.inputs) == 1:
        record = {session.inputs[0].name: record}
    if not isinstance(record, dict):
        raise BadRequestError(f"expected an object of {', '.join(names(session))}, got {record!r:.80}")
    _checked(record, [spec.name for spec in session.inputs])
    return {spec.name: _row(spec, record[spec.name]) for spec in session.inputs}


def without_rows(session: Described) -> TensorSpec | None:
    """An input that has no axis for records, None for a model that takes them."""
    return next((spec for spec in session.inputs if not spec.shape or not _is_rows(spec.shape[0])), None)


def _is_rows(size: int | str | None) -> bool:
    return size in (1, None) or isinstance(size, str)


def features(session: Described) -> list[str]:
    """The names of the columns of a model's one input, empty if its card has none."""
    preprocessing = session.card.preprocessing
    named = preprocessing.extra.get("features") if preprocessing else None
    shape = session.inputs[0].shape if len(session.inputs) == 1 else ()
    if not isinstance(named, list) or len(shape) != 2 or (isinstance(shape[1], int) and shape[1] != len(named)):
        return []
    found = [str(name) for name in named]
    return found if len(set(found)) == len(found) else []


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
    field, wanted = f".{spec.name}", spec.shape[1:]
    data = value if isinstance(value, list) else [value]
    shape = _nesting(data) if wanted else (1,)
    fits = len(shape) == len(wanted) and all(
        not isinstance(want, int) or want == size for want, size in zip(wanted, shape, strict=True)
    )
    if wanted and not fits:
        raise BadRequestError(f"{field}: a row is {list(wanted)}, got {list(shape)!r:.80}", field=field)
    return _values(data, spec, shape, field).reshape(1, *(shape if wanted else ()))


def _of_columns(spec: TensorSpec, record: dict[str, Any], columns: Sequence[str]) -> dict[str, Array]:
    """A row of values by the names of their columns, one of which an error is about."""
    for name in columns:
        if isinstance(record[name], list | dict):
            raise BadRequestError(f".{name}: expected one value, got {record[name]!r:.80}", field=f".{name}")
    try:
        return {spec.name: _row(spec, [record[name] for name in columns])}
    except BadRequestError:
        for name in columns:
            _values([record[name]], spec, (1,), f".{name}")
        raise


def _values(data: list[Any], spec: TensorSpec, shape: tuple[int, ...], field: str) -> Array:
    datatype = PROTOCOL_NAMES[spec.dtype]
    readable = "FP32" if datatype in BINARY_ONLY else datatype
    try:
        with np.errstate(over="raise"):
            return from_json(data, readable, shape, field).astype(numpy_dtype(datatype, field), copy=False)
    except FloatingPointError:
        raise BadRequestError(f"{field}: a value is out of the range of {datatype}", field=field) from None


def _nesting(data: Any) -> tuple[int, ...]:
    """The sizes of nested lists, by the first of each."""
    sizes = []
    while isinstance(data, list):
        sizes.append(len(data))
        data = data[0] if data else None
    return tuple(sizes)


RECORDS = Task("record", "records", prepare)
