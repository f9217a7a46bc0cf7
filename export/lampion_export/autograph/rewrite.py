"""The tree of a function to one whose control flow asks at trace time whether a value is known.

    if test: A              def then(): nonlocal ...; A
    else: B          --->   def other(): nonlocal ...; B
                            control.if_(test, then, other)

`while`, `for`, `and`, `or`, `not`, the conditional expression, comparisons, comprehensions, `assert`, `raise` and calls go the
same way (`operators.py` has what they become). `return`, `break` and `continue` become assignments to flags; what follows a
statement that may jump moves into the branch that doesn't, or is guarded by the flags.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Sequence
from typing import TypeVar

PREFIX = "lampion_"
CONTROL = "lampion_control_"  # before the names of `operators`, as a rewritten function sees them
VALUE, DONE = "lampion_value", "lampion_done"
NOT_CALLED = {"super", "locals", "globals", "vars", "eval", "exec"}  # they look at the frame that calls them

Node = TypeVar("Node", bound=ast.AST)
Jump = ast.Return | ast.Break | ast.Continue
LOOPS = (ast.While, ast.For)
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def rewritten(tree: ast.FunctionDef | ast.Lambda, owner: str | None = None) -> ast.FunctionDef:
    """A function's definition in its new form; `owner` is the class whose private names it uses."""
    tree = copy.deepcopy(tree)
    if isinstance(tree, ast.Lambda):
        body = ast.copy_location(ast.Return(tree.body), tree.body)
        named = ast.FunctionDef(name=PREFIX + "lambda", args=tree.args, body=[body], decorator_list=[])
        tree = ast.copy_location(named, tree)
    return Function(tree, owner).definition()


