"""Random numbers from numpy's Philox, a counter-based generator: the same seed gives the same run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion import dtypes
from lampion.ops.analysis import exp, log, log1p, tan
from lampion.ops.complex import view_as_complex
from lampion.ops.create import check_device, dense, new, zeros_like
from lampion.ops.promote import Op, cast
from lampion.ops.reduce import cumsum
from lampion.ops.shape import sizes
from lampion.ops.sorting import topk
from lampion.symbolic import Shape, Spec, broadcast_shapes
from lampion.tape import Handle, tracing

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class Generator:
    """A source of random numbers. `Generator().manual_seed(1)` gives the same ones every time."""

    def __init__(self, device: Any = None) -> None:
        check_device(device)
        self.manual_seed(int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> 1))

    def manual_seed(self, seed: int) -> Generator:
        """Starts over from `seed`."""
        self._seed = seed
        self.numpy = np.random.Generator(np.random.Philox(seed & (2**64 - 1)))
        return self

    def initial_seed(self) -> int:
        """The seed it started from."""
        return self._seed

    def get_state(self) -> dict[str, Any]:
        """Where it stands, for `set_state`."""
        return dict(self.numpy.bit_generator.state)

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on from where another one stood."""
        self.numpy.bit_generator.state = state


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Starts the default generator over from `seed`."""
    return default_generator.manual_seed(seed)


class Uniform(Op):
    """Numbers from [0, 1)."""

    random = True

    def __init__(self, shape: Shape, kind: dtypes.dtype, generator: Generator | None = None) -> None:
        self.shape, self.kind, self.generator = shape, kind, generator or default_generator

    def forward(self) -> Any:
        source = np.float32 if self.kind.itemsize <= 4 else np.float64
        return self.generator.numpy.random(self.shape, dtype=source).astype(self.kind.numpy)

    def infer(self) -> Spec:
        return Spec(self.shape, self.kind.numpy)


class Normal(Uniform):
    """Numbers from the normal distribution of mean 0 and deviation 1."""

    def forward(self) -> Any:
        source = np.float32 if self.kind.itemsize <= 4 else np.float64
        return self.generator.numpy.standard_normal(self.shape, dtype=source).astype(self.kind.numpy)


class Integers(Uniform):
    """Integers from [low, high)."""

    def __init__(
        self, low: int, high: int, shape: Shape, kind: dtypes.dtype, generator: Generator | None = None
    ) -> None:
        super().__init__(shape, kind, generator)
        self.low, self.high = low, high

    def forward(self) -> Any:
        return self.generator.numpy.integers(self.low, self.high, self.shape).astype(self.kind.numpy)


class Poisson(Op):
    """How often something happens that happens `x` times on average; the gradient is 0."""

    random = True

    def __init__(self, generator: Generator | None = None) -> None:
        self.generator = generator or default_generator

    def forward(self, x: Any) -> Any:
        return np.asarray(self.generator.numpy.poisson(x)).astype(x.dtype)

    def infer(self, x: Any) -> Spec:
        return Spec(x.shape, x.dtype)

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (zeros_like(x),)


# ---- functions ------------------------------------------------------------------------------------------------------


@dense
def rand(
    *shape: Any, size: Any = None, generator: Generator | None = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Uniform numbers from [0, 1); of complex numbers both parts."""
    check_device(device)
    return _drawn(Uniform, sizes(shape) if size is None else tuple(size), _float(dtype), generator).requires_grad_(
        requires_grad
    )


