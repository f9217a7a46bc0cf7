"""Long lists in JSON: what is read straight into arrays is what orjson and numpy make of it, errors included."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from lampion_server import numbers
from lampion_server.datatypes import numpy_dtype
from lampion_server.errors import BadRequestError
from lampion_server.protocol import read_request

LONG = [0.1, -2.5, 3e38, 1e-45, 0, -0.0] * 50
INTEGERS = [0, 1, 255, 7] * 100
DEEP = np.reshape(INTEGERS, (2, 2, 100, 1)).tolist()


def tensor(data: Any, datatype: str = "FP32", **more: Any) -> dict[str, Any]:
    return {"name": "x", "datatype": datatype, "shape": [len(data)], "data": data, **more}


def asked(*tensors: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"inputs": list(tensors), **more}).encode()


@pytest.mark.skipif(find_spec("simdjson") is None, reason="there is no wheel of pysimdjson for every Python")
@pytest.mark.parametrize("datatype", ["FP32", "FP64", "INT64", "UINT8", "INT32"])
@pytest.mark.parametrize("data", [INTEGERS, DEEP], ids=["flat", "nested"])
@pytest.mark.parametrize("order", [1, -1], ids=["data last", "data first"])
def test_a_long_list_is_read_in_one_go(datatype: str, data: Any, order: int) -> None:
    short = tensor([1.0], name="z")
    read = numbers.apart(asked(short, dict(list(tensor(data, datatype).items())[::order])))
    assert read is not None
    array = read[1].array(numpy_dtype(datatype, "data"), np.shape(data))
    np.testing.assert_array_equal(array, INTEGERS)


BODIES = {
    "floats": asked(tensor(LONG)),
    "doubles": asked(tensor(LONG, "FP64")),
    "data first": b'{"inputs": [{"data" : %b, "name": "x", "datatype": "FP32", "shape": [300]}]}'
    % json.dumps(LONG).encode(),
    "outputs behind": asked(tensor(LONG), outputs=[{"name": "y"}], parameters={"a": [1]}),
    "two inputs": asked(tensor(LONG), tensor(LONG[::-1], name="z")),
    "nested": asked({**tensor(LONG), "shape": [2, 300], "data": [LONG, LONG]}),
    "deeply nested": asked({**tensor(INTEGERS, "INT64"), "shape": [2, 2, 100, 1], "data": DEEP}),
    "nested otherwise than told": asked({**tensor(INTEGERS, "INT64"), "shape": [4, 100], "data": DEEP}),
    "nested deeper than told": asked({**tensor(INTEGERS, "INT64"), "shape": [2, 2, 100], "data": DEEP}),
    "nested less deep than told": asked({**tensor(INTEGERS, "INT64"), "shape": [2, 2, 100, 1, 1], "data": DEEP}),
    "unequally nested": asked({**tensor(LONG), "shape": [2, 300], "data": [[*LONG, 1], LONG[1:]]}),
    "nested here and there": asked({**tensor(LONG), "shape": [3, 300], "data": [[LONG], LONG, 1]}),
    "lists where numbers were told": asked({**tensor(LONG), "shape": [2, 2], "data": [[1, [2]], 3, LONG]}),
    "empty lists": asked({**tensor(LONG), "shape": [200, 0], "data": [[]] * 200}),
    "numbers of no shape": asked({**tensor(LONG), "shape": []}),
    "a nest at the end": asked(tensor([*LONG, [1.0]])),
    "int64": asked(tensor([2**63 - 1, -(2**63)] * 50, "INT64")),
    "uint64": asked(tensor([2**64 - 1, 0] * 50, "UINT64")),
    "uint8": asked(tensor(INTEGERS, "UINT8")),
    "beyond uint8": asked(tensor([*INTEGERS, 256], "UINT8")),
    "negative uint8": asked(tensor([*INTEGERS, -1], "UINT8")),
    "fractions as integers": asked(tensor([*INTEGERS, 1.5], "INT32")),
    "too large for float32": asked(tensor([*LONG, 1e39])),
    "too large for anything": asked(tensor([*LONG, 7])).replace(b", 7]", b", 1e999]"),
    "an integer of many digits": asked(tensor([*LONG, 10**40])),
    "truth among numbers": asked(tensor([*LONG, True])),
    "null among numbers": asked(tensor([*LONG, None])),
    "a text among numbers": asked(tensor([*LONG, "1]"])),
    "an object among numbers": asked(tensor([*LONG, {"a": 1}])),
    "truth values": asked(tensor([True, False] * 100, "BOOL")),
    "texts": asked(tensor(["a: [b]", '"'] * 100, "BYTES")),
    "halves": asked(tensor(LONG, "FP16")),
    "too few": asked({**tensor(LONG), "shape": [301]}),
    "NaN": asked(tensor([*LONG, float("nan")])),
    "a comma too many": asked(tensor(LONG)).replace(b"]}]}", b",]}]}"),
    "no end": asked(tensor(LONG))[:-4],
    "something behind": asked(tensor(LONG)) + b"x",
    "data among parameters": asked(tensor([1.0], parameters={"data": LONG})),
    "data without a list": asked({**tensor([1.0]), "data": 1, "shape": LONG}),
    "data as a text": asked(tensor([1.0]), id='"data": [' + "1," * 200 + "1]"),
    "long parameters": asked(tensor([1.0]), parameters={"a": LONG}),
    "a list in a text": asked(tensor([1.0]), id=f"a:{LONG}"),
    "a list in a text before": b'{"id": "%b", %b' % (f"a:{LONG}".encode(), asked(tensor([1.0]))[1:]),
    "inputs as an object": b'{"inputs": {"data": %b}}' % json.dumps(LONG).encode(),
    "inputs as numbers": b'{"inputs": %b}' % json.dumps(LONG).encode(),
    "only numbers": json.dumps(LONG).encode(),
    "brackets": b"[" * 1000,
    "broken UTF-8": asked(tensor(LONG)).replace(b'"x"', b'"\xff"'),
}


def outcome(body: bytes) -> Any:
    try:
        read = read_request(body)
    except BadRequestError as error:
        return str(error), error.field, error.hint
    return read.inputs, read.id, read.parameters


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_it_is_what_orjson_and_numpy_read(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    got = outcome(body)
    monkeypatch.setattr(numbers, "quick", False)
    want = outcome(body)
    assert got[1:] == want[1:]
    if isinstance(want[0], str):
        assert got[0] == want[0]
        return
    assert list(got[0]) == list(want[0])
    for name, array in want[0].items():
        assert got[0][name].dtype == array.dtype
        assert got[0][name].shape == array.shape
        np.testing.assert_array_equal(got[0][name], array)
        if array.dtype.kind == "f":
            np.testing.assert_array_equal(np.signbit(got[0][name]), np.signbit(array))
