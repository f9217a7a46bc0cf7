from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc's")

HELD = """
import os
from lampion_edge.bench_worker import resident
from lampion_edge.heap import give_back
blocks = [os.urandom(100_000) for _ in range(500)]  # too small to be mapped one by one
pin = os.urandom(100_000)  # behind them: the heap can't shrink from its end
del blocks
before = resident()
give_back()
print(before - resident())
"""
# Blocks larger than all before them, as a model's weights may come.
GROWING = """
import resource, sys
from contextlib import nullcontext
from lampion_edge.bench_worker import resident
from lampion_edge.heap import room
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
before, start = faults(), resident()
with room(18 << 20) if sys.argv[1] == "room" else nullcontext():
    for megabytes in range(6, 30, 3):
        bytearray(megabytes << 20)
print(faults() - before, resident() - start)
"""
AFTERWARDS = """
from lampion_edge.bench_worker import resident
from lampion_edge.heap import room
with room(18 << 20):
    pass
before = resident()
bytearray(20 << 20)
print(resident() - before)
"""
MARKED = """
import re
from lampion_edge.heap import room
def marked():  # what the kernel says of each part of the heap ends with its flags
    smaps = open("/proc/self/smaps").read()
    return sum(" hg" in part for part in re.findall(r"\\[heap\\].*?VmFlags:([^\\n]*)", smaps, re.DOTALL))
with room(18 << 20):
    kept = bytearray(20 << 20)
    print(marked())
print(marked())
"""

# Where huge pages are slow, as in a virtual machine whose host has yet to find them.
SLOW = """
import re, sys
from lampion_edge import heap
from lampion_edge.bench_worker import resident
def told(start, size, seconds=heap._seconds):
    return max(seconds(start, size), 1.0 if size == heap._HUGE else 0.0)
if sys.argv[1] == "slow":
    heap._seconds = told
before = resident()
with heap.room(18 << 20):
    smaps = open("/proc/self/smaps").read()
    print(resident() - before, sum(map(int, re.findall(r"AnonHugePages: +(\\d+)", smaps))) * 1024)
"""

APART = """
from lampion_edge.bench_worker import resident
from lampion_edge.heap import apart, room
with room(0):
    pass  # from now on malloc keeps large blocks in its heap
pins = []
def held():  # the heap can't shrink from its end; one pin alone may find room before the block
    block = bytearray(20 << 20)
    pins.extend(bytes(100_000) for _ in range(20))
    return block
def freed():  # how much of it goes back at once
    block = held()
    before = resident()
    del block
    return before - resident()
with apart(), room(1 << 20):
    print(freed())
print(freed())
"""
ASIDE = """
import sys, threading, time
from lampion_edge.heap import _trim
sys.setswitchinterval(30)  # nobody runs Python unless this thread lets go of it
turns = 0
def count():
    global turns
    while True:
        turns += 1
        time.sleep(0)
threading.Thread(target=count, daemon=True).start()
blocks = [bytes(100_000) for _ in range(5000)]
pin = bytes(100_000)
del blocks
time.sleep(0.1)
before = turns
_trim()
print(turns - before)
"""
THREADED = """
import resource
from threading import Thread
from lampion_edge.heap import room
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def empty():
    with room(18 << 20):
        pass
before = faults()
thread = Thread(target=empty)
thread.start()
thread.join()
print(faults() - before)
"""


def run(code: str, *arguments: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_freed_memory_goes_back_to_the_system() -> None:
    assert int(run(HELD)[0]) > 30_000_000


def test_room_spares_page_faults_and_leaves_nothing_behind() -> None:
    (plain, _), (roomy, left) = (map(int, run(GROWING, kind)) for kind in ("plain", "room"))
    assert roomy < plain / 2
    assert left < 1_000_000


def test_afterwards_what_is_freed_is_handed_back_as_ever() -> None:
    assert int(run(AFTERWARDS)[0]) < 1_000_000


def test_the_kernel_makes_no_huge_pages_of_what_was_handed_back() -> None:
    assert run(MARKED)[1] == "0"


def test_pages_are_there_before_they_are_asked_for_and_no_huge_ones_where_those_are_slow() -> None:
    (there, _), (slow, huge) = (map(int, run(SLOW, kind)) for kind in ("quick", "slow"))
    assert there > 50_000_000
    assert slow > 50_000_000
    assert huge <= 2 * 2**21  # the first of them, which showed it


def test_apart_what_is_freed_goes_back_without_the_heap() -> None:
    went, stayed = map(int, run(APART))
    assert went > 15_000_000
    assert stayed < 1_000_000


def test_others_run_python_while_memory_goes_back() -> None:
    assert int(run(ASIDE)[0]) > 0


def test_another_thread_is_given_no_pages_that_its_heap_would_lose() -> None:
    assert int(run(THREADED)[0]) < 1000


def test_an_error_passes() -> None:
    from lampion_edge.heap import room

    with pytest.raises(KeyError), room(0):
        raise KeyError
