"""Puts this folder on the path, as Python does for replay.py, so that its parts import each other in both cases."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
