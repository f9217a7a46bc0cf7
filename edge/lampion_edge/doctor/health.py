"""How the board is doing: heat, voltage, clock, memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lampion_edge import board
from lampion_edge.doctor import Finding
from lampion_edge.slowness import burdens
from lampion_edge.terminal import megabytes

# numpy, onnxruntime and a small model take about 60 MB; less than this much free, and the kernel begins to kill.
_LITTLE, _TOO_LITTLE = 200e6, 80e6


def findings(root: str | Path = "/") -> Iterator[Finding]:
    """Looks at what holds the board back, and at its free memory."""
    found = list(burdens(root))
    yield from (Finding("speed", "wrong" if burden.now else "warning", burden.said, burden.cure) for burden in found)
    held_low = [core.number for core in board.cores(root) if core.governor == "powersave"]
    if held_low:
        cure = "echo ondemand | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        yield Finding("speed", "warning", f"cores {held_low} stay at their lowest clock (governor powersave)", cure)
    elif not found:
        degrees = board.temperature(root)
        yield Finding("speed", "ok", "nothing holds it back" + ("" if degrees is None else f", {degrees:.0f} degrees"))
    if memory := board.memory(root):
        yield _memory(memory)


def _memory(memory: board.Memory) -> Finding:
    said = f"{megabytes(memory.available)} of {megabytes(memory.total)} free, {megabytes(memory.swap)} swap"
    if memory.available >= _LITTLE:
        return Finding("memory", "ok", said)
    return Finding(
        "memory", "wrong" if memory.available < _TOO_LITTLE else "warning", said, "stop other programs, or add swap"
    )
