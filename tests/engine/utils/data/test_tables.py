"""CSV files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import lampion
from lampion.utils.data import CSVDataset, DataLoader

TABLE = "width, height,kind\n1,2.5,0\n\n3,-4e1,2\n"


@pytest.mark.parametrize(
    ("text", "settings", "columns", "rows"),
    [
        (TABLE, {}, ["width", "height", "kind"], [[[1, 2.5, 0]], [[3, -40, 2]]]),
        (TABLE, {"target": "kind"}, ["width", "height"], [[[1, 2.5], 0], [[3, -40], 2]]),
        (TABLE, {"target": "height", "columns": ["kind", "width"]}, ["kind", "width"], [[[0, 1], 2.5], [[2, 3], -40]]),
        ("\ufeffa;b\r\n1;nan\r\n", {"delimiter": ";", "columns": ["a"]}, ["a"], [[[1]]]),
        ('"a","b"\n"1","2"\n', {"target": "b"}, ["a"], [[[1], 2]]),
    ],
)
def test_rows(tmp_path: Path, text: str, settings: Any, columns: list[str], rows: Any) -> None:
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    data = CSVDataset(tmp_path / "x.csv", **settings)
    assert data.columns == columns
    assert [[part.tolist() for part in sample] for sample in data] == rows  # type: ignore[attr-defined]
    assert data[0][0].dtype == lampion.float32


def test_whole_targets_are_classes(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(TABLE)
    kinds = [next(iter(DataLoader(CSVDataset(tmp_path / "x.csv", name), 2)))[1].dtype for name in ("kind", "height")]
    assert kinds == [lampion.int64, lampion.float32]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"expected a first line that names each column once, got \[\]"),
        ("a,a\n1,2\n", "names each column once"),
        ("a,b\n1,2\n3\n", "line 3: expected 2 cells, got 1"),
        ("a,b\n1,x\n", "line 2: expected a number as 'b', got 'x'; number classes"),
        ("a,b\n1,\n", "line 2: expected a number as 'b', got ''; .*fill gaps"),
        ("a,c\n1,2\n", "has no column 'b', only a, c"),
    ],
)
def test_what_is_no_table_is_told(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        CSVDataset(tmp_path / "x.csv", "b")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        CSVDataset(tmp_path / "x.csv")
