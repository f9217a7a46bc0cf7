"""The files that `docker build .` would have: those that git tracks and .dockerignore doesn't exclude."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path, PurePosixPath

from dockerfile import DockerfileError


class Ignore:
    """The rules of a .dockerignore: the last one that fits a path or a folder above it decides; `!` takes it back."""

    def __init__(self, text: str) -> None:
        lines = [line.strip() for line in text.splitlines()]
        rules = [line for line in lines if line and not line.startswith("#")]
        self._rules = [(_regex(rule.removeprefix("!").strip("/")), not rule.startswith("!")) for rule in rules]

    def __call__(self, path: str) -> bool:
        """Whether a path, relative to the context and with slashes, is left out."""
        pure = PurePosixPath(path)
        names = [str(pure), *map(str, pure.parents)]
        verdicts = [excludes for rule, excludes in self._rules if any(rule.fullmatch(name) for name in names)]
        return bool(verdicts) and verdicts[-1]


def _regex(pattern: str) -> re.Pattern[str]:
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(parts.get(part, re.escape(part)) for part in re.split(r"(\*\*/|\*\*|\*|\?)", pattern)))


def context_files(repository: Path) -> list[str]:
    """The paths of the context, relative to the repository. Raises DockerfileError if git can't list them.

    What git doesn't track can't make a build pass.
    """
    git = ["git", "-C", str(repository), "ls-files", "-z"]
    listed = subprocess.run(git, capture_output=True, text=True, check=False)
    if listed.returncode:
        raise DockerfileError(f"git can't list the files of {repository}: {listed.stderr.strip()}")
    rules = repository / ".dockerignore"
    ignored = Ignore(rules.read_text() if rules.exists() else "")
    # git lists what was deleted and not yet committed, too.
    return [path for path in listed.stdout.split("\0") if (repository / path).is_file() and not ignored(path)]
