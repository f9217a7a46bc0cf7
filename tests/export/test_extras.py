"""What is not installed is named, with the extra that brings it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lampion_export import ExportError, from_sklearn, from_torch


@pytest.mark.parametrize(
    ("road", "module", "extra"), [(from_torch, "torch", "torch"), (from_sklearn, "sklearn", "sklearn")]
)
def test_a_missing_extra_is_named(
    road: Callable[..., Any], module: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ExportError, match=f"needs the package '{module}'") as caught:
        road(None, np.ones((2, 3)), tmp_path / "m.onnx")
    assert caught.value.hint == f"pip install 'lampion[{extra}]'"
    assert list(tmp_path.iterdir()) == []
