"""`lampion serve --ray`: the replicas started, and ended with this process."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from lampion_edge import usable_cores
from lampion_server.errors import StartupError
from lampion_server.extras import needed
from lampion_server.on_ray.ledger import Ledger
from lampion_server.on_ray.replica import Broadcast, Replica
from lampion_server.settings import Settings

APP, DEPLOYMENT = "lampion", "lampion"
_TIMEOUT = 600.0  # seconds that an order may take on all replicas


def serve(settings: Settings, port: int, started: Callable[[list[str]], None]) -> None:
    """Replicas behind Ray's proxy at `port` until SIGTERM or Ctrl-C; `started` hears the models when all of them answer.

    Raises `StartupError` if they can't start.
    """
    with _unwarned(), _cluster(settings) as ray, _ending() as ended:
        ray_serve = needed("ray.serve", "ray", "ray")
        try:
            ray_serve.start(proxy_location="EveryNode", http_options=_http(settings, port))
        except (ray.exceptions.RayError, TimeoutError) as error:
            reason, *_ = str(error).splitlines()
            raise StartupError(f"Ray Serve did not start: {reason}", hint="is the machine too busy for it?") from None
        ledger = ray.remote(Ledger).options(num_cpus=0).remote()
        application = _deployment(settings, ray_serve).bind(_on_a_node(settings), ledger, _connect)
        try:
            handle = ray_serve.run(application, name=APP, route_prefix="/")
        except RuntimeError as error:
            failure = ray.get(ledger.failure.remote())
            reason, hint = (failure.reason, failure.hint) if failure else (str(error), None)
            raise StartupError(reason, hint=hint) from None
        started(handle.names.remote().result())
        ended.wait()
        ray_serve.delete(APP)


def _deployment(settings: Settings, ray_serve: Any) -> Any:
    """The deployment's class, with replicas and scaling as the settings have them."""
    scale: dict[str, Any] = {"num_replicas": settings.replicas}
    if settings.max_replicas > settings.replicas:
        scaling = {"min_replicas": settings.replicas, "max_replicas": settings.max_replicas}
        scale = {"autoscaling_config": scaling | {"target_ongoing_requests": settings.replica_load}}
    return ray_serve.deployment(
        ray_serve.ingress()(Replica),
        name=DEPLOYMENT,
        ray_actor_options={"num_cpus": settings.cores or 1},
        # Who waits and who is refused is the scheduler's affair; Ray only must not hold requests back from it.
        max_ongoing_requests=4 * settings.max_queue,
        graceful_shutdown_timeout_s=settings.drain_timeout,
        health_check_period_s=2,
        max_constructor_retry_count=1,
        logging_config={"enable_access_log": False},
        **scale,
    )


def _on_a_node(settings: Settings) -> Settings:
    """The settings of one replica: paths that mean the same in another folder, its share of cores and of the rate."""
    return replace(
        settings,
        models=tuple(str(Path(path).resolve()) for path in settings.models),
        keys=str(Path(settings.keys).resolve()) if settings.keys else "",
        cores=settings.cores or 1,
        rate_limit=settings.rate_limit / settings.replicas,
    )


def _http(settings: Settings, port: int) -> dict[str, Any]:
    return {
        "host": settings.host,
        "port": port,
        "ssl_certfile": settings.tls_cert or None,
        "ssl_keyfile": settings.tls_key or None,
        "ssl_keyfile_password": settings.tls_password or None,
        "ssl_ca_certs": settings.tls_client_ca or None,
    }


def _connect() -> tuple[str, Broadcast]:
    """The name of the replica that calls this, and its way to all of them."""
    ray_serve = needed("ray.serve", "ray", "ray")
    name: str = ray_serve.get_replica_context().replica_id.unique_id

    async def broadcast(method: str, *arguments: Any) -> list[Any]:
        handle = ray_serve.get_deployment_handle(DEPLOYMENT, APP)
        answers: list[Any] = await handle.broadcast(method, *arguments).results_async(timeout_s=_TIMEOUT)
        return answers

    return name, broadcast


@contextmanager
def _unwarned() -> Iterator[None]:
    """What Ray and its packages use that they should not is between them and their makers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _cluster(settings: Settings) -> Iterator[Any]:
    """Ray, connected to the cluster of the settings, or started here for this server alone, out of others' reach."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report its use to its makers
    os.environ.setdefault("RAY_worker_niceness", "0")  # with Ray's 15 a busy machine doesn't come to what serves
    os.environ.setdefault("RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S", "60")  # 5 are too few for a slow one
    if not settings.ray_address:  # it listens on every address: only who knows the token may come in
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    ray = needed("ray", "ray", "ray")
    if not settings.ray_address:
        _check_room(settings, usable_cores())
    try:
        if settings.ray_address:
            _probe(settings.ray_address)
            ray.init(settings.ray_address, logging_level="WARNING")
        else:
            with _sigterm_blocked():
                ray.init("local", logging_level="WARNING", include_dashboard=False, num_cpus=usable_cores())
    except ConnectionError as error:
        hint = "`ray start --head` starts one; if it wants a token: RAY_AUTH_MODE=token RAY_AUTH_TOKEN=..."
        message = f"setting ray_address: no Ray cluster at {settings.ray_address}: {error}"
        raise StartupError(message, field="ray_address", hint=hint) from None
    try:
        _check_room(settings, ray.cluster_resources().get("CPU", 0))
        yield ray
    finally:
        if not settings.ray_address:
            needed("ray.serve", "ray", "ray").shutdown()
        ray.shutdown()


def _probe(address: str) -> None:
    """Raises `ConnectionError` if nobody listens at host:port; Ray would try for a minute."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
        except OSError as error:
            raise ConnectionError(error.strerror or str(error)) from None


def _check_room(settings: Settings, cores: float) -> None:
    """Ray would wait for cores for ever."""
    wanted = settings.replicas * (settings.cores or 1)
    if wanted > cores:
        message = (
            f"{settings.replicas} replicas of {settings.cores or 1} cores: expected at most {cores:g} cores in use"
        )
        raise StartupError(message, field="replicas", hint="lower --replicas or --cores")


@contextmanager
def _sigterm_blocked() -> Iterator[None]:
    """Processes that are started meanwhile don't hear SIGTERM; a signal to the whole group is for us to pass on.

    Without its control process, which would be the first to go, Ray waits for a minute and then aborts.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _ending() -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set."""
    ended = threading.Event()

    def end(number: int, frame: object) -> None:
        if ended.is_set():  # the second signal
            raise KeyboardInterrupt
        ended.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
