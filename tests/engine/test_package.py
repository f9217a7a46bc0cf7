"""The table of contents: complete, loud about what is missing, and quick to import."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from typing import Any

import pytest

import lampion
from lampion import nn, ops, optim, transforms, utils
from lampion.tape import Primitive

# Functions of the op families that others are written in, and that are not PyTorch's.
INTERNAL = {
    *(
        "adaptive_avg_pool",
        "alike",
        "numbers",
        "as_tensor",
        "assign",
        "avg_pool",
        "axes",
        "axis",
        "binary",
        "cast",
        "check_device",
        "by_windows",
        "dense",
        "examined",
        "given",
        "checked",
    ),
    *(
        "convolve",
        "convolve_transposed",
        "getitem",
        "many",
        "many_or_none",
        "max_pool",
        "new",
        "one_hot",
        "pad_constant",
    ),
    *("promoted", "rdiv", "rfloordiv", "rmod", "rpow", "sizes", "softplus", "take_rows", "to_dtype", "unary"),
    *("unbroadcast", "write", "axis_of", "backwards", "copying", "numbered", "places_along", "result_dtype"),
    *("shifted", "wrapped", "lshift", "rshift"),
    *("cauchy", "exponential", "geometric", "integers", "log_normal"),  # the methods of these names fill with them
    *("check_matrix", "check_square", "masked_unit", "permutations", "product_of_others", "refusing", "symmetric"),
}

PUBLIC = [lampion, lampion.fft, lampion.linalg, lampion.signal.windows, lampion.special]


def functions() -> dict[str, Any]:
    modules = [importlib.import_module(f"lampion.ops.{m.name}") for m in pkgutil.iter_modules(ops.__path__)]
    return {
        name: f
        for module in modules
        for name, f in vars(module).items()
        if inspect.isfunction(f) and not name.startswith("_") and f.__module__.startswith("lampion.ops")
    }


LISTED = (
    nn, nn.functional, nn.utils, nn.utils.rnn, optim, optim.lr_scheduler, optim.swa_utils, utils.data, transforms,
)  # fmt: skip


@pytest.mark.parametrize("package", [*PUBLIC, *LISTED])
def test_all_is_there_once(package: Any) -> None:
    assert all(hasattr(package, name) for name in package.__all__)
    assert len(package.__all__) == len(set(package.__all__))


def test_every_op_is_listed() -> None:
    listed = {getattr(package, name) for package in PUBLIC for name in package.__all__}
    listed |= {f for f in vars(lampion.Tensor).values() if inspect.isfunction(f)}
    missing = {name for name, f in functions().items() if f not in listed} - INTERNAL
    assert not missing, f"list {sorted(missing)} in lampion/__init__.py, or among INTERNAL here"
    assert functions().keys() >= INTERNAL, "INTERNAL names what is no more"


def test_no_listed_function_is_a_module_or_a_primitive() -> None:
    for name in lampion.__all__:
        thing = getattr(lampion, name)
        assert not (inspect.isclass(thing) and issubclass(thing, Primitive)), name
    assert callable(lampion.tensor)
    assert (lampion.float, lampion.long, lampion.bool) == (lampion.float32, lampion.int64, lampion.tensor(True).dtype)


@pytest.mark.parametrize(
    ("name", "hint"), [("zerso", "; did you mean 'zeros'?"), ("conv_2d", "; did you mean 'conv2d'?"), ("qqqq", "")]
)
def test_a_missing_name_is_told(name: str, hint: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(lampion, name)
    assert str(caught.value) == f"module 'lampion' has no attribute {name!r}{hint}"


def test_importing_loads_nothing_heavy() -> None:
    code = "import sys, lampion, lampion.training, lampion.transforms; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & {
        "tqdm",
        "safetensors",
        "PIL",
        "multiprocessing",
        "onnx",
        "onnxruntime",
        "torch",
        "scipy",
        "asyncio",
    }


def test_every_public_thing_says_what_it_does() -> None:
    for package in (lampion, *LISTED):
        for name in package.__all__:
            thing = getattr(package, name)
            if inspect.isfunction(thing) or inspect.isclass(thing):
                assert inspect.getdoc(thing), f"{package.__name__}.{name}"
