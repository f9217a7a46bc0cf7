"""What is not known while tracing: `Spec`, the dtype and shape of a value without its numbers, and Python numbers.

`SymInt` is an int (a size, or the one element of a traced tensor), `SymBool` a comparison; `SymFloat` stands in
`symbolic_float.py`. `promote.as_tensor` makes a Tensor of each.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from lampion.errors import UntraceableError

_fresh = count(1)
HEAVIEST = 24  # atoms in a size, beyond which it is named


class Symbolic:
    """Base of the Python numbers that are not known while tracing."""

    __slots__ = ()


class Element:
    """The one element of a traced integer tensor, known by its Value."""

    __slots__ = ("low", "name", "value")

    def __init__(self, value: Any, low: float) -> None:
        self.value, self.low, self.name = value, low, f"${next(_fresh)}"

    def __str__(self) -> str:
        return self.name


class Atom(NamedTuple):
    """An indivisible size: an axis (`op == "axis"`, args its name), an `Element` (`op == "element"`), or a quotient,
    remainder, maximum or minimum."""

    op: str
    args: tuple[Any, ...]

    @property
    def weight(self) -> int:
        """How many atoms it is made of."""
        return 1 + sum(x.weight for x in self.args if isinstance(x, SymInt))

    def __str__(self) -> str:
        if self.op in ("axis", "element"):
            return str(self.args[0])
        if self.op in ("max", "min"):
            return f"{self.op}({', '.join(map(str, self.args))})"
        return f"(({self.args[0]}){self.op}({self.args[1]}))"


class SymInt(Symbolic):
    """An int that is not known while tracing, such as `x.shape[0]` along a dynamic axis, or `x.argmax().item()`.

    Kept as a polynomial with integer coefficients over `Atom`s, so that equal sizes are found equal. Arithmetic gives
    SymInts; what would need the number (`int(n)`, `range(n)`, `if n > 3`) raises `UntraceableError`, unless the answer is
    the same for all non-negative sizes (`n + 1 > n`).
    """

    __slots__ = ("terms", "weight")

    def __init__(self, terms: Mapping[tuple[Atom, ...], int]) -> None:
        self.terms = {monomial: c for monomial, c in sorted(terms.items(), key=str) if c}
        self.weight: int = sum(
            atom.weight for monomial in self.terms for atom in monomial
        )  # how many atoms, inner ones too

    @staticmethod
    def axis(name: str) -> SymInt:
        """The size of the dynamic axis called `name`."""
        return SymInt({(Atom("axis", (name,)),): 1})

    @staticmethod
    def element(value: Any, low: float = -math.inf) -> SymInt:
        """The one element of a traced integer Value, at least `low`; the same for the same Value."""
        known: SymInt | None = value.__dict__.get("element")
        if known is None:
            known = value.element = SymInt({(Atom("element", (Element(value, low),)),): 1})
        return known

    @property
    def atoms(self) -> set[Atom]:
        """All atoms, those inside of others too."""
        found: set[Atom] = set()
        for monomial in self.terms:
            for atom in monomial:
                found.add(atom)
                found.update(*[n.atoms for n in atom.args if isinstance(n, SymInt)])
        return found

    @property
    def source(self) -> Any | None:
        """The Value whose one element this is, if it is nothing else."""
        [(monomial, c)] = self.terms.items() if len(self.terms) == 1 else [((), 0)]
        alone = c == 1 and len(monomial) == 1 and monomial[0].op == "element"
        return monomial[0].args[0].value if alone else None

    @property
    def constant(self) -> int | None:
        """The value, where it does not depend on any axis."""
        return self.terms.get((), 0) if not self.terms.keys() - {()} else None

    def evaluate(self, axes: Mapping[str, int]) -> int:
        """The value for given sizes of the named axes."""
        return sum(c * math.prod(_evaluate_atom(a, axes) for a in monomial) for monomial, c in self.terms.items())

    def __add__(self, other: Any) -> Any:
        return _combine(self, other, 1)

    def __sub__(self, other: Any) -> Any:
        return _combine(self, other, -1)

    def __rsub__(self, other: Any) -> Any:
        if not isinstance(other, int | SymInt):
            return _as_float(self, other, lambda a, b: b - a)
        return _simplify(SymInt({m: -c for m, c in self.terms.items()})) + other

    def __mul__(self, other: Any) -> Any:
        if not isinstance(other, int | SymInt):
            return _as_float(self, other, operator.mul)
        terms: dict[tuple[Atom, ...], int] = {}
        for m, c in self.terms.items():
            for n, d in _terms(other).items():
                key = tuple(sorted(m + n, key=str))
                terms[key] = terms.get(key, 0) + c * d
        return _simplify(SymInt(terms))

    def __floordiv__(self, other: Any) -> Any:
        return _divide("//", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return _divide("//", other, self)

    def __mod__(self, other: Any) -> Any:
        return _divide("%", self, other)

    def __rmod__(self, other: Any) -> Any:
        return _divide("%", other, self)

    def __truediv__(self, other: Any) -> Any:
        return _as_float(self, other, operator.truediv)

    def __rtruediv__(self, other: Any) -> Any:
        return _as_float(self, other, lambda a, b: b / a)

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, int) and 0 <= other <= 8:
            return math.prod([self] * other)
        return _as_float(self, other, operator.pow)

    def __rpow__(self, other: Any) -> Any:
        return _as_float(self, other, lambda a, b: b**a)

    def __and__(self, other: Any) -> Any:
        return _bitwise(self, other, operator.and_)

    def __or__(self, other: Any) -> Any:
        return _bitwise(self, other, operator.or_)

    def __xor__(self, other: Any) -> Any:
        return _bitwise(self, other, operator.xor)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __lshift__(self, other: Any) -> Any:
        return self * 2**other

    def __rshift__(self, other: Any) -> Any:
        return self // 2**other

    def __invert__(self) -> Any:
        return -self - 1

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __abs__(self) -> Any:
        return maximum(self, -self)

    def __round__(self, digits: int | None = None) -> Any:
        return self

    def __floor__(self) -> Any:
        return self

    __ceil__ = __trunc__ = __floor__

    def __neg__(self) -> Any:
        return self * -1

    def __pos__(self) -> Any:
        return self

    __radd__ = __add__
    __rmul__ = __mul__

    def __lt__(self, other: Any) -> Any:
        return _compare("<", self, other, lambda low, high: _either(high < 0, low >= 0))

    def __le__(self, other: Any) -> Any:
        return _compare("<=", self, other, lambda low, high: _either(high <= 0, low > 0))

    def __gt__(self, other: Any) -> Any:
        return _compare(">", self, other, lambda low, high: _either(low > 0, high <= 0))

    def __ge__(self, other: Any) -> Any:
        return _compare(">=", self, other, lambda low, high: _either(low >= 0, high < 0))

    def __eq__(self, other: object) -> Any:
        return _compare("==", self, other, lambda low, high: _either(low == high == 0, low > 0 or high < 0))

    def __ne__(self, other: object) -> Any:
        return _compare("!=", self, other, lambda low, high: _either(low > 0 or high < 0, low == high == 0))

    def __hash__(self) -> int:
        return hash(tuple(self.terms.items()))

    def __index__(self) -> int:
        known = self.constant
        if known is None:
            raise UntraceableError(
                f"the int `{self}` varies, so it has no Python value while tracing",
                "keep it as a size (arithmetic, reshape, new tensors), or leave this axis out of `dynamic`",
            )
        return known

    __int__ = __index__

    def __float__(self) -> float:
        return float(self.__index__())

    def __bool__(self) -> bool:
        return bool(self != 0)

    def __repr__(self) -> str:
        parts = []
        for monomial, c in self.terms.items():
            factors = [str(a) for a in monomial]
            parts.append("*".join(([str(c)] if c != 1 or not factors else []) + factors))
        return " + ".join(parts) or "0"


def fresh_axis() -> SymInt:
    """A size that nothing is known of, such as the number of elements that a mask chooses. Its name begins with "?"."""
    return SymInt.axis(f"?{next(_fresh)}")


Size = Any  # int, or SymInt while tracing
Shape = tuple[Size, ...]


class SymBool(Symbolic):
    """A bool that is not known while tracing: a comparison of numbers, or (`op == "is"`) the one element of a Tensor."""

    __slots__ = ("left", "op", "right")

    def __init__(self, op: str, left: Any, right: Any = True) -> None:
        self.op, self.left, self.right = op, left, right

    def __invert__(self) -> SymBool:
        return (
            SymBool("is", self.left, not self.right)
            if self.op == "is"
            else SymBool(_OPPOSITE[self.op], self.left, self.right)
        )

    def __eq__(self, other: object) -> Any:
        if isinstance(other, bool):
            return self if other else ~self
        return _bitwise(self, other, operator.eq) if isinstance(other, SymBool) else self._int() == other

    def __ne__(self, other: object) -> Any:
        return ~(self == other)

    __hash__ = object.__hash__

    def __and__(self, other: Any) -> Any:
        return _bitwise(self, other, operator.and_)

    def __or__(self, other: Any) -> Any:
        return _bitwise(self, other, operator.or_)

    def __xor__(self, other: Any) -> Any:
        return _bitwise(self, other, operator.xor)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def _int(self) -> SymInt:
        from lampion import dtypes
        from lampion.ops.promote import as_tensor  # it needs Symbolic

        return SymInt.element(as_tensor(self, dtypes.int64)._value, 0)

    def __add__(self, other: Any) -> Any:
        return self._int() + other

    def __sub__(self, other: Any) -> Any:
        return self._int() - other

    def __mul__(self, other: Any) -> Any:
        return self._int() * other

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: Any) -> Any:
        return other - self._int()

    def __neg__(self) -> Any:
        return -self._int()

    def __int__(self) -> int:
        return int(self._int())

    def __bool__(self) -> bool:
        raise UntraceableError(
            f"the choice `{self}` depends on values that vary, so taking either branch would be wrong for some inputs",
            "make the computation the same for every size, or leave this axis out of `dynamic`",
        )

    def __repr__(self) -> str:
        return f"{self.left} {self.op} {self.right}"


_OPPOSITE = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "=="}


class Spec:
    """dtype and shape of a value whose numbers are not known; stands where an array stands, while tracing."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: Shape, dtype: np.dtype[Any] | type) -> None:
        self.shape = shape
        self.dtype: np.dtype[Any] = np.dtype(dtype)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise UntraceableError(
            "numpy needs the numbers of a traced value, which are not known while tracing",
            "the lampion function of the same name, so that the operation becomes part of the graph",
        )

    def __repr__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


