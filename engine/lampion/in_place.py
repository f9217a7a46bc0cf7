"""The methods that change the tensor they are called on, made from the functions that give a new one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lampion.ops import (
    analysis,
    arithmetic,
    comparison,
    cumulative,
    index,
    matmul,
    numbers,
    reduce,
    scattering,
    special,
    statistics,
    strided,
)
from lampion.ops import complex as complexes
from lampion.ops import diagonal as diagonals
from lampion.ops import shape as shapes
from lampion.tape import Handle

Method = Callable[..., Any]


def in_place(function: Callable[..., Any]) -> Method:
    """The method that gives the tensor the result of `function`, in its own dtype and shape.

    Raises RuntimeError where the result has another shape, or a dtype of a higher kind.
    """

    @functools.wraps(function)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self._become(function(self, *args, **kwargs))

    return method


def in_place_view(view: Callable[..., Any]) -> Method:
    """The method after which the tensor looks at its own memory as `view` does."""

    @functools.wraps(view)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self._look(lambda base: view(base, *args, **kwargs))

    return method


class InPlace(Handle):
    """Base of Tensor: what `function` gives, `function_` puts into the tensor itself."""

    __slots__ = ()

    abs_ = absolute_ = in_place(arithmetic.abs)
    neg_ = negative_ = in_place(arithmetic.neg)
    sign_ = in_place(arithmetic.sign)
    square_ = in_place(arithmetic.square)
    reciprocal_ = in_place(arithmetic.reciprocal)
    floor_ = in_place(arithmetic.floor)
    ceil_ = in_place(arithmetic.ceil)
    round_ = in_place(arithmetic.round)
    trunc_ = fix_ = in_place(arithmetic.trunc)
    frac_ = in_place(arithmetic.frac)
    relu_ = in_place(arithmetic.relu)
    add_ = in_place(arithmetic.add)
    sub_ = subtract_ = in_place(arithmetic.sub)
    mul_ = multiply_ = in_place(arithmetic.mul)
    div_ = divide_ = true_divide_ = in_place(arithmetic.div)
    pow_ = in_place(arithmetic.pow)
    remainder_ = in_place(arithmetic.remainder)
    fmod_ = in_place(arithmetic.fmod)
    floor_divide_ = in_place(arithmetic.floor_divide)
    hypot_ = in_place(arithmetic.hypot)
    clamp_ = clip_ = in_place(arithmetic.clamp)
    clamp_min_ = in_place(arithmetic.clamp_min)
    clamp_max_ = in_place(arithmetic.clamp_max)
    lerp_ = in_place(arithmetic.lerp)
    addcmul_ = in_place(arithmetic.addcmul)
    addcdiv_ = in_place(arithmetic.addcdiv)
    nan_to_num_ = in_place(arithmetic.nan_to_num)

    exp_ = in_place(analysis.exp)
    exp2_ = in_place(analysis.exp2)
    expm1_ = in_place(analysis.expm1)
    log_ = in_place(analysis.log)
    log2_ = in_place(analysis.log2)
    log10_ = in_place(analysis.log10)
    log1p_ = in_place(analysis.log1p)
    sqrt_ = in_place(analysis.sqrt)
    rsqrt_ = in_place(analysis.rsqrt)
    sin_ = in_place(analysis.sin)
    cos_ = in_place(analysis.cos)
    tan_ = in_place(analysis.tan)
    asin_ = arcsin_ = in_place(analysis.asin)
    acos_ = arccos_ = in_place(analysis.acos)
    atan_ = arctan_ = in_place(analysis.atan)
    sinh_ = in_place(analysis.sinh)
    cosh_ = in_place(analysis.cosh)
    tanh_ = in_place(analysis.tanh)
    asinh_ = arcsinh_ = in_place(analysis.asinh)
    acosh_ = arccosh_ = in_place(analysis.acosh)
    atanh_ = arctanh_ = in_place(analysis.atanh)
    atan2_ = arctan2_ = in_place(analysis.atan2)
    sigmoid_ = in_place(analysis.sigmoid)
    erf_ = in_place(analysis.erf)
    sinc_ = in_place(analysis.sinc)

    eq_ = in_place(comparison.eq)
    ne_ = not_equal_ = in_place(comparison.ne)
    lt_ = less_ = in_place(comparison.lt)
    le_ = less_equal_ = in_place(comparison.le)
    gt_ = greater_ = in_place(comparison.gt)
    ge_ = greater_equal_ = in_place(comparison.ge)
    logical_not_ = in_place(comparison.logical_not)
    logical_and_ = in_place(comparison.logical_and)
    logical_or_ = in_place(comparison.logical_or)
    logical_xor_ = in_place(comparison.logical_xor)
    bitwise_not_ = in_place(comparison.bitwise_not)
    bitwise_and_ = in_place(comparison.bitwise_and)
    bitwise_or_ = in_place(comparison.bitwise_or)
    bitwise_xor_ = in_place(comparison.bitwise_xor)

    copysign_ = in_place(numbers.copysign)
    heaviside_ = in_place(numbers.heaviside)
    nextafter_ = in_place(numbers.nextafter)
    ldexp_ = in_place(numbers.ldexp)
    float_power_ = in_place(numbers.float_power)
    bitwise_left_shift_ = in_place(numbers.bitwise_left_shift)
    bitwise_right_shift_ = in_place(numbers.bitwise_right_shift)
    gcd_ = in_place(numbers.gcd)
    lcm_ = in_place(numbers.lcm)
    deg2rad_ = in_place(numbers.deg2rad)
    rad2deg_ = in_place(numbers.rad2deg)

    conj_physical_ = in_place(complexes.conj_physical)
    sgn_ = in_place(complexes.sgn)

    erfc_ = in_place(special.erfc)
    erfinv_ = in_place(special.erfinv)
    lgamma_ = in_place(special.lgamma)
    digamma_ = in_place(special.digamma)
    i0_ = in_place(special.i0)
    igamma_ = in_place(special.igamma)
    igammac_ = in_place(special.igammac)
    logit_ = in_place(special.logit)
    mvlgamma_ = in_place(special.mvlgamma)
    xlogy_ = in_place(special.xlogy)

    cumsum_ = in_place(reduce.cumsum)
    cumprod_ = in_place(cumulative.cumprod)
    renorm_ = in_place(statistics.renorm)
    tril_ = in_place(diagonals.tril)
    triu_ = in_place(diagonals.triu)

    masked_fill_ = in_place(index.masked_fill)
    masked_scatter_ = in_place(scattering.masked_scatter)
    scatter_ = in_place(scattering.scatter)
    scatter_add_ = in_place(index.scatter_add)
    scatter_reduce_ = in_place(scattering.scatter_reduce)
    index_add_ = in_place(index.index_add)
    index_copy_ = in_place(index.index_copy)
    index_fill_ = in_place(index.index_fill)
    index_put_ = in_place(index.index_put)
    index_reduce_ = in_place(scattering.index_reduce)
    put_ = in_place(scattering.put)

    addmm_ = in_place(matmul.addmm)
    baddbmm_ = in_place(matmul.baddbmm)
    addbmm_ = in_place(matmul.addbmm)
    addmv_ = in_place(matmul.addmv)
    addr_ = in_place(matmul.addr)

    t_ = in_place_view(shapes.t)
    transpose_ = swapaxes_ = swapdims_ = in_place_view(shapes.transpose)
    squeeze_ = in_place_view(shapes.squeeze)
    unsqueeze_ = in_place_view(shapes.unsqueeze)
    as_strided_ = in_place_view(strided.as_strided)

    __iadd__, __isub__, __imul__, __itruediv__ = add_, sub_, mul_, div_
    __imod__, __ifloordiv__, __ipow__ = remainder_, floor_divide_, pow_
    __iand__, __ior__, __ixor__ = bitwise_and_, bitwise_or_, bitwise_xor_
    __ilshift__, __irshift__ = in_place(numbers.lshift), in_place(numbers.rshift)
