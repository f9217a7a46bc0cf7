"""Models over REST, for one device: the big server's paths and JSON, one model at work at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from time import monotonic
from typing import Any, TypeVar

from lampion_edge.card import TensorSpec
from lampion_edge.errors import EdgeError, InputError, RunError, ServiceError
from lampion_edge.histogram import Histogram
from lampion_edge.labels import Label
from lampion_edge.session import Session
from lampion_edge.tensor_message import protocol_name
from lampion_edge.web import metrics, tensors, uploads
from lampion_edge.web.messages import Answer, Request, Route, json_answer

T = TypeVar("T")
_PREDICTED = {"image-classification": "image", "audio-classification": "sound"}


class Serving:
    """Sessions by name, and the routes that ask them.

    One computes at a time, with all the cores; `queue` callers may wait for it, others are told to come back.
    """

    def __init__(self, sessions: Sequence[Session], queue: int) -> None:
        self._sessions: dict[str, Session] = {}
        for session in sessions:
            if session.name in self._sessions:
                raise InputError(f"two of the models are called {session.name}", hint="give one card another name")
            self._sessions[session.name] = session
        self.ending = False
        self._queue, self._waiting, self._lock = queue, 0, threading.Lock()
        self._turn, self._since = threading.Lock(), 0.0
        self._decoders = threading.BoundedSemaphore(2)  # a photo may unpack to hundreds of megabytes
        self._requests: dict[tuple[str, int], int] = {}
        self._latency, self._compute = ({name: Histogram() for name in self._sessions} for _ in range(2))
        model, v2 = "/v1/models/{model}", "/v2/models/{model}"
        self.routes = (
            Route("POST", f"{model}/predict", self._predict),
            Route("POST", f"{v2}/infer", self._infer),
            Route("POST", f"{v2}/versions/{{version}}/infer", self._infer),
            Route("GET", v2, self._metadata),
            Route("GET", f"{v2}/versions/{{version}}", self._metadata),
            Route(
                "GET", f"{v2}/ready", lambda request: json_answer({"name": self._session(request).name, "ready": True})
            ),
            Route("GET", "/v2", lambda _: json_answer({"name": "lampion-edge", "extensions": ["binary_tensor_data"]})),
            Route("GET", "/v2/health/live", lambda _: json_answer({"live": True})),
            Route("GET", "/v2/health/ready", self._ready),
            Route("POST", "/v2/repository/index", self._index),
            Route("GET", "/metrics", lambda _: metrics.answer([*self._metrics(), *metrics.of_the_machine()])),
        )

    @property
    def names(self) -> list[str]:
        """What the models are called."""
        return list(self._sessions)

    def warm_up(self) -> None:
        """Runs every model once: the first caller shall not be the one who waits longer."""
        for session in self._sessions.values():
            session.warm_up()

    def told(self, request: Request | None, status: int, seconds: float) -> None:
        """Counts an answer."""
        name = request.names.get("model", "") if request else ""
        name = name if name in self._sessions else ""
        with self._lock:
            self._requests[name, status] = self._requests.get((name, status), 0) + 1
            if name:
                self._latency[name].add(seconds)

    def stuck(self, seconds: float) -> bool:
        """Whether one call has been computing for longer than this."""
        since = self._since
        return bool(since) and monotonic() - since > seconds

    # --- asking ---

    def _predict(self, request: Request) -> Answer:
        session = self._session(request)
        one = _PREDICTED.get(session.card.task)
        if one is None:
            raise InputError(
                f"model {session.name} takes neither photos nor sounds: its task is {session.card.task}",
                field="model",
                hint=f"send it tensors, to /v2/models/{session.name}/infer",
            )
        query = {name: _number(request, name) for name in request.query}
        top, threshold = query.get("top"), query.get("threshold", 0.0)
        rows = []
        for place, file in enumerate(uploads.files(request, one)):
            with _placed(f"{one}s[{place}]"), self._decoders:
                inputs = session.prepare(file)
            outputs = self._computed(session, partial(session.run, inputs))
            (labels,) = session.labels_from(outputs, int(top) if top else None)
            if any(label.probability != label.probability for label in labels):
                raise RunError(f"model {session.name} gave NaN for this {one}")
            rows.append({"labels": _above(labels, threshold)})
        return json_answer({"model": session.name, "version": session.card.version, "predictions": rows})

    def _infer(self, request: Request) -> Answer:
        session, asked = self._session(request), tensors.read(request)
        names = None if asked.outputs is None else list(asked.outputs)
        outputs = self._computed(session, partial(session.run, asked.inputs, names))
        return tensors.answer(asked, session.name, session.card.version, outputs)

    def _computed(self, session: Session, work: Callable[[], T]) -> T:
        """What `work` gives when it is its turn. Raises ServiceError 503 if too many wait already."""
        spread = self._compute[session.name]
        with self._lock:
            if self._waiting > self._queue:
                wait = max(1.0, self._waiting * spread.quantile(0.5))
                hint = f"try again in {wait:.0f} s"
                raise ServiceError(f"{self._queue} callers wait already", status=503, retry_after=wait, hint=hint)
            self._waiting += 1
        try:
            with self._turn:
                start = self._since = monotonic()
                try:
                    return work()
                finally:
                    self._since = 0.0
                    spread.add(monotonic() - start)
        finally:
            with self._lock:
                self._waiting -= 1

    # --- telling ---

    def _session(self, request: Request) -> Session:
        name = request.names["model"]
        if name not in self._sessions:
            raise ServiceError(f"no model {name!r:.80}, only {', '.join(self._sessions)}", status=404, field="model")
        session, version = self._sessions[name], request.names.get("version")
        if version not in (None, session.card.version):
            raise ServiceError(f"model {name} is here in version {session.card.version}, not {version:.80}", status=404)
        return session

    def _ready(self, _: Request) -> Answer:
        if self.ending:
            raise ServiceError("the server is shutting down", status=503)
        return json_answer({"ready": True})

    def _metadata(self, request: Request) -> Answer:
        session = self._session(request)
        told: dict[str, Any] = {
            "name": session.name,
            "versions": [session.card.version],
            "platform": "onnxruntime_onnx",
        }
        return json_answer(told | {"inputs": _specs(session.inputs), "outputs": _specs(session.outputs)})

    def _index(self, _: Request) -> Answer:
        rows = [(name, session.card.version) for name, session in self._sessions.items()]
        return json_answer(
            [{"name": name, "version": version, "state": "READY", "reason": ""} for name, version in rows]
        )

    def _metrics(self) -> Iterator[metrics.Metric]:
        with self._lock:
            counts = dict(self._requests)
        yield metrics.Metric(
            "lampion_requests_total",
            "counter",
            "Requests answered; the model is empty where none was asked",
            {(("model", name), ("status", str(status))): count for (name, status), count in counts.items()},
        )
        for name, text, values in (
            ("lampion_request_seconds", "From the request to its answer", self._latency),
            ("lampion_compute_seconds", "Running a model", self._compute),
        ):
            yield metrics.Metric(
                name, "histogram", text, {(("model", model),): value for model, value in values.items()}
            )


def _specs(specs: Sequence[TensorSpec]) -> list[Mapping[str, Any]]:
    shapes = ([size if isinstance(size, int) else -1 for size in spec.shape] for spec in specs)
    return [
        {"name": spec.name, "datatype": protocol_name(spec.dtype), "shape": shape}
        for spec, shape in zip(specs, shapes, strict=True)
    ]


def _above(labels: Sequence[Label], threshold: float) -> list[Mapping[str, Any]]:
    return [label.as_json() for label in labels if label.probability >= threshold]


def _number(request: Request, name: str) -> float:
    """A number of the query, within its bounds. Raises InputError; a misspelt name would change the answer in silence."""
    if name not in ("top", "threshold"):
        raise InputError(f"query: expected top or threshold, got {name!r:.80}", field=name)
    text = request.query[name]
    try:
        value = int(text) if name == "top" else float(text)
    except ValueError:
        value = -1
    if not (value >= 1 if name == "top" else 0 <= value <= 1):
        bounds = "an integer from 1 up" if name == "top" else "a number from 0 to 1"
        raise InputError(f"{name}: expected {bounds}, got {text!r:.80}", field=name)
    return value


@contextmanager
def _placed(field: str) -> Iterator[None]:
    """Names the file that an error is about, where it names nothing yet."""
    try:
        yield
    except EdgeError as error:
        error.field = error.field or field
        raise
