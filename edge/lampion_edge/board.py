"""The machine: what it is and how it is doing, from /proc and /sys. The one place that reads them for commands.

`root` is where /proc and /sys are looked for, so that a test, or an emulator, can put another board there.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

# The firmware's answer to `vcgencmd get_throttled`, which the Raspberry Pi's kernel also gives as a file.
# Bits as https://www.raspberrypi.com/documentation/computers/os.html#get_throttled has them; 16 higher: since boot.
THROTTLED_FILE = "sys/devices/platform/soc/soc:firmware/get_throttled"
_THROTTLED_BITS = ("under-voltage", "clock capped", "throttled", "soft temperature limit")


class Core(NamedTuple):
    """One core: its clock now and at most, in MHz (None where the system doesn't say), and who chooses the clock."""

    number: int
    clock: float | None
    max_clock: float | None
    governor: str | None


class Memory(NamedTuple):
    """Bytes: all, free for a program without swapping, and swap."""

    total: int
    available: int
    swap: int


def model(root: str | Path = "/") -> str:
    """The board's name, such as "Raspberry Pi 4 Model B Rev 1.4"; a PC's processor, or the architecture, if it has none."""
    named = read(root, "proc/device-tree/model") or ""
    cpuinfo = read(root, "proc/cpuinfo") or ""
    lines = re.search(r"^Model\s*: (.+)$", cpuinfo, re.MULTILINE) or re.search(
        r"^model name\s*: (.+)$", cpuinfo, re.MULTILINE
    )
    return named.strip("\0 \n") or (lines[1].strip() if lines else platform.machine())


def is_32_bit_arm() -> bool:
    """Whether this Python is a 32-bit one for ARM; the kernel below it may have 64 bits all the same."""
    return platform.machine().startswith(("arm", "aarch64")) and sys.maxsize < 2**32


def cores(root: str | Path = "/") -> list[Core]:
    """Every core that is online, by number."""
    return [_core(root, number) for number in _numbers(root)]


def max_clocks(root: str | Path = "/") -> list[float | None]:
    """The highest clock of every core that is online, in MHz, by number."""
    return [_megahertz(root, number, "cpuinfo_max_freq") for number in _numbers(root)]


def temperature(root: str | Path = "/") -> float | None:
    """Degrees Celsius of the processor: the zone that says it is the processor's, else the hottest. None without any."""
    zones = list(_zones(root))
    of_cpu = [degrees for kind, degrees in zones if "cpu" in kind or "soc" in kind or "x86_pkg" in kind]
    return max(of_cpu or [degrees for _, degrees in zones], default=None)


def throttling(root: str | Path = "/") -> tuple[list[str], list[str]] | None:
    """What holds a Raspberry Pi back now, and what did since it was switched on; None on other machines."""
    text = (read(root, THROTTLED_FILE) or "").strip()
    try:
        bits = int(text, 16)
    except ValueError:
        return None
    now, before = ([name for bit, name in enumerate(_THROTTLED_BITS) if half >> bit & 1] for half in (bits, bits >> 16))
    return now, before


def memory(root: str | Path = "/") -> Memory | None:
    """What /proc/meminfo says, None where there is none."""
    text = read(root, "proc/meminfo") or ""
    kilobytes: dict[str, str] = dict(re.findall(r"^(\w+):\s*(\d+) kB$", text, re.MULTILINE))
    if "MemTotal" not in kilobytes:
        return None
    available = kilobytes.get("MemAvailable", kilobytes.get("MemFree", "0"))
    return Memory(*(int(value) * 1024 for value in (kilobytes["MemTotal"], available, kilobytes.get("SwapTotal", "0"))))


def read(root: str | Path, name: str) -> str | None:
    """The text of a file below `root`, None if it can't be read."""
    try:
        with open(os.path.join(root, name), errors="replace") as file:
            return file.read()
    except OSError:
        return None


def _zones(root: str | Path) -> Iterator[tuple[str, float]]:
    for name in sorted(_listed(root, "sys/class/thermal", "thermal_zone")):
        folder = os.path.join(root, "sys/class/thermal", name)
        millidegrees = (read(folder, "temp") or "").strip()
        if millidegrees.lstrip("-").isdecimal():
            yield (read(folder, "type") or name).strip().lower(), int(millidegrees) / 1000


def _listed(root: str | Path, folder: str, start: str) -> list[str]:
    """The names in a folder below `root` that are `start` and a number."""
    with suppress(OSError):
        names = os.listdir(os.path.join(root, folder))
        return [name for name in names if name.startswith(start) and name[len(start) :].isdecimal()]
    return []


def _numbers(root: str | Path) -> list[int]:
    """Of the cores that are online."""
    numbers = sorted(int(name[3:]) for name in _listed(root, "sys/devices/system/cpu", "cpu"))
    return [number for number in numbers if _online(root, number)]


def _online(root: str | Path, number: int) -> bool:
    return (read(root, f"sys/devices/system/cpu/cpu{number}/online") or "1").strip() != "0"


def _core(root: str | Path, number: int) -> Core:
    clock, max_clock = (_megahertz(root, number, name) for name in ("scaling_cur_freq", "cpuinfo_max_freq"))
    return Core(number, clock, max_clock, _cpufreq(root, number, "scaling_governor"))


def _cpufreq(root: str | Path, number: int, name: str) -> str | None:
    text = read(root, f"sys/devices/system/cpu/cpu{number}/cpufreq/{name}")
    return text.strip() if text else None


def _megahertz(root: str | Path, number: int, name: str) -> float | None:
    text = _cpufreq(root, number, name)
    return int(text) / 1000 if text and text.isdecimal() else None
