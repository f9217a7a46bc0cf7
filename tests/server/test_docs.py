"""docs/server.md: its curl lines run, its tables are complete."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import compile_path

from lampion_server import Settings
from lampion_server.errors import ServerError, StartupError
from lampion_server.routes import ROUTES

TEXT = (Path(__file__).parents[2] / "docs" / "server.md").read_text()
LINES = [
    line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines() if "curl " in line
]
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def documented(serve: Any, build: Any, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server of the two models that the document speaks of, one of them in two versions."""
    repository = tmp_path_factory.mktemp("documented")
    for version in ("1", "2"):
        build.iris(repository / "iris" / version / "model.onnx", version=version)
    with serve(folder / "digits.onnx", repository, collect=str(tmp_path_factory.mktemp("collected"))) as running:
        yield running


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("line", LINES)
def test_a_curl_line(documented: Any, build: Any, tmp_path: Path, line: str) -> None:
    (tmp_path / "photo.png").write_bytes(build.photo())
    documented.client.post("/v1/models/iris/traffic/canary?version=1")  # what a rollback takes back
    command = line.replace(ADDRESS, documented.url).replace("curl ", "curl --silent --show-error --fail ")
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    documented.client.post("/v2/repository/models/iris/load")  # one of the lines unloads it
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout or any((tmp_path / name).is_file() for name in ("answer.bin", "begin"))


def test_every_route_has_a_line() -> None:
    def shown(line: str) -> tuple[str, str]:
        (path,) = re.findall(rf"{ADDRESS}(/[^\s?']*)", line)
        return ("POST" if re.search(r" -(X POST|d|F|-data-binary) ", line) else "GET"), path

    lines = [shown(line) for line in LINES]
    for route in ROUTES:
        pattern = compile_path(route.path)[0]
        assert any(method == route.method and pattern.match(path) for method, path in lines), route.path


def test_every_setting_has_its_row() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| `--")]
    assert rows == [
        f"| `--{item.name.replace('_', '-')}` | `LAMPION_{item.name.upper()}` | {item.default} | {item.metadata['help']} |"
        for item in fields(Settings)
        if item.name != "models"
    ]


def test_every_error_has_its_row() -> None:
    def below(error: type[ServerError]) -> list[type[ServerError]]:
        return [error, *(other for child in error.__subclasses__() for other in below(child))]

    errors = {(str(error.status), error.code) for error in below(ServerError) if error is not StartupError}
    rows = set(re.findall(r"^\| (\d{3}) \| `(\w+)` \|", TEXT, re.MULTILINE))
    assert rows == {error for error in errors if error[0] != "499"}
    assert "499, `CLIENT_GONE`" in TEXT
