"""An ONNX graph under construction, in the data structure of onnx-ir."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from lampion.symbolic import Atom, Shape, Size, Spec, SymInt
from lampion.tape import Value
from lampion_export.errors import UnsupportedError
from lampion_export.kernels import widened

Array = np.ndarray[Any, Any]


class Graph:
    """Takes ops and constants, gives values; keeps which Value of the tape became which value of the graph."""

    def __init__(self, opset: int, names: Mapping[int, str] | None = None, outer: Graph | None = None) -> None:
        self.opset = opset
        self.outer = outer
        self.root: Graph = self if outer is None else outer.root
        self.count = 0
        self.graph = ir.Graph([], [], nodes=[], opset_imports={"": opset} if outer is None else {}, name="lampion")
        self._names = dict(names or {})
        self._values: dict[Any, ir.Value] = {}
        self._constants: dict[Any, ir.Value] = {}
        self._sizes: dict[Any, ir.Value] = {}
        self._shapes: dict[ir.Value, Shape] = {}
        self._axes: dict[str, tuple[ir.Value, int]] = {}
        self._kept: list[Array] = []

    # ---- the tape's values --------------------------------------------------------------------------------------------

    def input(self, name: str, value: Value) -> None:
        """Declares an input; the sizes of its dynamic axes can be had from it."""
        result = ir.val(name, _exchanged(name, value), _shape(value.data.shape))
        self.graph.inputs.append(result)
        self._values[value.key] = result
        self._shapes[result] = value.data.shape
        self._note_axes(value.data.shape, result)

    def graph_input(self, name: str, kind: ir.TypeProtocol, shape: ir.Shape | None = None) -> ir.Value:
        """Declares an input that is no value of the tape."""
        result = ir.Value(name=self.named(name), type=kind, shape=shape)
        self.graph.inputs.append(result)
        return result

    def named(self, name: str) -> str:
        """A name that no other value has."""
        self.root.count += 1
        return f"{name}_{self.root.count}"

    def output(self, name: str, value: Value) -> None:
        """Declares an output."""
        result = self.op("Identity", self.value(value), dtype=_exchanged(name, value))
        result.name = name
        result.shape = ir.Shape(_shape(value.data.shape))
        self.graph.outputs.append(result)

    def bind(self, key: Any, spec: Spec, value: ir.Value) -> None:
        """Records what a node of the tape became."""
        value.dtype = _dtype(spec.dtype)
        self._values[key] = value
        self._shapes[value] = spec.shape
        self._note_axes(spec.shape, value)

    def value(self, value: Value) -> ir.Value:
        """The graph's value for one of the tape; what is known becomes an initializer."""
        found = self._found(value.key)
        if found is not None:
            return found
        if isinstance(value.data, np.ndarray):
            result = self.constant(value.data, self._names.get(id(value.data)))
            self._values[value.key] = result
            self._shapes[result] = value.data.shape
            return result
        raise UnsupportedError("a value of another trace is used in this one: the model kept it from an earlier call")

    def shape_of(self, x: ir.Value) -> Shape:
        """The shape of a converter's input, as it was while tracing."""
        if x in self._shapes or self.outer is None:
            return self._shapes[x]
        return self.outer.shape_of(x)

    def _found(self, key: Any) -> ir.Value | None:
        """What a Value of the tape became, here or in a graph around this one."""
        if key in self._values or self.outer is None:
            return self._values.get(key)
        return self.outer._found(key)

    def _note_axes(self, shape: Shape, value: ir.Value) -> None:
        """Remembers where the size of each varying axis can be read."""
        for i, size in enumerate(shape):
            if isinstance(size, SymInt):
                self._axes.setdefault(str(size), (value, i))

    # ---- constants and sizes ------------------------------------------------------------------------------------------

    def constant(self, array: Any, name: str | None = None) -> ir.Value:
        """An initializer of the outermost graph; equal small ones are shared."""
        if self.outer is not None:
            return self.root.constant(array, name)
        array = np.ascontiguousarray(array).reshape(np.shape(array))
        key = name or (array.dtype.str, array.shape, array.tobytes() if array.size <= 64 else id(array))
        if key not in self._constants:
            name = name or f"constant_{len(self._constants)}"
            self._constants[key] = ir.val(name, const_value=ir.tensor(array, name=name))
            self.graph.register_initializer(self._constants[key])
            self._kept.append(array)
        return self._constants[key]

    def size(self, n: Size) -> ir.Value:
        """A size as int64 of shape [1]."""
        if not isinstance(n, SymInt):
            return self.constant(np.array([n], np.int64))
        key = str(n)  # a SymInt itself is no key: where two hashes meet, whether they are equal may depend on the sizes
        if key not in self._sizes:
            self._sizes[key] = self._polynomial(n)
        return self._sizes[key]

    def shape(self, shape: Shape) -> ir.Value:
        """A shape as int64 of shape [rank]."""
        if not any(isinstance(n, SymInt) for n in shape):
            return self.constant(np.array(shape, np.int64))
        return self.op("Concat", *[self.size(n) for n in shape], axis=0, dtype=np.int64)

    def reshape(self, x: ir.Value, shape: Shape) -> ir.Value:
        """x under another shape; one size that varies is left to the runtime as -1."""
        varying = [i for i, n in enumerate(shape) if isinstance(n, SymInt)]
        if len(varying) == 1 and not any(isinstance(n, int) and n == 0 for n in shape):
            target = self.constant(np.array([-1 if i in varying else n for i, n in enumerate(shape)], np.int64))
        else:
            target = self.shape(shape)
        return self.op("Reshape", x, target, allowzero=1, dtype=x.dtype)

    def scalar(self, n: Size) -> ir.Value:
        """A size as int64 without dimensions."""
        return self.op("Reshape", self.size(n), self.constant(np.array([], np.int64)), dtype=np.int64)

    # ---- nodes ----------------------------------------------------------------------------------------------------------

    def op(self, op_type: str, *inputs: ir.Value | None, outputs: int = 1, dtype: Any = None, **attributes: Any) -> Any:
        """Adds a node; one value, or a list of `outputs` many. `dtype` is that of the first output."""
        node = ir.node(op_type, inputs, attributes, num_outputs=outputs)
        self.graph.append(node)
        self.root.count += 1
        number = self.root.count
        for i, value in enumerate(node.outputs):
            value.name = f"{op_type.lower()}_{number}" + (f"_{i}" if i else "")
        if dtype is not None:
            node.outputs[0].dtype = dtype if isinstance(dtype, ir.DataType) else _dtype(np.dtype(dtype))
        return node.outputs[0] if outputs == 1 else list(node.outputs)

    def cast(self, x: ir.Value, to: Any) -> ir.Value:
        """x in another dtype; itself, if it has it."""
        target = to if isinstance(to, ir.DataType) else _dtype(np.dtype(to))
        return x if x.dtype == target else self.op("Cast", x, to=target.value, dtype=target)

    def typed(self, op_type: str, *inputs: ir.Value, keeps: bool = True, **attributes: Any) -> ir.Value:
        """A node whose inputs share a dtype, widened where onnxruntime has no kernel for it; `keeps` says that the output has
        that dtype too, rather than one of its own."""
        own = inputs[0].dtype
        assert own is not None
        wide = widened(op_type, own)
        result = self.op(op_type, *[self.cast(x, wide) for x in inputs], dtype=wide if keeps else None, **attributes)
        return self.cast(result, own) if keeps else result

    def _polynomial(self, n: SymInt) -> ir.Value:
        total: ir.Value | None = None
        for monomial, c in n.terms.items():
            factors = [self._atom(a) for a in monomial] + ([self.size(c)] if c != 1 or not monomial else [])
            term = factors[0]
            for factor in factors[1:]:
                term = self.op("Mul", term, factor, dtype=np.int64)
            total = term if total is None else self.op("Add", total, term, dtype=np.int64)
        assert total is not None
        return total

    def _axis(self, name: str) -> tuple[ir.Value, int]:
        if name in self._axes or self.outer is None:
            return self._axes[name]
        return self.outer._axis(name)

    def _atom(self, atom: Atom) -> ir.Value:
        if atom.op == "element":
            return self.op(
                "Reshape", self.value(atom.args[0].value), self.constant(np.array([1], np.int64)), dtype=np.int64
            )
        if atom.op == "axis":
            source, i = self._axis(atom.args[0])
            return self.op("Shape", source, start=i, end=i + 1, dtype=np.int64)
        a, b = (self.size(x) for x in atom.args)
        if atom.op in ("max", "min"):
            return self.op(atom.op.capitalize(), a, b, dtype=np.int64)
        rest = self.op("Mod", a, b, dtype=np.int64)
        if atom.op == "%":
            return rest
        return self.op("Div", self.op("Sub", a, rest, dtype=np.int64), b, dtype=np.int64)


