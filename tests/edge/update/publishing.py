"""What a publisher does, for the tests that need another signature than the fixtures give."""

from __future__ import annotations

from pathlib import Path

from lampion_edge.update.release import Release
from lampion_edge.update.signature import Signed, sign


def resign(path: Path, key: Path, boards: tuple[str, ...] = ()) -> Signed:
    """Signs the file as it is now, and writes the signature beside it."""
    signed = sign(Release.of(path, boards), key)
    path.with_name(f"{path.name}.sig").write_text(signed.to_json())
    return signed