def numel(shape: Shape) -> Any:
    """The number of elements of a shape."""
    return math.prod(shape)


def same(a: Size, b: Size) -> bool:
    """Whether two sizes are known to be equal. Asks nothing of sizes that vary."""
    if isinstance(a, SymInt) or isinstance(b, SymInt):
        return _terms(a) == _terms(b)
    return a == b


def may_agree(a: Shape, b: Shape) -> bool:
    """Whether two shapes are equal as far as is known: a size that varies may be any."""
    if len(a) != len(b):
        return False
    return all(same(m, n) or isinstance(m, SymInt) or isinstance(n, SymInt) for m, n in zip(a, b, strict=True))


def broadcast_shapes(*shapes: Shape) -> Shape:
    """numpy's rule, also for sizes that vary: a varying size and a fixed one other than 1 are taken to agree.

    Raises RuntimeError naming both shapes where they can't.
    """
    result: list[Size] = [1] * max(map(len, shapes), default=0)
    for shape in shapes:
        for i, size in enumerate(reversed(shape), 1):
            result[-i] = _broadcast(result[-i], size, shapes)
    return tuple(result)


def maximum(a: Size, b: Size) -> Size:
    """max(a, b) as a size."""
    return _extremum("max", a, b)


def minimum(a: Size, b: Size) -> Size:
    """min(a, b) as a size."""
    return _extremum("min", a, b)


