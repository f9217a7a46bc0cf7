"""A model file: whole, and alive when it runs on this machine?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lampion_edge import board
from lampion_edge.doctor import Finding, child
from lampion_edge.doctor.packages import how_it_died
from lampion_edge.terminal import megabytes, milliseconds

_COPY = "copy it here again and compare `lampion-edge info` on both machines"


def finding(path: str, root: str | Path = "/") -> Finding:
    """Opens and runs the file in a process of its own."""
    ended = child.python("-m", "lampion_edge.doctor.probe", path)
    if ended.code:
        cure = "stop other programs, or take a smaller model" if ended.signal == "SIGKILL" else "see the lines above"
        return Finding("model", "wrong", f"{path}: the process that runs it {how_it_died(ended)}", cure)
    told: dict[str, Any] = json.loads(ended.out.splitlines()[-1])
    if "error" in told:
        return Finding("model", "wrong", told["error"], told["hint"] or _COPY)
    if told["ok"] is False:
        cure = "export it again with this onnxruntime, or install the one it was exported with"
        return Finding("model", "wrong", f"{path}: {told['golden']}", cure)
    memory = board.memory(root)
    needs = told["memory"] or 0
    if memory and needs > memory.available:
        said = f"{path}: takes {megabytes(needs)}, and {megabytes(memory.available)} are free"
        return Finding("model", "wrong", said, "take a smaller model (int8), or stop other programs")
    size = f", {megabytes(needs)} with onnxruntime" if needs else ""
    return Finding("model", "ok", f"{told['name']}: {told['golden']}; {milliseconds(told['ms'])} a call{size}")
