"""`lampion serve` as a process, for tests that need several of them, or one that is killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PROGRAM = """
import argparse, sys
from lampion_edge.commands import run_command
from lampion_server.commands import SERVE
if __name__ == "__main__":
    parser = argparse.ArgumentParser("lampion serve")
    SERVE.arguments(parser)
    sys.exit(run_command(SERVE, parser.parse_args()))
"""


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-W", "error", "-c", PROGRAM, *map(str, arguments)]


@contextmanager
def running(*arguments: object, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its URL, as the ready line has it."""
    process = subprocess.Popen(
        command(*arguments),
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        line = process.stdout.readline()
        assert line.startswith("lampion: serving "), process.communicate()
        yield process, line.split(" at ")[1].split(" ")[0].rstrip(",\n")
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), env=os.environ | environment, capture_output=True, text=True, timeout=60)


@contextmanager
def starting(*arguments: object, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """The process, before it says anything."""
    pipe, env = subprocess.PIPE, os.environ | environment
    with subprocess.Popen(command(*arguments), env=env, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def family(process: subprocess.Popen[str]) -> dict[int, int]:
    """The process and all below it, each with its group."""
    found = subprocess.run(["ps", "-eo", "pid,ppid,pgid"], capture_output=True, text=True, check=True).stdout
    table = [tuple(map(int, line.split())) for line in found.splitlines()[1:]]
    known = {process.pid}
    for _ in range(3):
        known |= {pid for pid, parent, _ in table if parent in known}
    return {pid: group for pid, _, group in table if pid in known}
