"""`bench http://...`: puts a server under load and tells how it stands it."""

from __future__ import annotations

import json
import os
import ssl
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lampion_edge.arguments import positives, rates, seconds
from lampion_edge.client import Client, parsed
from lampion_edge.errors import InputError
from lampion_edge.terminal import milliseconds, progress, table
from lampion_server.load import generating
from lampion_server.load.drawing import svg
from lampion_server.load.requests import (
    BINARY,
    JSON,
    PHOTOS,
    http_request,
    infer_path,
    only_model,
    photo_messages,
    predict_path,
    tensor_messages,
)

PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9}
_MOST = 1000  # connections; select() takes no file number above 1023
_SECONDS, _WARM_UP = 10.0, 0.5
_FIRST = 60.0  # seconds that the very first answer may take
_BUSY = 0.8
_OPEN, _CLOSED = 64, 8  # connections, unless told
OPTIONS = (
    *("name", "version", "photo", "payload", "shape", "connections", "rate", "arrivals", "timeout", "warm_up"),
    *("key", "ca", "plot"),
)

EPILOG = """\
examples:
  lampion bench model.onnx --threads 1,2 --batch 1,8       a file, on this machine
  lampion bench http://127.0.0.1:8000                      a server: 8 connections, each asks again when it has its answer
  lampion bench http://pi.local:8000 --name digits --photo photo.jpg --connections 1,4,16
  lampion bench unix:/run/lampion.sock --payload json --rate 50,100,200 --arrivals poisson --plot load.svg

With --rate, requests are sent on time whether the server keeps up or not, and latency counts from the time a request was
due. Without, a slow answer delays the next question, which hides what other callers would have had to wait.
"""


def arguments(parser: ArgumentParser) -> None:
    """Declares what only a server takes."""
    group = parser.add_argument_group("a server", "any that speaks the Open Inference Protocol; photos: lampion's own")
    group.add_argument("--name", metavar="MODEL", help="the model to ask (default: the only one)")
    group.add_argument("--version", dest="version", metavar="V", help="its version (default: the server's choice)")
    group.add_argument("--photo", nargs="+", metavar="FILE", help="send these image files (or folders), in turn")
    group.add_argument(
        "--payload",
        choices=(BINARY, JSON),
        help="random tensors as bytes or as JSON numbers (default binary, unless there are photos)",
    )
    group.add_argument(
        "--shape", type=shape, action="append", metavar="INPUT=N,N", help="an input's whole shape, where sizes may vary"
    )
    group.add_argument(
        "--connections", type=positives, metavar="N,N", help=f"default {_CLOSED}, with a rate at most {_OPEN}"
    )
    group.add_argument("--rate", type=rates, metavar="R,R", help="requests a second (default: as fast as answers come)")
    group.add_argument("--arrivals", choices=("constant", "poisson"), help="how they are spread (default constant)")
    group.add_argument(
        "--timeout", type=seconds, metavar="S", help="without an answer for so long, a request failed (default 30)"
    )
    group.add_argument("--warm-up", type=seconds, metavar="S", help="before it counts (default 0.5)")
    group.add_argument("--key", help="API key (default: the variable LAMPION_KEY)")
    group.add_argument("--ca", metavar="FILE", help="PEM file of the authority that signed the server's certificate")
    group.add_argument("--plot", metavar="FILE.svg", help="draw latency by percentile")


def shape(text: str) -> tuple[str, list[int]]:
    """The name of an input and its sizes, as in x=1,28,28, for argparse."""
    name, _, sizes = text.rpartition("=")
    if not name:
        raise ArgumentTypeError(f"expected INPUT=N,N such as x=1,28,28, got {text!r}")
    return name, positives(sizes)


@dataclass(frozen=True)
class Row:
    """One setting and what it met with."""

    batch: int
    taken: generating.Taken

    def percentile(self, percent: float) -> float | None:
        """In ms; None where there are too few answers to tell."""
        latencies = self.taken.latencies
        return float(np.percentile(latencies, percent)) * 1e3 if len(latencies) * (100 - percent) >= 100 else None

    @property
    def failures(self) -> int:
        return sum(self.taken.outcomes.values()) - len(self.taken.latencies)


def run(args: Namespace) -> int:
    """Measures every batch with every number of connections and every rate; Ctrl-C shows what there is until then."""
    if args.plot and not args.plot.endswith(".svg"):
        raise InputError(f"--plot: expected a file name that ends in .svg, got {args.plot!r}", field="plot")
    server, context = parsed(args.model), _context(args.ca)
    requests, rows, whole = _requests(args, context), [], True
    for setting, batch in _settings(args, requests):
        taken, whole = generating.run(server, setting, context=context, progress=_shown(setting))
        progress("")
        rows.append(Row(batch, taken))
        if args.json:
            print(json.dumps(as_json(rows[-1])), flush=True)
        if not whole:
            break
    if not args.json:
        print(text(rows))
    if args.plot:
        title = f"{args.model}, {PHOTOS if args.photo else args.payload or BINARY}"
        Path(args.plot).write_text(svg(title, {_named(row): row.taken.latencies for row in rows}))
    if not whole:
        return 130
    return 0 if all(row.taken.latencies for row in rows) else 1


# --- what to send ---


