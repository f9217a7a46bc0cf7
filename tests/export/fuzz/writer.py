"""Writes random programs: Python source with nested control flow over tensors, numbers and lists.

They end, since every loop is bounded, and stay tame: numbers are dyadic and clamped, constants that they are compared with are
not among those they can be, so that rounding decides no branch. No list or vector is ever empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

SCALAR, VECTOR, INT, FLOAT, BOOL, LIST = "tensor", "vector", "int", "float", "bool", "list"
KINDS = (SCALAR, VECTOR, INT, FLOAT, BOOL, LIST)
PARAMETERS = {"x": VECTOR, "k": SCALAR}
HELPERS = (((SCALAR, INT), SCALAR), ((VECTOR, FLOAT), VECTOR), ((SCALAR, BOOL), INT))

HEADER = """\
import lampion as torch


class State:
    pass
"""

# Ways to write a value of each kind. {kind} is a name or another expression, {kind!} a name, {copy} a value without names.
EXPRESSIONS = {
    SCALAR: (
        "({tensor} + {tensor}).clamp(-16, 16)", "({tensor} - {tensor}).clamp(-16, 16)", "-{tensor}", "{tensor}.abs()",
        "torch.maximum({tensor}, {tensor})", "{tensor} * 0.5", "({tensor} * {small}).clamp(-16, 16)", "{vector}.amax()",
        "{vector}[{int} % len({vector!})].clone()", "{vector}[-1].clone()", "{vector}.sum().clamp(-16, 16)",
        "{list}[-1].clone()",
        "{list}[0] + 0", "{list!}[{int} % len({list!})].clone()", "torch.tensor({float})",
        "({tensor} + {int}).clamp(-16, 16)",
        "({tensor} + {float}).clamp(-16, 16)", "({copy} if {condition} else {copy})", "max({copy}, {copy})",
        "torch.stack({list}).amin()",
        "torch.where({tensor} > 0.3, {tensor}, {tensor})", "sum({list}, torch.tensor(0.0)).clamp(-16, 16)",
    ),
    VECTOR: (
        "({vector} + {tensor}).clamp(-16, 16)", "({vector} * {small}).clamp(-16, 16)", "-{vector}", "{vector}.flip(0)",
        "torch.cat([{vector}[-4:], {tensor}.reshape(1)])", "{vector!}[len({vector!}) // 2:].clone()",
        "{vector}[:{int} % 3 + 1] * 2",
        "torch.zeros({int} % 3 + 1)", "torch.stack({list})[-5:]", "{vector}.abs()", "{vector}.clone()",
        "torch.arange({int} % 3 + 1) * 0.5", "({vector} if {condition} else {vector}).clone()",
        "{vector}.cumsum(0).clamp(-16, 16)", "torch.full(({int} % 3 + 1,), 0.5)",
        "torch.stack([u * 0.5 for u in {vector}])",
    ),
    INT: (
        "({int} + {int}) % 11", "({int} * 2 - 1) % 11", "len({vector!})", "len({list!})", "{int} // 2", "-{int} % 5",
        "{number}",
        "min({int}, {int})", "max({int}, {int}, 1)", "abs({int} - {int})", "int({tensor}) % 7", "int({condition})",
        "({int} if {condition} else {int})", "{vector}.shape[0]", "round({float}) % 7", "int(({vector} > 0.3).sum())",
    ),
    FLOAT: (
        "{tensor}.item()", "float({tensor})", "{float} * 0.5", "min({float} + 1.5, 8.0)", "max({float} - {int}, -8.0)",
        "{int} / 2", "abs({float})", "min({float}, {float})", "{small}", "({float} if {condition} else {float})",
    ),
    BOOL: (
        "{condition}", "not {bool}", "{bool} and {condition}", "{bool} or {condition}", "bool(({vector} > 2.3).any())",
    ),
    LIST: (
        "[{copy}]", "[{copy}, {copy}]", "{list!} + [{copy}]", "[u.clone() for u in {vector}]", "{list!}[-3:]",
        "[u for u in {list!} if u > 0.3] + [{copy}]", "[u + {int} for u in {vector}]", "list(reversed({list!}))",
    ),
}  # fmt: skip

CONDITIONS = (
    "{tensor} > {odd}", "{tensor} < {odd}", "{vector}.sum() > {odd}", "{int} > {int}", "{int} % 2 == 0",
    "{int} == {number}",
    "{bool}", "not {bool}", "{tensor} > {odd} and {int} < {number}", "{bool} or {tensor} > {odd}",
    "{odd} < {tensor} < 4.3",
    "len({list!}) > {number}", "{float} > {odd}", "len({vector!}) != {number}", "({vector} > 0.3).all()",
    "({vector} < {odd}).any()", "{number} <= {int} < 4",
)  # fmt: skip

RANGES = (
    "range({int} % 4)", "range(len({vector!}))", "range({number})", "range(len({vector!}) - 1, -1, -1)",
    "range(1, {int} % 5, 2)",
)  # fmt: skip

# ways to change a name {n} of each kind
CHANGES = {
    SCALAR: ("{n} += {tensor}", "{n} *= 0.5", "{n} = {n}.clone().clamp_(-8, 8)"),
    VECTOR: (
        "{n} += {tensor}", "{n}[{int} % len({n})] = {tensor}", "{n}[:{int} % 3] *= 0.5", "{n}[{n} > 1.3] = 0.5",
        "{n}.neg_()",
        "{n}[-1] += 1", "{n} = {n}.clone().clamp(-16, 16)",
    ),
    INT: ("{n} += 1", "{n} = {n} % 7 + 1", "{n} //= 2"),
    FLOAT: ("{n} *= 0.5", "{n} = min({n} + 1, 8.0)"),
    BOOL: ("{n} = not {n}", "{n} = {n} and {condition}"),
    LIST: (
        "{n}.append({copy})", "{n}.append({copy})", "{n} += [{copy}]", "{n}[-1] = {copy}",
        "{n}.extend([{copy}, {copy}])",
        "{n}[{int} % len({n})] = {copy}", "{n}.insert(0, {copy})", "{n} = {n}[-4:]", "if len({n}) > 1: {n}.pop()",
    ),
}  # fmt: skip


@dataclass
class Writer:
    """One program under construction. `names` are the variables in sight by name, with their kinds."""

    random: Random
    lines: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    fixed: set[str] = field(default_factory=set)  # counters of loops: nothing else may write them
    helpers: list[tuple[str, tuple[str, ...], str]] = field(default_factory=list)
    gives: tuple[str, ...] = ()
    indent: int = 1
    loops: int = 0
    made: int = 0

    def program(self) -> str:
        """The whole source; `program(x, k)` takes a vector and a number."""
        for i in range(self.random.randrange(3)):
            self._helper(f"helper_{i}")
        self.gives = tuple(self.random.sample(KINDS, self.random.randint(1, 3)))
        self._function("program", PARAMETERS, self.random.randint(4, 7))
        return HEADER + "\n".join(self.lines) + "\n"

    def _helper(self, name: str) -> None:
        parameters, gives = self.random.choice(HELPERS)
        self.gives = (gives,)
        self._function(name, {f"p{i}": kind for i, kind in enumerate(parameters)}, 3)
        self.helpers.append((name, parameters, gives))

    def _function(self, name: str, parameters: dict[str, str], statements: int) -> None:
        self.lines += ["", "", f"def {name}({', '.join(parameters)}):"]
        self.names, self.fixed, self.indent, self.loops = dict(parameters), set(), 1, 0
        for kind in KINDS:
            if kind not in parameters.values() or self.random.random() < 0.5:
                self._declare(kind)
        if self.random.random() < 0.3:
            self._object()
        for _ in range(statements):
            self._statement(3)
        self._return()

    # ---- statements -------------------------------------------------------------------------------------------------

    def _statement(self, depth: int) -> None:
        simple = [self._assign] * 5 + [self._change] * 4 + [self._declare] + [self._two]
        nested = [self._if] * 4 + [self._while, self._for, self._for, self._for_each]
        leaving = [self._leave] * (2 if self.loops else 1)
        chosen = self.random.choice(simple + leaving + (nested if depth else []))
        chosen(depth) if chosen in nested else chosen()

    def _block(self, depth: int) -> dict[str, str]:
        """Indented statements; the names that they have made besides."""
        before, self.indent = dict(self.names), self.indent + 1
        for _ in range(self.random.randint(1, 3)):
            self._statement(depth - 1)
        made, self.names, self.indent = self.names, before, self.indent - 1
        return made

    def _if(self, depth: int) -> None:
        self._line(f"if {self._condition()}:")
        made = [self._block(depth)]
        if self.random.random() < 0.3:
            self._line(f"elif {self._condition()}:")
            made.append(self._block(depth))
        if self.random.random() < 0.6:
            self._line("else:")
            made.append(self._block(depth))
            self.names.update(item for item in made[0].items() if all(item in other.items() for other in made))

    def _while(self, depth: int) -> None:
        counter = self._fresh("n")
        self._line(f"{counter} = 0")
        self.names[counter] = INT
        self.fixed.add(counter)
        bound = self.random.choice(("{number}", "len({vector!})", "3"))
        self._line(f"while {counter} < {self._fill(bound)} and ({self._condition()}):" if self.random.random() < 0.7 else
                   f"while {counter} < 4:")  # fmt: skip
        self._line(f"    {counter} += 1")
        self._turns(depth)

    def _for(self, depth: int) -> None:
        counter = self._fresh("i")
        self._line(f"for {counter} in {self._fill(self.random.choice(RANGES))}:")
        self._turns(depth, {counter: INT})

    def _for_each(self, depth: int) -> None:
        name, counter = self._fresh("e"), self._fresh("i")
        many = self._fill(self.random.choice(("{vector!}.clone()", "{vector}", "{list!}[:4]")))
        if self.random.random() < 0.4:
            self._line(f"for {counter}, {name} in enumerate({many}):")
            self._turns(depth, {counter: INT, name: SCALAR})
        else:
            self._line(f"for {name} in {many}:")
            self._turns(depth, {name: SCALAR})

    def _turns(self, depth: int, given: dict[str, str] | None = None) -> None:
        before, self.loops = dict(self.names), self.loops + 1
        self.names.update(given or {})
        self.fixed.update(given or {})
        self._block(depth)
        self.names, self.loops = before, self.loops - 1
        if self.random.random() < 0.1:
            self._line("else:")
            self._block(1)

    def _leave(self) -> None:
        self._line(f"if {self._condition()}:")
        self.indent += 1
        if self.loops and self.random.random() < 0.8:
            self._line(self.random.choice(("break", "continue")))
        else:
            self._return()
        self.indent -= 1

    def _return(self) -> None:
        """A helper gives one value as it is; the program gives tensors."""
        values = [self._fill(f"{{{kind}}}") for kind in self.gives]
        if self.lines_of_program:
            shown = {SCALAR: "{}", VECTOR: "{}", LIST: "torch.stack({})"}
            values = [shown.get(kind, "torch.tensor({})").format(v) for kind, v in zip(self.gives, values, strict=True)]
        self._line(f"return {', '.join(values)}")

    @property
    def lines_of_program(self) -> bool:
        """Whether what is written belongs to the program, not to a helper."""
        return any(line.startswith("def program") for line in self.lines)

    def _assign(self) -> None:
        name = self._name(self.random.choice(KINDS), write=True)
        self._line(f"{name} = {self._expression(self.names[name])}")

    def _two(self) -> None:
        kind = self.random.choice((SCALAR, INT, FLOAT))
        a, b = self._name(kind, write=True), self._name(kind, write=True)
        self._line(f"{a}, {b} = {self._expression(kind)}, {self._expression(kind)}")

    def _declare(self, kind: str | None = None) -> None:
        kind = kind or self.random.choice(KINDS)
        simple = {SCALAR: "torch.tensor({small})", VECTOR: "torch.ones({number})", INT: "{number}", FLOAT: "{small}",
                  BOOL: "True", LIST: "[torch.tensor({small})]"}  # fmt: skip
        known = set(self.names.values())
        value = self._fill(simple[kind]) if not set(KINDS) <= known else self._expression(kind)
        name = self._fresh(kind[0])
        self._line(f"{name} = {value}")
        self.names[name] = kind

    def _object(self) -> None:
        """Attributes and items are names like any other."""
        if self.random.random() < 0.5:
            self._line("s = State()")
            names = {"s.a": SCALAR, "s.n": INT}
            self._line("s.a, s.n = torch.tensor(0.5), 1")
        else:
            names = {"d['a']": SCALAR, "d['n']": INT}
            self._line("d = {'a': torch.tensor(0.5), 'n': 1}")
        self.names.update(names)

    def _change(self) -> None:
        """Something in place."""
        kind = self.random.choice(KINDS)
        name = self._name(kind, write=True)
        self._line(self._fill(self.random.choice(CHANGES[kind]).replace("{n}", name)))

    # ---- expressions ------------------------------------------------------------------------------------------------

    def _condition(self) -> str:
        return self._fill(self.random.choice(CONDITIONS))

    def _expression(self, kind: str) -> str:
        helpers = [h for h in self.helpers if h[2] == kind]
        if helpers and self.random.random() < 0.4:
            name, parameters, _ = self.random.choice(helpers)
            return f"{name}({', '.join(self._fill(f'{{{p}}}') for p in parameters)})"
        return self._fill(self.random.choice(EXPRESSIONS[kind]), 1)

    def _fill(self, form: str, deeper: int = 0) -> str:
        """The form with names, constants and expressions in its places."""
        while "{" in form:
            before, _, rest = form.partition("{")
            place, _, after = rest.partition("}")
            form = before + self._part(place, deeper) + after
        return form

    def _part(self, place: str, deeper: int) -> str:
        constants = {
            "small": lambda: self.random.choice(("0.5", "1.5", "-0.25", "2.0")),
            "number": lambda: str(self.random.randint(1, 4)),
            "odd": lambda: self.random.choice(("0.3", "-0.7", "1.3", "2.7")),
            "condition": self._condition,
            "copy": lambda: self._name(SCALAR) + (".clone()" if self.random.random() < 0.97 else ""),
        }
        if place in constants:
            return constants[place]()
        kind = place.rstrip("!")
        if deeper and place == kind and self.random.random() < 0.2:
            return f"({self._fill(self.random.choice(EXPRESSIONS[kind]))})"
        return self._name(kind)

    def _name(self, kind: str, write: bool = False) -> str:
        return self.random.choice([n for n, k in self.names.items() if k == kind and not (write and n in self.fixed)])

    def _fresh(self, letter: str) -> str:
        self.made += 1
        return f"{letter}{self.made}"

    def _line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)


def write(seed: int) -> str:
    """The program of a seed."""
    return Writer(Random(seed)).program()
