"""Text laid out for a terminal, and kept from it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO


def table(rows: Sequence[Sequence[str]], align: str) -> str:
    """Rows of cells as aligned lines; `align` has a "<" or a ">" for each column."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(align))]
    lines = (
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, align, widths, strict=True)) for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def megabytes(size: float) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def milliseconds(value: float) -> str:
    return f"{value:.0f} ms" if value >= 100 else f"{value:.3g} ms"


def progress(text: str, share: float | None = None) -> None:
    """Shows on a terminal, in place of what was shown last, what goes on and how far it is; an empty text clears it."""
    if sys.stderr.isatty():
        bar = "" if share is None else f"[{'#' * int(20 * share):<20}] "
        print(f"\r\x1b[K{bar}{text}", end="", file=sys.stderr, flush=True)


def complain(message: object, hint: str | None) -> None:
    """Says on stderr what went wrong and what to do about it."""
    print(f"lampion: error: {message}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)


def say(message: object) -> None:
    """Says on stderr what is no result, and no error either."""
    print(message, file=sys.stderr, flush=True)


@contextmanager
def silenced() -> Iterator[None]:
    """Keeps what native code writes to stderr from the user's screen, unless an error follows: then it may say why."""
    try:
        screen = os.dup(2)
    except OSError:  # a service without stderr has nothing to silence
        yield
        return
    with _nameless() as kept:
        try:
            os.dup2(kept.fileno(), 2)
            yield
        except BaseException:
            os.dup2(screen, 2)
            kept.seek(0)
            os.write(2, kept.read())
            raise
        finally:
            os.dup2(screen, 2)
            os.close(screen)


def _nameless() -> BinaryIO:
    """A file without a name, gone when it is closed."""
    if sys.platform == "linux":  # importing tempfile takes as long as a quarter of this package
        return os.fdopen(os.memfd_create("stderr"), "w+b")
    import tempfile

    return tempfile.TemporaryFile()
