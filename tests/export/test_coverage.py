"""docs/export-coverage.md says what the tests of this folder run, and no less than it once did."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from export_cases import EXPORTED, recorded_axes

COMMAND = Path(__file__).parent / "coverage.py"
DOCUMENT = Path(__file__).parents[2] / "docs" / "export-coverage.md"


def test_the_document_is_what_the_command_prints() -> None:
    done = subprocess.run([sys.executable, str(COMMAND)], capture_output=True, text=True, check=True)
    assert done.stdout == DOCUMENT.read_text() + "\n"


def test_every_exported_case_was_looked_at() -> None:
    assert recorded_axes().keys() == {case.name for case in EXPORTED}
