"""Random numbers from numpy's Philox, a counter-based generator: the same seed gives the same run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lampion import dtypes
from lampion.ops.create import check_device, new
from lampion.ops.promote import cast
from lampion.ops.shape import sizes
from lampion.symbolic import Shape, Spec
from lampion.tape import Primitive

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


class Uniform(Primitive):
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


# ---- functions ------------------------------------------------------------------------------------------------------


def rand(
    *size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Uniform numbers from [0, 1)."""
    check_device(device)
    return Uniform(sizes(size), _float(dtype), generator)().requires_grad_(requires_grad)


def randn(
    *size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Normal numbers of mean 0 and deviation 1."""
    check_device(device)
    return Normal(sizes(size), _float(dtype), generator)().requires_grad_(requires_grad)


def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
) -> Tensor:
    """Integers from [low, high), or from [0, low) as `randint(high, size)`."""
    check_device(device)
    if size is None:
        low, high, size = 0, low, high
    return Integers(low, high, tuple(size), dtypes.of(dtype or dtypes.int64), generator)()


def randperm(n: int, *, generator: Generator | None = None) -> Tensor:
    """0 to n - 1 in random order."""
    return new((generator or default_generator).numpy.permutation(n), False)


def rand_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Uniform numbers in the shape and dtype of `input`."""
    return rand(*input.shape, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


def randn_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Normal numbers in the shape and dtype of `input`."""
    return randn(*input.shape, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


def normal(mean: Any, std: Any, size: Any = None, *, generator: Generator | None = None) -> Tensor:
    """Normal numbers of the given means and deviations (numbers, or tensors that broadcast)."""
    shape = tuple(size) if size is not None else np.broadcast_shapes(np.shape(mean), np.shape(std))
    return randn(*shape, generator=generator) * std + mean


def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that `input` gives, else 0."""
    return cast(rand(*input.shape, generator=generator, dtype=input.dtype) < input, input.dtype)


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """int64 [..., num_samples]: classes drawn with the given weights [..., classes]."""
    if not replacement and num_samples > input.shape[-1]:
        raise RuntimeError(
            f"multinomial: cannot draw {num_samples} samples from {input.shape[-1]} classes; pass replacement=True"
        )
    weights = input.detach().numpy().astype(np.float64)
    rows = weights.reshape(-1, weights.shape[-1])
    source = (generator or default_generator).numpy
    draws = [source.choice(len(r), num_samples, replace=replacement, p=r / r.sum()) for r in rows]
    return new(np.array(draws, np.int64).reshape(*weights.shape[:-1], num_samples), False)


def _float(dtype: Any) -> dtypes.dtype:
    return dtypes.of(dtype) if dtype is not None else dtypes.get_default_dtype()
