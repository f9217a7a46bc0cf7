"""Branches and loops as If and Loop: traces the ways, finds what they change, and joins it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lampion import dtypes
from lampion.blocks import Block, If, Loop, given
from lampion.checks import all_hold, check, messages
from lampion.errors import UntraceableError, user_code
from lampion.ops.promote import as_tensor
from lampion.symbolic import Size, Spec, SymBool, SymInt, birth, fresh_axis, is_from, same
from lampion.tape import Trace, Value, depth, recording, wrap
from lampion.tensor import Tensor
from lampion_export.autograph.aliases import aliases, base, becomes_item
from lampion_export.autograph.growing import TracedList
from lampion_export.autograph.heap import Heap, Left, Memory
from lampion_export.autograph.objects import MISSING, same_object
from lampion_export.autograph.packing import packed, unpacked
from lampion_export.autograph.places import Place
from lampion_export.autograph.proxies import Told
from lampion_export.autograph.templates import Known, Meeting, Template, joined

Action = Callable[[], Any]
TRIALS = 24
DEEPEST = 40
RAISES = (ArithmeticError, LookupError, AssertionError)  # what the user's own code raises on known values
WRONG = (UntraceableError, TypeError, ValueError, AttributeError, NameError, LookupError, RuntimeError)


class Raised(BaseException):
    """The user's program raises here, on a way that the data decides about."""

    def __init__(self, error: Any, where: str) -> None:
        kind = error if isinstance(error, type) else type(error)
        words = "" if isinstance(error, type) else f": {error}"
        super().__init__(f"{kind.__name__}{words} ({Path(where).name})")


# ---- a branch --------------------------------------------------------------------------------------------------------


def branch(test: SymBool, then: Action, orelse: Action) -> None:
    """Traces both ways and joins what they change. A way that raises becomes a check that it isn't taken."""
    where = user_code()[0]
    if depth() > DEEPEST:
        raise UntraceableError(f"over {DEEPEST} choices inside of each other: a recursion that the data ends", "a loop")
    memory = Heap(then, orelse).remember()
    start = birth()
    sides: list[tuple[Trace, Left]] = []
    for action, other, holds in ((then, orelse, True), (orelse, then, False)):
        trace = Trace()
        try:
            with recording(trace), narrowed(memory, test, holds):
                action()
        except (Raised, *RAISES) as error:
            memory.put_back()
            check(~test if holds else test, str(error if isinstance(error, Raised) else Raised(error, where)))
            return other()
        sides.append((trace, memory.left()))
        memory.put_back()
    return _join_sides(test, memory, sides, start, where)


def _join_sides(test: SymBool, memory: Memory, sides: list[tuple[Trace, Left]], start: int, where: str) -> None:
    places = list(dict.fromkeys([place for _, left in sides for place in left.changes]))
    ways = (f"where the choice at {where} holds", "where it doesn't")
    originals = [[left.get(place) for place in places] for _, left in sides]
    each = [list(left.frozen(places).values()) for _, left in sides]
    templates = []
    for place, x, y, a, b in zip(places, *originals, *each, strict=True):
        at = Meeting(place.name, where, ways, start, place.internal, memory.heap.known)
        templates.append(Known(x) if same_object(x, y) else joined(a, b, at))
    traces = [trace for trace, _ in sides]
    checked = any(trace.checks for trace in traces)
    blocks = [_block(trace, templates, values, checked) for trace, values in zip(traces, each, strict=True)]
    outputs: list[Tensor] = []
    if blocks[0].outputs:
        pairs = zip(blocks[0].outputs, blocks[1].outputs, strict=True)
        outputs = list(If(tuple(_either(a.data, b.data, start) for a, b in pairs), *blocks).on(_condition(test)))
    if checked:
        check(SymBool("is", outputs.pop()), messages(*traces))
    hand_out(dict(zip(places, templates, strict=True)), outputs, list(zip(*originals, strict=True)))


def hand_out(
    templates: dict[Place, Template],
    tensors: Sequence[Tensor],
    sources: Sequence[Sequence[Any]],
    *,
    started: bool = True,
) -> None:
    """Gives places their values, which know the objects that they are on some way: a change would have to change these."""
    remaining = iter(tensors)
    values = [unpacked(template, remaining, started=started) for template in templates.values()]
    for value, origins in zip(values, sources, strict=True):
        if isinstance(value, TracedList) and value.grown is not None:
            for origin in origins:
                becomes_item(origin)
    for place, value, origins in zip(templates, values, sources, strict=True):
        if isinstance(value, Tensor) and not any(isinstance(x, Value) for x in origins):
            value._aliases = aliases([base(x) for x in origins if isinstance(x, Tensor)])
        elif isinstance(value, TracedList):
            value._aliases = aliases([x for x in origins if isinstance(x, TracedList)])
        place.set(value)


def _block(trace: Trace, templates: list[Template], values: list[Any], checked: bool) -> Block:
    with recording(trace):
        tensors = [t for template, value in zip(templates, values, strict=True) for t in packed(template, value)]
        tensors += [all_hold(trace)] if checked else []
    return Block((), trace.nodes, [t._value for t in tensors])


def _condition(x: SymBool) -> Tensor:
    condition = as_tensor(x, dtypes.bool_)
    return condition.reshape(()) if condition.ndim else condition


def _either(a: Any, b: Any, start: int) -> Spec:
    """The Spec of what is one or the other; a size that a block made itself is a new axis outside."""
    sizes = zip(a.shape, b.shape, strict=True)
    return Spec(tuple(n if same(n, m) and not is_from(n, start) else fresh_axis() for n, m in sizes), a.dtype)


