"""Replays the Dockerfile's steps where there is no docker: python tests/docker/replay.py, on Linux, as root.

Every stage gets a copy-on-write copy of this machine's file system, in which this machine's Python stands in for the
image's. What differs from docker: the machine's own files are visible, and so is its network.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from container import Container, save_model
from context import context_files
from dockerfile import DockerfileError, Stage, check, own_paths, parse, python_version
from stage import Build, Root, mount, timed
from wheels import count_arm64_wheels

REPOSITORY = Path(__file__).resolve().parents[2]
INSIDE = "--inside"


def main() -> int:
    """Checks and replays, or is the part of it that runs inside the namespaces; gives the exit code."""
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        stages = parse((REPOSITORY / "Dockerfile").read_text())
        return replay(stages, Path(sys.argv[2])) if sys.argv[1:2] == [INSIDE] else check_and_replay(stages)
    except DockerfileError as error:
        print(f"replay: failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def check_and_replay(stages: list[Stage]) -> int:
    """Judges the text and the wheels, has the steps replayed, and sums up in a line."""
    start = time.monotonic()
    check(stages)
    version = python_version(stages[-1])
    with timed(f"[arm64] every package as a wheel for linux/arm64, Python {version}"):
        wheels = count_arm64_wheels(REPOSITORY, version)
    if code := in_namespaces():
        return code
    done = f"{len(stages)} stages built, photos labelled, {wheels} wheels there for arm64"
    print(f"replay: {done}; {time.monotonic() - start:.0f} s")
    return 0


def in_namespaces() -> int:
    """Runs this script again, its mounts and processes in namespaces that end with it; gives its exit code."""
    if os.geteuid():
        raise DockerfileError("expected root, which mounts and users need; run it with sudo")
    folder = tempfile.mkdtemp(prefix="replay-")
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    # Not even a SIGKILL of this process shall leave the other one behind.
    follow = ["setpriv", "--pdeathsig", "KILL"]
    process = subprocess.Popen([*follow, *unshare, sys.executable, __file__, INSIDE, folder])
    try:
        return process.wait()
    finally:
        process.kill()
        process.wait()
        os.rmdir(folder)  # empty out here: what was mounted on it went with the namespace


def replay(stages: list[Stage], folder: Path) -> int:
    """Builds every stage and runs the last; what it makes, it makes on a tmpfs on `folder`."""
    mount("-t", "tmpfs", "tmpfs", folder)
    context = folder / "context"
    for path in context_files(REPOSITORY):
        (context / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / path, context / path)
    print(f"[base] Python {sys.version.split()[0]} of this machine stands in for {stages[0].image}")
    built: dict[str, Build] = {}
    for stage in stages:
        root = Root(folder / stage.name, hidden=[REPOSITORY, Path("/tmp")], absent=own_paths(stages))
        built[stage.name] = Build(stage, root, context, built)
        built[stage.name].run()
    serve(built[stages[-1].name], folder / "log")
    return 0


def serve(image: Build, log: Path) -> None:
    """Starts the image with a model, and holds it to what an image of a server must do."""
    save_model(image.root.inside("/models/colours.onnx"))
    container = Container(image, log)
    with timed(f"[run] port {container.port}, until the HEALTHCHECK succeeds"):
        container.wait_until_healthy(60)
    with timed("[run] POST a red and a blue photo"):
        container.label("red")
        container.label("blue")
    with timed(f"[run] not root, no write access to {' '.join(image.copied)}"):
        container.check_rights()
    with timed("[run] SIGTERM"):
        container.stop(10)


def _stages() -> list[Stage]:
    return parse((REPOSITORY / "Dockerfile").read_text())


def _interrupted(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
