"""The image as it runs: started, asked whether it is healthy, given a photo, stopped."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from dockerfile import DockerfileError, probe
from onnx import TensorProto, helper, save
from PIL import Image
from stage import Build

NAME = "colours"
LABELS = ["red", "green", "blue"]


def save_model(path: Path) -> None:
    """Writes a model that names the strongest colour of an 8x8 photo: the mean of each channel is its logit."""
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["output"], keepdims=0),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 8, 8, 3])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 3])
    axes = helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2])
    model = helper.make_model(
        helper.make_graph(nodes, NAME, [image], [output], [axes]),
        opset_imports=[helper.make_opsetid("", 21)],
        ir_version=10,
    )
    card = {
        "schema": 1,
        "name": NAME,
        "task": "image-classification",
        "inputs": [{"name": "image", "dtype": "uint8", "shape": ["batch", 8, 8, 3], "meaning": "photo"}],
        "outputs": [{"name": "output", "dtype": "float32", "shape": ["batch", 3], "meaning": "logits"}],
        "preprocessing": {"color": "RGB", "resize": {"size": [8, 8]}},
        "labels": LABELS,
    }
    helper.set_model_props(model, {"lampion.card": json.dumps(card)})
    save(model, path)


def photo(colour: str) -> bytes:
    """A PNG of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (32, 24), colour).save(buffer, "PNG")
    return buffer.getvalue()


class Container:
    """The image's process, started as docker would. Its methods raise DockerfileError for what it does wrong."""

    def __init__(self, image: Build, log: Path) -> None:
        self._image = image
        self._log = log
        self._exposed = str(image.stage.require("EXPOSE").word(image.env))
        self.port = _free_port(int(self._exposed))
        # As in docker it is process 1 of its namespace, to which a signal that it doesn't handle means nothing.
        first = ["unshare", "--pid", "--fork", "--kill-child", f"--mount-proc={image.root.path}/proc"]
        argv = self._argv(image.stage.require("ENTRYPOINT").argv + image.stage.require("CMD").argv)
        with log.open("wb") as output:
            self._process = subprocess.Popen([*first, *argv], env=image.env, stdout=output, stderr=subprocess.STDOUT)

    def wait_until_healthy(self, seconds: float) -> None:
        """Runs the HEALTHCHECK inside until it succeeds."""
        argv = self._argv(probe(self._image.stage).argv)
        end = time.monotonic() + seconds
        while (done := self._run(argv)).returncode:
            if self._process.poll() is not None:
                raise self._wrong(f"it ended with code {self._process.returncode} before it was healthy")
            if time.monotonic() > end:
                raise self._wrong(f"the HEALTHCHECK still fails after {seconds:.0f} s: {done.stdout.strip()}")
            time.sleep(0.5)

    def label(self, colour: str) -> None:
        """Sends a photo of one colour from outside; the answer must name it."""
        url = f"http://127.0.0.1:{self.port}/v1/models/{NAME}/predict"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, photo(colour)), timeout=30) as response:
                answer = json.load(response)
        except OSError as error:
            raise self._wrong(f"POST {url}: {error}") from error
        if answer["predictions"][0]["labels"][0]["label"] != colour:
            raise self._wrong(f"a {colour} photo should be labelled so, got {answer}")

    def check_rights(self) -> None:
        """The process is not root, and what came from other stages is closed to it."""
        status = Path(f"/proc/{self._pid()}/status").read_text()
        users = next(line.split()[1:] for line in status.splitlines() if line.startswith("Uid:"))
        if "0" in users:
            raise self._wrong("it runs as root")
        done = self._run(self._argv(["find", *self._image.copied, "!", "-type", "l", "-writable"]))
        if done.returncode or done.stdout:
            first = "\n".join(done.stdout.splitlines()[:10])
            raise self._wrong(f"it should not be able to write what came from other stages:\n{first}")

    def stop(self, seconds: float) -> None:
        """SIGTERM, after which it must end by itself and with code 0."""
        os.kill(self._pid(), signal.SIGTERM)
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise self._wrong(f"it still runs {seconds:.0f} s after SIGTERM") from None
        if code:
            raise self._wrong(f"it ended with code {code} after SIGTERM, expected 0")

    def _pid(self) -> int:
        """The process itself, which unshare started and waits for."""
        unshare = self._process.pid
        if not (children := Path(f"/proc/{unshare}/task/{unshare}/children").read_text()):
            raise self._wrong("it ended by itself")
        return int(children)

    def _argv(self, words: list[str]) -> list[str]:
        words = [word.replace(self._exposed, str(self.port)) for word in words]
        return self._image.root.argv(words, self._image.cwd, self._image.user)

    def _run(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        env = self._image.env
        return subprocess.run(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)

    def _wrong(self, what: str) -> DockerfileError:
        return DockerfileError(f"the container: {what}\nIts output:\n{self._log.read_text()}")


def _free_port(wanted: int) -> int:
    """The port that is wanted, or another one if somebody has it."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("", wanted))
        except OSError:
            listener.bind(("", 0))
        return int(listener.getsockname()[1])