class Function(ast.NodeTransformer):
    """Rewrites one function; those inside of it get one of their own."""

    def __init__(self, tree: ast.FunctionDef, owner: str | None) -> None:
        self.tree, self.owner = tree, owner
        self.count = 0
        self.loops: list[int] = []  # the numbers of the loops around the current statement
        self.read: set[str] = set()  # flags that something asks for
        self.live = {id(n): _read_outside(tree, n) for n in own_nodes(tree.body) if isinstance(n, LOOPS)}
        self.globals = {name for n in own_nodes(tree.body) if isinstance(n, ast.Global) for name in n.names}
        gives = [n for n in own_nodes(tree.body) if isinstance(n, ast.Yield | ast.YieldFrom | ast.Await)]
        alone = [n.value for n in own_nodes(tree.body) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Yield)]
        self.generator, self.pushes = bool(gives), len(gives) == len(alone)

    def definition(self) -> ast.FunctionDef:
        """The whole function."""
        body = self.tree.body
        if self.generator and not self.pushes:
            return _function(self.tree, [self.visit(s) for s in body])
        if self.generator:
            return self._pushing()
        self.returns = any(jumps(s, ast.Return) for s in body if not isinstance(s, ast.Return))
        if not self.returns:
            return _function(self.tree, self._bound(self.block(body)))
        if not ends(body):
            body = [*body, ast.copy_location(ast.Return(None), body[-1])]
        lines = self.block(body)
        start = _assign(DONE, ast.Constant(False), body[0])
        return _function(self.tree, self._bound([start, *lines, _at(ast.Return(_name(VALUE)), body[-1])]))

    def _pushing(self) -> ast.FunctionDef:
        """A generator as a function that hands each item to another, so that it may do so from inside of a loop."""
        run, emit = PREFIX + "run", PREFIX + "emit"
        parameters = ast.arguments([], [ast.arg(emit)], None, [], [], None, [])
        inner = _at(ast.FunctionDef(name=run, args=parameters, body=self.tree.body, decorator_list=[]), self.tree)
        made = Function(Yields(emit).visit(inner), self.owner).definition()
        return _function(self.tree, [made, _at(ast.Return(_call("generator", _name(run))), self.tree)])

    def _bound(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """The body, with the assignments to flags that nobody reads left out, and every name known as this function's own."""
        kept = [Unread(self.read).visit(s) for s in body]
        names = sorted(_stored(kept) - self.globals - _nonlocals(self.tree))
        if not names:
            return kept
        never = ast.If(
            ast.Constant(False), [ast.Assign([_name(n, ast.Store()) for n in names], ast.Constant(None))], []
        )
        return [_at(never, self.tree.body[0]), *kept]

    # ---- statements ---------------------------------------------------------------------------------------------------

    def block(self, statements: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Statements in a row, the jumps among them resolved."""
        result: list[ast.stmt] = []
        for i, statement in enumerate(statements):
            rest = list(statements[i + 1 :])
            if isinstance(statement, Jump):
                return result + self._jump(statement)
            if not rest or not jumps(statement):
                result += self._statement(statement)
                continue
            if isinstance(statement, ast.If) and (ends(statement.body) or ends(statement.orelse)):
                return result + self._statement(_folded(statement, rest))
            result += self._statement(statement)
            if isinstance(statement, LOOPS) and not jumps(statement, ast.Return):
                continue
            flags = self._flags(statement)
            self.read.update(flags)
            stopped = (
                _call("or_", _name(flags[0]), *[_thunk(_name(f)) for f in flags[1:]])
                if len(flags) > 1
                else _name(flags[0])
            )
            return result + self._branch(stopped, [], self.block(rest), rest[0])
        return result or [ast.Pass()]

    def _flags(self, statement: ast.stmt) -> list[str]:
        """The flags that a jump inside of a statement sets."""
        found = [DONE] if jumps(statement, ast.Return) else []
        if not isinstance(statement, LOOPS):
            found += [self._flag(kind) for kind in (ast.Break, ast.Continue) if jumps(statement, kind)]
        return found

    def _flag(self, kind: type[ast.stmt]) -> str:
        return f"{PREFIX}{kind.__name__.lower()}_{self.loops[-1]}"

    def _jump(self, statement: ast.stmt) -> list[ast.stmt]:
        if not isinstance(statement, ast.Return):
            return [_assign(self._flag(type(statement)), ast.Constant(True), statement)]
        value = self.visit(statement.value) if statement.value else ast.Constant(None)
        if not self.returns:
            return [_at(ast.Return(value), statement)]
        return [_assign(VALUE, value, statement), _assign(DONE, ast.Constant(True), statement)]

    def _statement(self, statement: ast.stmt) -> list[ast.stmt]:
        if isinstance(statement, ast.If):
            test = self.visit(statement.test)
            return self._branch(test, self.block(statement.body), self.block(statement.orelse), statement)
        if isinstance(statement, ast.While):
            return self._loop(statement)
        if isinstance(statement, ast.For):
            return self._loop(statement)
        if isinstance(statement, ast.With):
            items = [self.visit(item) for item in statement.items]
            return [_at(ast.With(items=items, body=self.block(statement.body)), statement)]
        if isinstance(statement, ast.Try):
            return [self._try(statement)]
        if isinstance(statement, ast.Match):
            return self._match(statement)
        result = self.visit(statement)
        return result if isinstance(result, list) else [result]

    def _branch(self, test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt], at: ast.stmt) -> list[ast.stmt]:
        then, other = self._new("then"), self._new("else")
        call = _call("if_", test, _name(then), _name(other))
        return [self._local(then, body, at), self._local(other, orelse, at), _at(ast.Expr(call), at)]

    def _loop(self, statement: ast.While | ast.For) -> list[ast.stmt]:
        self.count += 1
        self.loops.append(self.count)
        stop, skip = self._flag(ast.Break), self._flag(ast.Continue)
        body = self.block(statement.body)
        leaves = jumps_out(statement)
        self.loops.pop()
        start = [_assign(stop, ast.Constant(False), statement)] if ast.Break in leaves else []
        if ast.Continue in leaves:
            body = [_assign(skip, ast.Constant(False), statement), *body]
        flags = [stop] * (ast.Break in leaves) + [DONE] * (ast.Return in leaves)
        self.read.update(flags)
        stopped = (
            _thunk(_call("or_", _name(flags[0]), *[_thunk(_name(f)) for f in flags[1:]]))
            if flags
            else ast.Constant(None)
        )
        reads = self.live[id(statement)]
        live = _constant(tuple(sorted(reads[bool(self.loops)])))
        name, test = self._new("body"), self._new("test")
        if isinstance(statement, ast.For):
            item = PREFIX + "item"
            target = _at(ast.Assign([statement.target], _name(item)), statement)
            loop = self._local(name, [target, *body], statement, item)
            made = [
                loop,
                _at(ast.Expr(_call("for_", self.visit(statement.iter), _name(name), stopped, live)), statement),
            ]
        else:
            ask = _at(ast.Return(self.visit(statement.test)), statement)
            made = [self._local(test, [ask], statement), self._local(name, body, statement)]
            made.append(_at(ast.Expr(_call("while_", _name(test), _name(name), stopped, live)), statement))
        after: list[ast.stmt] = []
        if statement.orelse and flags:
            stopped = _call("or_", _name(flags[0]), *[_thunk(_name(f)) for f in flags[1:]])
            after = self._branch(stopped, [], self.block(statement.orelse), statement.orelse[0])
        elif statement.orelse:
            after = self.block(statement.orelse)
        return [*start, *made, *after]

    def _try(self, statement: ast.Try) -> ast.stmt:
        handlers = []
        for handler in statement.handlers:
            kind = self.visit(handler.type) if handler.type else None
            handlers.append(_at(ast.ExceptHandler(kind, handler.name, self.block(handler.body)), handler))
        body = self.block(statement.body)
        if handlers:
            guarded = ast.With(items=[ast.withitem(_call("trying"), None)], body=body)
            body = [_at(guarded, statement)]
        final = self.block(statement.finalbody) if statement.finalbody else []
        orelse = self.block(statement.orelse) if statement.orelse else []
        return _at(ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final), statement)

    def _match(self, statement: ast.Match) -> list[ast.stmt]:
        """Patterns of values become `if` and `elif`; all others are Python's own."""
        if all(_is_simple(case.pattern) for case in statement.cases):
            return self._cases(statement)
        cases = [
            ast.match_case(c.pattern, self.visit(c.guard) if c.guard else None, self.block(c.body))
            for c in statement.cases
        ]
        return [_at(ast.Match(self.visit(statement.subject), cases), statement)]

    def _cases(self, statement: ast.Match) -> list[ast.stmt]:
        subject = self._new("subject")
        chain: list[ast.stmt] = []
        for case in reversed(statement.cases):
            test = _matches(case.pattern, subject)
            if case.guard is not None:
                test = ast.BoolOp(ast.And(), [test, case.guard])
            choice = _at(ast.If(_at(test, case.pattern), case.body, chain), case.pattern)
            name = getattr(case.pattern, "name", None)
            chain = [_assign(name, _name(subject), case.pattern), choice] if name else [choice]
        first = _assign(subject, self.visit(statement.subject), statement)
        return [first, *self.block(chain)]

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        message = _thunk(self.visit(node.msg)) if node.msg else ast.Constant(None)
        return _at(ast.Expr(_call("assert_", self.visit(node.test), message)), node)

    def visit_Raise(self, node: ast.Raise) -> ast.stmt:
        if node.exc is None:
            return node
        cause = [self.visit(node.cause)] if node.cause else []
        return _at(ast.Expr(_call("raise_", self.visit(node.exc), *cause)), node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        inner = Function(node, self.owner).definition()
        inner.decorator_list = [*[self.visit(d) for d in node.decorator_list], _at(_control("own"), node)]
        inner.args.defaults = [self.visit(d) for d in inner.args.defaults]
        return inner

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.stmt:
        return node

    # ---- expressions ----------------------------------------------------------------------------------------------------

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        return _at(_call("own", _at(ast.Lambda(node.args, self.visit(node.body)), node)), node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        first, *others = node.values
        if any(map(_binds, others)):
            return self.generic_visit(node)  # type: ignore[return-value]
        name = "and_" if isinstance(node.op, ast.And) else "or_"
        return _at(_call(name, self.visit(first), *[_thunk(self.visit(v)) for v in others]), node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        if isinstance(node.op, ast.Not):
            return _at(_call("not_", self.visit(node.operand)), node)
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        if _binds(node.body) or _binds(node.orelse):
            return self.generic_visit(node)  # type: ignore[return-value]
        return _at(
            _call("choose", self.visit(node.test), _thunk(self.visit(node.body)), _thunk(self.visit(node.orelse))), node
        )

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        plain = ast.Lt | ast.LtE | ast.Gt | ast.GtE
        if (len(node.ops) == 1 and isinstance(node.ops[0], plain)) or any(map(_binds, node.comparators)):
            return self.generic_visit(node)  # type: ignore[return-value]
        kinds = ast.Tuple([ast.Constant(type(op).__name__) for op in node.ops], ast.Load())
        others = [_thunk(self.visit(c)) for c in node.comparators]
        return _at(_call("compare", kinds, self.visit(node.left), *others), node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if isinstance(node.func, ast.Name) and node.func.id in NOT_CALLED:
            return self._super(node) if node.func.id == "super" and not node.args else node
        function = self.visit(node.func)
        args = [self.visit(a) for a in node.args]
        keywords = [self.visit(k) for k in node.keywords]
        return _at(ast.Call(_at(_call("called", function), node.func), args, keywords), node)

    def _super(self, node: ast.Call) -> ast.expr:
        """`super()` finds its arguments in the frame, which is another one inside of a branch."""
        names = [*self.tree.args.posonlyargs, *self.tree.args.args]
        first: list[ast.expr] = [_name("__class__"), _name(names[0].arg)] if names else []
        return _at(ast.Call(node.func, first, []), node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        if isinstance(node.ctx, ast.Load) and not isinstance(node.slice, ast.Slice | ast.Constant):
            return _at(_call("item", self.visit(node.value), self.visit(node.slice)), node)
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        made = self.generic_visit(node)
        values = [v.value for v in node.values if isinstance(v, ast.FormattedValue)]
        return _at(_call("text", _thunk(made), *values), node)  # type: ignore[arg-type]

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        node = self.generic_visit(node)  # type: ignore[assignment]
        private = node.attr.startswith("__") and not node.attr.endswith("__")
        if self.owner is not None and private:
            return _at(ast.Attribute(node.value, f"_{self.owner.lstrip('_')}{node.attr}", node.ctx), node)
        return node

    def visit_List(self, node: ast.List) -> ast.expr:
        node = self.generic_visit(node)  # type: ignore[assignment]
        if isinstance(node.ctx, ast.Load) and any(isinstance(e, ast.Starred) for e in node.elts):
            spread = _constant(tuple(isinstance(e, ast.Starred) for e in node.elts))
            return _at(
                _call("spread", spread, *[e.value if isinstance(e, ast.Starred) else e for e in node.elts]), node
            )
        return _at(_call("list_", node), node) if isinstance(node.ctx, ast.Load) else node

    def _comprehension(self, node: ast.expr) -> ast.expr:
        if _binds(node):
            return node
        generators: list[ast.comprehension] = node.generators  # type: ignore[attr-defined]
        if any(g.is_async or not _is_pattern(g.target) for g in generators):
            return node
        element = ast.Tuple([node.key, node.value], ast.Load()) if isinstance(node, ast.DictComp) else node.elt  # type: ignore[attr-defined]
        result = self.visit(element)
        for i, generator in enumerate(reversed(generators)):
            names = ast.arguments([], [ast.arg(n) for n in _targets(generator.target)], None, [], [], None, [])
            keep = [self.visit(test) for test in generator.ifs]
            test = (
                _call("and_", keep[0], *[_thunk(t) for t in keep[1:]])
                if len(keep) > 1
                else (keep or [ast.Constant(True)])[0]
            )
            pattern = _constant(_pattern(generator.target))
            functions = [_at(ast.Lambda(names, test), node), _at(ast.Lambda(names, result), node)]
            kind = ast.Constant("" if i < len(generators) - 1 else type(node).__name__)
            result = _call("comprehension", kind, self.visit(generator.iter), pattern, *functions, ast.Constant(i > 0))
        return _at(result, node)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension  # noqa: N815

    # ---- functions for pieces ---------------------------------------------------------------------------------------------

    def _new(self, kind: str) -> str:
        self.count += 1
        return f"{PREFIX}{kind}_{self.count}"

    def _local(self, name: str, body: list[ast.stmt], at: ast.stmt, *parameters: str) -> ast.stmt:
        """A function around a piece of this one, which shares its names."""
        stored = _stored(body) - set(parameters)
        shared: list[ast.stmt] = []
        if names := sorted(stored - self.globals):
            shared.append(ast.Nonlocal(names))
        if names := sorted(stored & self.globals):
            shared.append(ast.Global(names))
        args = ast.arguments([], [ast.arg(p) for p in parameters], None, [], [], None, [])
        return _at(
            ast.FunctionDef(name=name, args=args, body=[*shared, *(body or [ast.Pass()])], decorator_list=[]), at
        )


class Yields(ast.NodeTransformer):
    """`yield x` as a call of what takes the items."""

    def __init__(self, emit: str) -> None:
        self.emit = emit

    def visit_Yield(self, node: ast.Yield) -> ast.expr:
        return _at(ast.Call(_name(self.emit), [node.value or ast.Constant(None)], []), node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        return node if node.name != PREFIX + "run" else self.generic_visit(node)  # type: ignore[return-value]


class Unread(ast.NodeTransformer):
    """Drops assignments to flags that nobody asks for."""

    def __init__(self, read: set[str]) -> None:
        self.read = read

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        target = node.targets[0]
        name = target.id if isinstance(target, ast.Name) else ""
        flag = name.startswith((DONE, PREFIX + "break_", PREFIX + "continue_"))
        return _at(ast.Pass(), node) if flag and name not in self.read else node

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.stmt:
        flags = (DONE, PREFIX + "break_", PREFIX + "continue_")
        names = [n for n in node.names if not n.startswith(flags) or n in self.read]
        return _at(ast.Nonlocal(names) if names else ast.Pass(), node)


# ---- questions about trees -------------------------------------------------------------------------------------------


def own_nodes(statements: Iterable[ast.AST]) -> Iterable[ast.AST]:
    """All nodes of some statements except those of functions and classes inside of them."""
    for statement in statements:
        yield statement
        if not isinstance(statement, SCOPES):
            yield from own_nodes(ast.iter_child_nodes(statement))


def jumps(statement: ast.stmt, *kinds: type[ast.stmt]) -> bool:
    """Whether a jump of these kinds (any, by default) may leave a statement; those of its own loop don't."""
    return bool(jumps_from(statement) & set(kinds or (ast.Return, ast.Break, ast.Continue)))


def jumps_from(statement: ast.AST) -> set[type]:
    """The kinds of jumps that may leave a statement."""
    if isinstance(statement, Jump):
        return {type(statement)}
    if isinstance(statement, SCOPES):
        return set()
    inside: set[type] = set().union(*[jumps_from(n) for n in ast.iter_child_nodes(statement)])
    if isinstance(statement, LOOPS):
        own = set().union(*[jumps_from(n) for n in statement.orelse])
        return (inside & {ast.Return}) | own
    return inside


def jumps_out(loop: ast.While | ast.For) -> set[type]:
    """The kinds of jumps in the body of a loop."""
    return set().union(*[jumps_from(n) for n in loop.body])


def ends(statements: Sequence[ast.stmt]) -> bool:
    """Whether what follows some statements is never reached."""
    for s in statements:
        if isinstance(s, Jump | ast.Raise):
            return True
        if isinstance(s, ast.If) and ends(s.body) and ends(s.orelse):
            return True
        if isinstance(s, ast.With) and ends(s.body):
            return True
        if (
            isinstance(s, ast.While)
            and isinstance(s.test, ast.Constant)
            and s.test.value
            and ast.Break not in jumps_out(s)
        ):
            return True
    return False


def _folded(statement: ast.If, rest: list[ast.stmt]) -> ast.If:
    """`rest` moved to where the statement goes on."""
    body, orelse = list(statement.body), list(statement.orelse)
    if not ends(body):
        body += rest
    if not ends(orelse):
        orelse += rest
    return _at(ast.If(statement.test, body, orelse), statement)


def _stored(statements: Iterable[ast.AST]) -> set[str]:
    """The names that some statements bind in the function they stand in."""
    found: set[str] = set()
    for node in statements:
        if isinstance(node, ast.FunctionDef) and node.name.startswith(PREFIX) and not node.decorator_list:
            found |= {name for s in node.body if isinstance(s, ast.Nonlocal | ast.Global) for name in s.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Lambda):
            continue
        elif isinstance(node, COMPREHENSIONS):
            found |= {
                n.target.id for n in ast.walk(node) if isinstance(n, ast.NamedExpr) and isinstance(n.target, ast.Name)
            }
        else:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
                found.add(node.id)
            elif isinstance(node, ast.alias):
                found.add((node.asname or node.name).split(".")[0])
            elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
                found.add(node.name)
            elif isinstance(node, ast.MatchMapping) and node.rest:
                found.add(node.rest)
            found |= _stored(ast.iter_child_nodes(node))
    return found


def _read_outside(tree: ast.FunctionDef, loop: ast.AST) -> tuple[set[str], set[str]]:
    """The names that are read outside of a loop, and those that are read anywhere (as the loop may stand in another)."""
    inside = {id(n) for n in ast.walk(loop)}
    reads = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
    flags = {VALUE, DONE}
    return {n.id for n in reads if id(n) not in inside} | flags, {n.id for n in reads} | flags


def _nonlocals(tree: ast.FunctionDef) -> set[str]:
    return {name for n in own_nodes(tree.body) if isinstance(n, ast.Nonlocal) for name in n.names}


def _binds(node: ast.AST) -> bool:
    """Whether an expression binds a name or gives way, which it can't do from inside of a function of its own."""
    return any(isinstance(n, ast.NamedExpr | ast.Yield | ast.YieldFrom | ast.Await) for n in ast.walk(node))


def _is_pattern(target: ast.expr) -> bool:
    if isinstance(target, ast.Tuple | ast.List):
        return all(map(_is_pattern, target.elts))
    return isinstance(target, ast.Name)


def _is_simple(pattern: ast.pattern) -> bool:
    if isinstance(pattern, ast.MatchOr):
        return all(map(_is_simple, pattern.patterns))
    return isinstance(pattern, ast.MatchValue | ast.MatchSingleton) or (
        isinstance(pattern, ast.MatchAs) and pattern.pattern is None
    )


def _matches(pattern: ast.pattern, subject: str) -> ast.expr:
    """Whether the subject is what a simple pattern says."""
    if isinstance(pattern, ast.MatchOr):
        return ast.BoolOp(ast.Or(), [_matches(p, subject) for p in pattern.patterns])
    if isinstance(pattern, ast.MatchValue):
        return ast.Compare(_name(subject), [ast.Eq()], [pattern.value])
    if isinstance(pattern, ast.MatchSingleton):
        return ast.Compare(_name(subject), [ast.Is()], [ast.Constant(pattern.value)])
    return ast.Constant(True)


def _targets(target: ast.expr) -> list[str]:
    if isinstance(target, ast.Name):
        return [target.id]
    return [name for part in target.elts for name in _targets(part)]  # type: ignore[attr-defined]


def _pattern(target: ast.expr) -> object:
    """None for a name, a tuple of patterns for several."""
    return None if isinstance(target, ast.Name) else tuple(_pattern(part) for part in target.elts)  # type: ignore[attr-defined]


# ---- making trees ----------------------------------------------------------------------------------------------------


def _at(node: Node, like: ast.AST) -> Node:
    """The node, with the place in the file of another; what is inside of it too, where it has none."""
    ast.copy_location(node, like)
    return _filled(node, like)


def _filled(node: Node, like: ast.AST) -> Node:
    for child in ast.iter_child_nodes(node):
        if "lineno" in child._attributes and not hasattr(child, "lineno"):
            ast.copy_location(child, like)
        _filled(child, child if hasattr(child, "lineno") else like)
    return node


def _name(name: str, context: ast.expr_context | None = None) -> ast.Name:
    return ast.Name(name, context or ast.Load())


def _control(name: str) -> ast.expr:
    return _name(CONTROL + name)


def _call(name: str, *args: ast.expr) -> ast.Call:
    return ast.Call(_control(name), list(args), [])


def _constant(value: object) -> ast.expr:
    """A constant that may be a tuple, which the type of the tree does not know."""
    return ast.Constant(value)  # type: ignore[arg-type]


def _thunk(expression: ast.expr) -> ast.expr:
    return ast.Lambda(ast.arguments([], [], None, [], [], None, []), expression)


def _assign(name: str, value: ast.expr, at: ast.AST) -> ast.stmt:
    return _at(ast.Assign([_name(name, ast.Store())], value), at)


def _function(like: ast.FunctionDef, body: list[ast.stmt]) -> ast.FunctionDef:
    made = ast.FunctionDef(name=like.name, args=like.args, body=body, decorator_list=[])
    for arg in ast.walk(made.args):
        if isinstance(arg, ast.arg):
            arg.annotation = None
    return _at(made, like)
