"""What docs/export-coverage.md says is no more than the tests of this folder run: no count of what exports ever falls."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from export_cases import EXPORTED, recorded_axes

COMMAND = Path(__file__).parent / "coverage.py"
DOCUMENT = Path(__file__).parents[2] / "docs" / "export-coverage.md"


def counts(document: str) -> dict[str, list[int]]:
    """The rows of the table that count what exports."""
    rows = re.findall(r"^\| (.*) \| ([\d /]+) \|$", document, re.MULTILINE)
    return {what: [int(n) for n in numbers.split("/")] for what, numbers in rows if "refused" not in what}


def test_no_count_falls() -> None:
    now = subprocess.run([sys.executable, str(COMMAND)], capture_output=True, text=True, check=True)
    recorded, found = counts(DOCUMENT.read_text()), counts(now.stdout)
    assert recorded.keys() == found.keys()
    assert len(recorded) > 5
    for what, numbers in recorded.items():
        assert all(map(int.__ge__, found[what], numbers)), f"{what}: {found[what]}, once {numbers}"


def test_every_case_that_exported_still_does() -> None:
    assert recorded_axes().keys() <= {case.name for case in EXPORTED}
