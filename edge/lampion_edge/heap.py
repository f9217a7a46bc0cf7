"""What glibc's malloc keeps of the process's memory, and what it hands back."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np

# With malloc's own share just below 32 MB, the largest block that it can be taught to keep; freed memory at the end of the
# heap is kept up to twice as much.
_LARGEST = 2**25 - 2**16
_HALF = 2**25 - 2**20
_NO_HUGE_PAGES = 15  # MADV_NOHUGEPAGE


@contextmanager
def room() -> Iterator[None]:
    """Memory to load a model in: kept while that frees it and asks for more, on huge pages; what is left is handed back.

    A model passes through several copies of its weights; clearing fresh pages for each, 4 kB at a time, takes half of the
    time. malloc maps large blocks one by one until it has seen a larger one freed (mallopt(3), M_MMAP_THRESHOLD), so it is
    shown one. Two more lie at the end of the heap, where numpy asks for huge pages as it does for any large array, and
    what is loaded comes to lie in their place. None of them is ever written to.
    """
    halves: list[np.ndarray[tuple[int], np.dtype[np.uint8]]] = []
    with suppress(MemoryError):
        np.empty(_LARGEST, np.uint8)
        halves += (np.empty(_HALF, np.uint8), np.empty(_HALF, np.uint8))
    starts = [half.ctypes.data for half in halves]
    while halves:  # from the end, so that each joins what is free behind it
        halves.pop()
    try:
        yield
    finally:
        give_back()
        for start in starts:
            _plain(start, _HALF)


def give_back() -> None:
    """Hands to the system what was freed; glibc would keep it, after loading a small model a quarter of all its memory."""
    with _where_it_exists():
        ctypes.CDLL(None).malloc_trim(0)


def _plain(start: int, size: int) -> None:
    """No huge pages here from now on: the kernel would make them by itself, out of pages that were just handed back."""
    first = start // mmap.PAGESIZE * mmap.PAGESIZE
    with _where_it_exists():
        ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(size), _NO_HUGE_PAGES)


def _where_it_exists() -> suppress:
    """Another C library, or another system, has none of these functions; nothing depends on them."""
    return suppress(OSError, TypeError, AttributeError)
