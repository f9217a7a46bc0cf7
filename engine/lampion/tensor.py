"""`Tensor`: a numpy array, or a Symbol while tracing, with its place on the tape. PyTorch's `torch.Tensor`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lampion import dtypes, layout
from lampion.autograd import walk
from lampion.dtypes import dtype
from lampion.errors import UntraceableError
from lampion.in_place import InPlace
from lampion.ops import (
    analysis,
    arithmetic,
    comparison,
    copies,
    create,
    create_new,
    cumulative,
    decomposition,
    determinant,
    histogram,
    index,
    linalg,
    matmul,
    norms,
    numbers,
    promote,
    random,
    reduce,
    scattering,
    sets,
    solving,
    sorting,
    special,
    spectral,
    spectrogram,
    splitting,
    statistics,
    strided,
)
from lampion.ops import complex as complexes
from lampion.ops import diagonal as diagonals
from lampion.ops import matmul as matmuls
from lampion.ops import shape as shapes
from lampion.ops.elementwise import Elementwise
from lampion.symbolic import Spec, SymInt, may_agree, numel
from lampion.symbolic_float import python_number
from lampion.tape import BFLOAT16, Handle, Value, depth, grad_enabled, grad_mode, tracing, wrap


class Size(tuple[Any, ...]):
    """A shape. Its entries are int, or SymInt along axes that vary."""

    __slots__ = ()

    def numel(self) -> Any:
        """The number of elements."""
        return numel(self)

    def __repr__(self) -> str:
        return f"lampion.Size([{', '.join(map(str, self))}])"


class Tensor(InPlace):
    """An array of numbers that remembers how it came about.

    The methods are the functions of `lampion.ops`, listed below by family; a method with a trailing underscore changes the
    tensor in place.
    """

    __slots__ = ()

    # ---- what it is -------------------------------------------------------------------------------------------------

    @property
    def data(self) -> Tensor:
        """The same memory, off the tape. Assigning makes the tensor look at other memory."""
        return self.detach()

    @data.setter
    def data(self, new: Tensor) -> None:
        if isinstance(self._value.data, Spec) or isinstance(new._value.data, Spec):
            with grad_enabled(False):
                self._rename(new.detach(), True)
            return
        new._value.version.shared = True
        self._value.data = new._value.data
        self._value.version.shared = True
        self._value.version.writes += 1

    @property
    def shape(self) -> Size:
        """The sizes, one a dimension."""
        return Size(self._value.data.shape)

    @property
    def dtype(self) -> dtype:
        """The data type of the elements."""
        return dtypes.of(self._value.data.dtype)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return int(self._value.data.ndim)

    @property
    def device(self) -> str:
        """Always "cpu"."""
        return "cpu"

    @property
    def requires_grad(self) -> bool:
        """Whether gradients are wanted with respect to it."""
        return self._value.requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        self.requires_grad_(wanted)

    @property
    def grad(self) -> Tensor | None:
        """What `backward` accumulated here."""
        return self._value.grad

    @grad.setter
    def grad(self, g: Tensor | None) -> None:
        if g is not None and tuple(g.shape) != tuple(self.shape):
            raise RuntimeError(f"grad: expected shape {list(self.shape)}, got {list(g.shape)}")
        self._value.grad = g

    @property
    def grad_fn(self) -> Any:
        """The node of the tape that gave it; None for leaves."""
        return self._value.node if self._value.requires_grad else None

    @property
    def is_leaf(self) -> bool:
        """Whether it was not computed from something that requires grad."""
        return self.grad_fn is None

    @property
    def T(self) -> Tensor:  # noqa: N802 - torch's name
        """Dimensions in reverse order."""
        return self.permute(*range(self.ndim - 1, -1, -1))

    @property
    def mT(self) -> Tensor:  # noqa: N802 - torch's name
        """The last two dimensions swapped."""
        return self.transpose(-1, -2)

    @property
    def H(self) -> Tensor:  # noqa: N802 - torch's name
        """The conjugate transpose of a matrix."""
        return complexes.conj(self.t())

    @property
    def mH(self) -> Tensor:  # noqa: N802 - torch's name
        """The last two dimensions swapped, and conjugated."""
        return matmul.adjoint(self)

    @property
    def real(self) -> Tensor:
        """The real part."""
        return complexes.real(self)

    @property
    def imag(self) -> Tensor:
        """The imaginary part of complex numbers."""
        return complexes.imag(self)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dim."""
        return self.shape if dim is None else self.shape[dim]

    def numel(self) -> Any:
        """The number of elements."""
        return numel(self.shape)

    nelement = numel

    def element_size(self) -> int:
        """Bytes per element."""
        return self.dtype.itemsize

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> Any:
        """Bytes of all elements."""
        return self.numel() * self.itemsize

    @property
    def layout(self) -> layout.layout:
        """Always `lampion.strided`: a dense array."""
        return layout.strided

    def stride(self, dim: int | None = None) -> Any:
        """How many elements the memory goes on by from one index to the next, along every dim or one."""
        data = self._value.data
        if isinstance(data, np.ndarray):
            steps: tuple[Any, ...] = tuple(step // data.itemsize for step in data.strides)
        else:
            steps = tuple(numel(data.shape[i + 1 :]) for i in range(data.ndim))
        return steps if dim is None else steps[dim]

    def storage_offset(self) -> int:
        """How many elements of its memory come before the first of this tensor."""
        root = data = self._known("storage_offset()", "narrow, or indexing")
        while isinstance(root.base, np.ndarray):
            root = root.base
        return (data.__array_interface__["data"][0] - root.__array_interface__["data"][0]) // data.itemsize

    def is_signed(self) -> bool:
        """Whether the dtype has negative numbers."""
        return dtypes.kind(self._value.data.dtype) in "ifc"

    def is_nonzero(self) -> bool:
        """Whether the one element is other than 0. Raises RuntimeError for several."""
        return bool(self._one("is_nonzero()", "self != 0"))

    def is_same_size(self, other: Tensor) -> bool:
        """Whether both have the same shape."""
        return tuple(self.shape) == tuple(other.shape)

    def get_device(self) -> int:
        """-1, which stands for the CPU."""
        return -1

    def dim_order(self) -> tuple[int, ...]:
        """The dims from the outermost in memory to the innermost."""
        steps = self.stride()
        return tuple(sorted(range(self.ndim), key=lambda d: -steps[d]))

    def is_floating_point(self) -> bool:
        """Whether the elements are floating point numbers."""
        return self.dtype.is_floating_point

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements lie in row-major order, or in that of a memory format."""
        data = self._value.data
        if not isinstance(data, np.ndarray):
            return memory_format is None or memory_format.order is None
        return bool(_ordered(data, memory_format).flags.c_contiguous)

    def dim(self) -> int:
        """The number of dimensions."""
        return self.ndim

    ndimension = dim

    # ---- to Python and numpy ----------------------------------------------------------------------------------------

    def numpy(self, *, force: bool = False) -> np.ndarray[Any, Any]:
        """The numpy array, sharing memory. Raises RuntimeError for a tensor that requires grad, unless `force`."""
        if self.requires_grad and not force:
            raise RuntimeError("numpy: cannot be called on a Tensor that requires grad; use tensor.detach().numpy()")
        array = self._known("numpy()", "lampion's function of the same name instead of numpy's")
        self._value.version.shared = True
        return array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self._known("a numpy function", "lampion's function of the same name")
        if self.requires_grad:
            raise RuntimeError("numpy: cannot be called on a Tensor that requires grad; use tensor.detach().numpy()")
        return np.array(array, dtype=dtype, copy=copy)

    __array_priority__ = 1000

    def __dlpack__(self, **options: Any) -> Any:
        """The memory, for `from_dlpack` of any library."""
        return self.numpy().__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        """(1, 0): the CPU."""
        return self._known("__dlpack_device__()").__dlpack_device__()

    def item(self) -> Any:
        """The one element as a Python number. Raises RuntimeError for several."""
        if isinstance(self._value.data, Spec):
            return python_number(self)
        return self._one("item()").item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self._known("tolist()", "tensor operations").tolist()

    def __bool__(self) -> bool:
        if isinstance(self._value.data, np.ndarray) and self._value.data.size > 1:
            raise RuntimeError(
                f"the bool of a Tensor of shape {list(self.shape)} is ambiguous: use .any(), .all(), "
                "or & and | instead of and, or"
            )
        instead = "lampion.where(condition, a, b), lampion.cond or lampion.while_loop"
        return bool(self._one("a Python condition (if, while, and, or, not, assert)", instead))

    def __int__(self) -> int:
        return int(self._one("int()", "the tensor itself, or .to(lampion.int64)").item())

    def __float__(self) -> float:
        return float(self._one("float()", "the tensor itself, or .to(lampion.float32)").item())

    def __complex__(self) -> complex:
        return complex(self._one("complex()").item())

    def __index__(self) -> int:
        if self.dtype.category > dtypes.INTEGER:
            raise TypeError(f"only integer tensors of a single element can be converted to an index, got {self.dtype}")
        return int(self._one("a Python index or range", "index_select or gather with the tensor as index").item())

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a 0-d tensor")
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise TypeError("iteration over a 0-d tensor")
        if isinstance(self.shape[0], SymInt):
            raise UntraceableError(
                f"a Python loop over a dynamic axis (size `{self.shape[0]}`) has no fixed number of turns",
                "an operation on the whole tensor, or leave this axis out of `dynamic`",
            )
        return iter(self.unbind(0))

    def __contains__(self, x: Any) -> bool:
        return bool((self == x).any())

    def __reversed__(self) -> Tensor:
        return self.flip(*range(self.ndim)) if self.ndim else self

    def __repr__(self) -> str:
        data = self._value.data
        if not isinstance(data, np.ndarray):
            return f"tensor(traced {data})"
        data = data.astype(np.float32) if data.dtype is BFLOAT16 else data  # whose own text shows 1.0 as 1
        body = np.array2string(data, separator=", ", prefix="tensor(", precision=4, threshold=1000)
        usual = self.dtype in (dtypes.get_default_dtype(), dtypes.int64, dtypes.bool_)
        notes = [] if usual else [f"dtype={self.dtype}"]
        if self.grad_fn is not None:
            notes.append(f"grad_fn={type(self.grad_fn.op).__name__}")
        elif self.requires_grad:
            notes.append("requires_grad=True")
        return f"tensor({', '.join([body, *notes])})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self.ndim == 0 else repr(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError("deepcopy: only leaf Tensors can be copied so; use detach().clone()")
        copy = type(self).__new__(type(self))
        copy._value = Value(self._value.data.copy(), self.requires_grad)
        memo[id(self)] = copy
        return copy

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.detach().numpy(), self.requires_grad)

    def _known(self, what: str, instead: str = "tensor operations") -> np.ndarray[Any, Any]:
        data = self._value.data
        if isinstance(data, np.ndarray):
            return data
        if isinstance(data, walk.Overwritten):
            data.__array__()
        raise UntraceableError(
            f"{what} needs the numbers of a traced value ({data}), which would bake one choice in", instead
        )

    def _one(self, what: str, instead: str = "tensor operations") -> np.ndarray[Any, Any]:
        array = self._known(what, instead)
        if array.size != 1:
            raise RuntimeError(f"{what}: expected a Tensor with one element, got shape {list(array.shape)}")
        return array.reshape(())

    # ---- its place on the tape --------------------------------------------------------------------------------------

    def backward(
        self, gradient: Tensor | None = None, retain_graph: bool | None = None, create_graph: bool = False
    ) -> None:
        """Adds the gradient of this tensor to `.grad` of every leaf that requires it. See `lampion.autograd.backward`."""
        walk.backward(self, gradient, retain_graph, create_graph)

    def detach(self) -> Tensor:
        """The same memory, off the tape."""
        value = Value(self._value.data)
        if isinstance(value.data, np.ndarray):
            self._value.version.shared = True
            value.version = self._value.version
            return wrap(value)
        value.node, value.index = self._value.node, self._value.index
        value.same_as = self._value.same_as or self._value
        return wrap(value)

    def detach_(self) -> Tensor:
        """Takes this tensor off the tape."""
        self._value, self._origin = self.detach()._value, None
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Asks for gradients with respect to this leaf, or no longer."""
        if requires_grad and self.dtype.category < dtypes.FLOAT:
            raise RuntimeError(
                f"only Tensors of floating point and complex dtype can require gradients, got {self.dtype}"
            )
        if not requires_grad and not self.is_leaf:
            raise RuntimeError("you can only change requires_grad flags of leaf variables; use detach()")
        self._value.requires_grad = requires_grad
        return self

    def retain_grad(self) -> None:
        """Keeps `.grad` for this tensor although it is no leaf."""
        self._value.retains_grad = not self.is_leaf

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Calls `hook` with every gradient that arrives here; what it returns replaces the gradient."""
        if not self.requires_grad:
            raise RuntimeError("register_hook: cannot register a hook on a tensor that doesn't require gradient")
        hooks = self._value.hooks = self._value.hooks if self._value.hooks is not None else {}
        return RemovableHandle(hooks, hook)

    def clone(self, *, memory_format: Any = None) -> Tensor:
        """A copy that passes gradients through, in row-major order or that of a memory format."""
        return Clone(memory_format)(self)

    def contiguous(self, memory_format: Any = None) -> Tensor:
        """The same elements in row-major order, or that of a memory format: itself, where they lie so."""
        known = isinstance(self._value.data, np.ndarray)
        return self if not known or self.is_contiguous(memory_format) else self.clone(memory_format=memory_format)

    # ---- conversion -------------------------------------------------------------------------------------------------

    def to(
        self, *args: Any, dtype: Any = None, device: Any = None, non_blocking: Any = False, copy: Any = False,
        memory_format: Any = None,
    ) -> Tensor:  # fmt: skip
        """In another dtype (given as such, by name, or as another tensor's); "cpu" is the only device."""
        flags = [arg for arg in args if isinstance(arg, bool)]
        for arg in args:
            if isinstance(arg, Tensor):
                dtype = arg.dtype
            elif isinstance(arg, str) or arg is None:
                create.check_device(arg)
            elif not isinstance(arg, bool):
                dtype = arg
        create.check_device(device)
        result = self if dtype is None else promote.to_dtype(self, dtype)
        result = result.clone() if (copy or flags[1:] == [True]) and result is self else result
        return result if memory_format is None else result.contiguous(memory_format)

    def type(self, dtype: Any = None) -> Any:
        """In another dtype; without one the dtype's name."""
        return repr(self.dtype) if dtype is None else self.to(dtype)

    def type_as(self, other: Tensor) -> Tensor:
        """In the dtype of `other`."""
        return self.to(other.dtype)

    def cpu(self) -> Tensor:
        """Itself."""
        return self

    def float(self, memory_format: Any = None) -> Tensor:
        """As float32."""
        return self.to(dtypes.float32, memory_format=memory_format)

    def double(self, memory_format: Any = None) -> Tensor:
        """As float64."""
        return self.to(dtypes.float64, memory_format=memory_format)

    def half(self, memory_format: Any = None) -> Tensor:
        """As float16."""
        return self.to(dtypes.float16, memory_format=memory_format)

    def bfloat16(self, memory_format: Any = None) -> Tensor:
        """As bfloat16: the range of float32 with 8 significant bits."""
        return self.to(dtypes.bfloat16, memory_format=memory_format)

    def long(self, memory_format: Any = None) -> Tensor:
        """As int64."""
        return self.to(dtypes.int64, memory_format=memory_format)

    def int(self, memory_format: Any = None) -> Tensor:
        """As int32."""
        return self.to(dtypes.int32, memory_format=memory_format)

    def bool(self, memory_format: Any = None) -> Tensor:
        """As bool: whether other than 0."""
        return self.to(dtypes.bool_, memory_format=memory_format)

    def short(self, memory_format: Any = None) -> Tensor:
        """As int16."""
        return self.to(dtypes.int16, memory_format=memory_format)

    def char(self, memory_format: Any = None) -> Tensor:
        """As int8."""
        return self.to(dtypes.int8, memory_format=memory_format)

    def byte(self, memory_format: Any = None) -> Tensor:
        """As uint8."""
        return self.to(dtypes.uint8, memory_format=memory_format)

    def cfloat(self, memory_format: Any = None) -> Tensor:
        """As complex64."""
        return self.to(dtypes.complex64, memory_format=memory_format)

    def cdouble(self, memory_format: Any = None) -> Tensor:
        """As complex128."""
        return self.to(dtypes.complex128, memory_format=memory_format)

    new_tensor, new_full, new_zeros, new_ones = (
        create_new.new_tensor, create_new.new_full, create_new.new_zeros, create_new.new_ones,
    )  # fmt: skip
    new_empty, new_empty_strided = create_new.new_empty, create_new.new_empty_strided

    # ---- indexing ---------------------------------------------------------------------------------------------------

    __getitem__ = index.getitem

    def __setitem__(self, key: Any, value: Any) -> None:
        mine = self._value
        recorded = grad_mode.enabled and (mine.requires_grad or getattr(value, "requires_grad", False))
        if recorded or tracing():
            self._become(index.assign(self, key, value))
            return
        self._check_writeable()
        index.write(self, key, value)

    # ---- elementwise ------------------------------------------------------------------------------------------------

    add, sub, mul, div, pow = arithmetic.add, arithmetic.sub, arithmetic.mul, arithmetic.div, arithmetic.pow
    floor_divide, remainder = arithmetic.floor_divide, arithmetic.remainder
    maximum, minimum, atan2 = arithmetic.maximum, arithmetic.minimum, analysis.atan2
    eq, ne, lt, le, gt, ge = (
        comparison.eq, comparison.ne, comparison.lt, comparison.le, comparison.gt, comparison.ge,
    )  # fmt: skip
    neg, exp, expm1, log, log1p = (
        arithmetic.neg,
        analysis.exp,
        analysis.expm1,
        analysis.log,
        analysis.log1p,
    )
    sqrt, rsqrt, square, reciprocal = analysis.sqrt, analysis.rsqrt, arithmetic.square, arithmetic.reciprocal
    abs, sign, floor, ceil = arithmetic.abs, arithmetic.sign, arithmetic.floor, arithmetic.ceil
    round, trunc, clamp, clip = arithmetic.round, arithmetic.trunc, arithmetic.clamp, arithmetic.clamp
    sin, cos, tan, asin, acos, atan = (
        analysis.sin, analysis.cos, analysis.tan, analysis.asin, analysis.acos, analysis.atan,
    )  # fmt: skip
    sinh, cosh, tanh, sigmoid, relu, erf = (
        analysis.sinh, analysis.cosh, analysis.tanh, analysis.sigmoid, arithmetic.relu, analysis.erf,
    )  # fmt: skip
    isnan, isinf, isfinite, isclose = comparison.isnan, comparison.isinf, comparison.isfinite, comparison.isclose
    logical_not, logical_and, logical_or, logical_xor = (
        comparison.logical_not, comparison.logical_and, comparison.logical_or, comparison.logical_xor,
    )  # fmt: skip
    allclose, equal = comparison.allclose, comparison.equal
    exp2, log2, log10, logaddexp = analysis.exp2, analysis.log2, analysis.log10, analysis.logaddexp
    asinh, acosh, atanh, sinc = analysis.asinh, analysis.acosh, analysis.atanh, analysis.sinc
    fmod, frac, hypot, fmax, fmin = arithmetic.fmod, arithmetic.frac, arithmetic.hypot, arithmetic.fmax, arithmetic.fmin
    nan_to_num, rsub = arithmetic.nan_to_num, arithmetic.rsub
    bitwise_and, bitwise_or, bitwise_xor, bitwise_not = (
        comparison.bitwise_and, comparison.bitwise_or, comparison.bitwise_xor, comparison.bitwise_not,
    )  # fmt: skip
    lerp, addcmul, addcdiv = arithmetic.lerp, arithmetic.addcmul, arithmetic.addcdiv

    absolute, negative, positive, fix = arithmetic.abs, arithmetic.neg, numbers.positive, arithmetic.trunc
    multiply, subtract, divide, true_divide = (
        arithmetic.mul, arithmetic.sub, arithmetic.div, arithmetic.true_divide,
    )  # fmt: skip
    arcsin, arccos, arctan, arctan2 = analysis.asin, analysis.acos, analysis.atan, analysis.atan2
    arcsinh, arccosh, arctanh = analysis.asinh, analysis.acosh, analysis.atanh
    less, less_equal, greater, greater_equal, not_equal = (
        comparison.lt, comparison.le, comparison.gt, comparison.ge, comparison.ne,
    )  # fmt: skip
    clamp_min, clamp_max = arithmetic.clamp_min, arithmetic.clamp_max
    copysign, signbit, heaviside, nextafter = numbers.copysign, numbers.signbit, numbers.heaviside, numbers.nextafter
    isneginf, isposinf, isreal = numbers.isneginf, numbers.isposinf, numbers.isreal
    frexp, ldexp, logaddexp2, float_power = numbers.frexp, numbers.ldexp, numbers.logaddexp2, numbers.float_power
    bitwise_left_shift, bitwise_right_shift = numbers.bitwise_left_shift, numbers.bitwise_right_shift
    gcd, lcm, deg2rad, rad2deg = numbers.gcd, numbers.lcm, numbers.deg2rad, numbers.rad2deg

    def where(self, condition: Tensor, other: Any) -> Tensor:
        """self where the condition holds, else other."""
        return comparison.where(condition, self, other)

    __add__ = __radd__ = arithmetic.add
    __sub__, __rsub__ = arithmetic.sub, arithmetic.rsub
    __mul__ = __rmul__ = arithmetic.mul
    __truediv__, __rtruediv__, __rdiv__ = arithmetic.div, arithmetic.rdiv, arithmetic.rdiv
    __floordiv__, __rfloordiv__ = arithmetic.floor_divide, arithmetic.rfloordiv
    __mod__, __rmod__ = arithmetic.remainder, arithmetic.rmod
    __pow__, __rpow__ = arithmetic.pow, arithmetic.rpow
    __neg__, __abs__, __invert__ = arithmetic.neg, arithmetic.abs, comparison.bitwise_not
    __and__ = __rand__ = comparison.bitwise_and
    __or__ = __ror__ = comparison.bitwise_or
    __xor__ = __rxor__ = comparison.bitwise_xor
    __eq__, __ne__ = comparison.eq, comparison.ne  # type: ignore[assignment]
    __lt__, __le__, __gt__, __ge__ = comparison.lt, comparison.le, comparison.gt, comparison.ge
    __lshift__, __rlshift__, __rshift__, __rrshift__ = numbers.lshift, numbers.rlshift, numbers.rshift, numbers.rrshift
    __pos__ = numbers.positive
    __hash__ = object.__hash__

    conj, conj_physical, angle, sgn = complexes.conj, complexes.conj_physical, complexes.angle, complexes.sgn
    resolve_conj, resolve_neg, is_complex = complexes.resolve_conj, complexes.resolve_neg, complexes.is_complex

    digamma, lgamma, mvlgamma, igamma, igammac = (
        special.digamma, special.lgamma, special.mvlgamma, special.igamma, special.igammac,
    )  # fmt: skip
    erfc, erfinv, i0, logit, xlogy = special.erfc, special.erfinv, special.i0, special.logit, special.xlogy

    def polygamma(self, n: Any) -> Tensor:
        """The n-th derivative of `digamma`."""
        return special.polygamma(n, self)

    # ---- reductions -------------------------------------------------------------------------------------------------

    sum, mean, var, std, prod, norm = reduce.sum, reduce.mean, reduce.var, reduce.std, reduce.prod, norms.old_norm
    amax, amin, max, min, argmax, argmin = (
        reduce.amax, reduce.amin, reduce.max, reduce.min, reduce.argmax, reduce.argmin,
    )  # fmt: skip
    any, all, cumsum, logsumexp = reduce.any, reduce.all, reduce.cumsum, reduce.logsumexp
    cumprod, logcumsumexp, aminmax, count_nonzero = (
        cumulative.cumprod,
        cumulative.logcumsumexp,
        reduce.aminmax,
        reduce.count_nonzero,
    )
    softmax, log_softmax = reduce.softmax, reduce.log_softmax

    cummax, cummin, diff = cumulative.cummax, cumulative.cummin, cumulative.diff
    nansum, nanmean, nanmedian = statistics.nansum, statistics.nanmean, statistics.nanmedian
    quantile, nanquantile, kthvalue, mode = (
        statistics.quantile, statistics.nanquantile, statistics.kthvalue, statistics.mode,
    )  # fmt: skip
    cov, corrcoef, renorm = statistics.cov, statistics.corrcoef, statistics.renorm
    histc, histogram = histogram.histc, histogram.histogram

    # ---- shape ------------------------------------------------------------------------------------------------------

    reshape = view = shapes.reshape
    flatten, unflatten, permute, transpose, swapaxes = (
        shapes.flatten, shapes.unflatten, shapes.permute, shapes.transpose, shapes.transpose,
    )  # fmt: skip
    movedim, t, squeeze, unsqueeze, expand = shapes.movedim, shapes.t, shapes.squeeze, shapes.unsqueeze, shapes.expand
    flip, narrow, split, chunk, unbind, repeat = (
        shapes.flip, shapes.narrow, shapes.split, shapes.chunk, shapes.unbind, shapes.repeat,
    )  # fmt: skip
    pad_constant = shapes.pad_constant
    broadcast_to, ravel, tile, repeat_interleave = (
        shapes.broadcast_to,
        shapes.ravel,
        shapes.tile,
        shapes.repeat_interleave,
    )
    roll = shapes.roll
    tril, triu, diag, diagflat = diagonals.tril, diagonals.triu, diagonals.diag, diagonals.diagflat
    diag_embed, trace, diagonal = diagonals.diag_embed, diagonals.trace, strided.diagonal
    unfold, as_strided, narrow_copy = strided.unfold, strided.as_strided, copies.narrow_copy
    select_scatter, slice_scatter = strided.select_scatter, strided.slice_scatter
    diagonal_scatter, as_strided_scatter = strided.diagonal_scatter, strided.as_strided_scatter
    select, tensor_split, split_with_sizes = splitting.select, splitting.tensor_split, splitting.split_with_sizes
    hsplit, vsplit, dsplit = splitting.hsplit, splitting.vsplit, splitting.dsplit
    unsafe_split, unsafe_chunk, unsafe_split_with_sizes = (
        splitting.unsafe_split, splitting.unsafe_chunk, splitting.unsafe_split_with_sizes,
    )  # fmt: skip
    fliplr, flipud, rot90, sum_to_size = splitting.fliplr, splitting.flipud, splitting.rot90, splitting.sum_to_size
    moveaxis, swapdims = splitting.moveaxis, splitting.swapdims

    def view_as(self, other: Tensor) -> Tensor:
        """In the shape of `other`."""
        return self.reshape(other.shape)

    reshape_as = view_as

    def expand_as(self, other: Tensor) -> Tensor:
        """Expanded to the shape of `other`."""
        return self.expand(other.shape)

    # ---- picking ----------------------------------------------------------------------------------------------------

    gather, scatter_add, scatter = index.gather, index.scatter_add, scattering.scatter
    index_select, index_add, index_copy = index.index_select, index.index_add, index.index_copy
    index_fill, index_put = index.index_fill, index.index_put
    scatter_reduce, index_reduce = scattering.scatter_reduce, scattering.index_reduce
    put, masked_scatter, nonzero_static = scattering.put, scattering.masked_scatter, scattering.nonzero_static
    argwhere = index.argwhere
    take, take_along_dim = index.take, index.take_along_dim
    nonzero, masked_select, masked_fill = index.nonzero, index.masked_select, index.masked_fill

    # ---- products ---------------------------------------------------------------------------------------------------

    baddbmm, kron, mm, bmm, mv, dot = matmul.baddbmm, matmul.kron, matmul.mm, matmul.bmm, matmul.mv, matmul.dot
    outer, matmul = matmul.outer, matmul.matmul
    __matmul__ = matmul

    def __rmatmul__(self, other: Tensor) -> Tensor:
        return promote.as_tensor(other) @ self

    addmv, addbmm, addr, inner, vdot, addmm = (
        matmuls.addmv, matmuls.addbmm, matmuls.addr, matmuls.inner, matmuls.vdot, matmuls.addmm,
    )  # fmt: skip
    adjoint, cross = matmuls.adjoint, linalg.old_cross
    det, logdet, slogdet = determinant.det, determinant.logdet, determinant.slogdet
    inverse, pinverse, matrix_exp, matrix_power = solving.inv, solving.pinverse, linalg.matrix_exp, linalg.matrix_power
    cholesky_inverse, cholesky_solve, lu_solve = solving.cholesky_inverse, solving.cholesky_solve, solving.old_lu_solve
    triangular_solve, ormqr, orgqr = solving.triangular_solve, linalg.ormqr, linalg.householder_product
    dist, lu, cholesky, qr = norms.dist, decomposition.old_lu, decomposition.cholesky, decomposition.qr
    svd, geqrf = spectral.old_svd, decomposition.geqrf

    # ---- order ------------------------------------------------------------------------------------------------------

    sort, argsort, topk, median = sorting.sort, sorting.argsort, sorting.topk, sorting.median
    unique, bincount = sorting.unique, sorting.bincount
    msort, unique_consecutive = sets.msort, sets.unique_consecutive

    # ---- signals ----------------------------------------------------------------------------------------------------

    stft, istft = spectrogram.stft, spectrogram.istft

    # ---- random -----------------------------------------------------------------------------------------------------

    bernoulli, multinomial = random.bernoulli, random.multinomial

    def uniform_(self, a: Any = 0.0, b: Any = 1.0, *, generator: random.Generator | None = None) -> Tensor:
        """Fills with uniform numbers from [a, b)."""
        return self._become(random.rand(*self.shape, dtype=self.dtype, generator=generator) * (b - a) + a)

    def bernoulli_(self, p: Any = 0.5, *, generator: random.Generator | None = None) -> Tensor:
        """Fills with 1 with probability `p`, else 0."""
        return self._become(random.bernoulli(create.zeros_like(self), p, generator=generator))

    def exponential_(self, lambd: Any = 1.0, *, generator: random.Generator | None = None) -> Tensor:
        """Fills with numbers of density lambd exp(-lambd x)."""
        return self._become(random.exponential(self, lambd, generator))

    def geometric_(self, p: Any, *, generator: random.Generator | None = None) -> Tensor:
        """Fills with the numbers of trials until one succeeds with probability `p`."""
        return self._become(promote.cast(random.geometric(self, p, generator), self.dtype))

    def cauchy_(self, median: Any = 0.0, sigma: Any = 1.0, *, generator: random.Generator | None = None) -> Tensor:
        """Fills with numbers of density sigma / (pi (sigma^2 + (x - median)^2))."""
        return self._become(random.cauchy(self, median, sigma, generator))

    def log_normal_(self, mean: Any = 1.0, std: Any = 2.0, *, generator: random.Generator | None = None) -> Tensor:
        """Fills with exp of normal numbers."""
        return self._become(random.log_normal(self, mean, std, generator))

    def random_(self, from_: Any = 0, to: Any = None, *, generator: random.Generator | None = None) -> Tensor:
        """Fills with integers: random_(low, high), random_(high), or all that the dtype holds exactly."""
        low, high = (0, from_) if to is None and from_ else (from_, to)
        return self._become(random.integers(self, low, high, generator))

    def normal_(self, mean: Any = 0.0, std: Any = 1.0, *, generator: random.Generator | None = None) -> Tensor:
        """Fills with normal numbers."""
        return self._become(random.randn(*self.shape, dtype=self.dtype, generator=generator) * std + mean)

    # ---- in place ---------------------------------------------------------------------------------------------------

    def _become(self, result: Tensor) -> Tensor:
        """This name gets the value of `result`, in its own dtype and shape, and so does whoever looks at the same memory."""
        self._check_in_place(result)
        result = promote.cast(result, self.dtype)
        mine, other = self._value, result._value
        known = isinstance(mine.data, np.ndarray) and isinstance(other.data, np.ndarray)
        traced = not known or depth() > 1  # a branch must not write to memory: it may not be taken
        if traced or other.requires_grad or (mine.requires_grad and grad_mode.enabled):
            self._rename(result, traced)
        elif mine.version.shared or mine.version.views:
            self._check_writeable()
            np.copyto(mine.data, other.data)
            mine.version.writes += 1
        elif mine.requires_grad:  # it keeps its place on the tape; only the numbers change
            mine.data = _apart(other).data
            mine.version.writes += 1
        else:
            self._value = _apart(other)
        return self

    def _check_in_place(self, result: Tensor) -> None:
        if self.requires_grad and self.is_leaf and grad_mode.enabled:
            raise RuntimeError(
                "a leaf Variable that requires grad is being used in an in-place operation; use no_grad()"
            )
        if not may_agree(result.shape, self.shape):
            raise RuntimeError(
                f"in-place: output shape {list(result.shape)} doesn't match tensor shape {list(self.shape)}"
            )
        if result.dtype.category > self.dtype.category:
            raise RuntimeError(f"in-place: result type {result.dtype} can't be cast to the tensor's {self.dtype}")

    def _check_writeable(self) -> None:
        if not self._value.data.flags.writeable:
            raise RuntimeError("in-place: the tensor's memory is read-only or expanded; clone() it first")

    def _rename(self, result: Tensor, traced: Any) -> None:
        """This name moves on the tape, and views of it with it. A view changes what it looks at, and follows."""
        if self._origin is not None:
            base, op = self._origin
            base._become(op.put_back(base, result))
            return
        mine, value = self._value, _apart(result._value)
        if any(other() is not None for other in self._aliases):
            raise UntraceableError(
                "in-place change of a tensor that may be another one too, which depends on the data and can't follow",
                "the operation without its underscore, on a new name",
            )
        if mine.version.shared and traced:
            raise UntraceableError(
                "in-place change of a tensor that shares memory with a numpy array or a detached tensor, which can't follow",
                "the operation without its underscore, on a new name",
            )
        if mine.version.shared:
            self._check_writeable()
            np.copyto(mine.data, value.data)
            mine.version.writes += 1
            value = Value(mine.data, value.requires_grad, value.node, value.index)
            value.version = mine.version
        if traced and mine.requires_grad and mine.node is None and not grad_mode.enabled:
            value = _leaf(value, mine)
        names, mine.version.views = mine.version.names(), ()
        self._value = value
        for name in names:
            base, op = name._origin  # type: ignore[misc]
            name._value = op(base)._value
            name._value.version.watch(name)

    def copy_(self, src: Any) -> Tensor:
        """Takes the numbers of `src`, broadcast and converted."""
        return self._become(promote.as_tensor(src, self.dtype).expand(self.shape).clone())

    def fill_(self, value: Any) -> Tensor:
        """Sets every element."""
        return self._become(create_new.fill(self, value))

    def zero_(self) -> Tensor:
        """Sets every element to 0."""
        return self.fill_(0)

    def fill_diagonal_(self, fill_value: Any, wrap: Any = False) -> Tensor:
        """Sets the diagonal of a matrix; with `wrap` it starts over below the last column."""
        if not wrap:
            strided.diagonal(self).fill_(fill_value)
            return self
        places = np.zeros(tuple(self.shape), np.bool_)
        np.fill_diagonal(places, True, wrap=True)
        return self.masked_fill_(create.new(places, False), fill_value)

    def apply_(self, callable: Any) -> Tensor:
        """Every element through a Python function; slow."""
        return self._become(self.new_tensor([callable(x) for x in self.reshape(-1).tolist()]).reshape(self.shape))

    def map_(self, other: Tensor, callable: Any) -> Tensor:
        """Every pair of elements of self and other through a Python function; slow."""
        pairs = zip(self.reshape(-1).tolist(), other.expand(self.shape).reshape(-1).tolist(), strict=True)
        return self._become(self.new_tensor([callable(x, y) for x, y in pairs]).reshape(self.shape))

    def _look(self, view: Callable[[Tensor], Tensor]) -> Tensor:
        """This name becomes a view of what it was."""
        if self.requires_grad and self.is_leaf and grad_mode.enabled:
            raise RuntimeError(
                "a leaf Variable that requires grad is being used in an in-place operation; use no_grad()"
            )
        before = wrap(self._value)
        before._origin = self._origin
        for name in self._value.version.names():
            if name._origin is not None and name._origin[0] is self:
                name._origin = before, name._origin[1]
        if before._origin is not None:
            self._value.version.watch(before)
        after = view(before)
        self._value, self._origin = after._value, after._origin
        if self._origin is not None:
            self._value.version.watch(self)
        return self

    def polygamma_(self, n: Any) -> Tensor:
        """The n-th derivative of `digamma`."""
        return self._become(special.polygamma(n, self))


class Clone(Elementwise):
    """A copy, in the order of a memory format if one is given."""

    stores = True

    def __init__(self, memory_format: Any = None) -> None:
        self.memory_format = memory_format

    def forward(self, x: Any) -> Any:
        order = _order(x, self.memory_format)
        return x.transpose(order).copy().transpose(np.argsort(order))

    def gradient(self, g: Tensor, out: Tensor, x: Tensor) -> tuple[Any, ...]:
        return (g,)


def _order(x: np.ndarray[Any, Any], memory_format: Any) -> tuple[int, ...]:
    """The dims in the order of a memory format, where it has one for so many."""
    order = memory_format.order if memory_format is not None else None
    return order if order is not None and len(order) == x.ndim else tuple(range(x.ndim))


def _ordered(x: np.ndarray[Any, Any], memory_format: Any) -> np.ndarray[Any, Any]:
    return x.transpose(_order(x, memory_format))


def _apart(value: Value) -> Value:
    """`value`, or a copy where its memory is somebody else's too."""
    data = value.data
    if not isinstance(data, np.ndarray) or (data.base is None and data.flags.writeable and not value.version.shared):
        return value
    return Value(data.copy(), value.requires_grad, value.node, value.index)


def _leaf(value: Value, before: Value) -> Value:
    """A traced value as the leaf that `before` was, with its gradient and hooks."""
    leaf = Value(value.data, True)
    leaf.same_as, leaf.grad, leaf.hooks = value, before.grad, before.hooks
    return leaf


class RemovableHandle:
    """Takes a hook off again: `remove()`, or leaving a `with` block."""

    _next = 0

    def __init__(self, hooks: dict[int, Any], hook: Any) -> None:
        RemovableHandle._next += 1
        self.id = RemovableHandle._next
        self.hooks = hooks
        hooks[self.id] = hook

    def remove(self) -> None:
        """Takes the hook off."""
        self.hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def _rebuild(kind: type[Tensor], array: np.ndarray[Any, Any], requires_grad: bool) -> Tensor:
    tensor = kind.__new__(kind)
    tensor._value = Value(array, requires_grad)
    return tensor


Handle.kind = Tensor


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)
