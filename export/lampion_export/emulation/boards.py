"""The boards that can be simulated, and how a kernel shows them below /proc and /sys."""

from __future__ import annotations

from dataclasses import dataclass

from lampion_edge.board import THROTTLED_FILE


@dataclass(frozen=True)
class Board:
    """A board: its name as the kernel says it, Debian's name of its architecture, qemu's of its processor, MHz, MB."""

    model: str
    architecture: str
    processor: str
    clock: int
    memory: int
    cores: int = 4


@dataclass(frozen=True)
class State:
    """How a board is doing: degrees Celsius, the firmware's bits, MHz now (None: all it has), free MB (None: most)."""

    celsius: float = 48.0
    throttled: int = 0
    clock: int | None = None
    free_memory: int | None = None


IDLE = State()
BOARDS = {
    "pi2": Board("Raspberry Pi 2 Model B Rev 1.1", "armhf", "cortex-a7", 900, 1024),
    "zero2": Board("Raspberry Pi Zero 2 W Rev 1.0", "arm64", "cortex-a53", 1000, 512),
    "pi3": Board("Raspberry Pi 3 Model B Rev 1.2", "arm64", "cortex-a53", 1200, 1024),
    "pi4": Board("Raspberry Pi 4 Model B Rev 1.4", "arm64", "cortex-a72", 1800, 4096),
    "pi5": Board("Raspberry Pi 5 Model B Rev 1.0", "arm64", "cortex-a76", 2400, 8192),
}


def files(board: Board, state: State) -> dict[str, str]:
    """The files by which the board is known. qemu itself answers for /proc/cpuinfo, so that it fits the processor."""
    every = f"0-{board.cores - 1}\n"
    clocks = {"cpuinfo_max_freq": board.clock, "scaling_cur_freq": state.clock or board.clock}
    total, free = board.memory * 960, 1024 * (state.free_memory or board.memory * 3 // 4)  # some is the firmware's
    return {
        "proc/device-tree/model": f"{board.model}\0",
        "proc/meminfo": f"MemTotal: {total} kB\nMemFree: {free} kB\nMemAvailable: {free} kB\nSwapTotal: 102396 kB\n",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": f"{state.celsius * 1000:.0f}\n",
        THROTTLED_FILE: f"{state.throttled:x}\n",
        **{f"sys/devices/system/cpu/{name}": every for name in ("possible", "present", "online")},
        **{
            f"sys/devices/system/cpu/cpu{core}/cpufreq/{name}": f"{text}\n"
            for core in range(board.cores)
            for name, text in [
                *((name, megahertz * 1000) for name, megahertz in clocks.items()),
                ("scaling_governor", "ondemand"),
            ]
        },
    }
