"""`listen`: labels what a microphone hears, window by window; events, for days."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from lampion_edge.arguments import positive, seconds
from lampion_edge.command_camera import add_events, add_outlets, add_store


def arguments(parser: ArgumentParser) -> None:
    """Declares what `listen` takes."""
    parser.add_argument("model", metavar="MODEL", help="an .onnx file that takes sounds")
    sound = parser.add_argument_group("the sound")
    sound.add_argument(
        "--source", metavar="SOUND", help="a microphone by number or name, a wav file, or - (default: the microphone)"
    )
    sound.add_argument(
        "--rate", type=positive, metavar="HZ", help="of bare samples on stdin, or of a card that names none"
    )
    sound.add_argument(
        "--window", type=seconds, metavar="S", help="for a model of any length (default: the card's, or 1)"
    )
    sound.add_argument("--hop", type=seconds, metavar="S", help="from one window to the next (default: half a window)")
    sound.add_argument("--loop", action="store_true", help="start a file over when it ends")
    sound.add_argument("--windows", type=positive, metavar="N", dest="frames", help="end after N windows")
    add_events(parser)
    add_outlets(parser)
    add_store(parser)
    parser.add_argument("--hold", metavar="70C|80ms", help="work less where it gets warmer, or slower, than this")
    parser.add_argument("--threads", type=positive, metavar="N", help="default: what `tune` found, else the fast cores")
    parser.set_defaults(stream=None, host=None)


def run(args: Namespace) -> int:
    """Runs until the sound ends (0), SIGTERM (0) or Ctrl-C (130); says on stderr what was heard, and how late."""
    from lampion_edge.live.service import Service
    from lampion_edge.live.sounds import find_sound, sliding
    from lampion_edge.session import Session

    session = Session(args.model, threads=args.threads)
    session.expect("audio-classification")
    windows = sliding(session.card, session.inputs[0], args.window, args.hop, args.rate)
    return Service(session, find_sound(args.source, windows, hertz=args.rate, loop=args.loop), args).run()
