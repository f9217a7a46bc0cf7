"""What a subcommand is, how one is run, and edge's own."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass, replace

from lampion_edge import command_bench, command_info, command_run, command_tune, command_verify
from lampion_edge.terminal import complain


@dataclass(frozen=True)
class Command:
    """A subcommand of `lampion` or `lampion-edge`: `arguments` declares its options, `run` returns the exit code."""

    name: str
    help: str
    arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]


RUN = Command("run", "label photos, or run arrays through a model", command_run.arguments, command_run.run)
PREDICT = replace(RUN, name="predict")
BENCH = Command("bench", "measure latency, throughput and memory", command_bench.arguments, command_bench.run)
TUNE = Command(
    "tune", "find the fastest settings on this board, and keep them", command_tune.arguments, command_tune.run
)
VERIFY = Command("verify", "replay a model's golden samples", command_verify.arguments, command_verify.run)
INFO = Command("info", "show what a model file says of itself", command_info.arguments, command_info.run)
COMMANDS = (RUN, BENCH, TUNE, VERIFY, INFO)


def run_command(command: Command, args: Namespace) -> int:
    """Runs a command and gives the exit code.

    An error that was foreseen becomes one line on stderr and code 1, Ctrl-C code 130; a reader that closed the pipe
    (`| head`) ends the command with 141, as SIGPIPE would.
    """
    try:
        code = command.run(args)
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
