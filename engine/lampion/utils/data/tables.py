"""Numeric tables in CSV files."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lampion.ops.create import new
from lampion.utils.data.dataset import TensorDataset

Array = np.ndarray[Any, Any]


class CSVDataset(TensorDataset):
    """The rows of a CSV file whose first line names the columns and whose other cells are numbers.

    A sample is (float32 [columns],), or with a `target` column (float32 [columns], target): int64 where all targets are whole
    numbers, as classes are, else float32. `columns` chooses and orders the features: all but the target unless given, kept by
    name in `.columns`. Raises FileNotFoundError, ValueError for a column that is not there and for what is no table of numbers.
    """

    def __init__(
        self, path: str | os.PathLike[str], target: str | None = None, columns: Sequence[str] | None = None,
        delimiter: str = ",",
    ) -> None:  # fmt: skip
        header, table = _read(Path(path), delimiter)
        self.columns = [name for name in header if name != target] if columns is None else list(columns)
        unknown = [name for name in [*self.columns, *([] if target is None else [target])] if name not in header]
        if unknown:
            raise ValueError(f"CSVDataset: {path} has no column {unknown[0]!r}, only {', '.join(header)}")
        features = table[:, [header.index(name) for name in self.columns]].astype(np.float32)
        targets = [] if target is None else [_classes_or_numbers(table[:, header.index(target)])]
        super().__init__(*(new(array, False) for array in [features, *targets]))


def _read(path: Path, delimiter: str) -> tuple[list[str], Array]:
    """The names of the columns and float64 [rows, columns]."""
    if not path.is_file():
        raise FileNotFoundError(f"CSVDataset: no such file: {path}")
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, delimiter=delimiter)
        header = [name.strip() for name in next(reader, [])]
        if not header or len(set(header)) < len(header):
            raise ValueError(f"CSVDataset: {path}: expected a first line that names each column once, got {header}")
        rows = [_numbers(path, reader.line_num, header, row) for row in reader if row]
    return header, np.array(rows, np.float64).reshape(-1, len(header))


def _numbers(path: Path, line: int, header: list[str], row: list[str]) -> list[float]:
    if len(row) != len(header):
        raise ValueError(f"CSVDataset: {path}, line {line}: expected {len(header)} cells, got {len(row)}")
    try:
        return [float(cell) for cell in row]
    except ValueError:
        name, cell = next((n, c) for n, c in zip(header, row, strict=True) if not _is_number(c))
        raise ValueError(
            f"CSVDataset: {path}, line {line}: expected a number as {name!r}, got {cell!r}; number classes, fill gaps"
        ) from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _classes_or_numbers(values: Array) -> Array:
    whole = np.isfinite(values).all() and (values == np.round(values)).all()
    return values.astype(np.int64 if whole else np.float32)
