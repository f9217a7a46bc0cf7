"""Real photographs out of a Debian package: fetched into the cache, never part of the project."""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image, ImageOps

PACKAGE = "lomiri-wallpapers-16.04"  # by users of Ubuntu Touch, CC-BY and CC-BY-SA
QUALITY = 95  # at which they come to 2 to 2.5 MB; telephones write 2 to 4 MB


def photographs(folder: Path, size: tuple[int, int]) -> list[Path]:
    """Every photograph of the package that is at least as large, as a camera of this size would have written it.

    Cut to its shape, scaled down, saved as baseline JPEG with halved colours; the package's own files are progressive,
    as no camera writes them. Empty where there is no Debian to ask.
    """
    kept = folder / f"{PACKAGE}-{size[0]}x{size[1]}-{QUALITY}"
    if not kept.exists():
        with TemporaryDirectory(dir=folder) as fresh:
            try:
                _unpacked(Path(fresh))
            except (OSError, subprocess.CalledProcessError):
                print(f"no {PACKAGE} to be had (apt-get update, apt-get download): noise stands in for photographs")
                return []
            _written(Path(fresh), size)
            (Path(fresh) / "done").rename(kept)
    return sorted(kept.iterdir())


def _unpacked(folder: Path) -> None:
    subprocess.run(["apt-get", "download", PACKAGE], cwd=folder, check=True, capture_output=True)
    (package,) = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", package, folder], check=True, capture_output=True)


def _written(folder: Path, size: tuple[int, int]) -> None:
    (folder / "done").mkdir()
    for path in (folder / "usr").rglob("*.jpg"):
        with Image.open(path) as image:
            if image.width * image.height >= size[0] * size[1]:
                photo = ImageOps.fit(image.convert("RGB"), size)
                photo.save(folder / "done" / path.name, "JPEG", quality=QUALITY)