def _broadcast(a: Size, b: Size, shapes: tuple[Shape, ...]) -> Size:
    if same(a, b) or same(b, 1):
        return a
    if same(a, 1):
        return b
    if isinstance(a, int) and isinstance(b, int):
        raise RuntimeError(f"shapes {' and '.join(map(_show, shapes))} do not broadcast: {a} against {b}")
    if isinstance(a, int) or isinstance(b, int):
        return a if isinstance(a, int) else b
    return maximum(a, b)


def _show(shape: Shape) -> str:
    return f"[{', '.join(map(str, shape))}]"


def from_front(i: Size, size: Size) -> Size:
    """An index that may be negative, counted from the front."""
    low, high = _bounds(i)
    if low >= 0:
        return i
    return i + size if high < 0 else i + size * minimum(maximum(-i, 0), 1)


def is_from(size: Size, start: int) -> bool:
    """Whether a size depends on an axis or element that came into being after `start` (see `birth`)."""
    atoms = size.atoms if isinstance(size, SymInt) else ()
    names = [str(a) for a in atoms if a.op in ("axis", "element")]
    return any(name[0] in "?$" and int(name[1:]) >= start for name in names)


def birth() -> int:
    """A number between those of the axes and elements before and after now."""
    return next(_fresh)


def _bitwise(a: Any, b: Any, op: Callable[[Any, Any], Any]) -> Any:
    """Bit by bit; of two bools a SymBool."""
    from lampion.ops.promote import as_tensor  # it needs Symbolic

    if not isinstance(b, int | SymInt | SymBool):
        return NotImplemented
    result = op(as_tensor(a), as_tensor(b))
    both = all(isinstance(x, bool | SymBool) for x in (a, b))
    return SymBool("is", result) if both else SymInt.element(result._value)


