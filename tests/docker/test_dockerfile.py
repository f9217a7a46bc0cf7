"""The Dockerfile parser and docker's context: tables of texts, and the repository's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from context import Ignore, context_files
from dockerfile import DockerfileError, Instruction, check, own_paths, parse, probe, python_version

ROOT = Path(__file__).parents[2]

GOOD = """\
FROM python:3.12-slim AS build
RUN make
FROM python:3.12-slim
COPY --from=build /opt/it /opt/it
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s CMD ["probe"]
ENTRYPOINT ["serve"]
CMD ["--port", "8000"]
"""


def steps(text: str) -> list[Instruction]:
    """The instructions after FROM."""
    return list(parse("FROM python:3.12\n" + text)[0].instructions[1:])


# --- reading ---


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("RUN one && two", ["RUN one && two"]),
        ("run one", ["RUN one"]),
        ("RUN one \\\n    two", ["RUN one     two"]),
        ("RUN on\\\ne", ["RUN one"]),
        ("RUN one \\\n# why\n\n  two\nUSER me", ["RUN one   two", "USER me"]),
        ("# comment\n\n  RUN one", ["RUN one"]),
        ("RUN echo # not a comment", ["RUN echo # not a comment"]),
        ("COPY --from=build /a /b", ["COPY --from=build /a /b"]),
        ("RUN one --flag=of-the-command", ["RUN one --flag=of-the-command"]),
    ],
)
def test_lines(text: str, shown: list[str]) -> None:
    assert [str(step) for step in steps(text)] == shown


def test_an_instruction_keeps_its_first_line() -> None:
    assert [step.line for step in steps("# a\nRUN one \\\n  two\n\nUSER me")] == [3, 6]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a FROM, got none"),
        ("RUN one", ":1: expected FROM first"),
        ("FROM python:3.12 also this", ":1: expected FROM IMAGE"),
        ("FROM --platform=linux/arm64 python:3.12", ":1: FROM: the replay does not know --platform"),
        ("FROM python:3.12\nADD a b", ":2: expected one of .* got ADD"),
        ("FROM python:3.12\nCOPY --chown=me a b", ":2: COPY: the replay does not know --chown"),
        ("FROM python:3.12\nRUN --mount=type=cache one", ":2: RUN: the replay does not know --mount"),
        ("FROM python:3.12\nCOPY --link a b", ":2: the replay can't read"),
        ("FROM python:3.12\nRUN", ":2: the replay can't read"),
        ("FROM python:3.12\nRUN <<END\nUSER me\nEND", ":2: the replay can't read"),
        ("FROM python:3.12\nRUN one \\", ":2: the file ends"),
    ],
)
def test_what_is_not_known_is_an_error(text: str, message: str) -> None:
    with pytest.raises(DockerfileError, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ('CMD ["a", "b c"]', ["a", "b c"]),
        ("CMD a b", ["/bin/sh", "-c", "a b"]),
        ("CMD ['a']", ["/bin/sh", "-c", "['a']"]),
        ("CMD [1]", ["/bin/sh", "-c", "[1]"]),
        ("CMD []", ["/bin/sh", "-c", "[]"]),
    ],
)
def test_both_forms_of_a_command(text: str, argv: list[str]) -> None:
    assert steps(text)[0].argv == argv


@pytest.mark.parametrize(
    ("text", "env"),
    [
        ("ENV A=1 B=two", {"A": "1", "B": "two"}),
        ("ENV A=/x:$PATH", {"A": "/x:/bin"}),
        ("ENV A=${PATH}/x", {"A": "/bin/x"}),
        ('ENV A="one two" B=', {"A": "one two", "B": ""}),
        ("ENV PATH=/x OLD=$PATH", {"PATH": "/x", "OLD": "/bin"}),
    ],
)
def test_assignments(text: str, env: dict[str, str]) -> None:
    assert steps(text)[0].assignments({"PATH": "/bin"}) == env


@pytest.mark.parametrize(
    ("text", "message"),
    [("ENV A=$B", r"\$B is not set"), ("ENV A one", "got 'A'"), ('ENV A="', "quotation"), ("ENV A=${", "placeholder")],
)
def test_wrong_assignments(text: str, message: str) -> None:
    with pytest.raises(DockerfileError, match=f":2: ENV .*{message}"):
        steps(text)[0].assignments({})


def test_stages_have_dockers_names_and_the_last_instruction_counts() -> None:
    first, second = parse("FROM python:3.12 as a\nUSER x\nUSER y\nFROM python:3.11-slim")
    assert (first.name, first.image, second.name, second.image) == ("a", "python:3.12", "stage-1", "python:3.11-slim")
    assert first.require("USER").value == "y"
    with pytest.raises(DockerfileError, match="stage-1 has no USER"):
        second.require("USER")


# --- judging ---


def test_a_good_one() -> None:
    stages = parse(GOOD)
    check(stages)
    assert probe(stages[-1]).argv == ["probe"]
    assert own_paths(stages) == ["/opt/it"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("FROM python:3.12-slim AS build\nRUN make\n", "", "a stage that builds and a stage that runs, got 1"),
        ("python:3.12-slim AS", "debian AS", ":1: expected FROM python:3.11 or newer, got debian"),
        ("python:3.12-slim\nCOPY", "python:3.9\nCOPY", ":3: expected FROM python:3.11 or newer, got python:3.9"),
        ("USER 10001", "", "stage-1 has no USER"),
        ("USER 10001", "USER root", "a USER other than root"),
        ("USER 10001", "USER 0:10001", "a USER other than root"),
        ("USER 10001", "USER 10001\nUSER root", "a USER other than root"),
        ('HEALTHCHECK --interval=10s CMD ["probe"]', "", "no HEALTHCHECK"),
        ('HEALTHCHECK --interval=10s CMD ["probe"]', "HEALTHCHECK NONE", "expected HEALTHCHECK CMD"),
        ("EXPOSE 8000", "", "no EXPOSE"),
        ('ENTRYPOINT ["serve"]', "ENTRYPOINT serve", "ENTRYPOINT serve"),
        ('ENTRYPOINT ["serve"]', "", "no ENTRYPOINT"),
        ('CMD ["--port", "8000"]', "CMD --port 8000", "CMD --port 8000"),
    ],
)
def test_what_an_image_must_have(old: str, new: str, message: str) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(DockerfileError, match=message):
        check(parse(GOOD.replace(old, new)))


def test_our_own() -> None:
    stages = parse((ROOT / "Dockerfile").read_text())
    check(stages)
    assert python_version(stages[-1]) == "3.12"
    assert own_paths(stages) == ["/models", "/opt/lampion", "/src"]


# --- the context ---


@pytest.mark.parametrize(
    ("rules", "path", "ignored"),
    [
        ("tests", "tests/a.py", True),
        ("tests", "edge/tests/a.py", False),
        ("/tests/", "tests/a.py", True),
        ("tests", "tests.py", False),
        ("**/tests", "edge/x/tests/a.py", True),
        ("**/tests", "tests/a.py", True),
        ("*.py", "a.py", True),
        ("*.py", "edge/a.py", False),
        ("**/*.py", "edge/a.py", True),
        ("a?.py", "ab.py", True),
        ("a.c", "abc", False),
        ("edge/**", "edge/a/b.py", True),
        ("# edge", "edge/a.py", False),
        ("edge\n!edge/keep", "edge/keep", False),
        ("edge\n!edge/keep", "edge/other", True),
        ("!edge\nedge", "edge/a", True),
        ("", "a", False),
    ],
)
def test_dockerignore(rules: str, path: str, ignored: bool) -> None:
    assert Ignore(rules)(path) is ignored


def test_the_context_is_what_git_tracks(tmp_path: Path) -> None:
    for name in ("kept.py", "ignored.md", "untracked.py"):
        (tmp_path / name).write_text("")
    (tmp_path / ".dockerignore").write_text("*.md\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "kept.py", "ignored.md", ".dockerignore"], cwd=tmp_path, check=True)
    assert context_files(tmp_path) == [".dockerignore", "kept.py"]