def scalar_like(g: Graph, x: ir.Value, number: float) -> ir.Value:
    """A number in the dtype of x."""
    assert x.dtype is not None
    return g.constant(np.array(number, x.dtype.numpy()))


def known(x: ir.Value) -> Array | None:
    """The numbers of an initializer; None for a computed value."""
    return None if x.const_value is None else x.const_value.numpy()


def pairs(sizes: Sequence[tuple[Size, Size]]) -> Shape:
    """(before, after) per dim as ONNX has them: all befores, then all afters."""
    return (*[b for b, _ in sizes], *[a for _, a in sizes])


def is_bool(x: ir.Value) -> bool:
    """Whether x is of dtype bool."""
    return x.dtype == ir.DataType.BOOL


def is_float(x: ir.Value) -> bool:
    """Whether x is of a floating point dtype."""
    return x.dtype is not None and x.dtype.is_floating_point()


def _exchanged(name: str, value: Value) -> ir.DataType:
    """The dtype of an input or output. Raises UnsupportedError for bfloat16, which golden samples don't hold."""
    dtype = _dtype(value.data.dtype)
    if dtype == ir.DataType.BFLOAT16:
        raise UnsupportedError(
            f"{name!r} is bfloat16, which the golden samples of a file don't hold: expected another dtype there",
            hint="convert inside of forward: x.bfloat16() first, .float() last",
        )
    return dtype


def _dtype(kind: np.dtype[Any]) -> ir.DataType:
    return ir.DataType.from_numpy(np.dtype(kind))


def _shape(shape: Shape) -> list[int | str | None]:
    return [n if isinstance(n, int) else None if "?" in str(n) else str(n) for n in shape]
