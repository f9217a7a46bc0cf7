"""Looks for what keeps models from running here, or from running well; needs neither numpy nor onnxruntime to start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True)
class Finding:
    """`what` was looked at, what there is to say, and for a "warning" or what is "wrong" the cure."""

    what: str
    level: Level
    said: str
    cure: str = ""