@dense
def randn(
    *shape: Any, size: Any = None, generator: Generator | None = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Normal numbers of mean 0 and deviation 1; of complex numbers both parts have variance 1/2."""
    check_device(device)
    kind = _float(dtype)
    numbers = _drawn(Normal, sizes(shape) if size is None else tuple(size), kind, generator)
    return (numbers / math.sqrt(2) if kind.is_complex else numbers).requires_grad_(requires_grad)


def _drawn(op: type[Uniform], shape: Shape, kind: dtypes.dtype, generator: Generator | None) -> Tensor:
    if not kind.is_complex:
        return op(shape, kind, generator)()
    part = dtypes.float64 if kind is dtypes.complex128 else dtypes.float32
    return view_as_complex(op((*shape, 2), part, generator)())


@dense
def randint(
    low: int, high: Any = None, size: Any = None, *, generator: Generator | None = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Integers from [low, high), or from [0, low) as `randint(high, size)`. Raises RuntimeError where there are none."""
    check_device(device)
    if size is None:
        low, high, size = 0, low, high
    if high is None:
        low, high = 0, low
    if low >= high:
        raise RuntimeError(f"randint: expected low < high, got {low} and {high}")
    kind = dtypes.of(dtype or dtypes.int64)
    return Integers(low, high, tuple(size), kind, generator)().requires_grad_(requires_grad)


@dense
def randint_like(
    input: Tensor,
    low: int,
    high: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers from [low, high), or from [0, low), in the shape and dtype of `input`."""
    low, high = (0, low) if high is None else (low, high)
    return randint(low, high, input.shape, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


@dense
def randperm(
    n: int, *, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """0 to n - 1 in random order."""
    check_device(device)
    if tracing():
        return cast(rand(n, dtype=dtypes.float64, generator=generator).argsort(), dtypes.of(dtype or dtypes.int64))
    order = (generator or default_generator).numpy.permutation(n)
    return new(order.astype(dtypes.of(dtype or dtypes.int64).numpy), requires_grad)


@dense
def rand_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Uniform numbers in the shape and dtype of `input`."""
    return rand(*input.shape, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


@dense
def randn_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Normal numbers in the shape and dtype of `input`."""
    return randn(*input.shape, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


@dense
def normal(
    mean: Any, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Normal numbers of the given means and deviations (numbers, or tensors that broadcast)."""
    given = [x for x in (mean, std) if isinstance(x, Handle)]
    shape = tuple(size) if size is not None else broadcast_shapes(*[x.shape for x in given])  # type: ignore[attr-defined]
    kind = dtype or (given[0].dtype if given else None)  # type: ignore[attr-defined]
    numbers = randn(*shape, generator=generator, dtype=kind, device=device) * std + mean
    return numbers.requires_grad_() if requires_grad else numbers


def bernoulli(input: Tensor, p: Any = None, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability `p`, by default the one that `input` gives, else 0; the gradient is 0."""
    chance = input if p is None else p
    drawn = rand(*input.shape, generator=generator, dtype=_float(input.dtype if p is None else None))
    return cast(drawn < chance, input.dtype) + input * 0


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """How often something happens that happens `input` times on average. Raises RuntimeError for negative rates."""
    data = input._value.data
    if isinstance(data, np.ndarray) and (data < 0).any():
        raise RuntimeError(f"poisson: expected rates of at least 0, got {data.min()}")
    drawn: Tensor = Poisson(generator)(input)
    return drawn


# ---- in place: what the methods of the same name fill a tensor with -------------------------------------------------


def exponential(like: Tensor, lambd: float, generator: Generator | None) -> Tensor:
    """Density lambd exp(-lambd x). Raises RuntimeError for lambd <= 0."""
    if lambd <= 0:
        raise RuntimeError(f"exponential_: expected lambd > 0, got {lambd}")
    return -log1p(-_open(like, generator)) / lambd


def geometric(like: Tensor, p: float, generator: Generator | None) -> Tensor:
    """The trials until the first success, each with probability p. Raises RuntimeError for p outside (0, 1)."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_: expected p in (0, 1), got {p}")
    return (log1p(-_open(like, generator)) / math.log1p(-p)).ceil().clamp(min=1)


def cauchy(like: Tensor, median: float, sigma: float, generator: Generator | None) -> Tensor:
    """Density sigma / (pi (sigma^2 + (x - median)^2))"""
    return tan((_open(like, generator) - 0.5) * math.pi) * sigma + median


def log_normal(like: Tensor, mean: float, std: float, generator: Generator | None) -> Tensor:
    """exp of normal numbers."""
    return exp(randn(*like.shape, dtype=_float_of(like), generator=generator) * std + mean)


def integers(like: Tensor, low: int, high: int | None, generator: Generator | None) -> Tensor:
    """Integers from [low, high), by default all that the dtype holds exactly."""
    if high is None and like.dtype.is_floating_point:
        high = 2 ** (dtypes.finfo(like.dtype).nmant + 1) + 1
    elif high is None:
        high = 2 if like.dtype is dtypes.bool_ else int(np.iinfo(like.dtype.numpy).max)
    return randint(low, high, like.shape, dtype=like.dtype, generator=generator)


def _open(like: Tensor, generator: Generator | None) -> Tensor:
    return rand(*like.shape, dtype=_float_of(like), generator=generator)


def _float_of(like: Tensor) -> dtypes.dtype:
    return like.dtype if like.dtype.is_floating_point else dtypes.get_default_dtype()


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """int64 [..., num_samples]: classes drawn with the given weights [..., classes]."""
    if not replacement and num_samples > input.shape[-1]:
        raise RuntimeError(
            f"multinomial: cannot draw {num_samples} samples from {input.shape[-1]} classes; pass replacement=True"
        )
    if isinstance(input._value.data, Spec):
        return _multinomial_traced(input, num_samples, replacement, generator)
    weights = input.detach().numpy().astype(np.float64)
    rows = weights.reshape(-1, weights.shape[-1])
    source = (generator or default_generator).numpy
    draws = [source.choice(len(r), num_samples, replace=replacement, p=r / r.sum()) for r in rows]
    return new(np.array(draws, np.int64).reshape(*weights.shape[:-1], num_samples), False)


def _multinomial_traced(input: Tensor, count: int, replacement: bool, generator: Generator | None) -> Tensor:
    """In ops: a uniform number's place among the shares added up, or the largest of weights on which Gumbel noise was put."""
    kind = dtypes.float64
    weights = cast(input.detach(), kind)
    if replacement:
        ends = cumsum(weights, -1)
        numbers = rand(*input.shape[:-1], count, 1, dtype=kind, generator=generator) * ends[..., -1:].unsqueeze(-1)
        return (numbers >= ends.unsqueeze(-2)).sum(-1)
    noise = -log(-log1p(-rand(*input.shape, dtype=kind, generator=generator)))
    return topk(log(weights) + noise, count, -1)[1]


def _float(dtype: Any) -> dtypes.dtype:
    return dtypes.of(dtype) if dtype is not None else dtypes.get_default_dtype()
