"""Nonlinearities as modules: the functions of `lampion.nn.functional` with their settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from lampion.nn import functional as F
from lampion.nn.module import Module, describe
from lampion.nn.parameter import Parameter
from lampion.ops.create import check_device, full
from lampion.tensor import Tensor


class _Activation(Module):
    """Base: a function, and the attributes that it takes as keywords. `inplace` is taken and not needed."""

    function: ClassVar[Callable[..., Tensor]]
    settings: ClassVar[tuple[str, ...]] = ()

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, **{name: getattr(self, name) for name in self.settings})

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.settings)


# ---- without settings -----------------------------------------------------------------------------------------------


class ReLU(_Activation):
    """max(x, 0)"""

    function = F.relu


class ReLU6(_Activation):
    """min(max(x, 0), 6)"""

    function = F.relu6


class SELU(_Activation):
    """scale (x where positive, else alpha (exp(x) - 1)), the constants of Klambauer et al. 2017"""

    function = F.selu


class SiLU(_Activation):
    """x sigmoid(x)"""

    function = F.silu


class Mish(_Activation):
    """x tanh(softplus(x))"""

    function = F.mish


class Hardswish(_Activation):
    """x min(max(x + 3, 0), 6) / 6"""

    function = F.hardswish


class Hardsigmoid(_Activation):
    """min(max(x + 3, 0), 6) / 6"""

    function = F.hardsigmoid


class _Plain(_Activation):
    """Base of those that PyTorch gives no `inplace`."""

    def __init__(self) -> None:
        super().__init__()


class Sigmoid(_Plain):
    """1 / (1 + exp(-x))"""

    function = F.sigmoid


class Tanh(_Plain):
    """The hyperbolic tangent"""

    function = F.tanh


class LogSigmoid(_Plain):
    """log(sigmoid(x))"""

    function = F.logsigmoid


class Softsign(_Plain):
    """x / (1 + |x|)"""

    function = F.softsign


class Tanhshrink(_Plain):
    """x - tanh(x)"""

    function = F.tanhshrink


# ---- with settings --------------------------------------------------------------------------------------------------


class LeakyReLU(_Activation):
    """x where positive, else negative_slope * x"""

    function = F.leaky_relu
    settings = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = negative_slope


class ELU(_Activation):
    """x where positive, else alpha (exp(x) - 1)"""

    function = F.elu
    settings = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha


class CELU(ELU):
    """x where positive, else alpha (exp(x / alpha) - 1)"""

    function = F.celu


class GELU(_Plain):
    """x times the normal distribution function at x; approximate="tanh" by a tanh"""

    function = F.gelu
    settings = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate


class Hardtanh(_Activation):
    """x limited to [min_val, max_val]"""

    function = F.hardtanh
    settings = ("min_val", "max_val")

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        if min_val >= max_val:
            raise ValueError(f"Hardtanh: expected min_val < max_val, got {min_val} and {max_val}")
        self.min_val, self.max_val = min_val, max_val


class Threshold(_Activation):
    """x where above threshold, else value"""

    function = F.threshold
    settings = ("threshold", "value")

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.threshold, self.value = threshold, value


class Softplus(_Plain):
    """log(1 + exp(beta x)) / beta, x itself where beta x > threshold"""

    function = F.softplus
    settings = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold


class Softshrink(_Plain):
    """x drawn towards 0 by lambd"""

    function = F.softshrink
    settings = ("lambd",)

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd


class Hardshrink(Softshrink):
    """x, or 0 where |x| <= lambd"""

    function = F.hardshrink


class GLU(_Plain):
    """a sigmoid(b), where a and b are the halves along dim"""

    function = F.glu
    settings = ("dim",)

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim


class Softmax(_Plain):
    """exp(x) / sum(exp(x)) along dim"""

    function = F.softmax
    settings = ("dim",)

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim


class Softmax2d(_Plain):
    """Softmax over the channels of [n, c, height, width] or [c, height, width]"""

    function = F.softmax

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected 3 or 4 dimensions, got shape {list(input.shape)}")
        return F.softmax(input, -3)


class LogSoftmax(Softmax):
    """log(softmax(x)) along dim"""

    function = F.log_softmax


class Softmin(Softmax):
    """softmax(-x) along dim"""

    function = F.softmin


class RReLU(_Activation):
    """Leaky ReLU whose slope is drawn from [lower, upper) while training, and their mean otherwise"""

    function = F.rrelu
    settings = ("lower", "upper")

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.lower, self.upper = lower, upper

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training)


class PReLU(Module):
    """x where positive, else weight * x; the slopes are learned, one for all channels or one for each."""

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        check_device(device)
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(full((num_parameters,), float(init), dtype=dtype))

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return describe(self, [], num_parameters=None)
