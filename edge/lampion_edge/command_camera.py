"""`camera`: labels what a camera sees, always the newest frame; events, a picture to watch, for days."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from lampion_edge.arguments import fraction, positive, seconds, size


def arguments(parser: ArgumentParser) -> None:
    """Declares what `camera` takes."""
    parser.add_argument("model", metavar="MODEL", help="an .onnx file that takes photos")
    camera = parser.add_argument_group("the camera")
    camera.add_argument(
        "--source",
        default="auto",
        metavar="CAMERA",
        help="picamera2, 0, /dev/video0, rtsp://..., a video file or a folder of images (default: what is there)",
    )
    camera.add_argument("--fps", type=seconds, metavar="N", help="frames a second to ask for (a folder: 30)")
    camera.add_argument("--size", type=size, metavar="WxH", help="pixels to ask for, as in 640x480")
    camera.add_argument("--loop", action="store_true", help="start a file or a folder over when it ends")
    camera.add_argument("--frames", type=positive, metavar="N", help="end after N frames")
    add_events(parser)
    add_outlets(parser)
    add_store(parser)
    parser.add_argument("--stream", type=positive, metavar="PORT", help="show the picture with its labels over HTTP")
    parser.add_argument("--host", default="127.0.0.1", help="for --stream (default 127.0.0.1; 0.0.0.0 for everybody)")
    parser.add_argument("--hold", metavar="70C|80ms", help="work less where it gets warmer, or slower, than this")
    parser.add_argument("--threads", type=positive, metavar="N", help="default: what `tune` found, else the fast cores")


def add_events(parser: ArgumentParser) -> None:
    """Declares when something counts as seen or heard."""
    events = parser.add_argument_group("events")
    events.add_argument("--on", type=fraction, default=0.6, metavar="P", help="a label begins here (default 0.6)")
    events.add_argument("--off", type=fraction, default=0.4, metavar="P", help="and ends below this (default 0.4)")
    events.add_argument(
        "--smooth", type=positive, default=3, metavar="N", help="by its mean over the last N looks (default 3)"
    )
    events.add_argument(
        "--only", action="append", default=[], metavar="LABEL", help="only this label (may be repeated)"
    )
    events.add_argument("--every", action="store_true", help="print every look, not only events")
    events.add_argument("--json", action="store_true", help="print lines of JSON")


def add_outlets(parser: ArgumentParser) -> None:
    """Declares where events go."""
    outlets = parser.add_argument_group("where events go besides the screen")
    outlets.add_argument("--webhook", metavar="URL", help="POST each event as JSON")
    outlets.add_argument("--mqtt", metavar="URL", help="publish each event: mqtt://host:1883/topic")
    outlets.add_argument(
        "--gpio", action="append", default=[], metavar="PIN=LABEL", help="hold a pin high while a label is seen"
    )


def add_store(parser: ArgumentParser) -> None:
    """Declares what is kept on disk, and where it is sent."""
    store = parser.add_argument_group("kept on disk, and sent when there is a link")
    store.add_argument("--keep", metavar="DIR", help="keep events, predictions and samples the model is unsure of")
    store.add_argument(
        "--keep-size", type=positive, default=64, metavar="MB", help="at most, the oldest go (default 64)"
    )
    store.add_argument(
        "--keep-below", type=fraction, default=0.5, metavar="P", help="a sample is unsure below this (default 0.5)"
    )
    store.add_argument("--keep-pause", type=seconds, default=10.0, metavar="S", help="between two samples (default 10)")
    store.add_argument(
        "--keep-every", type=seconds, default=60.0, metavar="S", help="a prediction each S s (default 60)"
    )
    store.add_argument(
        "--flush", type=seconds, default=60.0, metavar="S", help="write to the disk every S s (default 60)"
    )
    store.add_argument("--send", metavar="URL", help="POST what is kept there as lines of JSON")
    store.add_argument("--key", metavar="KEY", help="API key for --send")


def run(args: Namespace) -> int:
    """Runs until the camera ends (0), SIGTERM (0) or Ctrl-C (130); says on stderr what was seen, dropped, and how late."""
    from lampion_edge.live.cameras import find_camera
    from lampion_edge.live.service import Service
    from lampion_edge.session import Session

    session = Session(args.model, threads=args.threads)
    session.expect("image-classification")
    camera = find_camera(args.source, fps=args.fps, size=args.size, loop=args.loop)
    return Service(session, camera, args).run()
