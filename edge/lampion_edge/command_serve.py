"""`serve`: models over REST on one device, with the standard library's HTTP server."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from lampion_edge.arguments import positive, seconds


def arguments(parser: ArgumentParser) -> None:
    """Declares what `serve` takes."""
    parser.add_argument(
        "models", metavar="MODEL", nargs="+", help=".onnx files; each is served by the name on its card"
    )
    parser.add_argument("--host", default="127.0.0.1", help="default 127.0.0.1; 0.0.0.0 for everybody")
    parser.add_argument("--port", type=int, default=8000, help="default 8000; 0 takes a free one")
    parser.add_argument("--max-body", type=positive, default=20, metavar="MB", help="of one request (default 20)")
    parser.add_argument("--connections", type=positive, default=16, metavar="N", help="at once (default 16)")
    parser.add_argument(
        "--queue", type=positive, default=8, metavar="N", help="callers that may wait for a model (default 8)"
    )
    parser.add_argument("--grace", type=seconds, default=10.0, metavar="S", help="for running requests at the end (10)")
    parser.add_argument("--threads", type=positive, metavar="N", help="default: what `tune` found, else the fast cores")


_STUCK = 60.0  # seconds for one call, after which the watchdog isn't fed any more


def run(args: Namespace) -> int:
    """Serves until SIGTERM (0) or Ctrl-C (130), then lets what is being answered finish; 1 if that took too long."""
    from lampion_edge.live.clock import Clock
    from lampion_edge.live.ending import orderly
    from lampion_edge.notify import Notify
    from lampion_edge.session import Session
    from lampion_edge.web.listening import Limits, Web
    from lampion_edge.web.serving import Serving

    serving = Serving([Session(model, threads=args.threads) for model in args.models], args.queue)
    serving.warm_up()
    limits = Limits(connections=args.connections, body=args.max_body * 2**20)
    with orderly() as ending:
        web = Web(serving.routes, args.host, args.port, limits, serving.told)
        web.start()
        notify, clock = Notify(), Clock()
        print(f"serving {', '.join(serving.names)} at http://{args.host}:{web.port}", file=sys.stderr, flush=True)
        notify.say("READY=1")
        while not ending():
            clock.sleep(0.1)
            if not serving.stuck(_STUCK):
                notify.alive()
        notify.say("STOPPING=1")
        serving.ending = True
        done = web.stop(args.grace)
        return (ending.code or 0) if done else 1
