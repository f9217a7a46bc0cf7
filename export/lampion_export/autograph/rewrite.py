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
from collections.abc import Sequence

from lampion_export.autograph.trees import (
    DONE,
    LOOPS,
    PREFIX,
    VALUE,
    Jump,
    assign,
    binds,
    constant,
    control,
    ends,
    folded,
    function_like,
    is_pattern,
    is_simple,
    jumps,
    jumps_out,
    matches,
    name_of,
    nonlocals_of,
    operator,
    own_nodes,
    pattern_of,
    placed,
    read_outside,
    stored_in,
    targets_of,
    thunk,
)

NOT_CALLED = {"super", "locals", "globals", "vars", "eval", "exec"}  # they look at the frame that calls them


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
        self.live = {id(n): read_outside(tree, n) for n in own_nodes(tree.body) if isinstance(n, LOOPS)}
        self.globals = {name for n in own_nodes(tree.body) if isinstance(n, ast.Global) for name in n.names}
        gives = [n for n in own_nodes(tree.body) if isinstance(n, ast.Yield | ast.YieldFrom | ast.Await)]
        alone = [n.value for n in own_nodes(tree.body) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Yield)]
        self.generator, self.pushes = bool(gives), len(gives) == len(alone)

    def definition(self) -> ast.FunctionDef:
        """The whole function."""
        body = self.tree.body
        if self.generator and not self.pushes:
            return function_like(self.tree, [self.visit(s) for s in body])
        if self.generator:
            return self._pushing()
        self.returns = any(jumps(s, ast.Return) for s in body if not isinstance(s, ast.Return))
        if not self.returns:
            return function_like(self.tree, self._bound(self.block(body)))
        if not ends(body):
            body = [*body, ast.copy_location(ast.Return(None), body[-1])]
        lines = self.block(body)
        start = assign(DONE, ast.Constant(False), body[0])
        return function_like(self.tree, self._bound([start, *lines, placed(ast.Return(name_of(VALUE)), body[-1])]))

    def _pushing(self) -> ast.FunctionDef:
        """A generator as a function that hands each item to another, so that it may do so from inside of a loop."""
        run, emit = PREFIX + "run", PREFIX + "emit"
        parameters = ast.arguments([], [ast.arg(emit)], None, [], [], None, [])
        inner = placed(ast.FunctionDef(name=run, args=parameters, body=self.tree.body, decorator_list=[]), self.tree)
        made = Function(Yields(emit).visit(inner), self.owner).definition()
        return function_like(self.tree, [made, placed(ast.Return(operator("generator", name_of(run))), self.tree)])

    def _bound(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """The body, with the assignments to flags that nobody reads left out, and every name known as this function's own."""
        kept = [Unread(self.read).visit(s) for s in body]
        names = sorted(stored_in(kept) - self.globals - nonlocals_of(self.tree))
        if not names:
            return kept
        never = ast.If(
            ast.Constant(False), [ast.Assign([name_of(n, ast.Store()) for n in names], ast.Constant(None))], []
        )
        return [placed(never, self.tree.body[0]), *kept]

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
                return result + self._statement(folded(statement, rest))
            result += self._statement(statement)
            flags = self._flags(statement)
            self.read.update(flags)
            stopped = (
                operator("or_", name_of(flags[0]), *[thunk(name_of(f)) for f in flags[1:]])
                if len(flags) > 1
                else name_of(flags[0])
            )
            return result + self._branch(stopped, [], self.block(rest), rest[0])
        return result or [ast.Pass()]

    def _flags(self, statement: ast.stmt) -> list[str]:
        """The flags that a jump inside of a statement sets."""
        found = [DONE] if jumps(statement, ast.Return) else []
        return found + [self._flag(kind) for kind in (ast.Break, ast.Continue) if jumps(statement, kind)]

    def _flag(self, kind: type[ast.stmt]) -> str:
        return f"{PREFIX}{kind.__name__.lower()}_{self.loops[-1]}"

    def _jump(self, statement: ast.stmt) -> list[ast.stmt]:
        if not isinstance(statement, ast.Return):
            return [assign(self._flag(type(statement)), ast.Constant(True), statement)]
        value = self.visit(statement.value) if statement.value else ast.Constant(None)
        if not self.returns:
            return [placed(ast.Return(value), statement)]
        return [assign(VALUE, value, statement), assign(DONE, ast.Constant(True), statement)]

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
            return [placed(ast.With(items=items, body=self.block(statement.body)), statement)]
        if isinstance(statement, ast.Try):
            return [self._try(statement)]
        if isinstance(statement, ast.Match):
            return self._match(statement)
        result = self.visit(statement)
        return result if isinstance(result, list) else [result]

    def _branch(self, test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt], at: ast.stmt) -> list[ast.stmt]:
        then, other = self._new("then"), self._new("else")
        call = operator("if_", test, name_of(then), name_of(other))
        return [self._local(then, body, at), self._local(other, orelse, at), placed(ast.Expr(call), at)]

    def _loop(self, statement: ast.While | ast.For) -> list[ast.stmt]:
        self.count += 1
        self.loops.append(self.count)
        stop, skip = self._flag(ast.Break), self._flag(ast.Continue)
        body = self.block(statement.body)
        leaves = jumps_out(statement)
        self.loops.pop()
        start = [assign(stop, ast.Constant(False), statement)] if ast.Break in leaves else []
        if ast.Continue in leaves:
            body = [assign(skip, ast.Constant(False), statement), *body]
        flags = [stop] * (ast.Break in leaves) + [DONE] * (ast.Return in leaves)
        self.read.update(flags)
        stopped = (
            thunk(operator("or_", name_of(flags[0]), *[thunk(name_of(f)) for f in flags[1:]]))
            if flags
            else ast.Constant(None)
        )
        reads = self.live[id(statement)]
        live = constant(tuple(sorted(reads[bool(self.loops)])))
        name, test = self._new("body"), self._new("test")
        if isinstance(statement, ast.For):
            item = PREFIX + "item"
            target = placed(ast.Assign([statement.target], name_of(item)), statement)
            loop = self._local(name, [target, *body], statement, item)
            made = [
                loop,
                placed(ast.Expr(operator("for_", self.visit(statement.iter), name_of(name), stopped, live)), statement),
            ]
        else:
            ask = placed(ast.Return(self.visit(statement.test)), statement)
            made = [self._local(test, [ask], statement), self._local(name, body, statement)]
            made.append(placed(ast.Expr(operator("while_", name_of(test), name_of(name), stopped, live)), statement))
        after: list[ast.stmt] = []
        if statement.orelse and flags:
            stopped = operator("or_", name_of(flags[0]), *[thunk(name_of(f)) for f in flags[1:]])
            after = self._branch(stopped, [], self.block(statement.orelse), statement.orelse[0])
        elif statement.orelse:
            after = self.block(statement.orelse)
        return [*start, *made, *after]

    def _try(self, statement: ast.Try) -> ast.stmt:
        handlers = []
        for handler in statement.handlers:
            kind = self.visit(handler.type) if handler.type else None
            handlers.append(placed(ast.ExceptHandler(kind, handler.name, self.block(handler.body)), handler))
        body = self.block(statement.body)
        if handlers:
            guarded = ast.With(items=[ast.withitem(operator("trying"), None)], body=body)
            body = [placed(guarded, statement)]
        final = self.block(statement.finalbody) if statement.finalbody else []
        orelse = self.block(statement.orelse) if statement.orelse else []
        return placed(ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final), statement)

    def _match(self, statement: ast.Match) -> list[ast.stmt]:
        """Patterns of values become `if` and `elif`; all others are Python's own."""
        if all(is_simple(case.pattern) for case in statement.cases):
            return self._cases(statement)
        cases = [
            ast.match_case(c.pattern, self.visit(c.guard) if c.guard else None, self.block(c.body))
            for c in statement.cases
        ]
        return [placed(ast.Match(self.visit(statement.subject), cases), statement)]

    def _cases(self, statement: ast.Match) -> list[ast.stmt]:
        subject = self._new("subject")
        chain: list[ast.stmt] = []
        for case in reversed(statement.cases):
            test = matches(case.pattern, subject)
            if case.guard is not None:
                test = ast.BoolOp(ast.And(), [test, case.guard])
            choice = placed(ast.If(placed(test, case.pattern), case.body, chain), case.pattern)
            name = getattr(case.pattern, "name", None)
            chain = [assign(name, name_of(subject), case.pattern), choice] if name else [choice]
        first = assign(subject, self.visit(statement.subject), statement)
        return [first, *self.block(chain)]

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        message = thunk(self.visit(node.msg)) if node.msg else ast.Constant(None)
        return placed(ast.Expr(operator("assert_", self.visit(node.test), message)), node)

    def visit_Raise(self, node: ast.Raise) -> ast.stmt:
        if node.exc is None:
            return node
        cause = [self.visit(node.cause)] if node.cause else []
        return placed(ast.Expr(operator("raise_", self.visit(node.exc), *cause)), node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        inner = Function(node, self.owner).definition()
        inner.decorator_list = [*[self.visit(d) for d in node.decorator_list], placed(control("own"), node)]
        inner.args.defaults = [self.visit(d) for d in inner.args.defaults]
        return inner

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.stmt:
        return node

    # ---- expressions ----------------------------------------------------------------------------------------------------

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        return placed(operator("own", placed(ast.Lambda(node.args, self.visit(node.body)), node)), node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        first, *others = node.values
        if any(map(binds, others)):
            return self.generic_visit(node)  # type: ignore[return-value]
        name = "and_" if isinstance(node.op, ast.And) else "or_"
        return placed(operator(name, self.visit(first), *[thunk(self.visit(v)) for v in others]), node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        if isinstance(node.op, ast.Not):
            return placed(operator("not_", self.visit(node.operand)), node)
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        if binds(node.body) or binds(node.orelse):
            return self.generic_visit(node)  # type: ignore[return-value]
        return placed(
            operator("choose", self.visit(node.test), thunk(self.visit(node.body)), thunk(self.visit(node.orelse))),
            node,
        )

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        plain = ast.Lt | ast.LtE | ast.Gt | ast.GtE
        if (len(node.ops) == 1 and isinstance(node.ops[0], plain)) or any(map(binds, node.comparators)):
            return self.generic_visit(node)  # type: ignore[return-value]
        kinds = ast.Tuple([ast.Constant(type(op).__name__) for op in node.ops], ast.Load())
        others = [thunk(self.visit(c)) for c in node.comparators]
        return placed(operator("compare", kinds, self.visit(node.left), *others), node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if isinstance(node.func, ast.Name) and node.func.id in NOT_CALLED:
            return self._super(node) if node.func.id == "super" and not node.args else node
        function = self.visit(node.func)
        args = [self.visit(a) for a in node.args]
        keywords = [self.visit(k) for k in node.keywords]
        return placed(ast.Call(placed(operator("called", function), node.func), args, keywords), node)

    def _super(self, node: ast.Call) -> ast.expr:
        """`super()` finds its arguments in the frame, which is another one inside of a branch."""
        names = [*self.tree.args.posonlyargs, *self.tree.args.args]
        first: list[ast.expr] = [name_of("__class__"), name_of(names[0].arg)] if names else []
        return placed(ast.Call(node.func, first, []), node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        if isinstance(node.ctx, ast.Load) and not isinstance(node.slice, ast.Slice | ast.Constant):
            return placed(operator("item", self.visit(node.value), self.visit(node.slice)), node)
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        made = self.generic_visit(node)
        values = [v.value for v in node.values if isinstance(v, ast.FormattedValue)]
        return placed(operator("text", thunk(made), *values), node)  # type: ignore[arg-type]

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        node = self.generic_visit(node)  # type: ignore[assignment]
        private = node.attr.startswith("__") and not node.attr.endswith("__")
        if self.owner is not None and private:
            return placed(ast.Attribute(node.value, f"_{self.owner.lstrip('_')}{node.attr}", node.ctx), node)
        return node

    def visit_List(self, node: ast.List) -> ast.expr:
        node = self.generic_visit(node)  # type: ignore[assignment]
        if isinstance(node.ctx, ast.Load) and any(isinstance(e, ast.Starred) for e in node.elts):
            spread = constant(tuple(isinstance(e, ast.Starred) for e in node.elts))
            return placed(
                operator("spread", spread, *[e.value if isinstance(e, ast.Starred) else e for e in node.elts]), node
            )
        return placed(operator("list_", node), node) if isinstance(node.ctx, ast.Load) else node

    def _comprehension(self, node: ast.expr) -> ast.expr:
        if binds(node):
            return node
        generators: list[ast.comprehension] = node.generators  # type: ignore[attr-defined]
        if any(g.is_async or not is_pattern(g.target) for g in generators):
            return node
        element = ast.Tuple([node.key, node.value], ast.Load()) if isinstance(node, ast.DictComp) else node.elt  # type: ignore[attr-defined]
        result = self.visit(element)
        for i, generator in enumerate(reversed(generators)):
            names = ast.arguments([], [ast.arg(n) for n in targets_of(generator.target)], None, [], [], None, [])
            keep = [self.visit(test) for test in generator.ifs]
            test = (
                operator("and_", keep[0], *[thunk(t) for t in keep[1:]])
                if len(keep) > 1
                else (keep or [ast.Constant(True)])[0]
            )
            pattern = constant(pattern_of(generator.target))
            functions = [placed(ast.Lambda(names, test), node), placed(ast.Lambda(names, result), node)]
            kind = ast.Constant("" if i < len(generators) - 1 else type(node).__name__)
            result = operator(
                "comprehension", kind, self.visit(generator.iter), pattern, *functions, ast.Constant(i > 0)
            )
        return placed(result, node)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension  # noqa: N815

    # ---- functions for pieces ---------------------------------------------------------------------------------------------

    def _new(self, kind: str) -> str:
        self.count += 1
        return f"{PREFIX}{kind}_{self.count}"

    def _local(self, name: str, body: list[ast.stmt], at: ast.stmt, *parameters: str) -> ast.stmt:
        """A function around a piece of this one, which shares its names."""
        stored = stored_in(body) - set(parameters)
        shared: list[ast.stmt] = []
        if names := sorted(stored - self.globals):
            shared.append(ast.Nonlocal(names))
        if names := sorted(stored & self.globals):
            shared.append(ast.Global(names))
        args = ast.arguments([], [ast.arg(p) for p in parameters], None, [], [], None, [])
        return placed(
            ast.FunctionDef(name=name, args=args, body=[*shared, *(body or [ast.Pass()])], decorator_list=[]), at
        )


class Yields(ast.NodeTransformer):
    """`yield x` as a call of what takes the items."""

    def __init__(self, emit: str) -> None:
        self.emit = emit

    def visit_Yield(self, node: ast.Yield) -> ast.expr:
        return placed(ast.Call(name_of(self.emit), [node.value or ast.Constant(None)], []), node)

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
        return placed(ast.Pass(), node) if flag and name not in self.read else node

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.stmt:
        flags = (DONE, PREFIX + "break_", PREFIX + "continue_")
        names = [n for n in node.names if not n.startswith(flags) or n in self.read]
        return placed(ast.Nonlocal(names) if names else ast.Pass(), node)