@contextmanager
def narrowed(memory: Memory, test: SymBool, holds: bool) -> Iterator[None]:
    """On a way where it is known whether a value is None, it is None, or itself."""
    told = test.tells if isinstance(test, Told) else ()
    changed: list[tuple[Place, Any, Any]] = []
    for place, held in memory.held.items():
        for maybe, there in told:
            if held is maybe:
                known = maybe.inner if there == holds else None
                place.set(known)
                changed.append((place, maybe, known))
    yield
    for place, maybe, known in changed:
        if place.get() is known:
            place.set(maybe)


# ---- a loop ----------------------------------------------------------------------------------------------------------


class Turns:
    """A loop being traced: its body is traced again until it is known what it carries from turn to turn.

    body: one turn, given its number. go: whether there is another. live: the variables that are read after the loop.
    """

    def __init__(self, body: Callable[[SymInt], Any], go: Callable[[], Any], live: tuple[str, ...]) -> None:
        self.body, self.go, self.live = body, go, set(live)
        self.memory = Heap(body, go).remember()
        self.where = user_code()[0]
        self.carried: dict[Place, Template] = {}
        self.brought: dict[Place, list[Any]] = {}  # the objects that a place may hold when a turn begins

    def run(self, first: Any, limit: Size | None) -> None:
        """Builds the Loop, and gives every place what it holds afterwards."""
        for _ in range(TRIALS):
            start = birth()
            turn = Turn(self)
            carried = self._carried(turn, start)
            if carried == self.carried:
                break
            self.carried = carried
            self.brought = {place: self._brought(place, turn) for place in carried}
        else:
            names = ", ".join(f"`{p.name}`" for p in self.carried)
            raise UntraceableError(
                f"what the loop carries never settles: {names}", "values of one dtype and number of dims"
            )
        if turn.error is not None:
            raise turn.error
        self._build(turn, first, limit)

    def _brought(self, place: Place, turn: Turn) -> list[Any]:
        return [turn.originals[place], self.memory.held[place]]

    def _carried(self, turn: Turn, start: int) -> dict[Place, Template]:
        ways = ("before the loop", f"after a turn of the loop at {self.where}")
        found: dict[Place, Template] = {}
        for place, value in turn.after.items():
            before = self.memory.held[place]
            if same_object(before, turn.originals[place]) and place not in self.carried:
                continue
            if before is not MISSING or place.name in self.live:
                at = Meeting(place.name, self.where, ways, start, True, self.memory.heap.known)
                found[place] = joined(self.carried.get(place, before), value, at)
        return found

    def _build(self, turn: Turn, first: Any, limit: Size | None) -> None:
        with recording(turn.trace):
            going = as_tensor(turn.next, dtypes.bool_).reshape(())
            state = [t for p, template in self.carried.items() for t in packed(template, turn.after[p])]
            if turn.trace.checks:
                fine = all_hold(turn.trace)
                going, state = going & fine, [*state, fine]
        before = [t for p, template in self.carried.items() for t in packed(template, self.memory.held[p])]
        specs = [_grown(*sides, limit, self) for sides in zip(turn.inputs[1:], state, before, strict=False)]
        inputs = turn.inputs
        if turn.trace.checks:
            held = Spec((), np.bool_)
            inputs, before, specs = (*inputs, *given([held])), [*before, as_tensor(True)], [*specs, held]
        if not state:
            return
        block = Block(inputs, turn.trace.nodes, [going._value, *[t._value for t in state]])
        start = as_tensor(True) if first is True else _condition(first)
        outputs = list(Loop(tuple(specs), block, len(state), limit).on(start, *before))
        if turn.trace.checks:
            check(SymBool("is", outputs.pop()), messages(turn.trace))
        hand_out(self.carried, outputs, [(turn.originals[place], self.memory.held[place]) for place in self.carried])


def _grown(inside: Value, after: Tensor, before: Tensor, limit: Size | None, turns: Turns) -> Spec:
    """The Spec of what a loop carries, at its end: a size that every turn adds the same to is known then."""
    dims: list[Size] = []
    for start, held, new in zip(before.shape, inside.data.shape, after.shape, strict=True):
        added = new - held
        always = turns.go is forever and limit is not None
        known = same(added, 0) or (always and isinstance(added, int))
        dims.append((start + added * limit if added else start) if known else fresh_axis())
    return Spec(tuple(dims), inside.data.dtype)


def forever() -> bool:
    """Of a loop that nothing leaves before its last turn."""
    return True


class Turn:
    """One turn, traced on values that are not known.

    What goes wrong in it is kept: it counts only once it is known what the loop carries.
    """

    def __init__(self, turns: Turns) -> None:
        self.trace = Trace()
        self.error: Exception | None = None
        self.next: Any = True
        self.inputs = given([Spec((), np.int64), *[s for t in turns.carried.values() for s in t.specs()]])
        try:
            with recording(self.trace):
                self._run(turns, self.inputs[0])
        except Raised as raised:
            self.error = UntraceableError(f"every turn of the loop raises {raised}", "a condition around `raise`")
        except WRONG as wrong:
            self.error = wrong
        now = {place: place.get() for place in turns.carried}
        left = turns.memory.left()
        self.originals = now | left.changes
        turns.memory.put_back()
        self.after = left.frozen(self.originals)

    def _run(self, turns: Turns, counter: Value) -> None:
        sources = [turns.brought[place] for place in turns.carried]
        hand_out(turns.carried, [wrap(v) for v in self.inputs[1:]], sources, started=False)
        turns.body(SymInt.element(counter, 0))
        self.next = turns.go()
