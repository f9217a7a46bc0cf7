"""The one table of op cases.

A row runs under lampion and under torch alike: `function(t, *tensors)` takes the module. The engine's tests check gradients
and shape inference with it, the oracle's tests numbers, export's tests parity at two batch sizes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Draw = Callable[[np.random.Generator], Array]
Function = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """An op with inputs: float64 where floating, drawn from a generator seeded by the name."""

    name: str
    function: Function
    inputs: tuple[Array, ...]
    batch_axis: tuple[int, ...] | None = None  # the inputs whose axis 0 is the batch, None where there is none
    differentiable: bool = True
    traceable: bool = True  # False where the shape of the result depends on the numbers
    refused: bool = False  # where ONNX has no such op, which export says
    reference: Callable[..., Any] | None = None  # the same in float64 numpy, where there is an obvious expression

    def at(self, batch: int) -> tuple[Array, ...]:
        """The inputs at another batch size, their rows repeated in turn."""
        return tuple(
            np.take(x, np.arange(batch) % len(x), axis=0) if i in (self.batch_axis or ()) else x
            for i, x in enumerate(self.inputs)
        )

    def __str__(self) -> str:
        return self.name


def outputs(result: Any) -> list[Any]:
    """The tensors of a result: itself, or the entries of a tuple or list."""
    return [y for r in result for y in outputs(r)] if isinstance(result, tuple | list) else [result]


# ---- inputs ---------------------------------------------------------------------------------------------------------


def real(*shape: int) -> Draw:
    """Both signs, at least 0.2 away from 0."""
    return lambda g: g.uniform(0.2, 1.8, shape) * np.where(g.random(shape) < 0.5, -1.0, 1.0)


def positive(*shape: int) -> Draw:
    return lambda g: g.uniform(0.3, 2.0, shape)


def above_1(*shape: int) -> Draw:
    return lambda g: g.uniform(1.1, 3.0, shape)


def unit(*shape: int) -> Draw:
    """Within (-0.9, 0.9)."""
    return lambda g: g.uniform(-0.9, 0.9, shape)


def ints(low: int, high: int, *shape: int) -> Draw:
    return lambda g: g.integers(low, high, shape)


def bools(*shape: int) -> Draw:
    return lambda g: g.random(shape) < 0.5


def exactly(values: Any, dtype: Any = None) -> Draw:
    return lambda g: np.array(values, dtype)


def case(
    name: str, function: Function, *draws: Draw, batch: tuple[int, ...] | None = None, differentiable: bool = True,
    traceable: bool = True, refused: bool = False, reference: Callable[..., Any] | None = None,
) -> Case:  # fmt: skip
    """A row; `batch` names the inputs whose axis 0 is the batch."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    arrays = tuple(np.asarray(draw(generator)) for draw in draws)
    return Case(name, function, arrays, batch, differentiable, traceable, refused, reference)


# ---- functions ------------------------------------------------------------------------------------------------------


def f(name: str, *args: Any, **kwargs: Any) -> Function:
    """t.name(*tensors, *args, **kwargs)"""
    return lambda t, *xs: getattr(t, name)(*xs, *args, **kwargs)


def m(name: str, *args: Any, **kwargs: Any) -> Function:
    """The method `name` of the first tensor, with the other tensors and args."""
    return lambda t, x, *xs: getattr(x, name)(*xs, *args, **kwargs)


def nn(name: str, *args: Any, **kwargs: Any) -> Function:
    """t.nn.functional.name(*tensors, *args, **kwargs)"""
    return lambda t, *xs: getattr(t.nn.functional, name)(*xs, *args, **kwargs)


def _set(key: Any, value: Any = None) -> Function:
    """A copy of the first tensor with `value`, or the second tensor, put at `key`."""

    def function(t: Any, x: Any, *values: Any) -> Any:
        y = x.clone()
        y[key] = values[0] if value is None else value
        return y

    return function


def _set_where_negative(t: Any, x: Any) -> Any:
    y = x.clone()
    y[x < 0] = 0.0
    return y * y


def _changed(change: Function) -> Function:
    """The first tensor's copy after `change`."""

    def function(t: Any, x: Any, *others: Any) -> Any:
        z = x * 1.5
        change(t, z, *others)
        return z

    return function


def _operators(t: Any, z: Any, y: Any) -> None:
    z += y
    z *= z
    z -= 1
    z /= y


def _setitem_with_operator(t: Any, z: Any, y: Any) -> None:
    z[:, 0] += y[:, 1]
    z[:, 1:3] *= y[:, :2]


def _views_follow(t: Any, x: Any, y: Any) -> Any:
    z = x * 2
    column, flat = z[:, 1], z.view(-1)
    z.mul_(y)
    return column * 3, flat


def _views_follow_each_other(t: Any, x: Any, y: Any) -> Any:
    z = x * 2
    column, rest = z[:, 1], z[:, 1:]
    column.mul_(y[:, 0])
    rest.add_(1)
    column.add_(column)
    return z * y, column, rest


