"""`unit`: a systemd unit for a command that runs for days, with the watchdog that the command feeds."""

from __future__ import annotations

import os
import shutil
import sys
from argparse import REMAINDER, ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from lampion_edge.errors import InputError

_LASTING = {
    "camera": ("video", "gpio"),
    "listen": ("audio", "gpio"),
    "serve": (),
}  # and the groups that may use what it uses
_NAMED = "one of " + ", ".join(_LASTING)
_UNIT = """\
# /etc/systemd/system/{name}.service; then: systemctl daemon-reload && systemctl enable --now {name}
[Unit]
Description=lampion-edge {command}
After=network.target
# A camera that is plugged in later is waited for, for ever.
StartLimitIntervalSec=0

[Service]
ExecStart={start}
Type=notify
WatchdogSec={watchdog}
Restart=always
RestartSec=5
User={user}
SupplementaryGroups={groups}
# It may write to /var/lib/lampion, where it starts, and to what ReadWritePaths names; to nothing else of the system.
StateDirectory=lampion
WorkingDirectory=%S/lampion
ReadWritePaths={folders}
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
NoNewPrivileges=yes

[Install]
WantedBy=multi-user.target
"""


def arguments(parser: ArgumentParser) -> None:
    """Declares what `unit` takes."""
    parser.add_argument("--name", metavar="NAME", help="of the unit (default lampion-COMMAND)")
    parser.add_argument("--user", default=None, metavar="USER", help="who runs it (default: you)")
    parser.add_argument("--watchdog", type=int, default=60, metavar="S", help="start again after S silent seconds (60)")
    parser.add_argument("command_line", metavar="COMMAND ...", nargs=REMAINDER, help=f"{_NAMED}, with its arguments")


def run(args: Namespace) -> int:
    """Prints the unit."""
    line: list[str] = args.command_line[1:] if args.command_line[:1] == ["--"] else args.command_line
    if not line or line[0] not in _LASTING:
        got = line[0] if line else "nothing"
        raise InputError(f"expected {_NAMED} and its arguments, got {got}", hint="lampion-edge unit camera model.onnx")
    start = [*_program(), line[0], *(_absolute(word) for word in line[1:])]
    print(
        _UNIT.format(
            name=args.name or f"lampion-{line[0]}",
            command=line[0],
            start=" ".join(_quoted(word) for word in start),
            watchdog=args.watchdog,
            user=args.user or os.environ.get("USER") or "root",
            groups=" ".join(group for group in _LASTING[line[0]] if _exists(group)),
            folders=" ".join(_quoted(os.path.abspath(word)) for word in line[1:] if Path(word).is_dir()),
        ),
        end="",
    )
    return 0


def _program() -> Sequence[str]:
    """How this very program is started."""
    beside = shutil.which("lampion-edge", path=os.path.dirname(os.path.abspath(sys.executable)))
    return [beside] if beside else [sys.executable, "-m", "lampion_edge"]


def _exists(group: str) -> bool:
    """Whether this machine has the group: systemd starts nothing with one that is not there."""
    import grp

    return any(entry.gr_name == group for entry in grp.getgrall())


def _absolute(word: str) -> str:
    """A file that is here, by its whole path."""
    return os.path.abspath(word) if not word.startswith("-") and Path(word).exists() else word


def _quoted(word: str) -> str:
    """As systemd reads words: specifiers and variables doubled, spaces in quotes (systemd.service(5), "command lines")."""
    word = word.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$").replace('"', '\\"')
    return f'"{word}"' if not word or any(letter in word for letter in " \t'\";") else word
