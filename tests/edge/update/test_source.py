"""Where releases come from: folders, and web servers that break off, know no ranges, or have something else there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lampion_edge import InputError, ModelError, RefusedError, ServiceError
from lampion_edge.update.fetching import Fetching
from lampion_edge.update.repository import Repository
from lampion_edge.update.signature import Signed
from lampion_edge.update.source import FolderSource, WebSource, source_of

Publish = Callable[..., Path]


class Web:
    """A plain web server of one folder, which hands out at most `most` bytes of a model at once, and then hangs up."""

    def __init__(self, folder: Path, most: int | None = None, ranges: bool = True) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.url = ""
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range") if ranges else None
                web.asked.append((self.path, self.headers.get("Range")))
                path = folder / self.path[1:]
                if not path.is_file():
                    return self.send_error(404)
                content = path.read_bytes()
                start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
                self.send_response(206 if wanted else 200)
                self.send_header("Content-Length", str(len(content) - start))
                self.end_headers()
                end = start + most if most is not None and path.suffix == ".onnx" else None
                self.wfile.write(content[start:end])
                self.close_connection = True
                return None

            def log_message(self, *args: Any) -> None: ...

        self.handler: Any = Handler


@contextmanager
def serving(web: Web) -> Iterator[Web]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), web.handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    web.url = f"http://127.0.0.1:{server.server_address[1]}/digits.onnx"
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def fetch(device: Repository, source: WebSource | FolderSource) -> tuple[Signed, list[int]]:
    """Fetches what the source has; gives it and how many tries failed before each pause."""
    content = source.release()
    assert content is not None
    signed, pauses = Signed.from_json(content, "source"), []
    with device.updating():
        Fetching(device, source, signed, pause=pauses.append).run()
    return signed, pauses


def arrived(device: Repository, signed: Signed) -> bytes:
    return (device.incoming(signed.id) / "digits.onnx").read_bytes()


def test_a_connection_that_breaks_is_taken_up_again(device: Repository, publish: Publish) -> None:
    path = publish("1")
    size = path.stat().st_size
    with serving(Web(path.parent, most=size // 3 + 1)) as web:
        signed, pauses = fetch(device, WebSource(web.url))
    third = size // 3 + 1
    assert arrived(device, signed) == path.read_bytes()
    assert [range_ for name, range_ in web.asked if name.endswith(".onnx")] == [
        None,
        f"bytes={third}-",
        f"bytes={2 * third}-",
    ]
    assert pauses == [0, 0]


def test_a_server_without_ranges(device: Repository, publish: Publish) -> None:
    path = publish("1")
    with serving(Web(path.parent, ranges=False)) as web:
        source = WebSource(f"{web.url}.sig")  # either of the two may be named
        signed = Signed.from_json(source.release() or b"", "source")
        device.incoming(signed.id).mkdir(parents=True)
        (device.incoming(signed.id) / "digits.onnx").write_bytes(path.read_bytes()[:700])
        fetch(device, source)
    assert arrived(device, signed) == path.read_bytes()


def test_a_server_that_gives_nothing_is_given_up(device: Repository, publish: Publish) -> None:
    path = publish("1")
    with (
        serving(Web(path.parent, most=0)) as web,
        pytest.raises(ServiceError, match="the connection broke") as given_up,
    ):
        fetch(device, WebSource(web.url))
    assert str(given_up.value).endswith(f"(0.0 kB of {path.stat().st_size / 1000:.1f} kB are here)")
    assert len([name for name, _ in web.asked if name.endswith(".onnx")]) == 5


def test_what_an_earlier_attempt_left_may_be_wrong(device: Repository, publish: Publish) -> None:
    """Zeros, as a power cut leaves them: the file is fetched once more, from its beginning."""
    path = publish("1")
    source = FolderSource(path)
    signed = Signed.from_json(source.release() or b"", "source")
    for left in (bytes(100), bytes(path.stat().st_size), bytes(10**5)):
        folder = device.incoming(signed.id)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "digits.onnx").write_bytes(left)
        fetch(device, source)
        assert arrived(device, signed) == path.read_bytes()


def test_a_folder_a_model_and_its_signature_are_the_same_source(publish: Publish) -> None:
    path = publish("1")
    content = path.with_name("digits.onnx.sig").read_bytes()
    for named in (path, path.parent, path.with_name("digits.onnx.sig")):
        assert FolderSource(named).release() == content
        assert FolderSource(named).release(content) is None


def unsigned(folder: Path) -> None:
    (folder / "m.onnx").write_bytes(b"")


def several(folder: Path) -> None:
    for name in ("a.onnx.sig", "b.onnx.sig"):
        (folder / name).write_bytes(b"")


@pytest.mark.parametrize(
    ("fill", "named", "error", "sentence"),
    [
        (unsigned, ".", RefusedError, "{folder}: isn't signed: there is no .sig beside it"),
        (unsigned, "m.onnx", RefusedError, "{folder}/m.onnx: isn't signed: there is no .sig beside it"),
        (unsigned, "n.onnx", ModelError, "{folder}/n.onnx: there is no such file or folder"),
        (several, ".", ModelError, "{folder}: holds 2 signed models"),
        (lambda folder: None, ".", ModelError, "{folder}: holds no model"),
    ],
)
def test_folders_without_a_release(
    tmp_path: Path, fill: Callable[[Path], None], named: str, error: type[Exception], sentence: str
) -> None:
    fill(tmp_path)
    with pytest.raises(error) as refused:
        FolderSource(tmp_path / named).release()
    assert str(refused.value) == sentence.format(folder=tmp_path)


@pytest.mark.parametrize("path", ["/digits.onnx", "/digits.onnx.sig"])
def test_a_web_server_without_a_signature(tmp_path: Path, path: str) -> None:
    with serving(Web(tmp_path)) as web, pytest.raises(RefusedError, match=r"isn't signed: there is no \.sig beside it"):
        WebSource(web.url.replace("/digits.onnx", path)).release()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://127.0.0.1:9/m.onnx", "no answer: .*refused"),
        ("http://[::1/m.onnx", "no answer: .*Invalid IPv6"),
    ],
)
def test_nobody_there(url: str, sentence: str) -> None:
    with pytest.raises(ServiceError, match=sentence):
        WebSource(url).release()


def test_a_key_stays_with_the_server_it_is_for(tmp_path: Path, publish: Publish) -> None:
    """A server that sends us elsewhere doesn't send the key there."""
    seen: dict[str, str | None] = {}
    with serving(Web(publish("1").parent)) as web:

        class Elsewhere(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                seen["here"] = self.headers.get("Authorization")
                self.send_response(302)
                self.send_header("Location", f"{web.url}.sig")
                self.end_headers()

            def log_message(self, *args: Any) -> None: ...

        inner = web.handler.do_GET

        def noting(handler: BaseHTTPRequestHandler) -> None:
            seen["there"] = handler.headers.get("Authorization")
            inner(handler)

        web.handler.do_GET = noting
        other = Web(tmp_path)
        other.handler = Elsewhere
        with serving(other):
            assert WebSource(other.url, "secret").release()
    assert seen == {"here": "Bearer secret", "there": None}


def test_what_is_no_source() -> None:
    with pytest.raises(InputError, match="expected http://"):
        source_of("ftp://host/m.onnx")
