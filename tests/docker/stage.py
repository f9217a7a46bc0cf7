"""A stage of the build: a root of its own, and the instructions that fill it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dockerfile import DockerfileError, Instruction, Stage

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# How pip finds its registry on this machine: RUN sees it, no root keeps it.
PASSED_ON = ("PIP_", "SSL_CERT", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@contextmanager
def timed(text: str) -> Iterator[None]:
    """Prints what happens as it starts, and its seconds once it is over."""
    print(text, end="", flush=True)
    start = time.monotonic()
    try:
        yield
    finally:
        print(f"  {time.monotonic() - start:.1f} s", flush=True)


class Root:
    """A copy-on-write copy of this machine's file system, and the way to run commands in it.

    It is made in a mount namespace of its own, in a `folder` on a tmpfs: both are gone when the namespace ends. The
    folders in `hidden` are empty in it; those in `absent` don't exist. Raises DockerfileError if it can't be mounted.
    """

    def __init__(self, folder: Path, hidden: Iterable[Path], absent: Iterable[str]) -> None:
        self.path = folder / "root"
        for part in (self.path, folder / "upper", folder / "work"):
            part.mkdir(parents=True)
        layers = f"lowerdir=/,upperdir={folder / 'upper'},workdir={folder / 'work'}"
        mount("-t", "overlay", "-o", layers, "overlay", self.path)
        for path in absent:
            shutil.rmtree(self.inside(path), ignore_errors=True)
        for folder in map(self.inside, hidden):
            mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", folder)
        for name in ("proc", "sys", "dev"):
            mount("--rbind", f"/{name}", self.path / name)
        self._resolve_names()
        self._open_python()

    def inside(self, path: str | Path) -> Path:
        """Where an absolute path of this root lies, seen from outside."""
        return self.path / str(path).lstrip("/")

    def argv(self, words: list[str], cwd: str, user: str | None = None) -> list[str]:
        """The command that runs `words` inside, in the folder `cwd`, as `user` or as root."""
        return ["chroot", *([f"--userspec={user}"] if user else []), str(self.path), "env", "-C", cwd, *words]

    def _resolve_names(self) -> None:
        # Often links into /run or mounts, neither of which the overlay shows.
        for path in (Path("/etc/resolv.conf"), Path("/etc/hosts")):
            self.inside(path).unlink(missing_ok=True)
            self.inside(path).write_text(path.read_text())

    def _open_python(self) -> None:
        # The Python that stands in for the image's may lie in a home that is closed to other users.
        for folder in map(self.inside, Path(sys.base_prefix).parents):
            folder.chmod(folder.stat().st_mode | 0o111)


def mount(*words: str | Path) -> None:
    """mount(8). Raises DockerfileError with what it says."""
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DockerfileError(f"this machine can't mount what a stage needs: {done.stderr.strip()}")


class Build:
    """The state of a stage while its instructions run; `built` are the stages before it, `context` docker's context."""

    def __init__(self, stage: Stage, root: Root, context: Path, built: Mapping[str, Build]) -> None:
        self.stage = stage
        self.root = root
        self.cwd = "/"
        self.user: str | None = None
        self.env = {"PATH": f"{sys.base_prefix}/bin:{SYSTEM_PATH}"}
        self.copied: list[str] = []  # what came from other stages
        self._context = context
        self._built = built

    def run(self) -> None:
        """Executes all instructions and prints each. Raises DockerfileError for the first that fails."""
        steps = self.stage.instructions
        for number, step in enumerate(steps, 1):
            with timed(f"[{self.stage.name} {number}/{len(steps)}] {step}"):
                self._step(step)

    def _step(self, step: Instruction) -> None:
        match step.name:
            case "WORKDIR":
                self.cwd = self._absolute(step.word(self.env))
                self.root.inside(self.cwd).mkdir(parents=True, exist_ok=True)
            case "COPY":
                self._copy(step)
            case "RUN":
                self._run(step)
            case "ENV":
                self.env |= step.assignments(self.env)
            case "USER":
                self.user = step.word(self.env)
            case _:
                pass  # FROM made the root; the others only say how the image is started

    def _absolute(self, path: str) -> str:
        return os.path.normpath(os.path.join(self.cwd, path))

    def _run(self, step: Instruction) -> None:
        passed_on = {name: value for name, value in os.environ.items() if name.upper().startswith(PASSED_ON)}
        env = passed_on | {"HOME": os.environ.get("HOME", "/root")} | self.env
        argv = self.root.argv(step.argv, self.cwd, self.user)
        done = subprocess.run(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            tail = "\n".join(done.stdout.splitlines()[-40:])
            raise DockerfileError(f"Dockerfile:{step.line}: {step}: ended with code {done.returncode}\n{tail}")

    def _copy(self, step: Instruction) -> None:
        *sources, target = step.words(self.env)
        if not sources or (len(sources) > 1 and not target.endswith("/")):
            raise DockerfileError(f"Dockerfile:{step.line}: {step}: expected SOURCE TARGET or SOURCE... FOLDER/")
        for source in sources:
            self._copy_one(step, self._origin(step) / source.lstrip("/"), target)
        if "from" in step.flags:
            self.copied.append(self._absolute(target))

    def _origin(self, step: Instruction) -> Path:
        name = step.flags.get("from")
        if name is None:
            return self._context
        if name not in self._built:
            raise DockerfileError(f"Dockerfile:{step.line}: {step}: there is no stage {name} above")
        return self._built[name].root.path

    def _copy_one(self, step: Instruction, source: Path, target: str) -> None:
        """As docker does: of a folder what is in it, and everything belongs to root afterwards."""
        to = self.root.inside(self._absolute(target))
        if source.is_dir():
            shutil.copytree(source, to, symlinks=True, dirs_exist_ok=True)
        elif source.exists():
            to = to / source.name if target.endswith("/") or to.is_dir() else to
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, to)
        else:
            raise DockerfileError(f"Dockerfile:{step.line}: {step}: {source.name} is not there; is it in git?")
