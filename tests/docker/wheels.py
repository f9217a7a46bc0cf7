"""Whether everything that the image installs comes as a wheel for linux/arm64."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from dockerfile import DockerfileError

PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")


def requirements(repository: Path) -> list[str]:
    """What `pip install ./edge .` needs from elsewhere, to build and to run."""
    root, edge = (tomllib.loads((repository / path / "pyproject.toml").read_text()) for path in (".", "edge"))
    found = [*root["build-system"]["requires"], *edge["build-system"]["requires"], *edge["project"]["dependencies"]]
    for requirement in root["project"]["dependencies"]:
        ours = re.match(r"lampion-edge(?:\[(.*)\])?", requirement)
        extras = (ours[1] or "").split(",") if ours else []
        found += [part for extra in extras if extra for part in edge["project"]["optional-dependencies"][extra]]
        found += [] if ours else [requirement]
    return sorted(set(found))


def count_arm64_wheels(repository: Path, python: str) -> int:
    """How many wheels pip would install on arm64. Raises DockerfileError with pip's words if one is missing.

    pip judges markers such as `platform_machine` by the machine it runs on, whatever the platform it resolves for.
    """
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    target = ["--only-binary=:all:", "--implementation", "cp", "--python-version", python, *platforms]
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed", "--report=-"]
        argv = [*pip, "--target", folder, *target, *requirements(repository)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DockerfileError(f"not everything comes as a wheel for linux/arm64:\n{done.stderr.strip()}")
    report: dict[str, Any] = json.loads(done.stdout)
    return len(report["install"])
