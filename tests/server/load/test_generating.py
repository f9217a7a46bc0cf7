"""The load generator against servers that say what a case wants them to say."""

from __future__ import annotations

import gc
import re
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from xml.etree import ElementTree

import pytest

from lampion_edge import ServiceError
from lampion_edge.client import parsed
from lampion_server.load import generating
from lampion_server.load.connection import unchunked
from lampion_server.load.drawing import svg
from lampion_server.load.generating import Load, Taken, sentence
from lampion_server.load.requests import http_request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Answers = Callable[[int], bytes]


@contextmanager
def server(answers: Answers) -> Iterator[tuple[str, list[bytes]]]:
    """A server whose n-th answer is `answers(n)`, an empty one closes the connection; and the bodies that it got."""
    got: list[bytes] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):  # the generator ends its connections in the middle of an answer
                while size := self.announced():
                    got.append(self.rfile.read(int(size)))
                    answer = answers(len(got))
                    self.wfile.write(answer)
                    if not answer or b"close" in answer:
                        return

        def announced(self) -> str | None:
            """The length of the body that follows, None at the end."""
            head = ""
            while line := self.rfile.readline().strip():
                head += f"{line.decode()}\n"
            size = re.search(r"Content-Length: (\d+)", head)
            return size[1] if size else None

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_address[1]}", got
        finally:
            listening.shutdown()
            thread.join()


def taken(url: str, bodies: Sequence[bytes] = (b"x",), **options: float) -> Taken:
    requests = [http_request(parsed(url), "/", body, {}) for body in bodies]
    done, whole = generating.run(parsed(url), Load(requests, **{"connections": 1, "seconds": 0.2} | options))  # type: ignore[arg-type]
    assert whole
    return done


@pytest.mark.parametrize(
    ("answer", "outcomes"),
    [
        (OK, {"200"}),
        (b"HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", {"200"}),
        (b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3;x=y\r\nall\r\n0\r\n\r\n", {"201"}),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", {"200"}),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 17\r\n\r\n{\"error\": \"full\"}", {"503"}),
        (b"", {"connection"}),
        (b"SSH-2.0\r\n\r\n", {"timeout", "connection"}),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", {"connection"}),
    ],
)  # fmt: skip
def test_an_answer(answer: bytes, outcomes: set[str]) -> None:
    with server(lambda n: answer) as (url, _):
        found = taken(url, timeout=0.05 if "timeout" in outcomes else 10)
    assert found.outcomes
    assert set(found.outcomes) <= outcomes
    assert bool(found.latencies) == any(kind.startswith("2") for kind in outcomes)
    assert len(found.latencies) == sum(count for kind, count in found.outcomes.items() if kind.startswith("2"))
    assert set(found.words) == {kind for kind in found.outcomes if not kind.startswith("2")}
    assert found.words.get("503", "full") == "full"


def test_requests_go_in_turn() -> None:
    with server(lambda n: OK) as (url, got):
        taken(url, [b"a", b"bc", b""])
    assert got[:4] == [b"a", b"bc", b"", b"a"]
    counts = Counter(got)
    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("poisson", [False, True])
def test_an_open_loop_leaves_nothing_out(poisson: bool) -> None:
    """While the one connection hangs, requests fall due; each of them has waited, and is counted."""

    def slow(number: int) -> bytes:
        if number == 10:
            time.sleep(0.5)
        return OK

    with server(slow) as (url, _):
        found = taken(url, rate=100, poisson=poisson, seconds=1)
    assert found.outcomes["200"] == len(found.latencies) == pytest.approx(100, abs=1 if not poisson else 40)
    assert sum(latency > 0.1 for latency in found.latencies) >= 20


def test_what_is_due_and_never_answered_has_failed() -> None:
    with server(lambda n: OK if n < 5 else time.sleep(0.3) or OK) as (url, _):  # type: ignore[func-returns-value]
        found = taken(url, rate=50, seconds=0.4, timeout=0.1)
    assert found.outcomes["timeout"] >= 10
    assert sum(found.outcomes.values()) == pytest.approx(20, abs=1)
    assert found.words["timeout"] == "no answer within 0.1 s"


@pytest.mark.parametrize(("warm_up", "counted"), [(0.0, 1), (0.1, 0)])
def test_what_was_due_while_warming_up_does_not_count(warm_up: float, counted: int) -> None:
    with server(lambda n: OK) as (url, got):
        found = taken(url, rate=0.1, warm_up=warm_up)
    assert (len(got), len(found.latencies)) == (1, counted)


def test_garbage_is_searched_for_as_before_when_it_is_done() -> None:
    before = gc.get_threshold(), gc.get_freeze_count()
    with server(lambda n: OK) as (url, _):
        taken(url)
    assert (gc.get_threshold(), gc.get_freeze_count()) == before


def test_nobody_there() -> None:
    with server(lambda n: OK) as (url, _):
        pass
    with pytest.raises(ServiceError, match=f"^{url}: no answer: "):
        taken(url)


@pytest.mark.parametrize(
    ("data", "body"),
    [(b"0\r\n\r\n", b""), (b"2\r\nok\r\n0\r\n\r\n", b"ok"), (b"2\r\nok\r\n", None), (b"2\r\no", None), (b"", None)],
)
def test_unchunked(data: bytes, body: bytes | None) -> None:
    assert unchunked(data, 0) == body


def test_sentence() -> None:
    said = {b'{"error": "no"}': "no", b"no": "no", b"[1]": "[1]", b"x" * 500: "x" * 200, b"\xff": "�"}
    assert {words: sentence(words) for words in said} == said


def test_the_drawing_is_xml() -> None:
    drawn = ElementTree.fromstring(svg("a <b>", {"one": [0.001 * n for n in range(1, 3000)], "none": [], "two": [0.5]}))
    kinds = Counter(element.tag.rpartition("}")[2] for element in drawn)
    assert kinds["polyline"] == 2
    texts = [element.text for element in drawn if element.tag.endswith("text")]
    assert {"a <b>", "50 %", "99.9 %", "one", "two", "ms"} <= set(texts)
    assert ElementTree.fromstring(svg("", {})) is not None
