"""What a subcommand is, how one is run, and edge's own."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from lampion_edge import elsewhere
from lampion_edge.terminal import complain


@dataclass(frozen=True)
class Command:
    """A subcommand of `lampion` or `lampion-edge`: `arguments` declares its options, `run` returns the exit code."""

    name: str
    help: str
    arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]


def _command(name: str, help: str, find: Callable[[], Any] | None = None) -> Command:
    """The command in the module command_NAME, or in the one that is found; it is imported when the command is typed."""

    def module() -> Any:
        return find() if find else import_module(f"lampion_edge.command_{name}")

    return Command(name, help, lambda parser: module().arguments(parser), lambda args: module().run(args))


RUN = _command("run", "label photos, or run arrays through a model")
PREDICT = replace(RUN, name="predict")
BENCH = _command("bench", "measure latency, throughput and memory")
TUNE = _command("tune", "find the fastest settings on this board, and keep them")
VERIFY = _command("verify", "replay a model's golden samples")
INFO = _command("info", "show what a model file says of itself")
DOCTOR = _command("doctor", "find what keeps models from running here, and the cure")
EMULATE = _command(
    "emulate",
    "run a command on a simulated Raspberry Pi (with the package lampion)",
    lambda: elsewhere.brought("lampion_export.emulation.command", "emulate"),
)
CAMERA = _command("camera", "label what a camera sees, for days")
UPDATE = _command("update", "fetch a newer version of a model, prove it and switch to it")
LISTEN = _command("listen", "label what a microphone hears, for days")
SERVE = _command("serve", "answer over REST on this device")
UNIT = _command("unit", "print a systemd unit that runs a command for ever")
COMMANDS = (RUN, BENCH, TUNE, VERIFY, INFO, CAMERA, LISTEN, SERVE, UNIT, UPDATE, DOCTOR, EMULATE)


def run_command(command: Command, args: Namespace) -> int:
    """Runs a command and gives the exit code, as `ended` does."""
    return ended(lambda: command.run(args))


def ended(work: Callable[[], int]) -> int:
    """The exit code of a command's work, however it ends.

    An error that was foreseen becomes one line on stderr and code 1, Ctrl-C code 130; a reader that closed the pipe
    (`| head`) ends the command with 141, as SIGPIPE would.
    """
    try:
        code = work()
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Python's own advice: it flushes stdout once more on its way out, and what is in there has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        # Each package has an error tree of its own; what they share is that every error carries a hint.
        if not (isinstance(error, OSError) or hasattr(error, "hint")):
            raise
        complain(error, getattr(error, "hint", None))
        return 1
