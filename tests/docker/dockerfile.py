"""Reads the part of the Dockerfile language that ours is written in; anything else is an error, never skipped."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from string import Template

FLAGS = {name: frozenset[str]() for name in ("FROM", "WORKDIR", "RUN", "ENV", "USER", "EXPOSE", "ENTRYPOINT", "CMD")}
FLAGS["COPY"] = frozenset({"from"})
FLAGS["HEALTHCHECK"] = frozenset({"interval", "timeout", "start-period", "start-interval", "retries"})


class DockerfileError(Exception):
    """The Dockerfile is wrong, says what the replay doesn't know, or its image doesn't do what it should."""


@dataclass(frozen=True)
class Instruction:
    """One instruction: its line, its name in capitals, its flags without dashes, and the text after them."""

    line: int
    name: str
    value: str
    flags: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        flags = [f"--{name}={value}" for name, value in self.flags.items()]
        return " ".join([self.name, *flags, self.value])

    @property
    def exec_form(self) -> list[str] | None:
        """The words of `["a", "b"]`, or None for a command in words for the shell."""
        try:
            words = json.loads(self.value)
        except json.JSONDecodeError:
            return None
        return words if isinstance(words, list) and words and all(isinstance(word, str) for word in words) else None

    @property
    def argv(self) -> list[str]:
        """What runs, in either form."""
        return self.exec_form or ["/bin/sh", "-c", self.value]

    def words(self, env: Mapping[str, str]) -> list[str]:
        """The words of the value, with $NAME from `env`. Raises DockerfileError for a name that isn't set."""
        try:
            return [Template(word).substitute(env) for word in shlex.split(self.value)]
        except KeyError as error:
            raise DockerfileError(f"Dockerfile:{self.line}: {self}: ${error.args[0]} is not set") from None
        except ValueError as error:
            raise DockerfileError(f"Dockerfile:{self.line}: {self}: {error}") from None

    def word(self, env: Mapping[str, str]) -> str:
        """The only word. Raises DockerfileError if there are more, or none."""
        words = self.words(env)
        if len(words) != 1:
            raise DockerfileError(f"Dockerfile:{self.line}: {self}: expected one word, got {len(words)}")
        return words[0]

    def assignments(self, env: Mapping[str, str]) -> dict[str, str]:
        """The NAME=value pairs. Raises DockerfileError for a word without `=`."""
        pairs = [word.partition("=") for word in self.words(env)]
        if wrong := [name for name, equals, _ in pairs if not equals]:
            raise DockerfileError(f"Dockerfile:{self.line}: {self}: expected NAME=value, got {wrong[0]!r}")
        return {name: value for name, _, value in pairs}


@dataclass(frozen=True)
class Stage:
    """What follows a FROM: its image, its name (as docker would number it, if it has none), the instructions."""

    image: str
    name: str
    instructions: tuple[Instruction, ...]

    def require(self, name: str) -> Instruction:
        """The instruction of that name that counts: the last. Raises DockerfileError if there is none."""
        for step in reversed(self.instructions):
            if step.name == name:
                return step
        raise DockerfileError(f"Dockerfile: the stage {self.name} has no {name}")


# --- reading ---


def parse(text: str) -> list[Stage]:
    """The stages of a Dockerfile. Raises DockerfileError, with the line, for what the replay doesn't know."""
    groups: list[list[Instruction]] = []
    for line, text_of_one in _logical_lines(text):
        instruction = _instruction(line, text_of_one)
        if instruction.name == "FROM":
            groups.append([])
        elif not groups:
            raise DockerfileError(f"Dockerfile:{line}: expected FROM first, got {instruction}")
        groups[-1].append(instruction)
    if not groups:
        raise DockerfileError("Dockerfile: expected a FROM, got none")
    return [_stage(group, index) for index, group in enumerate(groups)]


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Instructions and the line each starts on: continuations joined, comments dropped, inside them too."""
    parts: list[str] = []
    start = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        start = start if parts else number
        parts.append(line.rstrip().removesuffix("\\"))
        if not line.rstrip().endswith("\\"):
            yield start, "".join(parts)
            parts = []
    if parts:
        raise DockerfileError(f"Dockerfile:{start}: the file ends inside this instruction")


def _instruction(line: int, text: str) -> Instruction:
    name, _, value = text.strip().partition(" ")
    name, value, flags = name.upper(), value.strip(), {}
    if name not in FLAGS:
        raise DockerfileError(f"Dockerfile:{line}: expected one of {', '.join(sorted(FLAGS))}, got {name}")
    while found := re.match(r"--([a-z-]+)=(\S+)\s+", value):
        if found[1] not in FLAGS[name]:
            raise DockerfileError(f"Dockerfile:{line}: {name}: the replay does not know --{found[1]}")
        flags[found[1]] = found[2]
        value = value[found.end() :]
    if not value or value.startswith("--") or "<<" in value:
        raise DockerfileError(f"Dockerfile:{line}: the replay can't read {text.strip()!r}")
    return Instruction(line, name, value, flags)


def _stage(group: list[Instruction], index: int) -> Stage:
    start = group[0]
    found = re.fullmatch(r"(\S+)(?:\s+as\s+(\S+))?", start.value, re.IGNORECASE)
    if not found:
        raise DockerfileError(f"Dockerfile:{start.line}: expected FROM IMAGE [AS NAME], got {start}")
    return Stage(found[1], found[2] or f"stage-{index}", tuple(group))


# --- judging ---


def python_version(stage: Stage) -> str:
    """The version in `python:3.12-slim`. Raises DockerfileError for any other image, or one before 3.11."""
    found = re.fullmatch(r"python:(3\.(\d+))(-slim)?", stage.image)
    if not found or int(found[2]) < 11:
        line = stage.instructions[0].line
        raise DockerfileError(f"Dockerfile:{line}: expected FROM python:3.11 or newer, got {stage.image}")
    return found[1]


def probe(stage: Stage) -> Instruction:
    """The command of the HEALTHCHECK, as a CMD. Raises DockerfileError if there is none."""
    check = stage.require("HEALTHCHECK")
    name, _, value = check.value.partition(" ")
    if name.upper() != "CMD":
        raise DockerfileError(f"Dockerfile:{check.line}: expected HEALTHCHECK CMD ..., got {check}")
    return Instruction(check.line, "CMD", value.strip())


def check(stages: list[Stage]) -> None:
    """What must hold of the text alone. Raises DockerfileError for what doesn't."""
    if len(stages) < 2:
        raise DockerfileError(f"Dockerfile: expected a stage that builds and a stage that runs, got {len(stages)}")
    for stage in stages:
        python_version(stage)
    final = stages[-1]
    probe(final)
    final.require("EXPOSE")
    for command in (final.require("ENTRYPOINT"), final.require("CMD")):
        if not command.exec_form:
            raise DockerfileError(f'Dockerfile:{command.line}: expected ["word", ...], got {command}')
    user = final.require("USER")
    if user.value.partition(":")[0] in ("root", "0"):
        raise DockerfileError(f"Dockerfile:{user.line}: expected a USER other than root, got {user}")


def own_paths(stages: list[Stage]) -> list[str]:
    """The absolute paths that COPY and WORKDIR name: only the Dockerfile may make them."""
    steps = [step for stage in stages for step in stage.instructions if step.name in ("COPY", "WORKDIR")]
    return sorted({word for step in steps for word in step.value.split() if re.fullmatch(r"/\w[^$]*", word)})
