"""From arrays, a folder of photos or a DataLoader to the batches a model takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lampion_edge import EdgeError, Session
from lampion_edge.input_files import PHOTO_FILES, expand, load_arrays
from lampion_edge.inputs import checked
from lampion_export.errors import ExportError
from lampion_export.quantization.scheme import Batch

ROWS = 8
_ARRAYS = (".npy", ".npz", ".json")


def samples(source: Any, session: Session, what: str = "calibration") -> list[Batch]:
    """The samples in `source`, checked against the model's inputs.

    An array (or a dict or tuple of them) is split along its first axis where that may vary; of a list, a DataLoader or
    another iterable each item is one sample; a folder, or a list of paths, is photos. Raises ExportError.
    """
    try:
        found = [_checked(batch, session) for batch in _read(source, session)]
    except EdgeError as error:
        raise ExportError(f"{what}: {error}", hint=error.hint) from error
    if not found:
        raise ExportError(f"{what}: expected at least one sample, got none")
    return found


def grouped(found: list[Batch], session: Session) -> list[Batch]:
    """Neighbours of equal shape in batches of up to ROWS, where the model takes batches."""
    groups: list[list[Batch]] = []
    for sample in found:
        rows = (
            sum(len(_first(one)) for one in groups[-1]) + len(_first(sample))
            if groups and _batched(session)
            else ROWS + 1
        )
        if rows <= ROWS and _shapes(groups[-1][0]) == _shapes(sample):
            groups[-1].append(sample)
        else:
            groups.append([sample])
    return [{name: np.concatenate([one[name] for one in group]) if len(group) > 1 else group[0][name] for name in group[0]}
            for group in groups]  # fmt: skip


def halves(found: list[Batch]) -> tuple[list[Batch], list[Batch]]:
    """Every other sample, and the rest: what is judged on was not calibrated on. A lone sample serves for both."""
    return found[::2], found[1::2] or found


def _read(source: Any, session: Session) -> Iterable[Mapping[str, Any]]:
    names = [spec.name for spec in session.inputs]
    if isinstance(source, str | Path):
        return _files(source, session)
    if isinstance(source, Mapping):
        return _rows(source, session)
    if isinstance(source, tuple) and len(source) == len(names):
        return _rows(dict(zip(names, source, strict=True)), session)
    if hasattr(source, "__array__"):
        return _rows(_item(source, session), session)
    if isinstance(source, Iterable):
        return (_item(item, session) for item in source)
    raise ExportError(
        f"calibration: expected arrays, a folder of photos or an iterable of batches, got {type(source).__name__}"
    )


def _files(source: str | Path, session: Session) -> Iterable[Mapping[str, Any]]:
    if Path(source).suffix in _ARRAYS:
        return _rows(load_arrays(str(source), session.inputs), session)
    return (session.prepare(photo) for photo in expand([str(source)], PHOTO_FILES))


def _item(item: Any, session: Session) -> Mapping[str, Any]:
    """One batch: a dict, a photo's path, or arrays in the order of the inputs; targets behind them are left out."""
    if isinstance(item, str | Path):
        return session.prepare(item)
    if isinstance(item, Mapping):
        return item
    arrays = list(item) if isinstance(item, list | tuple) else [item]
    if len(arrays) < len(session.inputs):
        wanted = ", ".join(f"{spec.name!r}" for spec in session.inputs)
        raise ExportError(f"calibration: expected {len(session.inputs)} arrays ({wanted}), got {len(arrays)}")
    return {spec.name: array for spec, array in zip(session.inputs, arrays, strict=False)}


def _rows(arrays: Mapping[str, Any], session: Session) -> Iterable[Mapping[str, Any]]:
    whole = _checked(arrays, session)
    if not _batched(session):
        return [whole]
    return [{name: array[i : i + 1] for name, array in whole.items()} for i in range(min(map(len, whole.values())))]


def _checked(batch: Mapping[str, Any], session: Session) -> Batch:
    return checked(session.inputs, {name: np.asarray(value) for name, value in batch.items()})


def _batched(session: Session) -> bool:
    """Whether the first axis of every input varies, and is the same."""
    firsts = {spec.shape[0] if spec.shape else 0 for spec in session.inputs}
    return len(firsts) == 1 and not isinstance(firsts.pop(), int)


def _first(batch: Batch) -> Any:
    return next(iter(batch.values()))


def _shapes(batch: Batch) -> list[tuple[int, ...]]:
    return [array.shape[1:] for array in batch.values()]