def _as_float(a: Any, b: Any, op: Callable[[Any, Any], Any]) -> Any:
    """The result where it is no int: a SymFloat, or NotImplemented for what is no number."""
    from lampion.symbolic_float import SymFloat  # it needs Tensors, which need sizes

    if not isinstance(b, int | float | SymInt | SymFloat):
        return NotImplemented
    return op(SymFloat.of(a), SymFloat.of(b))


def _terms(x: Any) -> dict[tuple[Atom, ...], int]:
    if isinstance(x, SymInt):
        return x.terms
    return {(): int(x)} if x else {}


def _simplify(x: SymInt) -> Size:
    known = x.constant
    return x if known is None else known


def _combine(a: SymInt, b: Any, sign: int) -> Any:
    if not isinstance(b, int | SymInt):
        return _as_float(a, b, operator.add if sign > 0 else operator.sub)
    terms = dict(a.terms)
    for m, c in _terms(b).items():
        terms[m] = terms.get(m, 0) + sign * c
    return _simplify(SymInt(terms))


def _divide(op: str, a: Any, b: Any) -> Any:
    if not isinstance(a, int | SymInt):
        return _as_float(b, a, (lambda x, y: y // x) if op == "//" else (lambda x, y: y % x))
    if not isinstance(b, int | SymInt):
        return _as_float(a, b, operator.floordiv if op == "//" else operator.mod)
    if isinstance(b, int) and b == 0:
        raise ZeroDivisionError("integer division or modulo by zero")
    if isinstance(b, int) and all(c % b == 0 for c in _terms(a).values()):
        quotient = _simplify(SymInt({m: c // b for m, c in _terms(a).items()}))
        return quotient if op == "//" else 0
    if same(a, b):
        return 1 if op == "//" else 0
    shared = _cancel(a, b)
    if shared is not None:
        return shared if op == "//" else 0
    return SymInt({(Atom(op, (_short(a), _short(b))),): 1})


def _cancel(a: Any, b: Any) -> Size | None:
    """a / b where b is a single term that divides every term of a."""
    if len(_terms(b)) != 1:
        return None
    [(divisor, d)] = _terms(b).items()
    quotient: dict[tuple[Atom, ...], int] = {}
    for monomial, c in _terms(a).items():
        rest = list(monomial)
        for atom in divisor:
            if atom not in rest:
                return None
            rest.remove(atom)
        if c % d:
            return None
        quotient[tuple(rest)] = c // d
    return _simplify(SymInt(quotient))


def _extremum(op: str, a: Size, b: Size) -> Size:
    if isinstance(a, int) and isinstance(b, int):
        return max(a, b) if op == "max" else min(a, b)
    a, b = _short(a), _short(b)
    low, high = _bounds(_difference(a, b))
    if low >= 0 or high <= 0:
        return a if (low >= 0) == (op == "max") else b
    return SymInt({(Atom(op, tuple(sorted((a, b), key=str))),): 1})


def _short(x: Size) -> Size:
    """A size that was computed in very many steps, by the name of its value in the graph: what is known of it is forgotten."""
    from lampion.ops.promote import as_tensor  # it needs Symbolic
    from lampion.tape import tracing

    if not isinstance(x, SymInt) or x.weight <= HEAVIEST or not tracing():
        return x
    return SymInt.element(as_tensor(x)._value, _bounds(x)[0])


def _difference(a: Any, b: Any) -> SymInt:
    difference = a - b
    return difference if isinstance(difference, SymInt) else SymInt({(): difference})


def _bounds(x: Any) -> tuple[float, float]:
    """Bounds of a polynomial whose axes are non-negative."""
    low = high = 0.0
    for monomial, c in _terms(x).items():
        ends = float(c), float(c)
        for atom in monomial:
            ends = _product(ends, _atom_bounds(atom))
        low, high = low + ends[0], high + ends[1]
    return low, high


def _atom_bounds(atom: Atom) -> tuple[float, float]:
    if atom.op == "axis":
        return 0.0, math.inf
    if atom.op == "element":
        return atom.args[0].low, math.inf
    (a, b), (c, d) = map(_bounds, atom.args)
    if atom.op in ("max", "min"):
        pick = max if atom.op == "max" else min
        return pick(a, c), pick(b, d)
    if c < 0:
        return -math.inf, math.inf
    if atom.op == "%":
        return 0.0, d - 1
    if b < 0:
        return a, -1.0
    return min(a, 0.0), b // c if c and b < math.inf else b


def _product(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    """Bounds of a product; 0 times infinity is 0 here."""
    ends = [x * y if x and y else 0.0 for x in a for y in b]
    return min(ends), max(ends)


def _either(true: bool, false: bool) -> bool | None:
    return True if true else False if false else None


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


def _compare(op: str, a: SymInt, b: object, decide: Callable[[float, float], bool | None]) -> Any:
    if not isinstance(b, int | SymInt):
        return _as_float(a, b, OPERATORS[op])
    answer = decide(*_bounds(_difference(a, b)))
    return SymBool(op, a, b) if answer is None else answer


def _evaluate_atom(atom: Atom, axes: Mapping[str, int]) -> int:
    if atom.op == "axis":
        return axes[atom.args[0]]
    a, b = (x.evaluate(axes) if isinstance(x, SymInt) else x for x in atom.args)
    return int(
        {"//": lambda: a // b, "%": lambda: a % b, "max": lambda: max(a, b), "min": lambda: min(a, b)}[atom.op]()
    )
