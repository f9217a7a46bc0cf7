"""Puts together what the command line asks for: camera, model, events, outlets, picture; and takes it apart again."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from lampion_edge import board
from lampion_edge.errors import InputError
from lampion_edge.live.clock import Clock
from lampion_edge.live.ending import orderly
from lampion_edge.live.events import Event, Events
from lampion_edge.live.frames import Camera, Frame, Reader
from lampion_edge.live.governor import Governor, Latency, Temperature, ladder, parse_target
from lampion_edge.live.latest import Latest
from lampion_edge.live.outlets import Mqtt, Outlet, Pin, Webhook
from lampion_edge.live.report import metrics, summary
from lampion_edge.live.siblings import cheaper
from lampion_edge.live.watching import Always, Seen, Sink, Watch
from lampion_edge.notify import Notify
from lampion_edge.opening import located
from lampion_edge.posting import Post
from lampion_edge.session import Session
from lampion_edge.store.keeping import Keeper, Policy
from lampion_edge.store.ring import Ring
from lampion_edge.store.sending import Sender
from lampion_edge.terminal import complain, say


class Service:
    """A camera, or a microphone, with a model behind it, as the arguments say."""

    def __init__(self, session: Session, camera: Camera, args: Namespace, clock: Clock | None = None) -> None:
        self._session, self._camera, self._args, self._clock = session, camera, args, clock or Clock()
        self._events = Events(session.card, args.on, args.off, args.smooth, args.only)
        self._notify = Notify()

    def run(self) -> int:
        """Until the camera ends or somebody asks for an end; gives the exit code."""
        frames: Latest[Frame] = Latest(self._clock)
        reader = Reader(self._camera, frames, self._clock, complain)
        with ExitStack() as stack:
            ending = stack.enter_context(orderly())
            outlets: list[Callable[[Event], None]] = [self._closed(stack, outlet) for outlet in self._outlets()]
            keeper = self._keeper(stack)
            sinks: list[Sink] = [] if keeper is None else [keeper]
            outlets += [] if keeper is None else [keeper.event]
            sinks += [lambda seen: self._tell(seen, outlets), lambda seen: self._notify.alive()]
            governor = self._governor()
            sinks += [] if governor is None else [governor]
            watch = Watch(frames, governor or Always(self._session), sinks, self._clock, complain)
            if self._args.stream:
                sinks.append(self._streamed(stack, watch, reader))
            self._session.warm_up()
            self._clock.start(reader.run, "camera")
            stack.callback(reader.stop)
            self._notify.say("READY=1")
            try:
                watch.run(ending, self._args.frames)
            finally:
                self._notify.say("STOPPING=1")
                if watch.figures.came:
                    print("\n".join(summary(watch.figures, reader.reopened)), file=sys.stderr)
            return ending.code or 0

    def _tell(self, seen: Seen, outlets: Sequence[Callable[[Event], None]]) -> None:
        if self._args.every:
            print(_line(seen, self._args.json), flush=True)
        for event in self._events(seen):
            print(json.dumps(event.as_json()) if self._args.json else event, flush=True)
            for outlet in outlets:
                outlet(event)

    def _outlets(self) -> list[Outlet]:
        args = self._args
        outlets: list[Outlet] = [Pin(text) for text in args.gpio]
        if args.webhook:
            outlets.append(Webhook(Post(args.webhook), self._clock, complain))
        return outlets + ([Mqtt(args.mqtt, complain)] if args.mqtt else [])

    def _governor(self) -> Governor | None:
        args = self._args
        if not args.hold:
            return None
        unit, target = parse_target(args.hold)
        sessions = cheaper(self._session, Path(located(args.model)).parent, args.threads)
        reading = Temperature(board.temperature, self._clock) if unit == "C" else Latency()
        margin = 3.0 if unit == "C" else 0.2 * target
        return Governor(ladder(sessions, rarely=unit == "C"), reading, target, margin, self._clock, say)

    def _keeper(self, stack: ExitStack) -> Keeper | None:
        args = self._args
        if not args.keep:
            if args.send:
                raise InputError("--send needs --keep: what is sent is what was kept", field="send")
            return None
        post = Post(args.send, key=args.key) if args.send else None
        ring = Ring(args.keep, args.keep_size * 2**20)
        policy = Policy(args.keep_below, args.keep_pause, args.keep_every, args.flush)
        keeper = Keeper(ring, policy, self._clock, complain)
        stack.callback(keeper.close)
        if post:
            stack.callback(Sender(ring, post, self._clock, complain).close)
        return keeper

    def _closed(self, stack: ExitStack, outlet: Outlet) -> Outlet:
        stack.callback(outlet.close)
        return outlet

    def _streamed(self, stack: ExitStack, watch: Watch, reader: Reader) -> Sink:
        from lampion_edge.live.overlay import Overlay
        from lampion_edge.web import metrics as prometheus
        from lampion_edge.web.listening import Web
        from lampion_edge.web.messages import Answer, Request, Route, json_answer

        def told(_: Request) -> Answer:
            return prometheus.answer([*metrics(watch.figures, reader.reopened), *prometheus.of_the_machine()])

        overlay = Overlay(self._clock)
        live = Route("GET", "/v2/health/live", lambda _: json_answer({"live": True}))
        web = Web([*overlay.routes, live, Route("GET", "/metrics", told)], self._args.host, self._args.stream)
        web.start()
        stack.callback(web.stop)
        stack.callback(overlay.close)
        say(f"the picture is at http://{self._args.host}:{web.port}")
        return overlay


def _line(seen: Seen, as_json: bool) -> str:
    if not as_json:
        labels = ", ".join(f"{label.name} {label.probability:.1%}" for label in seen.labels(3))
        return f"frame {seen.number}  {labels}  ({1000 * seen.latency:.0f} ms)"
    timings = {name: round(1000 * getattr(seen, name), 3) for name in ("waited", "ran", "latency")}
    return json.dumps(
        {"frame": seen.number, "labels": [label.as_json() for label in seen.labels()], "timings": timings}
    )
