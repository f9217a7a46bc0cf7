"""Boards as a kernel shows them: files below /proc and /sys, to write below a folder of a test."""

from __future__ import annotations

from pathlib import Path

THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"


def cpufreq(clocks: dict[int, int], now: int | None = None, governor: str = "ondemand") -> dict[str, str]:
    """The files of cores by number, whose greatest clock is so many kHz."""
    return {
        f"sys/devices/system/cpu/cpu{number}/cpufreq/{name}": f"{text}\n"
        for number, clock in clocks.items()
        for name, text in (
            ("cpuinfo_max_freq", clock),
            ("scaling_cur_freq", now or clock),
            ("scaling_governor", governor),
        )
    }


PI4 = {
    "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    "proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 108.00\n\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n",
    "proc/meminfo": "MemTotal:        3884404 kB\nMemFree:  100 kB\nMemAvailable:    3012345 kB\nSwapTotal: 102396 kB\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "48212\n",
    THROTTLED: "0\n",
} | cpufreq(dict.fromkeys(range(4), 1_800_000), now=600_000)


def write(root: Path, files: dict[str, str]) -> Path:
    """Writes the files below `root`, and gives it back."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root
