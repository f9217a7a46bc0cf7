"""What glibc's malloc keeps of the process's memory, and what it hands back."""

from __future__ import annotations

import ctypes
import mmap
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import inf
from time import perf_counter

import numpy as np

# Of malloc.h and mman.h.
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
_NO_HUGE_PAGES, _PAGES_NOW = 15, 23

_LARGEST = 2**25  # the most that mallopt takes for the first of the two
_ROOM = 2 * _LARGEST
_BLOCK = _LARGEST - 2**20
_MAPPED = 2**20
_KEPT = 2**23
_COPIES = 3  # of its weights, which a model passes through
_HUGE = 2**21
_LOOKED_AT = 10**5  # where a block of this size is freed, malloc looks at the end of its heap

_POINTER = ctypes.c_void_p
_apart = False


@contextmanager
def room(size: int) -> Iterator[None]:
    """Memory to load a model of `size` bytes in: kept while that frees it and asks for more, and handed back afterwards.

    Clearing fresh pages for each copy of the weights, 4 kB at a time, takes half of the time. So malloc keeps large blocks,
    which it would map one by one, and two of them are put at the end of its heap for what is loaded to take their place, with
    pages that are already there. Afterwards malloc keeps what is free at an end up to 8 MB: a camera's frame, not a model.
    """
    if _apart:
        yield
        return
    keeps = _set(_MMAP_THRESHOLD, _LARGEST) and _set(_TRIM_THRESHOLD, _ROOM)
    starts = _blocks(_COPIES * size) if keeps and size > _HUGE else []
    try:
        yield
    finally:
        if keeps:
            _set(_TRIM_THRESHOLD, _KEPT)
        _trim()
        for start in starts:  # the kernel would make huge pages by itself, out of pages that were just handed back
            advise(start, _BLOCK, _NO_HUGE_PAGES)


@contextmanager
def apart() -> Iterator[None]:
    """For who loads and drops models beside others that work; one at a time. A `room` inside is none.

    A heap is locked while it hands back, and whoever wants memory waits: a tenth of a second for a model of 200 MB. So
    blocks of 1 MB and more are mapped one by one, and the rest is handed back once, at the end.
    """
    global _apart
    _apart = _set(_MMAP_THRESHOLD, _MAPPED) and _set(_TRIM_THRESHOLD, _KEPT)
    try:
        yield
    finally:
        if _apart:
            _set(_MMAP_THRESHOLD, _LARGEST)
        _apart = False
        _trim()


def give_back() -> None:
    """Hands to the system what was freed; glibc would keep it, after loading a small model a quarter of all its memory.

    While who is `apart` loads, that waits for its end.
    """
    if not _apart:
        _trim()


def _trim() -> None:
    """It may take as long as many a request, so all of it is called as C: other threads run Python meanwhile."""
    with _where_it_exists():
        libc = ctypes.CDLL(None)
        libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = _POINTER, [ctypes.c_size_t], [_POINTER]
        libc.free(libc.malloc(_LOOKED_AT))  # malloc_trim shortens the main heap alone, this the one of another thread
        libc.malloc_trim(ctypes.c_size_t(0))


def _blocks(size: int) -> list[int]:
    """Where the two blocks were, with pages for `size` bytes; none where memory is promised only once it is there."""
    blocks: list[np.ndarray[tuple[int], np.dtype[np.uint8]]] = []
    with suppress(MemoryError):
        blocks += [np.empty(_BLOCK, np.uint8) for _ in range(2)]
    starts = [block.ctypes.data for block in blocks]
    # The heaps of other threads are cut where they end free: the pages would be lost.
    if threading.current_thread() is threading.main_thread():
        _fill(starts, size)
    while blocks:  # from the end, so that each joins what is free behind it
        blocks.pop()
    return starts


def _fill(starts: list[int], size: int) -> None:
    """Has pages for `size` bytes put there: huge ones, which numpy asks for as in any large array, while they are worth it.

    They are made ten times faster than small ones; but in a virtual machine to which its host gives memory only as it is
    touched, such a page may take 4 ms. Small ones were mostly in use before.
    """
    huge, limit = True, 0.0
    for start in starts:
        place, end = start, start + min(size, _BLOCK)
        size -= end - start
        if not limit:
            place = (start + _HUGE) // _HUGE * _HUGE + _HUGE
            advise(start, place - start, _NO_HUGE_PAGES)
            limit = _seconds(start, place - start) * _HUGE / (place - start)
        while huge and place + _HUGE <= end:
            huge = _seconds(place, _HUGE) < limit
            place += _HUGE
        advise(place, start + _BLOCK - place, _NO_HUGE_PAGES)
        _seconds(place, end - place)


def _seconds(start: int, size: int) -> float:
    """How long it took until pages were there; for ever where the kernel doesn't know the wish (Linux before 5.14)."""
    before = perf_counter()
    return perf_counter() - before if advise(start, size, _PAGES_NOW) else inf


def _set(parameter: int, value: int) -> bool:
    """Whether malloc takes this value."""
    with _where_it_exists():
        return bool(ctypes.CDLL(None).mallopt(parameter, value))
    return False


def advise(start: int, size: int, wish: int) -> bool:
    """Whether the kernel does as wished with these pages."""
    first = start // mmap.PAGESIZE * mmap.PAGESIZE
    with _where_it_exists():
        return not ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(start + size - first), wish)
    return False


def _where_it_exists() -> suppress:
    """Another C library, or another system, has none of these functions; nothing depends on them."""
    return suppress(OSError, TypeError, AttributeError)
