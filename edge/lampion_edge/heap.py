"""What glibc's malloc keeps of the process's memory, and what it hands back."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np

# Of malloc.h and mman.h.
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
_NO_HUGE_PAGES = 15

_LARGEST = 2**25  # the most that mallopt takes for the first of the two
_ROOM = 2 * _LARGEST
_BLOCK = _LARGEST - 2**20
_KEPT = 2**23


@contextmanager
def room() -> Iterator[None]:
    """Memory to load a model in: kept while that frees it and asks for more, on huge pages; what is left is handed back.

    A model passes through several copies of its weights; clearing fresh pages for each, 4 kB at a time, takes half of the
    time. So malloc keeps large blocks, which it would map one by one, and two of them are put at the end of its heap for
    what is loaded to take their place: numpy asks for huge pages there, as it does for any large array. Neither is ever
    written to. Afterwards malloc keeps what is free at an end up to 8 MB: a camera's frame, not a model.
    """
    keeps = _set(_MMAP_THRESHOLD, _LARGEST) and _set(_TRIM_THRESHOLD, _ROOM)
    starts = _blocks() if keeps else []
    try:
        yield
    finally:
        if keeps:
            _set(_TRIM_THRESHOLD, _KEPT)
        give_back()
        for start in starts:
            _plain(start, _BLOCK)


def give_back() -> None:
    """Hands to the system what was freed; glibc would keep it, after loading a small model a quarter of all its memory."""
    # malloc_trim shortens the main heap alone; the one of another thread is shortened where a block of this size is freed.
    np.empty(10**5, np.uint8)
    with _where_it_exists():
        ctypes.CDLL(None).malloc_trim(0)


def _blocks() -> list[int]:
    """Where the two blocks were; none where memory is promised only once it is there."""
    blocks: list[np.ndarray[tuple[int], np.dtype[np.uint8]]] = []
    with suppress(MemoryError):
        blocks += [np.empty(_BLOCK, np.uint8) for _ in range(2)]
    starts = [block.ctypes.data for block in blocks]
    while blocks:  # from the end, so that each joins what is free behind it
        blocks.pop()
    return starts


def _set(parameter: int, value: int) -> bool:
    """Whether malloc takes this value."""
    with _where_it_exists():
        return bool(ctypes.CDLL(None).mallopt(parameter, value))
    return False


def _plain(start: int, size: int) -> None:
    """No huge pages here from now on: the kernel would make them by itself, out of pages that were just handed back."""
    first = start // mmap.PAGESIZE * mmap.PAGESIZE
    with _where_it_exists():
        ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(size), _NO_HUGE_PAGES)


def _where_it_exists() -> suppress:
    """Another C library, or another system, has none of these functions; nothing depends on them."""
    return suppress(OSError, TypeError, AttributeError)
