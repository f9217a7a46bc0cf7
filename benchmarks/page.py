"""docs/performance.md, where benchmarks write what they found: each its own section, the rest stays."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lampion_edge.board import model
from lampion_edge.threads import usable_cores

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


def write(name: str, text: str) -> None:
    """Puts `text` between the marks of section `name`, at the end of the page if it has none."""
    begin, end = f"<!-- {name}: written by its script -->", f"<!-- end of {name} -->"
    page = PAGE.read_text()
    section = f"{begin}\n{text.strip()}\n{end}"
    found = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    PAGE.write_text(found.sub(lambda _: section, page) if found.search(page) else f"{page.rstrip()}\n\n{section}\n")


def machine(*packages: str) -> str:
    """Where and with what something was measured, as a sentence."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    busy = os.getloadavg()[0]
    return (
        f"{datetime.now(UTC):%d %B %Y}, {model()}, {usable_cores()} cores, {memory:.0f} GB, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"{', '.join(f'{name} {_version(name)}' for name in packages)}; load average at the start {busy:.1f}."
    )


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its columns as wide as what is in them; numbers to the right."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [heads, ["-" * widths[0], *["-" * (w - 1) + ":" for w in widths[1:]]], *rows]
    return "\n".join(
        "| "
        + " | ".join([line[0].ljust(widths[0]), *[x.rjust(w) for x, w in zip(line[1:], widths[1:], strict=True)]])
        + " |"
        for line in lines
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
