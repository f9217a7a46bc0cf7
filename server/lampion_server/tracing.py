"""OpenTelemetry traces: a span for each request, and inside it those of decoding, queue, computation and a pipeline's steps.

Without the setting `traces` nothing of this is imported, and a request pays for looking into one context variable.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from lampion_server.extras import needed
from lampion_server.settings import Settings

Attributes = Mapping[str, str | int | float]
_EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


class Traces:
    """Makes spans and hands them to `exporter` in the background; `share` of the traces that begin here, and whatever a
    caller traces, by W3C's `traceparent`.
    """

    def __init__(self, exporter: Any, share: float = 1.0) -> None:
        sdk, sampling, resources, export, self._api = (
            needed(f"opentelemetry.{name}", "otel", "traces")
            for name in ("sdk.trace", "sdk.trace.sampling", "sdk.resources", "sdk.trace.export", "trace")
        )
        self._propagation = needed("opentelemetry.trace.propagation.tracecontext", "otel", "traces")
        name = {} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": "lampion"}
        sampler = sampling.ParentBased(sampling.TraceIdRatioBased(share))
        self._provider = sdk.TracerProvider(sampler, resources.Resource.create(name), shutdown_on_exit=False)
        self._provider.add_span_processor(export.BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("lampion_server")

    @contextmanager
    def request(self, name: str, headers: Mapping[str, str], attributes: Attributes) -> Iterator[Any]:
        """The span of a request, which goes on from the caller's, if it sent one; those inside the block are its parts."""
        parent = self._propagation.TraceContextTextMapPropagator().extract(headers)
        kind = self._api.SpanKind.SERVER
        token = _TRACES.set(self)
        try:
            with self._tracer.start_as_current_span(name, parent, kind, attributes, record_exception=False) as span:
                yield span
        finally:
            _TRACES.reset(token)

    @contextmanager
    def part(self, name: str, attributes: Attributes) -> Iterator[None]:
        """A span around the block."""
        with self._tracer.start_as_current_span(name, attributes=attributes, record_exception=False):
            yield

    def stage(self, name: str, began: int, seconds: float, attributes: Attributes) -> int:
        """A span that has already ended, from `began` (nanoseconds since 1970); gives when it ended."""
        ended = began + round(seconds * 1e9)
        self._tracer.start_span(name, attributes=attributes, start_time=began).end(ended)
        return ended

    def failed(self, span: Any, reason: str) -> None:
        """Marks a request's span: it was the server's fault."""
        span.set_status(self._api.StatusCode.ERROR, reason)

    def close(self) -> None:
        """Hands over what is left; blocks until then."""
        self._provider.shutdown()


# A context variable, because it concerns the two ends of the server and what is measured between them.
_TRACES: ContextVar[Traces | None] = ContextVar("traces", default=None)


def traces(settings: Settings) -> Traces | None:
    """Traces as the settings want them, None for none. Raises `StartupError` if the packages aren't installed."""
    if not settings.traces:
        return None
    return Traces(exporter(settings), settings.trace_share)


def exporter(settings: Settings) -> Any:
    """What sends spans to the collector, over OTLP with HTTP; tests put another in its place."""
    path = "" if settings.traces.rstrip("/").endswith("/v1/traces") else "/v1/traces"
    return needed(_EXPORTER, "otel", "traces").OTLPSpanExporter(settings.traces.rstrip("/") + path)


# --- what is measured, by whom a request passes ---


@contextmanager
def part(name: str, **attributes: str | int) -> Iterator[None]:
    """A span around the block, if the request is traced."""
    if (current := _TRACES.get()) is None:
        yield
    else:
        with current.part(name, attributes):
            yield


def active() -> bool:
    """Whether the request is traced."""
    return _TRACES.get() is not None


def decoded(model: str, seconds: float) -> None:
    """An item was decoded just now."""
    if (current := _TRACES.get()) is not None:
        current.stage("decode", time.time_ns() - round(seconds * 1e9), seconds, {"lampion.model": model})


def computed(model: str, version: str, queue: float, decode: float, compute: float, rows: int) -> None:
    """A request was answered just now, after its time in the queue, in decoding if that came after, and in a batch."""
    if (current := _TRACES.get()) is not None:
        attributes = {"lampion.model": model, "lampion.version": version}
        began = time.time_ns() - round((queue + decode + compute) * 1e9)
        begun = current.stage("queue", began, queue, attributes)
        if decode:
            begun = current.stage("decode", begun, decode, {"lampion.model": model})
        current.stage("compute", begun, compute, attributes | {"lampion.batch_rows": rows})
