"""One engine in one process: imports it, loads the model, answers once, then again for a while; prints that as JSON.

    python measure.py ENGINE FILE SECONDS

Runs in the engine's own environment, which has nothing else.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

START = perf_counter()
THREADS = len(os.sched_getaffinity(0))


def lampion(path: str) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """lampion-edge as it comes; what `tune` found for the file is used, if it was asked."""
    import numpy

    from lampion_edge import Session

    def load() -> Any:
        session = Session(path)
        photo = _photo(numpy)
        return lambda: session.run({"x": photo})["output"]

    return load, numpy.asarray


def onnxruntime(path: str) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """onnxruntime with its defaults."""
    import numpy
    import onnxruntime as library

    def load() -> Any:
        session = library.InferenceSession(path, providers=["CPUExecutionProvider"])
        photo = _photo(numpy)
        return lambda: session.run(None, {"x": photo})[0]

    return load, numpy.asarray


def litert(path: str) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """LiteRT's interpreter with a thread for each core; XNNPACK computes, as it does by default."""
    import numpy
    from ai_edge_litert.interpreter import Interpreter

    def load() -> Any:
        interpreter = Interpreter(path, num_threads=THREADS)
        interpreter.allocate_tensors()
        source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
        photo = numpy.ascontiguousarray(_photo(numpy).transpose(0, 2, 3, 1))

        def run() -> Any:
            interpreter.set_tensor(source, photo)
            interpreter.invoke()
            return interpreter.get_tensor(target)

        return run

    return load, numpy.asarray


def ncnn(path: str) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """ncnn with a thread for each core."""
    import numpy
    from ncnn import ncnn as library

    def load() -> Any:
        net = library.Net()
        net.opt.num_threads = THREADS
        net.load_param(f"{path}.param")
        net.load_model(f"{path}.bin")
        photo = _photo(numpy)[0]

        def run() -> Any:
            extractor = net.create_extractor()
            extractor.input("in0", library.Mat(photo))
            return extractor.extract("out0")[1]

        return run

    return load, numpy.array


def _photo(numpy: Any) -> Any:
    """Numbers between -1 and 1; numpy.random would have to be imported first, for 9 ms of every engine's first answer."""
    return numpy.sin(numpy.arange(3 * 224 * 224, dtype=numpy.float32)).reshape(1, 3, 224, 224)


def resident() -> int:
    """Bytes of memory that the process holds."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main(engine: str, path: str, seconds: float) -> None:
    """Measures and prints."""
    load, array = {"lampion": lampion, "onnxruntime": onnxruntime, "litert": litert, "ncnn": ncnn}[engine](path)
    imported = perf_counter()
    run = load()
    answer = run()
    answered = perf_counter()
    calls = []
    while sum(calls) < seconds:
        before = perf_counter()
        run()
        calls.append(perf_counter() - before)
    print(
        json.dumps(
            {
                "import": (imported - START) * 1000,
                "cold": (answered - START) * 1000,
                "memory": resident(),
                "latency": sorted(calls)[len(calls) // 2] * 1000,
                "answer": [float(value) for value in array(answer).ravel()[:100]],
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
