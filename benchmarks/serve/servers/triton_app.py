"""Triton with its Python backend, from the wheel of PyTriton, which carries the server but not its onnxruntime backend."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

CONFIG = """\
name: "numbers"
backend: "python"
max_batch_size: 32
dynamic_batching {}
input [{name: "input" data_type: TYPE_FP32 dims: [1, 28, 28]}]
output [{name: "output" data_type: TYPE_FP32 dims: [10]}]
instance_group [{kind: KIND_CPU count: 1}]
"""

MODEL = """\
import os

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])

    def execute(self, requests):
        inputs = [pb.get_input_tensor_by_name(request, "input").as_numpy() for request in requests]
        y = self.session.run(None, {"input": np.concatenate(inputs)})[0]
        ends = np.cumsum([len(x) for x in inputs])[:-1]
        return [pb.InferenceResponse([pb.Tensor("output", part)]) for part in np.split(y, ends)]
"""

if __name__ == "__main__":
    spec = find_spec("pytriton")
    assert spec
    assert spec.origin
    packages = Path(spec.origin).parents[1]
    triton = packages / "pytriton" / "tritonserver"
    folder = Path(tempfile.mkdtemp(dir=os.environ["FOLDER"]))
    model = folder / "models" / "numbers"
    (model / "1").mkdir(parents=True)
    (model / "config.pbtxt").write_text(CONFIG)
    (model / "1" / "model.py").write_text(MODEL)
    backends = folder / "backends"
    shutil.copytree(triton / "backends" / "python", backends / "python")
    stub = triton / "python_backend_stubs" / f"{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copy(stub / "triton_python_backend_stub", backends / "python")
    libraries = [packages / "nvidia_pytriton.libs", Path(sys.base_prefix) / "lib"]
    found = {"LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)), "PYTHONPATH": str(packages)}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    addresses = ["--http-address=127.0.0.1", f"--http-port={os.environ['PORT']}"]
    arguments = [f"--model-repository={model.parent}", f"--backend-directory={backends}", *addresses]
    arguments += ["--allow-grpc=false", "--allow-metrics=false"]
    program = str(triton / "bin" / "tritonserver")
    os.execve(program, [program, *arguments], os.environ | found | {"PATH": path})