def _context(ca: str | None) -> ssl.SSLContext | None:
    try:
        return ssl.create_default_context(cafile=ca) if ca else None
    except OSError as error:
        raise InputError(f"--ca: {ca} can't be read: {error}", field="ca") from None


def _requests(args: Namespace, context: ssl.SSLContext | None) -> dict[int, list[bytes]]:
    """By batch size. One of them is asked beforehand, so that a wrong name or shape ends the command with a sentence."""
    key = args.key or os.environ.get("LAMPION_KEY")
    server = parsed(args.model)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with Client(args.model, key=key, retries=0, context=context, timeout=args.timeout or _FIRST) as client:
        name = args.name or only_model(client)
        if args.photo:
            if args.version or args.payload or args.shape or args.batch:
                raise InputError(
                    "--photo: expected no --payload, --shape, --batch or --version beside it", field="photo"
                )
            path, messages = predict_path(name), {1: list(photo_messages(args.photo))}
        else:
            path, inputs = infer_path(name, args.version), client.metadata(name, args.version)["inputs"]
            kind, shapes = args.payload or BINARY, dict(args.shape or ())
            messages = {batch: list(tensor_messages(inputs, kind, batch, shapes)) for batch in args.batch or [1]}
        for (body, own), *_ in messages.values():
            client.request("POST", path, body, own)
    return {
        batch: [http_request(server, path, body, own | headers) for body, own in pairs]
        for batch, pairs in messages.items()
    }


def _settings(args: Namespace, requests: dict[int, list[bytes]]) -> Iterator[tuple[generating.Load, int]]:
    duration, warm_up = args.seconds or _SECONDS, args.warm_up or _WARM_UP
    poisson, timeout = args.arrivals == "poisson", args.timeout or 30.0
    for batch, ready in requests.items():
        for rate in args.rate or [None]:
            for connections in args.connections or [_OPEN if rate else _CLOSED]:
                if connections > _MOST:
                    message = f"--connections: expected at most {_MOST}, got {connections}"
                    raise InputError(message, field="connections")
                yield generating.Load(ready, connections, duration, rate, poisson, warm_up, timeout), batch


# --- what came of it ---


def _shown(setting: generating.Load) -> Callable[[float, generating.Taken], None]:
    pace = f"{setting.rate:g} requests/s" if setting.rate else f"{setting.connections} connections"

    def show(share: float, taken: generating.Taken) -> None:
        progress(f"{pace}: {len(taken.latencies):,} answers" if share >= 0 else f"{pace}: warming up", max(0.0, share))

    return show


def as_json(row: Row) -> dict[str, object]:
    """One line of `--json`; latencies in ms, null where there are too few answers to tell."""
    taken, setting = row.taken, row.taken.load
    return {
        "batch": row.batch,
        "connections": setting.connections,
        "rate": setting.rate,
        "seconds": round(taken.elapsed, 3),
        "throughput": taken.throughput,
        **{name: row.percentile(percent) for name, percent in PERCENTILES.items()},
        "max": max(taken.latencies) * 1e3 if taken.latencies else None,
        "outcomes": dict(taken.outcomes),
        "words": taken.words,
        "late": float(np.percentile(taken.late, 99)) * 1e3 if taken.late else None,
        "busy": round(taken.busy, 3),
    }


def text(rows: list[Row]) -> str:
    """A table, then what failed and why, then what to think of the generator."""
    head = ("batch", "connections", "rate", "answers/s", *PERCENTILES, "max", "failed")
    cells = [head, *(_cells(row) for row in rows)]
    lines = [table(cells, ">" * len(head))]
    lines += [line for row in rows for line in _failures(row)]
    lines += [line for row in rows for line in _doubts(row)]
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    taken, setting = row.taken, row.taken.load
    known = [row.percentile(percent) for percent in PERCENTILES.values()]
    return (
        *(str(row.batch), str(setting.connections), f"{setting.rate:g}" if setting.rate else "-"),
        f"{taken.throughput:,.0f}" if taken.throughput >= 100 else f"{taken.throughput:.3g}",
        *(milliseconds(value) if value is not None else "-" for value in known),
        milliseconds(max(taken.latencies) * 1e3) if taken.latencies else "-",
        str(row.failures),
    )


def _named(row: Row) -> str:
    setting = row.taken.load
    pace = f"{setting.rate:g} requests/s" if setting.rate else f"{setting.connections} connections"
    return pace + (f", batch {row.batch}" if row.batch > 1 else "")


def _failures(row: Row) -> Iterator[str]:
    for kind, words in row.taken.words.items():
        yield f"{_named(row)}: {row.taken.outcomes[kind]} times {kind}: {words}"


def _doubts(row: Row) -> Iterator[str]:
    """Where the generator was the bottleneck, the figures are its own."""
    if row.taken.busy > _BUSY:
        yield f"{_named(row)}: the load generator was busy {row.taken.busy:.0%} of the time: the server can do more than this"
    late = float(np.percentile(row.taken.late, 99)) * 1e3 if row.taken.late else 0.0
    if late > 1 and late > 0.1 * (row.percentile(50) or 0.0):
        yield f"{_named(row)}: the load generator sent 1 % of its requests {late:.3g} ms late, which is part of their latency"