def _cube(t: Any, x: Any) -> Any:
    """A gradient written by hand."""

    class Cube(t.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            [x] = ctx.saved_tensors
            return g * 3 * x * x

    return Cube.apply(x) * 2


def _rows(t: Any, x: Any, w: Any) -> Any:
    """A recurrence that keeps its states in one tensor."""
    states = t.zeros(3, 4, dtype=x.dtype)
    for i in range(3):
        states[i] = t.tanh(x[i] + states[i - 1] @ w)
    return states


# ---- rows -----------------------------------------------------------------------------------------------------------


def arithmetic() -> Iterator[Case]:
    for name, reference in (("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("div", np.divide),
                            ("maximum", np.maximum), ("minimum", np.minimum), ("fmax", np.fmax), ("fmin", np.fmin),
                            ("atan2", np.arctan2), ("hypot", np.hypot), ("logaddexp", np.logaddexp)):  # fmt: skip
        yield case(name, f(name), real(2, 3), real(2, 3), batch=(0, 1), reference=reference)
        yield case(f"{name} of a row", f(name), real(2, 3), real(3), batch=(0,), reference=reference)
    yield case("add of column and row", f("add"), real(2, 1), real(1, 3), batch=(0,), reference=np.add)
    yield case("mul of column and row", f("mul"), real(2, 1), real(3), batch=(0,), reference=np.multiply)
    yield case("div of zero-dim", f("div"), real(), real(2), reference=np.divide)
    yield case("add of empty", f("add"), real(0, 3), real(3), reference=np.add)
    yield case("mul of batch and 1", f("mul"), real(3, 2), real(1, 2), batch=(0,), reference=np.multiply)
    yield case("add alpha", f("add", alpha=2.5), real(2, 3), real(3), batch=(0,))
    yield case("sub alpha", f("sub", alpha=2), real(2, 3), real(3), batch=(0,))
    yield case("add number", lambda t, x: x + 2, real(2, 3), batch=(0,))
    yield case("number sub", lambda t, x: 2 - x, real(2, 3), batch=(0,))
    yield case("number div", lambda t, x: 2 / x, real(2, 3), batch=(0,))
    yield case("number pow", lambda t, x: 2**x, real(2, 3), batch=(0,))
    yield case("number mod", lambda t, x: 2.5 % x, real(2, 3), batch=(0,))
    yield case("number floordiv", lambda t, x: 2.5 // x, real(2, 3), batch=(0,))
    yield case("pow", f("pow"), positive(2, 3), real(3), batch=(0,), reference=np.power)
    for exponent in (2, 3, 0.5, -1, 0, -2.0):
        yield case(f"pow {exponent}", f("pow", exponent), positive(2, 3), batch=(0,))
    yield case("pow of negatives", f("pow", 3), real(2, 3), batch=(0,))
    yield case("pow of ints", f("pow"), ints(-3, 4, 2, 3), ints(0, 4, 3), batch=(0,), differentiable=False)
    for name, reference in (("floor_divide", np.floor_divide), ("remainder", np.remainder), ("fmod", np.fmod)):
        yield case(name, f(name), real(2, 3), positive(3), batch=(0,), reference=reference)
        yield case(f"{name} by negatives", f(name), real(2, 3), real(2, 3), batch=(0, 1), reference=reference)
        yield case(f"{name} of ints", f(name), ints(-9, 9, 2, 3), exactly([2, -3, 4]), batch=(0,), differentiable=False)
    yield case("div floor", f("div", rounding_mode="floor"), real(2, 3), real(3), batch=(0,))
    yield case("div trunc", f("div", rounding_mode="trunc"), real(2, 3), real(3), batch=(0,))
    yield case("div trunc of ints", f("div", rounding_mode="trunc"), ints(-9, 9, 2, 3), exactly([2, -3, 4]), batch=(0,),
               differentiable=False)  # fmt: skip
    yield case("div of ints", f("div"), ints(-9, 9, 2, 3), ints(1, 4, 3), batch=(0,), differentiable=False)
    for name, reference in (("neg", np.negative), ("abs", np.abs), ("sign", np.sign), ("floor", np.floor),
                            ("ceil", np.ceil), ("round", np.round), ("trunc", np.trunc), ("square", np.square),
                            ("reciprocal", np.reciprocal), ("relu", lambda x: np.maximum(x, 0)), ("frac", None)):  # fmt: skip
        yield case(name, f(name), real(2, 3), batch=(0,), reference=reference)
    yield case("neg of zero-dim", f("neg"), real(), reference=np.negative)
    yield case("relu of empty", f("relu"), real(0, 2))
    yield case("floor of ints", f("floor"), ints(-5, 5, 4), batch=(0,), differentiable=False)
    yield case("round to 1 decimal", f("round", decimals=1), real(2, 3), batch=(0,))
    yield case("clamp", f("clamp", -0.7, 0.8), real(2, 3), batch=(0,))
    yield case("clamp below", f("clamp", min=0.5), real(2, 3), batch=(0,))
    yield case("clamp above", f("clamp", max=0.5), real(2, 3), batch=(0,))
    yield case(
        "clamp by tensors", f("clamp"), real(4, 3), exactly([-1.0, -0.5, 0.1]), exactly([0.1, 0.9, 1.1]), batch=(0,)
    )
    yield case("clamp of nan", f("clamp", -1, 1), exactly([np.nan, 2.0, -np.inf]), batch=(0,), differentiable=False)
    yield case("lerp", f("lerp", weight=0.3), real(2, 3), real(3), batch=(0,))
    yield case("lerp by tensor", f("lerp"), real(2, 3), real(2, 3), unit(3), batch=(0, 1))
    yield case("addcmul", f("addcmul", value=0.5), real(2, 3), real(3), real(2, 1), batch=(0, 2))
    yield case("addcdiv", f("addcdiv", value=0.5), real(2, 3), real(3), real(2, 1), batch=(0, 2))
    yield case("nan_to_num", f("nan_to_num"), exactly([np.nan, np.inf, -np.inf, 1.5]), batch=(0,), differentiable=False)
    yield case("nan_to_num to numbers", f("nan_to_num", nan=1.0, posinf=2.0, neginf=-2.0),
               exactly([np.nan, np.inf, -np.inf, 1.5]), batch=(0,), differentiable=False)  # fmt: skip
    yield case("same tensor twice", lambda t, x: x * x + x / x, real(2, 3), batch=(0,))


def comparison() -> Iterator[Case]:
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        yield case(name, f(name), ints(0, 3, 4, 3), ints(0, 3, 3), batch=(0,), differentiable=False)
        yield case(f"{name} number", f(name, 0.5), real(4, 3), batch=(0,), differentiable=False)
    for name in ("logical_and", "logical_or", "logical_xor"):
        yield case(name, f(name), bools(4, 3), bools(3), batch=(0,), differentiable=False)
        yield case(f"{name} of numbers", f(name), ints(0, 2, 4, 3), real(3), batch=(0,), differentiable=False)
    for name in ("bitwise_and", "bitwise_or", "bitwise_xor"):
        yield case(name, f(name), ints(-9, 9, 4, 3), ints(0, 9, 3), batch=(0,), differentiable=False)
        yield case(f"{name} of bools", f(name), bools(4, 3), bools(3), batch=(0,), differentiable=False)
    yield case("bitwise_not", f("bitwise_not"), ints(-9, 9, 4), batch=(0,), differentiable=False)
    yield case("invert of bools", lambda t, x: ~x, bools(4), batch=(0,), differentiable=False)
    yield case("logical_not", f("logical_not"), ints(0, 2, 4), batch=(0,), differentiable=False)
    for name in ("isnan", "isinf", "isfinite"):
        yield case(name, f(name), exactly([np.nan, np.inf, -np.inf, 0.0]), batch=(0,), differentiable=False)
        yield case(f"{name} of ints", f(name), ints(0, 3, 4), batch=(0,), differentiable=False)
    yield case("isclose", f("isclose", rtol=0.2), real(4), real(4), batch=(0, 1), differentiable=False)
    yield case("where", f("where"), bools(2, 3), real(2, 3), real(3), batch=(0, 1))
    yield case("where column", f("where"), bools(2, 1), real(3), real(2, 3), batch=(0, 2))
    yield case("where number", lambda t, c, x: t.where(c, x, 0.5), bools(2, 3), real(2, 3), batch=(0, 1))
    yield case("where mixed dtypes", f("where"), bools(2, 3), ints(0, 3, 2, 3), real(3), batch=(0, 1))
    yield case("masked_fill", lambda t, x, c: x.masked_fill(c, 2.0), real(2, 3), bools(2, 3), batch=(0, 1))
    yield case("masked_fill grows", lambda t, x, c: x.masked_fill(c, 2.0), real(3), bools(2, 3), batch=(1,))


def analysis() -> Iterator[Case]:
    for name, draw, reference in (
        ("exp", real, np.exp), ("exp2", real, np.exp2), ("expm1", real, np.expm1), ("log", positive, np.log),
        ("log1p", positive, np.log1p), ("log2", positive, np.log2), ("log10", positive, np.log10), ("sqrt", positive, np.sqrt),
        ("rsqrt", positive, None), ("sin", real, np.sin), ("cos", real, np.cos), ("tan", unit, np.tan),
        ("asin", unit, np.arcsin), ("acos", unit, np.arccos), ("atan", real, np.arctan), ("sinh", real, np.sinh),
        ("cosh", real, np.cosh), ("tanh", real, np.tanh), ("asinh", real, np.arcsinh), ("acosh", above_1, np.arccosh),
        ("atanh", unit, np.arctanh), ("sigmoid", real, None), ("erf", real, None),
        ("sinc", real, np.sinc),
    ):  # fmt: skip
        yield case(name, f(name), draw(2, 3), batch=(0,), reference=reference)
    yield case("exp of ints", f("exp"), ints(-3, 3, 4), batch=(0,), differentiable=False)
    yield case("sqrt of empty", f("sqrt"), positive(0, 2), reference=np.sqrt)
    yield case("tanh of zero-dim", f("tanh"), real(), reference=np.tanh)
    yield case(
        "erf far out",
        f("erf"),
        exactly([-30.0, -5.0, -0.4, 0.0, 0.47, 3.9, 4.1, np.inf]),
        batch=(0,),
        differentiable=False,
    )
    yield case(
        "sigmoid far out", f("sigmoid"), exactly([-1e3, -40.0, 0.0, 40.0, 1e3]), batch=(0,), differentiable=False
    )
    yield case("log of 0 and below", f("log"), exactly([0.0, -1.0, np.inf]), batch=(0,), differentiable=False)
    yield case("softplus", nn("softplus"), real(2, 3), batch=(0,))
    yield case("softplus sharp", nn("softplus", beta=3.0, threshold=2.0), real(2, 3), batch=(0,))


def _complex(function: Function) -> Function:
    """A function of one complex tensor, or two, as one of real and imaginary parts."""

    def parts(t: Any, *xs: Any) -> Any:
        out = function(t, *map(t.complex, xs[::2], xs[1::2]))
        return t.view_as_real(out.resolve_conj()) if out.is_complex() else out

    return parts


def complex_numbers() -> Iterator[Case]:
    for name in ("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh",
                 "sigmoid", "abs", "angle", "sgn", "conj", "conj_physical", "real", "imag", "square", "reciprocal", "neg",
                 "resolve_conj", "view_as_real", "sum", "prod", "mean"):  # fmt: skip
        yield case(f"complex {name}", _complex(f(name)), real(2, 3), real(2, 3), batch=(0, 1), refused=True)
    for name in ("add", "sub", "mul", "div", "pow", "matmul"):
        inputs = [positive(2, 2) for _ in range(4)]
        yield case(f"complex {name}", _complex(f(name)), *inputs, refused=True)
    yield case("complex matmul of a batch", _complex(f("matmul")), real(2, 2, 3), real(2, 2, 3), real(3, 2), real(3, 2),
               batch=(0, 1), refused=True)  # fmt: skip
    yield case(
        "complex of unequal shapes", _complex(lambda t, z: z * 2j), real(2, 1), real(3), batch=(0,), refused=True
    )
    yield case("polar", lambda t, x, y: t.polar(x, y).imag, positive(3), real(3), batch=(0, 1), refused=True)
    yield case("adjoint", _complex(lambda t, z: z.mH), real(2, 2, 3), real(2, 2, 3), batch=(0, 1), refused=True)
    yield case("angle of real numbers", f("angle"), real(2, 3), batch=(0,), reference=np.angle)
    yield case("in place imaginary part", _complex(lambda t, z: _scaled_imag(z * 1)), real(2), real(2), refused=True)


def _scaled_imag(z: Any) -> Any:
    z.imag.mul_(2)
    return z


def special(name: str, *args: Any, **kwargs: Any) -> Function:
    """t.special.name(*tensors, *args, **kwargs)"""
    return lambda t, *xs: getattr(t.special, name)(*xs, *args, **kwargs)


def special_functions() -> Iterator[Case]:
    for name, draw in (
        ("gammaln", positive), ("digamma", positive), ("erfcx", unit), ("erfinv", unit), ("ndtri", _share),
        ("log_ndtr", real), ("i0e", real), ("i1e", real),
    ):  # fmt: skip
        yield case(name, special(name), draw(2, 3), batch=(0,), refused=True)
    yield case("erfc", special("erfc"), real(2, 3), batch=(0,))
    for name in ("bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "scaled_modified_bessel_k0", "scaled_modified_bessel_k1",
                 "modified_bessel_k0", "modified_bessel_k1"):  # fmt: skip
        yield case(name, special(name), positive(2, 3), batch=(0,), refused=True)
        yield case(
            f"{name} far out",
            special(name),
            exactly([0.0, -1.0, 1e-3, 24.9, 25.1, 90.0]),
            differentiable=False,
            refused=True,
        )
    yield case(
        "airy_ai",
        special("airy_ai"),
        exactly([-30.0, -9.0, -1.9, 0.0, 0.4, 2.1, 9.0]),
        differentiable=False,
        refused=True,
    )
    for name, places in (
        ("gammaln", [-2.5, -1.0, 0.0, 1e-9, 30.0, 1e9, np.inf]), ("digamma", [-2.5, 0.0, 1e-9, 30.0, 1e9]),
        ("erfc", [-30.0, -0.4, 0.4, 5.0, 26.0]), ("erfcx", [-5.0, -0.4, 0.4, 5.0, 1e9]),
        ("erfinv", [-1.0, 0.0, 0.999999, 1.0, 2.0]),
        ("ndtri", [0.0, 1e-300, 1e-5, 0.5, 0.9999, 1.0]), ("log_ndtr", [-1e3, -1.0, 0.0, 8.0]),
        ("i0e", [-90.0, 0.0, 24.9, 25.1]),
        ("i1e", [-90.0, 0.0, 1e-9, 24.9, 25.1]), ("i0", [-30.0, 0.0]), ("i1", [-30.0, 0.0]), ("entr", [-1.0, 0.0, np.inf]),
    ):  # fmt: skip
        yield case(
            f"{name} far out",
            special(name),
            exactly(places),
            differentiable=False,
            refused=name not in ("entr", "erfc"),
        )
    for n in range(4):
        yield case(
            f"polygamma {n}", lambda t, x, n=n: t.special.polygamma(n, x), positive(2, 3), batch=(0,), refused=True
        )
    yield case(
        "zeta", lambda t, x: t.special.zeta(2.5, x), positive(2, 3), batch=(0,), differentiable=False, refused=True
    )
    yield case("zeta far out", special("zeta"), exactly([1.0, 3.0, 3.0, 2.5, 0.5]), exactly([2.0, -2.5, -2.0, -2.5, 1.0]),
               differentiable=False, refused=True)  # fmt: skip
    for name in ("gammainc", "gammaincc"):
        yield case(name, lambda t, x, n=name: getattr(t.special, n)(t.tensor(1.5, dtype=x.dtype), x), positive(3), batch=(0,),
                   refused=True)  # fmt: skip
        yield case(f"{name} far out", special(name), exactly([0.0, 1.0, 30.0, 200.0, 200.0, 1.0, 2.0]),
                   exactly([1.0, 0.0, 25.0, 150.0, 260.0, np.inf, -1.0]), differentiable=False, refused=True)  # fmt: skip
    yield case("multigammaln", special("multigammaln", 3), above_1(2, 3), batch=(0,), refused=True)
    yield case("ndtr", special("ndtr"), real(2, 3), batch=(0,))
    for name, draw in (("i0", real), ("i1", real)):
        yield case(name, special(name), draw(2, 3), batch=(0,), refused=True)
    for name, draw in (("spherical_bessel_j0", real), ("entr", positive), ("expit", real), ("logit", _share)):
        yield case(name, special(name), draw(2, 3), batch=(0,))
    yield case("logit within eps", special("logit", 0.3), exactly([0.1, 0.4, 0.8]), batch=(0,))
    yield case("xlogy", f("xlogy"), exactly([[0.0], [1.5]]), positive(3), batch=(0,))
    yield case("xlog1py", special("xlog1py"), real(2, 1), positive(3), batch=(0,))
    yield case(
        "xlogy at its edges", f("xlogy"), exactly([0.0, 0.0, 1.0]), exactly([0.0, np.nan, 0.0]), differentiable=False
    )
    families = ["chebyshev_polynomial_{t,u,v,w}", "shifted_chebyshev_polynomial_{t,u,v,w}", "hermite_polynomial_{h,he}"]
    for pattern in [*families, "laguerre_polynomial_{l}", "legendre_polynomial_{p}"]:
        stem, _, kinds = pattern.removesuffix("}").partition("{")
        for kind in kinds.split(","):
            yield case(stem + kind, special(stem + kind, 3), real(2, 3), batch=(0,))
            yield case(f"{stem}{kind} of several degrees", lambda t, x, n=stem + kind: getattr(t.special, n)(x, t.arange(9)),
                       unit(2, 1), batch=(0,))  # fmt: skip


def _share(*shape: int) -> Draw:
    """Within (0.05, 0.95)."""
    return lambda g: g.uniform(0.05, 0.95, shape)


def fft(name: str, *args: Any, **kwargs: Any) -> Function:
    """t.fft.name(*tensors, *args, **kwargs)"""
    return lambda t, *xs: getattr(t.fft, name)(*xs, *args, **kwargs)


def transforms() -> Iterator[Case]:
    numbers = real(2, 3, 4), real(2, 3, 4)
    for name in (
        "fft",
        "ifft",
        "irfft",
        "hfft",
        "fft2",
        "ifft2",
        "irfft2",
        "hfft2",
        "fftn",
        "ifftn",
        "irfftn",
        "hfftn",
    ):
        yield case(name, _complex(fft(name)), *numbers, refused=True)
    for name in ("fft", "ifft", "irfft", "hfft"):
        for norm in ("ortho", "forward", "backward"):
            yield case(
                f"{name} {norm}", _complex(fft(name, n=5, dim=1, norm=norm)), *numbers, batch=(0, 1), refused=True
            )
        yield case(f"{name} cut", _complex(fft(name, n=3)), *numbers, batch=(0, 1), refused=True)
    for name in ("rfft", "ihfft", "rfft2", "ihfft2", "rfftn", "ihfftn"):
        yield case(
            name, lambda t, x, n=name: t.view_as_real(getattr(t.fft, n)(x).resolve_conj()), real(2, 3, 5), refused=True
        )
    yield case("rfftn of sizes", lambda t, x: t.view_as_real(t.fft.rfftn(x, s=(4, 6), norm="ortho")), real(2, 3, 5), batch=(0,),
               refused=True)  # fmt: skip
    yield case("irfft of one", _complex(fft("irfft", n=1)), real(2, 1), real(2, 1), refused=True)
    for name in ("fftshift", "ifftshift"):
        yield case(name, fft(name), real(3, 4))
        yield case(f"{name} dim", fft(name, dim=1), real(3, 5), batch=(0,))
    for n in (4, 5):
        yield case(f"fftfreq {n}", lambda t, x, n=n: x + t.fft.fftfreq(n, 0.5, dtype=x.dtype), real(n))
        yield case(f"rfftfreq {n}", lambda t, x, n=n: x + t.fft.rfftfreq(n, dtype=x.dtype), real(n // 2 + 1))


def _flat(t: Any, width: int = 4) -> Any:
    """A window that is not flat to the last digit: PyTorch warns of one that is left away."""
    return t.linspace(0.9, 1.1, width, dtype=t.float64)


def spectrograms() -> Iterator[Case]:
    signal, window = real(2, 12), positive(4)
    for name, settings in (
        ("", {}), (" one side", {"onesided": False}), (" scaled", {"normalized": True, "hop_length": 2}),
        (" off centre", {"center": False}), (" of zeros", {"pad_mode": "constant"}), (" of edges", {"pad_mode": "replicate"}),
        (" in turn", {"pad_mode": "circular"}),
    ):  # fmt: skip
        yield case(f"stft{name}", lambda t, x, w, s=settings: t.view_as_real(t.stft(x, 4, window=w, return_complex=True, **s)),
                   signal, window, batch=(0,), refused=True)  # fmt: skip
    yield case("stft with a narrow window", lambda t, x, w: t.view_as_real(t.stft(x, 7, 2, 4, w, return_complex=True)),
               signal, window, batch=(0,), refused=True)  # fmt: skip
    numbers = real(2, 3, 6), real(2, 3, 6)
    yield case("istft", _complex(lambda t, z: t.istft(z, 4, window=_flat(t))), *numbers, refused=True)
    yield case(
        "istft of a length",
        _complex(lambda t, z: t.istft(z, 5, 2, length=9, window=_flat(t, 5))),
        *numbers,
        refused=True,
    )
    yield case(
        "istft scaled",
        _complex(lambda t, z: t.istft(z, 4, 2, window=_flat(t), normalized=True, center=False)),
        *numbers,
        refused=True,
    )
    yield case(
        "istft of both sides",
        _complex(lambda t, z: t.istft(z, 4, 1, window=_flat(t))),
        real(4, 6),
        real(4, 6),
        refused=True,
    )


def windows() -> Iterator[Case]:
    for name in ("hann", "hamming", "blackman", "bartlett", "kaiser"):
        for length in (0, 1, 6):
            yield case(
                f"{name}_window {length}",
                lambda t, x, n=name, m=length: x * getattr(t, f"{n}_window")(m, dtype=x.dtype),
                real(1),
            )
        yield case(
            f"{name}_window symmetric",
            lambda t, x, n=name: x * getattr(t, f"{n}_window")(5, False, dtype=x.dtype),
            real(1),
        )
    for name, settings in (
        ("hann", {}), ("hamming", {}), ("blackman", {}), ("bartlett", {}), ("kaiser", {"beta": 3.0}), ("cosine", {}),
        ("nuttall", {}),
        ("exponential", {"tau": 2.0}), ("gaussian", {"std": 2.0}), ("general_cosine", {"a": [0.4, 0.5, 0.1]}),
        ("general_hamming", {"alpha": 0.6}),
    ):  # fmt: skip
        for sym in (True, False):
            yield case(f"window {name} {sym}", lambda t, x, n=name, s={**settings, "sym": sym}:
                       x * getattr(t.signal.windows, n)(5, dtype=x.dtype, **s), real(1))  # fmt: skip


def _linalg(name: str, *args: Any, **kwargs: Any) -> Function:
    """t.linalg.name(*tensors, *args, **kwargs)"""
    return lambda t, *xs: getattr(t.linalg, name)(*xs, *args, **kwargs)


def _definite(function: Function) -> Function:
    """A function of the symmetric positive definite x x^T + 1 instead of x."""
    return lambda t, x, *xs: function(t, x @ x.mT + t.eye(x.shape[-1], dtype=x.dtype), *xs)


def _square(n: int, *batch: int) -> Draw:
    """Matrices that are far from singular, with singular values apart."""
    return lambda g: g.uniform(-0.5, 0.5, (*batch, n, n)) + np.diag(np.arange(1.0, n + 1))


def _from_factors(name: str, **kwargs: Any) -> Function:
    return lambda t, x, b: getattr(t.linalg, name)(*t.linalg.lu_factor(x), b, **kwargs)


def _by_ldl(t: Any, x: Any, b: Any) -> Any:
    factor, pivots, info = t.linalg.ldl_factor_ex(x + x.mT)
    return factor, pivots, info, t.linalg.ldl_solve(factor, pivots, b)


def linear_algebra() -> Iterator[Case]:
    for name in ("det", "slogdet", "inv", "matrix_exp", "svdvals", "cond", "pinv"):
        yield case(f"linalg {name}", _linalg(name), _square(3, 2), batch=(0,), refused=name != "det")
    yield case("det of a singular matrix", _linalg("det"), exactly([[1.0, 2.0], [2.0, 4.0]]))
    yield case("det of numbers", _linalg("det"), real(2, 1, 1), batch=(0,))
    yield case("logdet", _definite(f("logdet")), real(2, 3, 3), batch=(0,), refused=True)
    yield case("complex det", _complex(_linalg("det")), _square(3), real(3, 3), refused=True)
    yield case("complex slogdet", lambda t, x, y: t.view_as_real(t.linalg.slogdet(t.complex(x, y)).sign), _square(3),
               real(3, 3), refused=True)  # fmt: skip
    yield case("complex inv", _complex(_linalg("inv")), _square(3), real(3, 3), refused=True)
    for name in ("cholesky", "eigvalsh"):
        yield case(f"linalg {name}", _definite(_linalg(name)), real(2, 3, 3), batch=(0,), refused=True)
    yield case("linalg cholesky upper", _definite(_linalg("cholesky", upper=True)), real(3, 3), refused=True)
    yield case("linalg cholesky_ex", _definite(lambda t, x: t.linalg.cholesky_ex(x).L), real(3, 3), traceable=False)
    for name, function in (
        ("eigh", _definite(lambda t, x: [y.abs() for y in t.linalg.eigh(x)])),
        ("eig", lambda t, x: [y.abs() for y in t.linalg.eig(x)]),
        ("eigvals", lambda t, x: t.linalg.eigvals(x).real),
        ("qr", lambda t, x: [y.abs() for y in t.linalg.qr(x)]),
        ("svd", lambda t, x: [y.abs() for y in t.linalg.svd(x, full_matrices=False)]),
        ("svd of all columns", lambda t, x: [y.abs() for y in t.linalg.svd(x)]),
        ("lu_factor", lambda t, x: t.linalg.lu_factor(x).LU),
    ):  # fmt: skip
        yield case(f"linalg {name}", function, _square(3, 2), batch=(0,), refused=True)
    for name, shape in (("tall", (4, 2)), ("wide", (2, 4))):
        yield case(f"qr of {name}", lambda t, x: [y.abs() for y in t.linalg.qr(x)], real(*shape), refused=True)
        yield case(f"svd of {name}", lambda t, x: [y.abs() for y in t.linalg.svd(x, False)], real(*shape), refused=True)
        yield case(f"lu of {name}", lambda t, x: t.linalg.lu(x), real(*shape), traceable=False)
        yield case(f"pinv of {name}", _linalg("pinv"), real(*shape), refused=True)
        yield case(
            f"lstsq of {name}",
            lambda t, x, b: t.linalg.lstsq(x, b).solution,
            real(*shape),
            real(shape[0], 3),
            traceable=False,
        )
    yield case(
        "qr complete",
        lambda t, x: [y.abs() for y in t.linalg.qr(x, "complete")],
        real(4, 2),
        differentiable=False,
        refused=True,
    )
    yield case("qr r", lambda t, x: t.linalg.qr(x, "r").R.abs(), _square(3), differentiable=False, refused=True)
    yield case(
        "complex svd",
        lambda t, x, y: t.linalg.svd(t.complex(x, y), False).U.abs(),
        _square(3),
        real(3, 3),
        refused=True,
    )
    yield case("complex eigh", lambda t, x, y: t.linalg.eigh(t.complex(x + x.mT, y - y.mT)).eigenvectors.abs(), _square(3),
               real(3, 3), refused=True)  # fmt: skip
    yield case("complex qr", lambda t, x, y: t.linalg.qr(t.complex(x, y)).Q.abs(), _square(3), real(3, 3), refused=True)
    yield case("geqrf", lambda t, x: t.geqrf(x), real(4, 2), differentiable=False, refused=True)
    yield case("solve", _linalg("solve"), _square(3, 2), real(2, 3, 2), batch=(0, 1), refused=True)
    yield case("solve of a vector", _linalg("solve"), _square(3), real(3), refused=True)
    yield case("solve from the right", _linalg("solve", left=False), _square(3), real(2, 3), refused=True)
    yield case("solve of one matrix", _linalg("solve"), _square(3), real(2, 3, 1), batch=(1,), refused=True)
    for upper in (True, False):
        for left in (True, False):
            yield case(f"solve_triangular {upper} {left}", _linalg("solve_triangular", upper=upper, left=left), _square(3),
                       real(3, 3), refused=True)  # fmt: skip
        yield case(f"cholesky_solve {upper}", lambda t, x, b, u=upper: t.cholesky_solve(b, t.triu(x) if u else t.tril(x), u),
                   _square(3), real(3, 2), refused=True)  # fmt: skip
        yield case(f"cholesky_inverse {upper}", lambda t, x, u=upper: t.cholesky_inverse(t.triu(x) if u else t.tril(x), u),
                   _square(3), refused=True)  # fmt: skip
    yield case(
        "solve_triangular unit",
        _linalg("solve_triangular", upper=True, unitriangular=True),
        _square(3),
        real(3, 1),
        refused=True,
    )
    for settings in ({}, {"left": False}, {"adjoint": True}, {"left": False, "adjoint": True}):
        yield case(
            f"lu_solve {settings}", _from_factors("lu_solve", **settings), _square(3), real(3, 3), traceable=False
        )
    for batch in ((), (2,)):
        yield case(f"ldl {batch}", _by_ldl, real(*batch, 5, 5), real(5, 2), differentiable=False, refused=True)
    yield case("hash_tensor", f("hash_tensor", 1), real(2, 3), batch=(0,), differentiable=False, refused=True)
    for ord in (2, 1, 0.5, 3, np.inf, -np.inf, -2):
        yield case(f"vector_norm {ord}", _linalg("vector_norm", ord, dim=1), real(2, 3), batch=(0,))
    yield case("vector_norm 0", _linalg("vector_norm", 0), exactly([0.0, 1.0, 2.0]), differentiable=False)
    yield case(
        "vector_norm of 0", _linalg("vector_norm", 3, dim=1), exactly([[0.0, 0.0], [1.0, 2.0]]), differentiable=False
    )
    for ord in ("fro", 1, -1, np.inf, -np.inf):
        yield case(f"matrix_norm {ord}", _linalg("matrix_norm", ord), real(2, 3, 4), batch=(0,))
    for ord in ("nuc", 2, -2):
        yield case(
            f"matrix_norm {ord}", _linalg("matrix_norm", ord, dim=(0, 2), keepdim=True), real(3, 2, 3), refused=True
        )
    yield case("linalg norm", _linalg("norm"), real(2, 3), batch=(0,), reference=np.linalg.norm)
    yield case("linalg norm of matrices", _linalg("norm", 1, (1, 2)), real(2, 3, 4), batch=(0,))
    yield case("cond 1", _linalg("cond", 1), _square(3), traceable=False)
    yield case(
        "matrix_rank", _linalg("matrix_rank"), exactly([[1.0, 2.0], [2.0, 4.0]]), differentiable=False, traceable=False
    )
    for n in (0, 1, 3, 4):
        yield case(f"matrix_power {n}", _linalg("matrix_power", n), real(2, 3, 3), batch=(0,))
    yield case("matrix_power -2", _linalg("matrix_power", -2), _square(3), refused=True)
    yield case("multi_dot", lambda t, *xs: t.linalg.multi_dot(xs), real(3), real(3, 4), real(4, 2), real(2))
    yield case("chain_matmul", f("chain_matmul"), real(2, 3), real(3, 4), real(4, 2), batch=(0,))
    yield case("cross", f("cross", dim=1), real(2, 3), real(2, 3), batch=(0, 1), reference=np.cross)
    yield case("linalg cross", _linalg("cross", dim=1), real(2, 3, 2), real(1, 3, 1), batch=(0,))
    yield case("vecdot", _linalg("vecdot"), real(2, 3), real(2, 3), batch=(0, 1))
    yield case(
        "vander", _linalg("vander", N=4), real(2, 3), batch=(0,), reference=lambda x: x[..., None] ** np.arange(4)
    )
    yield case("linalg diagonal", _linalg("diagonal", offset=1), real(2, 3, 4), batch=(0,))
    yield case("tensorinv", _linalg("tensorinv", 1), lambda g: g.normal(size=(4, 2, 2)), refused=True)
    yield case("tensorsolve", _linalg("tensorsolve"), lambda g: g.normal(size=(2, 3, 6)), real(2, 3), refused=True)
    yield case("householder_product", _linalg("householder_product"), real(4, 3), unit(2), batch=None)
    for transpose in (True, False):
        yield case(f"ormqr {transpose}", f("ormqr", transpose=transpose), real(4, 3), unit(3), real(4, 2))
    yield case("ormqr from the right", f("ormqr", left=False), real(4, 3), unit(3), real(2, 4))
    for p in (0.0, 1.0, 2.0, 3.0, np.inf):
        yield case(
            f"cdist {p}", f("cdist", p=p), real(2, 3, 2), real(2, 4, 2), batch=(0, 1), differentiable=p not in (0.0,)
        )
    yield case("dist", f("dist", p=3), real(2, 3), real(2, 3), batch=(0, 1))
    yield case("addmv", f("addmv", beta=0.5, alpha=2), real(2), real(2, 3), real(3), batch=(0, 1))
    yield case("addbmm", f("addbmm", beta=0.5, alpha=2), real(2, 2), real(2, 2, 3), real(2, 3, 2), batch=(1, 2))
    yield case("addr", f("addr", beta=0.5, alpha=2), real(2, 3), real(2), real(3), batch=(0, 1))
    yield case(
        "addmm without the input",
        f("addmm", beta=0),
        exactly([np.nan]),
        real(2, 3),
        real(3, 2),
        batch=(1,),
        differentiable=False,
    )
    yield case("inner", f("inner"), real(2, 3), real(4, 3), batch=(0,), reference=np.inner)
    yield case("vdot", _complex(f("vdot")), real(3), real(3), real(3), real(3), refused=True)


def reductions() -> Iterator[Case]:
    for name, reference in (("sum", np.sum), ("mean", np.mean), ("amax", np.max), ("amin", np.min)):
        yield case(name, f(name), real(2, 3), batch=(0,), reference=reference)
        yield case(f"{name} dim", f(name, 1), real(2, 3), batch=(0,), reference=lambda x, r=reference: r(x, axis=1))
        yield case(f"{name} dim 0", f(name, dim=0), real(2, 3), batch=(0,))
        yield case(f"{name} keepdim", f(name, -1, keepdim=True), real(2, 3), batch=(0,))
        yield case(f"{name} two dims", f(name, dim=(0, -1)), real(2, 2, 3), batch=(0,))
        yield case(f"{name} of zero-dim", f(name), real())
    yield case("sum of empty", f("sum"), real(0, 3))
    yield case("sum along empty", f("sum", 0), real(0, 3))
    yield case("sum of bools", f("sum", 1), bools(2, 3), batch=(0,), differentiable=False)
    yield case(
        "sum of ints as float", lambda t, x: x.sum(dtype=t.float64), ints(0, 9, 2, 3), batch=(0,), differentiable=False
    )
    yield case(
        "amax of equals", f("amax", 1), exactly([[1.0, 2.0, 2.0], [3.0, 3.0, 3.0]]), batch=(0,), differentiable=False
    )
    yield case("amax of nan", f("amax", 1), exactly([[1.0, np.nan], [3.0, 1.0]]), batch=(0,), differentiable=False)
    for name in ("max", "min"):
        yield case(name, f(name), real(2, 3), batch=(0,))
        yield case(f"{name} dim", f(name, 1), real(4, 3), batch=(0,))
        yield case(f"{name} keepdim", f(name, -1, keepdim=True), real(4, 3), batch=(0,))
        yield case(f"{name} of two", f(name), real(2, 3), real(3), batch=(0,))
        yield case(
            f"{name} of nan",
            f(name, 1),
            exactly([[1.0, np.nan, 4.0], [3.0, 1.0, 3.0]]),
            batch=(0,),
            differentiable=False,
        )
        yield case(f"arg{name}", f(f"arg{name}", 1), real(4, 3), batch=(0,), differentiable=False)
        yield case(f"arg{name} flat", f(f"arg{name}"), real(4, 3), batch=(0,), differentiable=False)
        yield case(
            f"arg{name} keepdim", f(f"arg{name}", dim=-2, keepdim=True), real(2, 4, 3), batch=(0,), differentiable=False
        )
        yield case(f"arg{name} of nan", f(f"arg{name}"), exactly([1.0, np.nan, 4.0]), batch=(0,), differentiable=False)
    for name in ("any", "all"):
        yield case(name, f(name), bools(4, 3), batch=(0,), differentiable=False)
        yield case(f"{name} dim", f(name, 1), ints(0, 2, 4, 3), batch=(0,), differentiable=False)
        yield case(f"{name} of empty", f(name), bools(0), differentiable=False)
    yield case("prod", f("prod"), real(2, 3), batch=(0,), reference=np.prod)
    yield case("prod dim", f("prod", 1), real(2, 3), batch=(0,), reference=lambda x: np.prod(x, 1))
    yield case("prod keepdim", f("prod", -1, keepdim=True), real(2, 3), batch=(0,))
    yield case("prod with a zero", f("prod", 1), exactly([[0.0, 2.0, 3.0], [1.0, 0.0, 0.0]]), batch=(0,))
    yield case("prod of ints", f("prod"), ints(1, 4, 5), batch=(0,), differentiable=False)
    for name, reference in (("var", np.var), ("std", np.std)):
        yield case(name, f(name), real(2, 3), batch=(0,), reference=lambda x, r=reference: r(x, ddof=1))
        yield case(
            f"{name} dim", f(name, dim=1), real(2, 3), batch=(0,), reference=lambda x, r=reference: r(x, 1, ddof=1)
        )
        yield case(f"{name} biased", f(name, dim=(0, 1), correction=0), real(2, 3, 2), batch=(0,))
        yield case(f"{name} unbiased flag", f(name, unbiased=False), real(2, 3), batch=(0,))
        yield case(f"{name} dim flag keepdim", f(name, 1, False, True), real(2, 3), batch=(0,))
    yield case("var of one", f("var"), real(1), differentiable=False)
    yield case("var_mean", f("var_mean", dim=1, keepdim=True), real(2, 3), batch=(0,))
    yield case("std_mean", f("std_mean", dim=1), real(2, 3), batch=(0,))
    yield case("norm", f("norm"), real(2, 3), batch=(0,), reference=np.linalg.norm)
    yield case("norm 1", f("norm", p=1, dim=1), real(2, 3), batch=(0,))
    yield case("norm 3", f("norm", p=3, dim=-1, keepdim=True), real(2, 3), batch=(0,))
    yield case("norm inf", f("norm", p=float("inf"), dim=1), real(2, 3), batch=(0,))
    yield case("norm -inf", f("norm", p=-float("inf"), dim=1), real(2, 3), batch=(0,))
    yield case("norm 0", f("norm", p=0, dim=1), exactly([[0.0, 1.0], [2.0, 3.0]]), batch=(0,), differentiable=False)
    yield case("count_nonzero", f("count_nonzero"), ints(0, 2, 4, 3), batch=(0,), differentiable=False)
    yield case("count_nonzero dim", f("count_nonzero", dim=1), ints(0, 2, 4, 3), batch=(0,), differentiable=False)
    yield case("aminmax", f("aminmax", dim=1), real(4, 3), batch=(0,))
    yield case("median", f("median"), real(5), batch=(0,))
    yield case("median dim", f("median", 1), real(2, 4), batch=(0,))
    yield case("logsumexp", f("logsumexp", 1), real(2, 3), batch=(0,))
    yield case("logsumexp two dims", f("logsumexp", (1, 2), keepdim=True), real(2, 3, 2), batch=(0,))
    yield case(
        "logsumexp of -inf",
        f("logsumexp", 1),
        exactly([[-np.inf, -np.inf], [0.0, -np.inf]]),
        batch=(0,),
        differentiable=False,
    )
    for name in ("var", "std"):
        yield case(f"{name} of nothing", f(name, dim=0), real(0, 3), differentiable=False)
    yield case("var_mean biased", f("var_mean", 1, False), real(2, 3), batch=(0,))
    for name in ("max", "min", "median"):
        yield case(f"{name} dim of zero-dim", f(name, 0), real())
    yield case(
        "median of nan",
        f("median", 1),
        exactly([[1.0, np.nan, 0.0], [3.0, 1.0, 2.0]]),
        batch=(0,),
        differentiable=False,
    )


def cumulative() -> Iterator[Case]:
    for name, reference in (("cumsum", np.cumsum), ("cumprod", np.cumprod), ("logcumsumexp", np.logaddexp.accumulate)):
        yield case(name, f(name, 1), real(2, 3), batch=(0,), reference=lambda x, r=reference: r(x, axis=1))
        yield case(f"{name} along the batch", f(name, dim=0), real(3, 2), batch=(0,))
        yield case(f"{name} of zero-dim", f(name, 0), real())
    yield case("cumprod with zeros", f("cumprod", 0), exactly([2.0, 0.0, 3.0, 0.0, 1.5]), batch=(0,))
    yield case("cumsum of ints", f("cumsum", -1), ints(0, 5, 2, 3), batch=(0,), differentiable=False)
    yield case("diff", f("diff"), real(2, 4), batch=(0,), reference=np.diff)
    yield case("diff twice", f("diff", n=2, dim=1), real(2, 4), batch=(0,), reference=lambda x: np.diff(x, 2))
    yield case("softmax", f("softmax", dim=-1), real(2, 3), batch=(0,))
    yield case("softmax over channels", f("softmax", dim=1), real(2, 3, 2), batch=(0,))
    yield case(
        "softmax of -inf", f("softmax", dim=-1), exactly([[0.0, -np.inf], [2.0, 1.0]]), batch=(0,), differentiable=False
    )
    yield case("softmax as float64", lambda t, x: t.softmax(x, -1, dtype=t.float64), ints(0, 4, 2, 3), batch=(0,),
               differentiable=False)  # fmt: skip
    yield case("log_softmax", f("log_softmax", dim=-1), real(2, 3), batch=(0,))
    yield case("log_softmax along the batch", f("log_softmax", dim=0), real(2, 3), batch=(0,))
    for name in ("softmax", "log_softmax"):
        yield case(f"{name} of nothing but -inf", f(name, dim=-1), exactly([[-np.inf, -np.inf], [0.0, 1.0]]), batch=(0,),
                   differentiable=False)  # fmt: skip
    yield case("softmax of nothing", f("softmax", dim=-1), real(2, 0))
    yield case("log_softmax of nothing", f("log_softmax", dim=-1), real(2, 0))


def shapes() -> Iterator[Case]:
    yield case("reshape", m("reshape", -1, 2, 3), real(2, 6), batch=(0,))
    yield case("reshape batch and rest", lambda t, x: x.reshape(x.shape[0], -1), real(2, 3, 2), batch=(0,))
    yield case("reshape to a vector", m("reshape", -1), real(2, 3), batch=(0,))
    yield case("reshape of empty", m("reshape", 3, 0), real(0, 3))
    yield case("view", m("view", -1, 6), real(2, 3, 2), batch=(0,))
    yield case("ravel", f("ravel"), real(2, 3), batch=(0,))
    yield case("flatten", f("flatten", 1), real(2, 3, 2), batch=(0,))
    yield case("flatten all", f("flatten"), real(2, 3, 2), batch=(0,))
    yield case("flatten of zero-dim", f("flatten"), real())
    yield case("unflatten", f("unflatten", 1, (2, -1)), real(2, 6), batch=(0,))
    yield case("permute", f("permute", (0, 2, 1)), real(2, 3, 2), batch=(0,))
    yield case("permute batch last", m("permute", 2, 1, 0), real(2, 3, 2), batch=(0,))
    yield case("permute then reshape", lambda t, x: x.permute(0, 2, 1).reshape(-1, 6), real(2, 3, 2), batch=(0,))
    yield case("transpose", f("transpose", -1, -2), real(2, 3, 2), batch=(0,))
    yield case("swapaxes", f("swapaxes", 0, 1), real(2, 3), batch=(0,))
    yield case("movedim", f("movedim", 1, -1), real(2, 3, 2), batch=(0,))
    yield case("movedim several", f("movedim", (0, 1), (2, 0)), real(2, 3, 2), batch=(0,))
    yield case("t", f("t"), real(2, 3), batch=(0,))
    yield case("T", lambda t, x: x.T, real(2, 3), batch=(0,))
    yield case("mT", lambda t, x: x.mT, real(2, 3, 2), batch=(0,))
    yield case("squeeze", f("squeeze", 1), real(2, 1, 3), batch=(0,))
    yield case("squeeze all", f("squeeze"), real(1, 2, 1))
    yield case("squeeze several", f("squeeze", (1, -1)), real(2, 1, 3, 1), batch=(0,))
    yield case("unsqueeze", f("unsqueeze", -1), real(2, 3), batch=(0,))
    yield case("expand", m("expand", -1, 3, 2), real(2, 1, 2), batch=(0,))
    yield case("expand in front", m("expand", 2, 3), real(3))
    yield case("expand as batch", lambda t, x, y: y.expand(x.shape[0], 3), real(2, 1), real(3), batch=(0,))
    yield case("broadcast_to", f("broadcast_to", (2, 3)), real(1, 3))
    yield case("flip", f("flip", (0, 1)), real(2, 3), batch=(0,))
    yield case("roll", f("roll", 1, 1), real(2, 3), batch=(0,))
    yield case("roll flat", f("roll", 2), real(2, 3))
    yield case("roll two dims", f("roll", (1, -1), (0, 1)), real(2, 3))
    yield case("cat", lambda t, x, y: t.cat([x, y], 1), real(2, 3), real(2, 1), batch=(0, 1))
    yield case("cat of three dtypes", lambda t, x, y: t.cat([x, y, x], -1), real(2, 3), ints(0, 3, 2, 1), batch=(0, 1))
    yield case("cat along the batch", lambda t, x, y: t.cat((x, y)), real(2, 3), real(1, 3), batch=(0,))
    yield case("stack", lambda t, x, y: t.stack([x, y]), real(2, 3), real(2, 3), batch=(0, 1))
    yield case("stack behind", lambda t, x, y: t.stack([x, y], -1), real(2, 3), real(2, 3), batch=(0, 1))
    yield case("narrow", f("narrow", 1, 1, 2), real(2, 4), batch=(0,))
    yield case("split", f("split", 2, 1), real(2, 5), batch=(0,))
    yield case("split by sizes", f("split", [1, 3], dim=-1), real(2, 4), batch=(0,))
    yield case("chunk", f("chunk", 3, 1), real(2, 5), batch=(0,))
    yield case("unbind", f("unbind", 1), real(2, 3), batch=(0,))
    yield case("repeat", m("repeat", 1, 2), real(2, 3), batch=(0,))
    yield case("repeat in front", m("repeat", 2, 1, 2), real(2, 3), batch=(0,))
    yield case("tile", f("tile", (2,)), real(2, 3), batch=(0,))
    yield case("repeat_interleave", f("repeat_interleave", 2, dim=1), real(2, 3), batch=(0,))
    yield case("repeat_interleave flat", f("repeat_interleave", 2), real(2, 3), batch=(0,))
    yield case(
        "repeat_interleave by counts",
        lambda t, x: x.repeat_interleave(t.tensor([1, 0, 2]), dim=1),
        real(2, 3),
        batch=(0,),
    )
    yield case("pad", nn("pad", (1, 2)), real(2, 3), batch=(0,))
    yield case("pad two dims", nn("pad", (1, 0, 0, 2), value=1.5), real(2, 3, 2), batch=(0,))
    yield case("pad negative", nn("pad", (-1, 1)), real(2, 3), batch=(0,))
    yield case("tril", f("tril"), real(2, 3, 3), batch=(0,))
    yield case("triu", f("triu", 1), real(2, 3, 3), batch=(0,))
    yield case("diagonal", f("diagonal"), real(3, 4))
    yield case("diagonal offset", f("diagonal", 1, 1, 2), real(2, 3, 4), batch=(0,))
    yield case("diag of vector", f("diag"), real(3))
    yield case("diag of matrix", f("diag", -1), real(3, 4))
    yield case("diag_embed", f("diag_embed"), real(2, 3), batch=(0,))
    yield case("trace", f("trace"), real(3, 4))
    yield case("meshgrid", lambda t, x, y: t.meshgrid(x, y, indexing="ij"), real(2), real(3), batch=(0,))
    yield case("meshgrid xy", lambda t, x, y: t.meshgrid(x, y, indexing="xy"), real(2), real(3), batch=(0,))
    yield case("clone", m("clone"), real(2, 3), batch=(0,))
    yield case("zeros_like", f("zeros_like"), real(2, 3), batch=(0,), differentiable=False)
    yield case("ones_like", f("ones_like"), real(2, 3), batch=(0,), differentiable=False)
    yield case(
        "full in the batch's size",
        lambda t, x: t.full((x.shape[0], 2), 1.5, dtype=t.float64) + x,
        real(2, 2),
        batch=(0,),
    )
    yield case("arange of the batch", lambda t, x: t.arange(x.shape[0]) + x, real(3), batch=(0,))
    yield case("the batch's size as a number", lambda t, x: x * x.shape[0], real(3), batch=(0,))
    yield case("one_hot", nn("one_hot", 4), ints(0, 4, 3), batch=(0,), differentiable=False)
    for kind in ("float64", "float32", "float16", "int64", "int32", "int8", "uint8", "bool"):
        yield case(
            f"to {kind}", lambda t, x, k=kind: x.to(getattr(t, k)), positive(2, 3), batch=(0,), differentiable=False
        )
    yield case("to float64 and back", lambda t, x: (x.to(t.float64) * 2).to(x.dtype), real(2, 3), batch=(0,))
    yield case(
        "cat with an empty vector", lambda t, x: t.cat([t.tensor([], dtype=x.dtype), x], 1), real(2, 3), batch=(0,)
    )
    yield case("flip of no dims", m("flip", dims=()), real(2, 3), batch=(0,))


def indexing() -> Iterator[Case]:
    for name, key in (
        ("int", np.s_[:, 1]), ("negative int", np.s_[:, -1]), ("slice", np.s_[:, 1:3]), ("step", np.s_[:, ::2]),
        ("slice of the batch", np.s_[1:]), ("last of the batch", np.s_[-1:]), ("ellipsis", np.s_[..., 0]),
        ("new dim", np.s_[:, None]),
        ("mixed", np.s_[:, None, 1:, ..., -1]), ("list", np.s_[:, [2, 0, 2]]), ("beyond", np.s_[:, 2:9]),
    ):  # fmt: skip
        yield case(f"getitem {name}", lambda t, x, k=key: x[k], real(2, 4, 2), batch=(0,))
    yield case("getitem empty slice", lambda t, x: x[:, 3:1], real(2, 4), batch=(0,), differentiable=False)
    yield case("getitem index", lambda t, x, i: x[i], real(4, 2), ints(-4, 4, 3))
    yield case(
        "getitem two indices", lambda t, x, i, j: x[i, j], real(4, 3), ints(0, 4, 5), ints(-3, 3, 5), batch=(1, 2)
    )
    yield case("getitem index matrix", lambda t, x, i: x[:, i], real(2, 4), ints(0, 4, 2, 2), batch=(0,))
    yield case("getitem indices apart", lambda t, x, i, j: x[i, :, j], real(4, 2, 3), ints(0, 4, 2), ints(0, 3, 2))
    yield case(
        "getitem rows and columns", lambda t, x, i, j: x[i.unsqueeze(1), j], real(4, 3), ints(0, 4, 2), ints(0, 3, 2)
    )
    yield case("getitem mask", lambda t, x, c: x[c], real(4, 2), exactly([True, False, True, True]), traceable=False)
    yield case("setitem", _set(np.s_[:, 1], 2.0), real(2, 3), batch=(0,))
    yield case("setitem slice", _set(np.s_[:, 1:]), real(2, 3), real(2, 2), batch=(0, 1))
    yield case("setitem broadcast", _set(np.s_[:, 1:]), real(2, 3), real(2))
    yield case("setitem list", _set(np.s_[[0, 2]]), real(3, 2), real(2, 2))
    yield case("setitem mask", _set_where_negative, real(3, 2), batch=(0,), traceable=False)
    for dim, shape in ((0, (2, 3)), (1, (2, 2)), (-1, (3, 5))):
        yield case(f"gather {dim}", lambda t, x, i, d=dim: t.gather(x, d, i), real(3, 4), ints(0, 3, *shape))
        yield case(f"scatter_add {dim}", lambda t, x, i, s, d=dim: t.scatter_add(x, d, i, s), real(3, 4), ints(0, 3, *shape),
                   real(*shape))  # fmt: skip
    yield case("gather of the batch", lambda t, x, i: x.gather(1, i), real(3, 4), ints(0, 4, 3, 2), batch=(0, 1))
    yield case("scatter", lambda t, x, s: t.scatter(x, 1, t.tensor([[0, 2], [3, 1]]), s), real(2, 4), real(2, 2))
    yield case("scatter number", lambda t, x, i: t.scatter(x, 1, i, 2.5), real(2, 4), ints(0, 4, 2, 2), batch=(0, 1))
    yield case("scatter of the batch", lambda t, x, i, s: x.scatter(-1, i, s), real(2, 4), exactly([[0, 2], [3, 1]]),
               real(2, 2), batch=(0, 1, 2))  # fmt: skip
    yield case("index_select", lambda t, x: t.index_select(x, 1, t.tensor([2, 0])), real(2, 3), batch=(0,))
    yield case("index_add", lambda t, x, s: t.index_add(x, 0, t.tensor([2, 0, 2]), s), real(3, 2), real(3, 2))
    yield case(
        "index_add alpha",
        lambda t, x, s: x.index_add(1, t.tensor([2, 0]), s, alpha=2),
        real(2, 3),
        real(2, 2),
        batch=(0, 1),
    )
    yield case(
        "index_copy", lambda t, x, s: t.index_copy(x, 1, t.tensor([2, 0]), s), real(2, 3), real(2, 2), batch=(0, 1)
    )
    yield case("index_fill", lambda t, x: t.index_fill(x, 1, t.tensor([2, 0]), 1.5), real(2, 3), batch=(0,))
    yield case(
        "index_put", lambda t, x, s: t.index_put(x, (t.tensor([2, 0]), t.tensor([1, 1])), s), real(3, 2), real(2)
    )
    yield case(
        "index_put accumulate",
        lambda t, x, s: t.index_put(x, (t.tensor([2, 2]),), s, accumulate=True),
        real(3, 2),
        real(2, 2),
    )
    yield case("take_along_dim", lambda t, x, i: t.take_along_dim(x, i, 1), real(2, 4), ints(0, 4, 2, 3), batch=(0, 1))
    yield case("take_along_dim flat", lambda t, x: t.take_along_dim(x, t.tensor([3, 0])), real(2, 4))
    yield case("take", lambda t, x: t.take(x, t.tensor([3, -1])), real(2, 4))
    yield case("nonzero", f("nonzero"), ints(0, 2, 3, 2), differentiable=False, traceable=False)
    yield case("argwhere", f("argwhere"), ints(0, 2, 3, 2), differentiable=False, traceable=False)
    yield case("masked_select", f("masked_select"), real(2, 3), exactly([True, False, True]), traceable=False)
    yield case("embedding", lambda t, i, w: t.nn.functional.embedding(i, w), ints(0, 4, 2, 3), real(4, 2), batch=(0,))
    yield case("gather of zero-dim", lambda t, x: t.gather(x, 0, t.tensor(0)), real())
    yield case("scatter of zero-dim", lambda t, x, s: t.scatter(x, 0, t.tensor(0), s), real(), real())
    yield case("scatter_add of zero-dim", lambda t, x, s: t.scatter_add(x, 0, t.tensor(0), s), real(), real())
    yield case("nonzero as tuple", f("nonzero", as_tuple=True), ints(0, 2, 3, 2), differentiable=False, traceable=False)
    yield case("masked_select of zero-dim", f("masked_select"), real(), exactly(True), traceable=False)


def sorting() -> Iterator[Case]:
    yield case("sort", f("sort"), real(2, 4), batch=(0,))
    yield case("sort descending", f("sort", 0, descending=True), real(3, 2))
    yield case("sort stable", f("sort", stable=True), ints(0, 3, 2, 6), batch=(0,), differentiable=False)
    yield case("argsort", f("argsort", dim=1, descending=True), real(2, 4), batch=(0,), differentiable=False)
    yield case("topk", f("topk", 2), real(2, 4), batch=(0,))
    yield case("topk smallest", f("topk", 3, dim=1, largest=False), real(2, 4), batch=(0,))
    yield case("topk of ints", f("topk", 1, dim=0), ints(0, 99, 9), differentiable=False)
    yield case("unique", f("unique"), ints(0, 4, 9), differentiable=False, traceable=False)
    yield case(
        "unique counted",
        f("unique", return_inverse=True, return_counts=True),
        ints(0, 4, 9),
        differentiable=False,
        traceable=False,
    )
    yield case("bincount", f("bincount", minlength=6), ints(0, 4, 9), differentiable=False, traceable=False)
    yield case("bincount weighted", f("bincount"), ints(0, 4, 9), positive(9), differentiable=False, traceable=False)
    yield case("searchsorted", f("searchsorted"), exactly([0.1, 0.5, 0.5, 1.2]), exactly([[0.5, 2.0], [0.0, 0.7]]), batch=(1,),
               differentiable=False)  # fmt: skip
    yield case("searchsorted right", f("searchsorted", right=True), exactly([0.1, 0.5, 0.5, 1.2]), exactly([0.5, 2.0]),
               batch=(1,), differentiable=False)  # fmt: skip
    yield case("sort of nan", f("sort"), exactly([2.0, np.nan, -1.0]), differentiable=False)
    yield case("sort of zero-dim", f("sort"), real())


def products() -> Iterator[Case]:
    yield case("matmul", f("matmul"), real(2, 3), real(3, 2), batch=(0,), reference=np.matmul)
    yield case("matmul of vectors", f("matmul"), real(3), real(3), reference=np.matmul)
    yield case("matmul row", f("matmul"), real(3), real(3, 2), reference=np.matmul)
    yield case("matmul column", f("matmul"), real(2, 3), real(3), batch=(0,), reference=np.matmul)
    yield case("matmul batch", f("matmul"), real(2, 2, 3), real(2, 3, 2), batch=(0, 1), reference=np.matmul)
    yield case("matmul batch and matrix", f("matmul"), real(2, 2, 3), real(3, 2), batch=(0,), reference=np.matmul)
    yield case("matmul matrix and batch", f("matmul"), real(2, 3), real(2, 3, 2), batch=(1,), reference=np.matmul)
    yield case("matmul broadcast batch", f("matmul"), real(2, 1, 2, 3), real(2, 3, 2), batch=(0,), reference=np.matmul)
    yield case("matmul batch and vector", f("matmul"), real(2, 2, 3), real(3), batch=(0,), reference=np.matmul)
    yield case("matmul of ints", f("matmul"), ints(0, 4, 2, 3), ints(0, 4, 3, 2), batch=(0,), differentiable=False)
    yield case("matmul of nothing", f("matmul"), real(2, 2, 0), real(0, 3))
    yield case("matmul of empty", f("matmul"), real(0, 3), real(3, 2), reference=np.matmul)
    yield case("mm", f("mm"), real(2, 3), real(3, 2), batch=(0,))
    yield case("bmm", f("bmm"), real(2, 2, 3), real(2, 3, 1), batch=(0, 1))
    yield case("mv", f("mv"), real(2, 3), real(3), batch=(0,))
    yield case("dot", f("dot"), real(3), real(3))
    yield case("outer", f("outer"), real(2), real(3), batch=(0,), reference=np.outer)
    yield case("addmm", f("addmm", beta=0.5, alpha=2), real(2), real(2, 3), real(3, 2), batch=(1,))
    yield case("baddbmm", f("baddbmm", beta=0.5, alpha=2), real(2, 2, 2), real(2, 2, 3), real(2, 3, 2), batch=(0, 1, 2))
    yield case("kron", f("kron"), real(2, 2), real(1, 3), reference=np.kron)
    yield case("tensordot", f("tensordot", dims=2), real(2, 3, 2), real(3, 2, 2), batch=(0,), reference=np.tensordot)
    for equation, *operands in (
        ("ij,jk->ik", (2, 3), (3, 2)), ("ij->ji", (2, 3)), ("ij->", (2, 3)), ("ii->i", (3, 3)), ("ii", (3, 3)),
        ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)), ("i,j", (2,), (3,)), ("bhqd,bhkd->bhqk", (2, 2, 2, 3), (2, 2, 1, 3)),
        ("...ij,jk->...ik", (2, 2, 3), (3, 2)), ("ij,ij->i", (2, 3), (2, 3)), ("i,ij,j->", (2,), (2, 3), (3,)), ("ba", (2, 3)),
    ):  # fmt: skip
        yield case(f"einsum {equation}", lambda t, *xs, e=equation: t.einsum(e, *xs), *[real(*s) for s in operands],
                   reference=lambda *xs, e=equation: np.einsum(e, *xs))  # fmt: skip
    yield case("einsum by lists", lambda t, x, y: t.einsum(x, [..., 0, 1], y, [1, 2], [..., 2, 0]), real(2, 2, 3), real(3, 2),
               batch=(0,))  # fmt: skip
    yield case(
        "einsum of the batch",
        lambda t, x, y: t.einsum("bij,bkj->bik", x, y),
        real(2, 2, 3),
        real(2, 1, 3),
        batch=(0, 1),
    )


def convolutions() -> Iterator[Case]:
    for rank, size, kernel in ((1, (5,), (3,)), (2, (4, 5), (3, 2)), (3, (3, 2, 3), (2, 1, 2))):
        conv = f"conv{rank}d"
        x, w = real(2, 2, *size), real(2, 2, *kernel)
        yield case(conv, f(conv), x, w, real(2), batch=(0,))
        yield case(f"{conv} without batch", f(conv), real(2, *size), w)
        yield case(f"{conv} stride", f(conv, stride=2, padding=1), x, w, batch=(0,))
        yield case(f"{conv} groups", f(conv, groups=2, padding=1), x, real(4, 1, *kernel), batch=(0,))
        yield case(f"{conv} depthwise", f(conv, groups=2), x, real(2, 1, *kernel), batch=(0,))
        yield case(f"{conv} pointwise", f(conv), x, real(3, 2, *(1,) * rank), batch=(0,))
        yield case(f"{conv} same", f(conv, padding="same"), x, w, batch=(0,))
        yield case(f"{conv} valid", f(conv, padding="valid"), x, w, batch=(0,))
        transpose = f"conv_transpose{rank}d"
        small = real(2, 2, *[2] * rank)
        yield case(transpose, f(transpose), small, real(2, 1, *kernel), real(1), batch=(0,))
        yield case(
            f"{transpose} stride",
            f(transpose, stride=2, padding=1, output_padding=1),
            small,
            real(2, 2, *[3] * rank),
            batch=(0,),
        )
        yield case(f"{transpose} groups", f(transpose, groups=2), small, real(2, 2, *kernel), batch=(0,))
        yield case(f"{transpose} without batch", f(transpose), real(2, *[2] * rank), real(2, 1, *kernel))
    yield case("conv2d dilation", f("conv2d", dilation=(2, 1)), real(2, 1, 5, 4), real(2, 1, 2, 3), batch=(0,))
    yield case("conv2d dilation padding stride", f("conv2d", stride=(1, 2), padding=(1, 0), dilation=2), real(1, 1, 4, 5),
               real(2, 1, 2, 2), batch=(0,))  # fmt: skip
    yield case(
        "conv2d same even kernel",
        f("conv2d", padding="same", dilation=2),
        real(1, 1, 4, 5),
        real(1, 1, 2, 3),
        batch=(0,),
    )
    yield case("conv2d pointwise stride", f("conv2d", stride=2), real(2, 2, 4, 4), real(2, 2, 1, 1), batch=(0,))
    yield case("conv2d leaves a rest", f("conv2d", stride=3), real(1, 1, 6, 6), real(1, 1, 2, 2), batch=(0,))
    yield case(
        "conv_transpose2d dilation", f("conv_transpose2d", dilation=2), real(1, 2, 2, 2), real(2, 1, 2, 2), batch=(0,)
    )


def pooling() -> Iterator[Case]:
    for rank, size in ((1, (6,)), (2, (4, 5)), (3, (2, 3, 4))):
        for name in (f"max_pool{rank}d", f"avg_pool{rank}d"):
            yield case(name, nn(name, 2), real(2, 2, *size), batch=(0,))
            yield case(f"{name} overlapping", nn(name, 2, stride=1), real(1, 2, *size), batch=(0,))
            yield case(
                f"{name} ceil_mode",
                nn(name, 2, stride=2, ceil_mode=True),
                real(1, 1, *[n | 1 for n in size]),
                batch=(0,),
            )
            yield case(
                f"{name} padding", nn(name, 3, stride=2, padding=1), real(1, 1, *[n + 1 for n in size]), batch=(0,)
            )
            yield case(f"{name} without batch", nn(name, 2), real(2, *size))
    yield case("max_pool2d dilation", nn("max_pool2d", 2, stride=1, dilation=2), real(1, 1, 4, 5), batch=(0,))
    yield case("max_pool2d ceil_mode padding", nn("max_pool2d", 3, 2, 1, ceil_mode=True), real(1, 1, 4, 6), batch=(0,))
    yield case("max_pool2d with indices", nn("max_pool2d", 2, return_indices=True), real(2, 1, 4, 4), batch=(0,))
    yield case(
        "max_pool2d with indices and padding",
        nn("max_pool2d", 3, 2, 1, return_indices=True),
        real(2, 1, 5, 4),
        batch=(0,),
    )
    yield case(
        "avg_pool2d without padding's count",
        nn("avg_pool2d", 3, 2, 1, count_include_pad=False),
        real(1, 1, 5, 4),
        batch=(0,),
    )
    yield case("avg_pool2d ceil_mode padding", nn("avg_pool2d", 3, 2, 1, ceil_mode=True), real(1, 1, 4, 6), batch=(0,))
    yield case(
        "avg_pool2d ceil_mode without padding's count",
        nn("avg_pool2d", 3, 2, 1, True, False),
        real(1, 1, 4, 6),
        batch=(0,),
    )
    yield case("avg_pool2d divisor", nn("avg_pool2d", 2, divisor_override=3), real(1, 1, 4, 4), batch=(0,))
    yield case("adaptive_avg_pool2d to 1", nn("adaptive_avg_pool2d", 1), real(2, 2, 3, 4), batch=(0,))
    yield case("adaptive_avg_pool2d even", nn("adaptive_avg_pool2d", (2, 2)), real(2, 1, 4, 6), batch=(0,))
    yield case("adaptive_avg_pool2d uneven", nn("adaptive_avg_pool2d", (2, 3)), real(1, 1, 3, 5), batch=(0,))
    yield case("adaptive_avg_pool1d", nn("adaptive_avg_pool1d", 2), real(1, 2, 5), batch=(0,))
    yield case(
        "max_pool2d with indices and ceil_mode", nn("max_pool2d", 3, 2, 1, 2, True, True), real(1, 2, 4, 6), batch=(0,)
    )
    yield case(
        "max_pool2d of nan",
        nn("max_pool2d", 2),
        exactly([[[[1.0, np.nan], [2.0, 3.0]]]]),
        batch=(0,),
        differentiable=False,
    )
    yield case("conv2d of an empty batch", f("conv2d"), real(0, 2, 4, 4), real(2, 2, 3, 3))


def programs() -> Iterator[Case]:
    """Programs of several statements. Each works on a copy, so that leaves stay leaves."""
    x, y = real(3, 4), real(3, 4)
    for name in ("add_", "sub_", "mul_", "div_"):
        yield case(f"in place {name}", _changed(lambda t, z, y, n=name: getattr(z, n)(y)), x, y, batch=(0, 1))
    yield case("in place operators", _changed(_operators), x, y, batch=(0, 1))
    yield case(
        "in place clamp_ relu_ neg_", _changed(lambda t, z: z.neg_().relu_().clamp_(max=1.0).mul_(z)), x, batch=(0,)
    )
    yield case("in place fill_ of a column", _changed(lambda t, z: z[:, 1].fill_(2.0)), x, batch=(0,))
    yield case("in place zero_ of a row", _changed(lambda t, z: z[0].zero_()), x, batch=(0,))
    yield case("in place copy_ to a view", _changed(lambda t, z, y: z[:, 1:].copy_(y[:, :3])), x, y, batch=(0, 1))
    yield case("in place mul_ of a view", _changed(lambda t, z, y: z[:, 1].mul_(y[:, 0])), x, y, batch=(0, 1))
    yield case(
        "in place add_ of a view of a view", _changed(lambda t, z, y: z[:, 1:].t()[0].add_(y[:, 0])), x, y, batch=(0, 1)
    )
    yield case(
        "in place mul_ of a reshaped", _changed(lambda t, z, y: z.view(-1).mul_(y.reshape(-1))), x, y, batch=(0, 1)
    )
    yield case("in place mul_ of a transposed", _changed(lambda t, z, y: z.t().mul_(y.t())), x, y, batch=(0, 1))
    yield case(
        "in place mul_ of an unsqueezed",
        _changed(lambda t, z, y: z.unsqueeze(1).mul_(y.unsqueeze(1))),
        x,
        y,
        batch=(0, 1),
    )
    yield case("views follow their base", _views_follow, x, y, batch=(0, 1))
    yield case("views follow each other", _views_follow_each_other, x, y, batch=(0, 1))
    yield case("rows written one after another", _rows, real(3, 4), real(4, 4))
    yield case("setitem with an operator", _changed(_setitem_with_operator), x, y, batch=(0, 1))
    yield case(
        "setitem of a view",
        _changed(lambda t, z, y: z[:, 1:].__setitem__((slice(None), 0), y[:, 0])),
        x,
        y,
        batch=(0, 1),
    )
    yield case("detached input", lambda t, x: (x.detach() * x).sum(1), x, batch=(0,), differentiable=False)
    yield case("a gradient written by hand", _cube, x, batch=(0,))
    yield case("masked_fill_", _changed(lambda t, z: z.masked_fill_(z > 0, 1.5)), x, batch=(0,))
    for name in ("erfc_", "digamma_", "lgamma_", "sgn_", "conj_physical_", "erfinv_", "i0_", "logit_"):
        yield case(f"in place {name}", _changed(lambda t, z, n=name: getattr(z.mul_(0.3), n)()), positive(2, 3), batch=(0,),
                   refused=name not in ("erfc_", "sgn_", "conj_physical_", "logit_"))  # fmt: skip
    yield case(
        "in place addmm_", _changed(lambda t, z, x, y: z.addmm_(x, y, alpha=2)), real(2, 2), real(2, 3), real(3, 2)
    )
    yield case("in place xlogy_", _changed(lambda t, z, y: z.xlogy_(y)), real(2, 3), positive(2, 3), batch=(0, 1))
    yield case("in place polygamma_", _changed(lambda t, z: z.polygamma_(1)), positive(2, 3), batch=(0,), refused=True)
    yield case("lerp_ addcmul_ addcdiv_", _changed(lambda t, z, y: z.lerp_(y, 0.3).addcmul_(y, y, value=2).addcdiv_(y, y * y)),
               x, y, batch=(0, 1))  # fmt: skip


def numbers() -> Iterator[Case]:
    for name, like in (
        ("absolute", "abs"),
        ("negative", "neg"),
        ("fix", "trunc"),
        ("arcsin", "asin"),
        ("arctanh", "atanh"),
    ):
        yield case(f"{name} is {like}", f(name), unit(2, 3), batch=(0,))
    for name in ("multiply", "subtract", "divide", "true_divide", "arctan2"):
        yield case(name, f(name), real(2, 3), real(3), batch=(0,))
    for name in ("greater", "greater_equal", "less", "less_equal", "not_equal"):
        yield case(name, f(name), ints(0, 3, 4, 3), ints(0, 3, 3), batch=(0,), differentiable=False)
    yield case("clamp_min", f("clamp_min", 0.3), real(2, 3), batch=(0,))
    yield case("clamp_max", f("clamp_max"), real(2, 3), unit(3), batch=(0,))
    yield case("copysign", f("copysign"), real(2, 3), real(3), batch=(0,), reference=np.copysign)
    yield case("copysign of zeros", f("copysign"), exactly([0.0, -0.0, 1.0]), exactly([-0.0, 0.0, -np.inf]),
               batch=(0, 1), differentiable=False)  # fmt: skip
    for name in ("signbit", "isneginf", "isposinf", "isreal"):
        x = exactly([0.0, -0.0, -np.inf, np.inf, -2.0])
        yield case(name, f(name), x, batch=(0,), differentiable=False)
        yield case(f"{name} of ints", f(name), ints(-2, 3, 4), batch=(0,), differentiable=False)
    yield case("positive", f("positive"), real(2, 3), batch=(0,))
    yield case("heaviside", f("heaviside"), exactly([-1.0, 0.0, 2.0]), real(3), batch=(0, 1), differentiable=False)
    yield case("nextafter", f("nextafter"), real(2, 3), real(3), batch=(0,), refused=True, differentiable=False)
    yield case("frexp", lambda t, x: tuple(t.frexp(x)), real(2, 3), batch=(0,), refused=True)
    yield case("ldexp", f("ldexp"), real(2, 3), ints(0, 4, 3), batch=(0,))
    yield case("logaddexp2", f("logaddexp2"), real(2, 3), real(3), batch=(0,), reference=np.logaddexp2)
    for name in ("gcd", "lcm"):
        yield case(name, f(name), ints(-12, 13, 2, 3), ints(-12, 13, 3), batch=(0,), differentiable=False, refused=True)
    for name, sign in (("bitwise_left_shift", "<<"), ("bitwise_right_shift", ">>")):
        yield case(name, f(name), ints(-99, 99, 2, 3), exactly([0, 2, 5]), batch=(0,), differentiable=False)
        yield case(f"{name} too far", f(name), exactly([-5, 5, 1]), exactly([64, 70, 63]), batch=(0, 1),
                   differentiable=False)  # fmt: skip
        yield case(f"{sign} by a number", lambda t, x, left=sign == "<<": x << 2 if left else x >> 2, ints(-99, 99, 4),
                   batch=(0,), differentiable=False)  # fmt: skip
    yield case("deg2rad", f("deg2rad"), real(2, 3), batch=(0,), reference=np.deg2rad)
    yield case("rad2deg", f("rad2deg"), real(2, 3), batch=(0,), reference=np.rad2deg)
    yield case("float_power", f("float_power"), positive(2, 3), real(3), batch=(0,), reference=np.float_power)
    yield case("pow of ints to negative ints", f("pow"), exactly([2, 1, -1, -1]), exactly([-1, -3, -2, -3]),
               differentiable=False, batch=(0, 1))  # fmt: skip
    yield case("where of a condition", f("where"), bools(4, 3), differentiable=False, traceable=False)


def joining() -> Iterator[Case]:
    pair = real(2, 3), real(2, 3)
    for name in ("hstack", "dstack", "column_stack"):
        yield case(name, lambda t, *xs, n=name: getattr(t, n)(xs), *pair, batch=(0, 1))
    for name in ("vstack", "row_stack", "concat", "concatenate"):
        yield case(name, lambda t, *xs, n=name: getattr(t, n)(xs), *pair)
    for name in ("hstack", "vstack", "dstack", "column_stack"):
        yield case(f"{name} of vectors", lambda t, *xs, n=name: getattr(t, n)(xs), real(3), real(3))
    for rank in (1, 2, 3):
        yield case(f"atleast_{rank}d", f(f"atleast_{rank}d"), real(), real(2), real(2, 3))
    yield case("atleast_2d of one", f("atleast_2d"), real(3), batch=(0,))
    yield case("block_diag", f("block_diag"), real(2, 3), real(), real(1, 2))
    yield case("cartesian_prod", f("cartesian_prod"), real(3), real(2), batch=(0,))
    yield case("combinations", f("combinations", 2), real(4))
    yield case("combinations with replacement", f("combinations", 3, with_replacement=True), real(3))
    yield case("broadcast_tensors", f("broadcast_tensors"), real(2, 1), real(3), batch=(0,))


def splitting() -> Iterator[Case]:
    yield case("select", f("select", 1, -1), real(2, 3), batch=(0,))
    yield case("tensor_split", f("tensor_split", 3, 1), real(2, 5), batch=(0,))
    yield case("tensor_split at places", f("tensor_split", (1, 4), 1), real(2, 5), batch=(0,))
    yield case("split_with_sizes", f("split_with_sizes", (1, 3), 1), real(2, 4), batch=(0,))
    yield case("hsplit", f("hsplit", 2), real(2, 4), batch=(0,))
    yield case("vsplit", f("vsplit", (1,)), real(3, 2))
    yield case("dsplit", f("dsplit", 2), real(2, 1, 4), batch=(0,))
    yield case("fliplr", f("fliplr"), real(2, 3), batch=(0,), reference=np.fliplr)
    yield case("flipud", f("flipud"), real(2, 3), batch=(0,), reference=np.flipud)
    for k in (-1, 1, 2, 4):
        yield case(f"rot90 {k}", f("rot90", k, (1, 2)), real(2, 3, 2), batch=(0,))
    yield case("sum_to_size", m("sum_to_size", 1, 3), real(2, 2, 3), batch=(0,))
    yield case("moveaxis", f("moveaxis", 0, 1), real(2, 3), batch=(0,))
    yield case("swapdims", f("swapdims", 0, 1), real(2, 3), batch=(0,))
    yield case("unravel_index", f("unravel_index", (3, 4)), ints(0, 12, 5), batch=(0,), differentiable=False)
    yield case("constant_pad_nd", f("constant_pad_nd", (1, 2), 0.5), real(2, 3), batch=(0,))


def looks() -> Iterator[Case]:
    yield case("diagonal of known sizes", f("diagonal", -1, 2, 0), real(3, 2, 4))
    yield case("unfold", m("unfold", 1, 3, 2), real(2, 7), batch=(0,))
    yield case("unfold of known sizes", m("unfold", 0, 2, 1), real(4, 3))
    yield case("unfold of zero-dim", m("unfold", 0, 1, 1), real())
    yield case("as_strided", f("as_strided", (2, 3), (1, 2), 1), real(3, 3))
    yield case("select_scatter", f("select_scatter", 1, 2), real(2, 3), real(2), batch=(0, 1))
    yield case("slice_scatter", f("slice_scatter", 1, 0, 4, 2), real(2, 5), real(2, 2), batch=(0, 1))
    yield case("diagonal_scatter", f("diagonal_scatter", 1), real(3, 4), real(3))
    # PyTorch's gradient for the tensor written to contradicts its own gradcheck (2.13), so only the other one is compared
    yield case("as_strided_scatter", lambda t, s: t.as_strided_scatter(t.ones(3, 3, dtype=s.dtype), s, (2, 2), (3, 1), 1),
               real(2, 2))  # fmt: skip
    for name, args in (("expand", ((2, 3),)), ("permute", ((1, 0),)), ("squeeze", ()), ("t", ()), ("transpose", (0, 1)),
                       ("unsqueeze", (1,)), ("unbind", ()), ("narrow", (1, 0, 2)), ("select", (0, 0)), ("split", (2, 1)),
                       ("split_with_sizes", ((1, 2), 1)), ("view", ((3, 1),)), ("diagonal", ()), ("unfold", (1, 2, 1)),
                       ("as_strided", ((2,), (1,))), ("alias", ())):  # fmt: skip
        yield case(f"{name}_copy", f(f"{name}_copy", *args), real(1, 3))
    yield case("in place fill_ of a diagonal", _changed(lambda t, z: z.diagonal().fill_(2.0)), real(3, 4))
    yield case("in place mul_ of windows", _changed(lambda t, z, y: z.unfold(0, 2, 2).mul_(y)), real(4), real(2, 2))
    yield case("in place fill_diagonal_", _changed(lambda t, z: z.fill_diagonal_(2.0)), real(3, 4))
    yield case("in place fill_diagonal_ wrapped", _changed(lambda t, z: z.fill_diagonal_(2.0, True)), real(7, 3))
    yield case("in place t_", _in_place_views, real(2, 3), real(2, 3), batch=(0, 1))


def _in_place_views(t: Any, x: Any, y: Any) -> Any:
    z = x * 2
    column = z[:, 1]
    z.t_().unsqueeze_(0)
    z.mul_(y.t())
    return z, column


def statistics() -> Iterator[Case]:
    holes = exactly([[1.0, np.nan, 3.0], [np.nan, np.nan, 2.5], [0.5, 2.0, -1.0]])
    for name in ("nansum", "nanmean"):
        yield case(name, f(name, 1), holes, batch=(0,), differentiable=False)
        yield case(f"{name} without nan", f(name), real(2, 3), batch=(0,))
    yield case("nanmedian", f("nanmedian", 1), holes, batch=(0,), differentiable=False)
    yield case("nanmedian of all", f("nanmedian"), real(5))
    yield case("kthvalue", f("kthvalue", 2), real(2, 4), batch=(0,))
    yield case("kthvalue keepdim", f("kthvalue", 3, 0, True), real(4, 2))
    yield case("mode", lambda t, x: t.mode(x).values, ints(0, 3, 2, 7), batch=(0,), differentiable=False)
    yield case("mode keepdim", lambda t, x: t.mode(x, 0, True).values, ints(0, 3, 7, 2), differentiable=False)
    for interpolation in ("linear", "lower", "higher", "nearest", "midpoint"):
        yield case(f"quantile {interpolation}", lambda t, x, i=interpolation: t.quantile(x, 0.4, 1, interpolation=i),
                   real(2, 5), batch=(0,))  # fmt: skip
    yield case("quantile of vector", lambda t, x: t.quantile(x, t.tensor([0.2, 0.6, 1.0], dtype=x.dtype), -1, True),
               real(2, 4), batch=(0,))  # fmt: skip
    yield case("quantile by q", f("quantile", dim=0), real(4), exactly([0.25, 0.7]))
    yield case("quantile of all", f("quantile", 0.3, keepdim=True), real(2, 4))
    yield case("quantile of nan", f("quantile", 0.3, 1), holes, batch=(0,), differentiable=False)
    yield case("nanquantile", f("nanquantile", 0.3, 1), holes, batch=(0,), differentiable=False)
    yield case("histc", f("histc", 4, -1, 1), real(9), differentiable=False)
    yield case("histc of its range", f("histc", 3), real(2, 4), differentiable=False)
    yield case("histogram", lambda t, x: tuple(t.histogram(x, 3)), real(9), differentiable=False, traceable=False)
    yield case("histogram between edges", lambda t, x, e: tuple(t.histogram(x, e, density=True)), real(9),
               exactly([-2.0, 0.0, 0.5, 2.0]), differentiable=False, traceable=False)  # fmt: skip
    yield case("histogramdd", lambda t, x: t.histogramdd(x, [2, 3]).hist, real(9, 2), differentiable=False,
               traceable=False)  # fmt: skip
    yield case("cov", f("cov"), real(3, 4), reference=np.cov)
    yield case(
        "cov weighted", lambda t, x, w: t.cov(x, fweights=t.tensor([1, 2, 3, 1]), aweights=w), real(3, 4), positive(4)
    )
    yield case("corrcoef", f("corrcoef"), real(3, 4), reference=np.corrcoef)
    yield case("dist", f("dist", p=3), real(2, 3), real(2, 3), batch=(0, 1))
    yield case("renorm", f("renorm", 2, 1, 0.5), real(2, 3), batch=(0,))


def running() -> Iterator[Case]:
    for name in ("cummax", "cummin"):
        yield case(name, f(name, 1), real(2, 5), batch=(0,))
        yield case(f"{name} along the batch", f(name, 0), real(4, 2), batch=(0,))
        yield case(f"{name} of equals", f(name, 0), ints(0, 3, 6), differentiable=False)
        yield case(f"{name} of nan", f(name, 0), exactly([1.0, np.nan, 3.0, np.nan, 0.0]), differentiable=False)
        yield case(f"{name} of zero-dim", f(name, 0), real())
    yield case(
        "logcumsumexp of -inf", f("logcumsumexp", 0), exactly([-np.inf, 1.0, -np.inf, 90.0]), differentiable=False
    )
    yield case("cumprod of ints", f("cumprod", 0), ints(-3, 4, 5), differentiable=False)
    yield case("diff joined", lambda t, x, a, b: t.diff(x, 1, -1, a, b), real(2, 3), real(2, 1), real(2, 2),
               batch=(0, 1, 2))  # fmt: skip
    yield case("diff of bools", f("diff"), bools(6), differentiable=False)
    yield case("trapezoid", f("trapezoid", dx=0.5), real(2, 4), batch=(0,))
    yield case("trapz over places", f("trapz", dim=0), real(4, 2), exactly([0.0, 1.0, 1.5, 3.0]))
    yield case("cumulative_trapezoid", f("cumulative_trapezoid", dim=1), real(2, 4), batch=(0,))
    yield case("gradient", lambda t, x: list(t.gradient(x, spacing=0.5, dim=1)), real(2, 4), batch=(0,))
    yield case("gradient at places", lambda t, x, h: list(t.gradient(x, spacing=(h,), dim=1, edge_order=2)), real(2, 4),
               exactly([0.0, 1.0, 1.5, 3.0]), batch=(0,))  # fmt: skip


def scattering() -> Iterator[Case]:
    places = exactly([[0, 2, 2], [1, 1, 3]])
    for reduce in ("sum", "prod", "mean", "amax", "amin"):
        for own in (True, False):
            yield case(f"scatter_reduce {reduce} {own}",
                       lambda t, x, i, s, r=reduce, o=own: x.scatter_reduce(1, i, s, r, include_self=o), real(2, 4), places,
                       real(2, 3), batch=(0, 1, 2))  # fmt: skip
            if reduce != "sum":
                yield case(f"index_reduce {reduce} {own}",
                           lambda t, x, s, r=reduce, o=own: x.index_reduce(1, t.tensor([2, 0, 2]), s, r, include_self=o),
                           real(2, 4), real(2, 3), batch=(0, 1))  # fmt: skip
    for reduce in ("add", "multiply"):
        yield case(f"scatter {reduce}", lambda t, x, i, s, r=reduce: x.scatter(1, i, s, reduce=r), real(2, 4), places,
                   real(2, 3), batch=(0, 1, 2), differentiable=False)  # fmt: skip
    yield case("put", lambda t, x, s: t.Tensor.put(x, t.tensor([1, -1]), s), real(2, 3), real(2))
    yield case(
        "put accumulate", lambda t, x, s: t.Tensor.put(x, t.tensor([1, 1]), s, accumulate=True), real(2, 3), real(2)
    )
    yield case("masked_scatter", f("masked_scatter"), real(2, 3), exactly([True, False, True]), real(4))
    yield case("nonzero_static", lambda t, x: x.nonzero_static(size=4, fill_value=-7), ints(0, 2, 2, 3), batch=(0,),
               differentiable=False)  # fmt: skip
    for name, call in (
        ("index_select", lambda t, x, s: t.index_select(x, 0, t.tensor([0]))),
        ("index_add", lambda t, x, s: t.index_add(x, 0, t.tensor([0]), s)),
        ("index_copy", lambda t, x, s: t.index_copy(x, 0, t.tensor([0]), s)),
        ("index_fill", lambda t, x, s: t.index_fill(x, 0, t.tensor([0]), 1.5) * s),
    ):
        yield case(f"{name} of zero-dim", call, real(), real())
    yield case("index_fill by a tensor", lambda t, x, v: t.index_fill(x, 1, t.tensor([2, 0, 2]), v), real(2, 3), real(),
               batch=(0,))  # fmt: skip
    yield case("gather by int32", lambda t, x, i: t.gather(x, 1, i.to(t.int32), sparse_grad=True).detach(), real(2, 3),
               ints(0, 3, 2, 2), batch=(0, 1), differentiable=False)  # fmt: skip


def sets() -> Iterator[Case]:
    yield case("isin", f("isin"), ints(0, 5, 2, 4), ints(0, 5, 3), batch=(0,), differentiable=False)
    yield case("isin inverted", f("isin", 2, invert=True), ints(0, 5, 4), batch=(0,), differentiable=False)
    yield case("msort", f("msort"), real(4, 2))
    yield case("bucketize", lambda t, x: t.bucketize(x, t.tensor([0.0, 1.0]), right=True), real(2, 3), batch=(0,),
               differentiable=False)  # fmt: skip
    yield case("searchsorted of rows", f("searchsorted", side="right", out_int32=True), exactly([[0.0, 1.0], [1.0, 2.0]]),
               real(2, 3), batch=(0, 1), differentiable=False)  # fmt: skip
    yield case("searchsorted by a sorter", lambda t, x: t.searchsorted(x, t.tensor([0.4]), sorter=t.argsort(x)), real(5),
               differentiable=False)  # fmt: skip
    yield case("unique_consecutive", f("unique_consecutive", return_inverse=True, return_counts=True), exactly([1, 1, 2, 1, 1]),
               differentiable=False, traceable=False)  # fmt: skip
    yield case("unique_consecutive rows", f("unique_consecutive", dim=0), exactly([[1, 2], [1, 2], [0, 0]]),
               differentiable=False, traceable=False)  # fmt: skip


def creation() -> Iterator[Case]:
    yield case("fill", f("fill", 1.5), real(2, 3), batch=(0,))
    yield case("fill by a tensor", f("fill"), real(2, 3), real(), batch=(0,))
    for name, args in (("linspace", (-1, 2, 5)), ("logspace", (0, 2, 4)), ("tril_indices", (3, 4, 1)), ("triu_indices", (3, 2)),
                       ("scalar_tensor", (2,)), ("arange", (0.5, 3, 0.75))):  # fmt: skip
        yield case(name, lambda t, x, n=name, a=args: getattr(t, n)(*a), real(1), differentiable=False)
    yield case("linspace of ints", lambda t, x: t.linspace(0, 10, 4, dtype=t.int64), real(1), differentiable=False)
    for name, args in (
        ("new_zeros", (2, 3)),
        ("new_ones", ((2, 3),)),
        ("new_full", ((2,), 1.5)),
        ("new_tensor", ([1, 2],)),
    ):
        yield case(name, lambda t, x, n=name, a=args: getattr(x, n)(*a), real(1), differentiable=False)
    for name in ("short", "char", "byte"):
        yield case(name, m(name), positive(2, 3), batch=(0,), differentiable=False)


def in_place() -> Iterator[Case]:
    for name in (
        "exp_",
        "log1p_",
        "sqrt_",
        "sigmoid_",
        "tanh_",
        "square_",
        "reciprocal_",
        "abs_",
        "round_",
        "deg2rad_",
    ):
        yield case(f"in place {name}", _changed(lambda t, z, n=name: getattr(z.abs_(), n)()), real(2, 3), batch=(0,))
    for name in ("pow_", "fmod_", "hypot_", "atan2_", "copysign_"):
        yield case(f"in place {name}", _changed(lambda t, z, y, n=name: getattr(z.abs_(), n)(y)), real(2, 3), positive(3),
                   batch=(0,))  # fmt: skip
    for name in ("lt_", "eq_", "logical_not_", "greater_"):
        args = () if name == "logical_not_" else (0.5,)
        yield case(f"in place {name}", _changed(lambda t, z, n=name, a=args: getattr(z, n)(*a)), real(2, 3), batch=(0,),
                   differentiable=False)  # fmt: skip
    yield case("in place cumsum_ tril_", _changed(lambda t, z: z.cumsum_(1).tril_()), real(2, 3), batch=(0,))
    yield case("in place scatter_add_", _changed(lambda t, z, i: z.scatter_add_(1, i, z[:, :2] * 2)), real(2, 4),
               ints(0, 4, 2, 2), batch=(0, 1))  # fmt: skip
    yield case("in place zero_ and fill_", _changed(lambda t, z: (z[:, 0].zero_(), z[:, 1].fill_(3.0))), real(2, 3),
               batch=(0,))  # fmt: skip
    yield case("in place integers", lambda t, x: (x.clone().bitwise_and_(3).bitwise_left_shift_(1).gcd_(t.tensor(4))),
               ints(0, 99, 4), batch=(0,), differentiable=False, refused=True)  # fmt: skip


def layers() -> Iterator[Case]:
    """The composites of nn.functional: attention, sizes, grids, losses."""
    image, line = real(2, 2, 4, 5), real(2, 2, 5)
    for mode in ("nearest", "nearest-exact", "area", "bilinear", "bicubic"):
        yield case(f"interpolate {mode}", nn("interpolate", (6, 3), mode=mode), image, batch=(0,))
        yield case(f"interpolate {mode} by a factor", nn("interpolate", scale_factor=1.5, mode=mode), image, batch=(0,))
    for mode in ("bilinear", "bicubic"):
        aligned, smooth = {"mode": mode, "align_corners": True}, {"mode": mode, "antialias": True}
        yield case(f"interpolate {mode} aligned", nn("interpolate", (6, 3), **aligned), image, batch=(0,))
        yield case(f"interpolate {mode} antialiased", nn("interpolate", (3, 2), **smooth), image, batch=(0,))
    yield case("interpolate linear", nn("interpolate", 7, mode="linear"), line, batch=(0,))
    yield case("interpolate trilinear", nn("interpolate", (3, 4, 2), mode="trilinear"), real(2, 1, 2, 3, 3), batch=(0,))
    for edge in ("zeros", "border", "reflection"):
        for mode in ("bilinear", "nearest", "bicubic"):
            yield case(
                f"grid_sample {mode} {edge}",
                nn("grid_sample", mode, edge, False),
                image,
                real(2, 3, 2, 2),
                batch=(0, 1),
            )
    yield case("grid_sample aligned", nn("grid_sample", align_corners=True), image, unit(2, 3, 2, 2), batch=(0, 1))
    yield case(
        "grid_sample 3d", nn("grid_sample", align_corners=False), real(2, 1, 2, 3, 4), unit(2, 2, 2, 2, 3), batch=(0, 1)
    )
    yield case("affine_grid", nn("affine_grid", (2, 1, 3, 4), False), real(2, 2, 3))
    yield case("affine_grid aligned", nn("affine_grid", (2, 1, 2, 3, 4), True), real(2, 3, 4))
    yield case("unfold", nn("unfold", (2, 3), 1, (1, 0), 2), image, batch=(0,))
    yield case("fold", nn("fold", (4, 5), (2, 3), 1, (1, 0), 2), real(2, 12, 6), batch=(0,))
    yield case("pixel_shuffle", nn("pixel_shuffle", 2), real(2, 8, 2, 3), batch=(0,))
    yield case("pixel_unshuffle", nn("pixel_unshuffle", 2), real(2, 2, 4, 6), batch=(0,))
    yield case("channel_shuffle", nn("channel_shuffle", 2), real(2, 4, 3), batch=(0,))
    yield case("local_response_norm", nn("local_response_norm", 3, alpha=0.5), real(2, 4, 3), batch=(0,))
    yield case("lp_pool2d", nn("lp_pool2d", 3, 2), positive(2, 1, 4, 4), batch=(0,))
    yield case("lp_pool1d of infinity", nn("lp_pool1d", float("inf"), 2), line, batch=(0,))
    yield case("adaptive_max_pool2d uneven", nn("adaptive_max_pool2d", (2, 3), True), image, batch=(0,))
    yield case("adaptive_max_pool1d", nn("adaptive_max_pool1d", 2), line, batch=(0,))
    places = exactly([[[[0, 3], [9, 15]]], [[[5, 2], [8, 14]]]])
    yield case("max_unpool2d", nn("max_unpool2d", 2), real(2, 1, 2, 2), places, batch=(0, 1))
    for mode in ("reflect", "replicate", "circular"):
        yield case(f"pad {mode}", nn("pad", (1, 2), mode), line, batch=(0,))
        yield case(f"pad {mode} negative", nn("pad", (-1, 2), mode), line, batch=(0,))
    q, k = real(2, 2, 3, 4), real(2, 2, 5, 4)
    attention = "scaled_dot_product_attention"
    yield case(attention, nn(attention), q, k, k, batch=(0, 1, 2))
    yield case(f"{attention} causal", nn(attention, is_causal=True), q, k, k, batch=(0, 1, 2))
    yield case(f"{attention} masked", nn(attention), q, k, k, exactly(np.tri(3, 5, -1, bool)), batch=(0, 1, 2))
    yield case(f"{attention} biased", nn(attention, scale=0.3), q, k, k, real(3, 5), batch=(0, 1, 2))
    yield case(
        f"{attention} grouped", nn(attention, enable_gqa=True), q, real(2, 1, 5, 4), real(2, 1, 5, 4), batch=(0, 1, 2)
    )
    table, bags = real(5, 3), ints(0, 5, 2, 4)
    for mode in ("sum", "mean", "max"):
        yield case(f"embedding_bag {mode}",
                   lambda t, i, w, how=mode: t.nn.functional.embedding_bag(i, w, mode=how),
                   bags, table, batch=(0,))  # fmt: skip
        yield case(f"embedding_bag {mode} by offsets",
                   lambda t, i, w, o, how=mode: t.nn.functional.embedding_bag(i, w, o, mode=how),
                   ints(0, 5, 6), table, exactly([0, 2, 5]))  # fmt: skip
    yield case("multi_margin_loss", nn("multi_margin_loss"), real(2, 4), ints(0, 4, 2), batch=(0, 1))
    yield case("multilabel_margin_loss", nn("multilabel_margin_loss"), real(2, 4), exactly([[3, 0, -1, 1], [-1, 0, 1, 2]]),
               batch=(0, 1))  # fmt: skip
    yield case(
        "multilabel_soft_margin_loss", nn("multilabel_soft_margin_loss"), real(2, 4), ints(0, 2, 2, 4), batch=(0, 1)
    )
    yield case("triplet_margin_with_distance_loss", nn("triplet_margin_with_distance_loss"), real(2, 4), real(2, 4),
               real(2, 4), batch=(0, 1, 2))  # fmt: skip
    yield case("pdist", nn("pdist"), real(4, 3))


CASES = [
    *arithmetic(), *comparison(), *analysis(), *complex_numbers(), *special_functions(), *linear_algebra(),
    *transforms(), *spectrograms(), *windows(), *reductions(), *cumulative(), *shapes(), *indexing(), *sorting(), *products(),
    *convolutions(), *pooling(), *programs(), *layers(),
    *numbers(), *joining(), *splitting(), *looks(), *statistics(), *running(), *scattering(), *sets(), *creation(), *in_place(),
]  # fmt: skip
