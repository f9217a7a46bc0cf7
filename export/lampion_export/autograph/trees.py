"""Questions about trees of Python's source, and making such trees."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import TypeVar

PREFIX = "lampion_"
CONTROL = "lampion_control_"  # before the names of `operators`, as a rewritten function sees them
VALUE, DONE = "lampion_value", "lampion_done"

Node = TypeVar("Node", bound=ast.AST)
Jump = ast.Return | ast.Break | ast.Continue
LOOPS = (ast.While, ast.For)
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


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


def folded(statement: ast.If, rest: list[ast.stmt]) -> ast.If:
    """`rest` moved to where the statement goes on."""
    body, orelse = list(statement.body), list(statement.orelse)
    if not ends(body):
        body += rest
    if not ends(orelse):
        orelse += rest
    return placed(ast.If(statement.test, body, orelse), statement)


def stored_in(statements: Iterable[ast.AST]) -> set[str]:
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
            found |= stored_in(ast.iter_child_nodes(node))
    return found


def read_outside(tree: ast.FunctionDef, loop: ast.AST) -> tuple[set[str], set[str]]:
    """The names that are read outside of a loop, and those that are read anywhere (as the loop may stand in another)."""
    inside = {id(n) for n in ast.walk(loop)}
    reads = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
    flags = {VALUE, DONE}
    return {n.id for n in reads if id(n) not in inside} | flags, {n.id for n in reads} | flags


def nonlocals_of(tree: ast.FunctionDef) -> set[str]:
    return {name for n in own_nodes(tree.body) if isinstance(n, ast.Nonlocal) for name in n.names}


def binds(node: ast.AST) -> bool:
    """Whether an expression binds a name or gives way, which it can't do from inside of a function of its own."""
    return any(isinstance(n, ast.NamedExpr | ast.Yield | ast.YieldFrom | ast.Await) for n in ast.walk(node))


def is_pattern(target: ast.expr) -> bool:
    if isinstance(target, ast.Tuple | ast.List):
        return all(map(is_pattern, target.elts))
    return isinstance(target, ast.Name)


def is_simple(pattern: ast.pattern) -> bool:
    if isinstance(pattern, ast.MatchOr):
        return all(map(is_simple, pattern.patterns))
    return isinstance(pattern, ast.MatchValue | ast.MatchSingleton) or (
        isinstance(pattern, ast.MatchAs) and pattern.pattern is None
    )


def matches(pattern: ast.pattern, subject: str) -> ast.expr:
    """Whether the subject is what a simple pattern says."""
    if isinstance(pattern, ast.MatchOr):
        return ast.BoolOp(ast.Or(), [matches(p, subject) for p in pattern.patterns])
    if isinstance(pattern, ast.MatchValue):
        return ast.Compare(name_of(subject), [ast.Eq()], [pattern.value])
    if isinstance(pattern, ast.MatchSingleton):
        return ast.Compare(name_of(subject), [ast.Is()], [ast.Constant(pattern.value)])
    return ast.Constant(True)


def targets_of(target: ast.expr) -> list[str]:
    if isinstance(target, ast.Name):
        return [target.id]
    return [name for part in target.elts for name in targets_of(part)]  # type: ignore[attr-defined]


def pattern_of(target: ast.expr) -> object:
    """None for a name, a tuple of patterns for several."""
    return None if isinstance(target, ast.Name) else tuple(pattern_of(part) for part in target.elts)  # type: ignore[attr-defined]


# ---- making trees ----------------------------------------------------------------------------------------------------


def placed(node: Node, like: ast.AST) -> Node:
    """The node, with the place in the file of another; what is inside of it too, where it has none."""
    ast.copy_location(node, like)
    return _filled(node, like)


def _filled(node: Node, like: ast.AST) -> Node:
    for child in ast.iter_child_nodes(node):
        if "lineno" in child._attributes and not hasattr(child, "lineno"):
            ast.copy_location(child, like)
        _filled(child, child if hasattr(child, "lineno") else like)
    return node


def name_of(name: str, context: ast.expr_context | None = None) -> ast.Name:
    return ast.Name(name, context or ast.Load())


def control(name: str) -> ast.expr:
    return name_of(CONTROL + name)


def operator(name: str, *args: ast.expr) -> ast.Call:
    return ast.Call(control(name), list(args), [])


def constant(value: object) -> ast.expr:
    """A constant that may be a tuple, which the type of the tree does not know."""
    return ast.Constant(value)  # type: ignore[arg-type]


def thunk(expression: ast.expr) -> ast.expr:
    return ast.Lambda(ast.arguments([], [], None, [], [], None, []), expression)


def assign(name: str, value: ast.expr, at: ast.AST) -> ast.stmt:
    return placed(ast.Assign([name_of(name, ast.Store())], value), at)


def function_like(like: ast.FunctionDef, body: list[ast.stmt]) -> ast.FunctionDef:
    made = ast.FunctionDef(name=like.name, args=like.args, body=body, decorator_list=[])
    for arg in ast.walk(made.args):
        if isinstance(arg, ast.arg):
            arg.annotation = None
    return placed(made, like)
