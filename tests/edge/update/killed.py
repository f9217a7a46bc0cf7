"""`lampion-edge` in a process that ends itself with SIGKILL before its Nth change on the disk: killed.py N ARGUMENTS..."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from lampion_edge.cli import main
from lampion_edge.update import repository
from lampion_edge.update.disk import Disk


class Deadly(Disk):
    """The real disk, for so many deeds."""

    left = int(sys.argv[1])

    def _count(self) -> None:
        if Deadly.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        Deadly.left -= 1

    def make(self, folder: Path) -> None:
        self._count()
        super().make(folder)

    def append(self, file: Path, data: bytes) -> None:
        self._count()
        super().append(file, data)

    def sync(self, path: Path) -> None:
        self._count()
        super().sync(path)

    def rename(self, old: Path, new: Path) -> None:
        self._count()
        super().rename(old, new)

    def remove(self, path: Path) -> None:
        self._count()
        super().remove(path)


repository.Disk = Deadly  # type: ignore[misc]
sys.exit(main(sys.argv[2:]))
