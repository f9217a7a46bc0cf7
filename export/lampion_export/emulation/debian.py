"""Packages of Debian for another architecture, unpacked into a folder; nothing of the host's own is changed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from lampion_edge.errors import EdgeError
from lampion_export.emulation.making import call

SUITE, PYTHON = "trixie", "3.13"
_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_CONF = """APT::Architecture "{0}";
APT::Architectures {{ "{0}"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Dir "{1}/";
Dir::State::status "{1}/status";
Dir::Etc::sourcelist "{1}/sources.list";
Dir::Etc::sourceparts "/dev/null";
"""


def unpack(target: Path, architecture: str, packages: Iterable[str], *, with_dependencies: bool = True) -> None:
    """Fetches the packages from the archive that this host's apt uses, and unpacks them. Raises EdgeError."""
    with tempfile.TemporaryDirectory(prefix="lampion-apt-") as folder:
        root = Path(folder)
        environment = _apt(root, architecture)
        call(["apt-get", "update", "-qq"], why="apt-get update", environment=environment)
        command = ["install", "-y", "--download-only"] if with_dependencies else ["download"]
        archives = root / "var/cache/apt/archives"
        call(["apt-get", "-qq", *command, *packages], why="apt-get", environment=environment, cwd=archives)
        for package in sorted(archives.glob("*.deb")):
            call(["dpkg-deb", "-x", package, target], why="dpkg-deb")


def _apt(root: Path, architecture: str) -> dict[str, str]:
    """The environment in which apt-get knows nothing but the folder `root`, and its settings for the network."""
    for name in (
        "etc/apt/apt.conf.d",
        "etc/apt/preferences.d",
        "var/lib/apt/lists/partial",
        "var/cache/apt/archives/partial",
    ):
        (root / name).mkdir(parents=True)
    (root / "status").touch()
    network = call(["apt-config", "dump", "Acquire::http", "Acquire::https"], why="apt-config")
    (root / "apt.conf").write_text(_CONF.format(architecture, root) + network)
    (root / "sources.list").write_text(f"deb [signed-by={_KEYS}] {_archive()} {SUITE} main\n")
    return os.environ | {"APT_CONFIG": str(root / "apt.conf")}


def _archive() -> str:
    """The address of Debian's archive, as this host's apt has it."""
    listed = call(
        ["apt-get", "indextargets", "--no-release-info", "--format", "$(REPO_URI) $(COMPONENT)"], why="apt-get"
    )
    places = dict.fromkeys(line.split()[0].rstrip("/") for line in listed.splitlines() if line.endswith(" main"))
    found = [place for place in places if place.endswith("/debian")]
    if not found:
        raise EdgeError(
            f"apt knows no archive of Debian here, only {', '.join(places) or 'none'}",
            hint="emulate on Debian, with a line of its archive (.../debian) in /etc/apt",
        )
    return found[0]
