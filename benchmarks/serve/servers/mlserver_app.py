"""MLServer as its documentation writes a runtime of one's own (docs.seldon.ai/mlserver, "Custom Inference Runtimes").

Its two settings files are written beside it; it starts one worker process by itself.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime as ort
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Onnx(MLModel):
    async def load(self) -> bool:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        x = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32)
        y = self.session.run(None, {"input": x})[0]
        outputs = [NumpyCodec.encode_output(name="output", payload=y)]
        return InferenceResponse(model_name=self.name, outputs=outputs)


if __name__ == "__main__":
    port, here = int(os.environ["PORT"]), Path(__file__).parent
    folder = Path(tempfile.mkdtemp(dir=os.environ["FOLDER"]))
    free = {"grpc_port": int(os.environ["PORT_2"]), "metrics_port": int(os.environ["PORT_3"])}
    settings = {
        "host": "127.0.0.1",
        "http_port": port,
        "debug": False,
        "access_log": False,
        "metrics_dir": str(folder),
        **free,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    model = {"name": "numbers", "implementation": "mlserver_app.Onnx"}
    (folder / "model-settings.json").write_text(json.dumps(model))
    os.environ["PYTHONPATH"] = str(here)
    program = str(Path(sys.executable).with_name("mlserver"))
    os.execv(program, [program, "start", str(folder)])
