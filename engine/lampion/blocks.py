"""`If` and `Loop`: the ops that hold traced pieces of a program, and their gradients, which are an `If` and a `Loop`.

The gradient of a block is its own nodes once more, and after them the walk back over them. A Loop that may be walked gives,
beside what it is asked for, what every turn begins with; the Loop that is its gradient reads that from the last turn to the
first. Nothing here knows any op: a block's gradient is traced as everything else is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lampion import dtypes
from lampion.autograd.walk import run
from lampion.errors import UntraceableError, user_code
from lampion.ops.create import zeros_like
from lampion.ops.promote import as_tensor
from lampion.ops.shape import stack
from lampion.symbolic import Shape, Size, Spec, fresh_axis, same
from lampion.tape import Node, Primitive, Trace, Value, grad_mode, recording, wrap

if TYPE_CHECKING:
    from lampion.tensor import Tensor


class Given(Primitive):
    """What a block is given from outside: the node that its inputs seem to come from, so that gradients find them."""


def given(specs: Sequence[Spec]) -> tuple[Value, ...]:
    """The inputs of a block that is to be traced. While gradients are recorded, floating point ones have one."""
    node = Node(Given(), (), tuple(specs))
    return tuple(Value(s, grad_mode.enabled and dtypes.kind(s.dtype) in "fc", node, i) for i, s in enumerate(specs))


class Block:
    """A traced piece of a program: the Values it takes, the nodes it made, the Values it gives."""

    def __init__(self, inputs: Sequence[Value], nodes: Sequence[Node], outputs: Sequence[Value]) -> None:
        self.inputs, self.nodes, self.outputs = tuple(inputs), list(nodes), tuple(outputs)

    def captured(self) -> Iterator[Value]:
        """The Values from outside that it uses, and that are traced or have a gradient."""
        own = {(node, i) for node in self.nodes for i in range(len(node.data))} | {v.key for v in self.inputs}
        used = [v for node in self.nodes for v in node.inputs or ()] + list(self.outputs)
        for value in used:
            if (isinstance(value.data, Spec) or value.requires_grad) and value.key not in own:
                yield value

    def gradients(self, outputs: Sequence[Value], sent: Sequence[Tensor], wanted: Sequence[Value]) -> dict[Any, Tensor]:
        """By key, the gradients of those of `wanted` that are reached from `outputs`, to which `sent` comes.

        To be recorded after the block's nodes. Raises UntraceableError where these draw random numbers: run again, they would
        draw others.
        """
        if (drawing := _drawing(self)) is not None:
            raise UntraceableError(
                "the gradient of a choice or loop that depends on the data and draws random numbers inside",
                "random numbers drawn before it",
                drawing.where[0] if drawing.where else None,
            )
        roots = [(v, shaped(g, v.data.shape)) for v, g in zip(outputs, sent, strict=True) if v.requires_grad]
        own = set(self.nodes).__contains__
        return run([v for v, _ in roots], [g for _, g in roots], wanted, True, grad_mode.enabled, own)


class Controlled(Primitive):
    """Base of the ops that hold blocks: what these use from outside are inputs too, so that the tape shows it."""

    def __init__(self, outputs: tuple[Spec, ...], *blocks: Block) -> None:
        self.outputs, self.blocks = outputs, blocks
        self.where = user_code()[0]

    def infer(self, *inputs: Any) -> tuple[Spec, ...]:
        return self.outputs

    def on(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The op on its inputs, and on what its blocks capture."""
        result: tuple[Tensor, ...] = self(*inputs, *map(wrap, self.captured()))
        return result

    def captured(self) -> list[Value]:
        """What the blocks capture, each once; by a name that has a gradient, if there is one."""
        found: dict[Any, Value] = {}
        for value in (v for block in self.blocks for v in block.captured()):
            if value.key not in found or value.requires_grad:
                found[value.key] = value
        return list(found.values())


class If(Controlled):
    """The outputs of the first block where the condition (bool, no dims) holds, else those of the second."""

    def gradient(self, g: Any, out: Any, condition: Tensor, *captured: Tensor) -> tuple[Any, ...]:
        """Of what the blocks capture: an If over the gradients of either block."""
        sent = g if isinstance(g, tuple) else (g,)
        places = [i for i, h in enumerate(sent) if h is not None]
        wanted = [x._value for x in captured if is_open(x)]
        traces, found = [Trace(), Trace()], []
        for block, trace in zip(self.blocks, traces, strict=True):
            with recording(trace):
                found.append(block.gradients([block.outputs[i] for i in places], [sent[i] for i in places], wanted))
        reached = [v for v in wanted if any(v.key in each for each in found)]
        blocks = []
        for block, trace, each in zip(self.blocks, traces, found, strict=True):
            with recording(trace):
                grads = [_gradient(each, v) for v in reached]
            blocks.append(Block((), [*block.nodes, *trace.nodes], [h._value for h in grads]))
        results = If(tuple(map(_spec, reached)), *blocks).on(condition) if reached else ()
        by_key = {v.key: h for v, h in zip(reached, results, strict=True)}
        return (None, *[by_key.get(x._value.key) for x in captured])


class Loop(Controlled):
    """Runs its block while the condition holds: (condition, state..., rows...) -> (state..., what every turn gave, stacked...).

    The block takes (turn, state..., a row of each of the rows...) and gives (condition, state..., what this turn gives...).
    `limit` bounds the turns. `backwards` counts them from limit - 1 down to 0, and takes all of them; what turn i gives is row
    i all the same. `whole` says which of the rows are stacked. The others differ in shape: their shapes are stacked, and after
    all rows come the things themselves, in a sequence, which on the tape is a Value without dims.
    """

    def __init__(
        self,
        outputs: tuple[Spec, ...],
        body: Block,
        states: int,
        limit: Size | None = None,
        whole: tuple[bool, ...] = (),
        backwards: bool = False,
    ) -> None:
        super().__init__(outputs, body)
        self.states, self.limit, self.whole, self.backwards = states, limit, whole, backwards
        self.asked = len(outputs)
        self.kept: tuple[bool, ...] = ()  # as `whole`, of what every turn begins with, if that is given as well

    def on(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        if grad_mode.enabled and any(v.requires_grad for v in (*[x._value for x in inputs], *self.captured())):
            self._keep(inputs[1 : 1 + self.states])
        return super().on(*inputs)[: self.asked]

    def _keep(self, start: Sequence[Tensor]) -> None:
        """Makes every turn give what it begins with as well."""
        [body] = self.blocks
        states = body.inputs[1 : 1 + self.states]
        self.kept = tuple(_agree(v.data.shape, x.shape) for v, x in zip(states, start, strict=True))
        with recording(Trace()) as trace:
            rows = [v if whole else _shape_of(v) for v, whole in zip(states, self.kept, strict=True)]
        self.blocks = (Block(body.inputs, [*body.nodes, *trace.nodes], [*body.outputs, *rows]),)
        count = self.outputs[-1].shape[0] if self.asked > self.states else fresh_axis()
        self.outputs += tuple(Spec((count, *row.data.shape), row.data.dtype) for row in rows)
        self.outputs += tuple(Spec((), v.data.dtype) for v, whole in zip(states, self.kept, strict=True) if not whole)

    def gradient(self, g: Any, out: Any, condition: Tensor, *inputs: Tensor) -> tuple[Any, ...]:
        """Of states, rows and what the block captures: a Loop the other way round, which carries gradients and adds them up."""
        [body], states = self.blocks, self.states
        taken, gives = body.inputs[1:], body.outputs[1:]
        smooth = [i for i in range(states) if taken[i].requires_grad]
        read = [i for i in range(states, len(gives)) if g[i] is not None]
        rows = [i for i in range(states, len(taken)) if is_open(inputs[i])]
        apart = len(taken) + self.whole.count(False)
        captured = [i for i in range(apart, len(inputs)) if is_open(inputs[i])]
        sent = given([_spec(gives[i]) for i in (*smooth, *read)])
        with recording(Trace()) as trace:
            wanted = [*taken, *[inputs[i]._value for i in captured]]
            found = body.gradients([gives[i] for i in (*smooth, *read)], [wrap(v) for v in sent], wanted)
            self._check_rows(found, inputs[len(taken) : apart])
            reached = [i for i in captured if inputs[i]._value.key in found]
            sums = given([_spec(inputs[i]._value) for i in reached])
            after = [_gradient(found, taken[i]) for i in smooth]
            after += [wrap(s) + _gradient(found, inputs[i]._value) for s, i in zip(sums, reached, strict=True)]
            after += [_gradient(found, taken[i]) for i in rows]
        carried, each = (*sent[: len(smooth)], *sums), sent[len(smooth) :]
        block = Block(
            (body.inputs[0], *carried, *taken, *each),
            [*body.nodes, *trace.nodes],
            [as_tensor(True)._value, *[h._value for h in after]],
        )
        start = [zeros_like(out[i]) if g[i] is None else g[i] for i in smooth] + [
            zeros_like(inputs[i]) for i in reached
        ]
        stacked, places = out[self.asked : len(gives)], [*smooth, *reached, *rows]
        specs = tuple(_spec(inputs[i]._value) for i in places)
        whole = (*self.kept, *self.whole, *[True for _ in read])
        back = Loop(specs, block, len(carried), stacked[0].shape[0], whole, not self.backwards)
        turned = [*stacked, *inputs[states : len(taken)], *[g[i] for i in read]]
        results = back.on(as_tensor(True), *start, *turned, *out[len(gives) :], *inputs[len(taken) : apart])
        by_place = dict(zip(places, results, strict=True))
        return (None, *[by_place.get(i) for i in range(len(inputs))])

    def _check_rows(self, found: Mapping[Any, Tensor], apart: Sequence[Tensor]) -> None:
        """Raises UntraceableError where a gradient would have to be a row that isn't whole."""
        rows = self.blocks[0].inputs[1 + self.states :]
        ragged = [v for v, whole in zip(rows, self.whole, strict=False) if not whole]
        if any(v.key in found and is_open(x) for v, x in zip(ragged, apart, strict=True)):
            raise UntraceableError(
                "the gradient of the gradient of a loop whose values change their shape from turn to turn",
                "values of one shape, such as ones padded to the largest size",
                self.where,
            )


# ---- parts ----------------------------------------------------------------------------------------------------------


def is_open(x: Tensor) -> bool:
    """Whether a gradient can go to x."""
    return x.requires_grad and dtypes.kind(x._value.data.dtype) in "fc"


def shaped(g: Tensor, shape: Shape) -> Tensor:
    """g, known by the sizes that a shape has for it inside of a block."""
    return g if _agree(g.shape, shape) else g.reshape(shape)


def _gradient(found: Mapping[Any, Tensor], value: Value) -> Tensor:
    """What was found for a value, else zeros."""
    like = wrap(value)
    g = found.get(value.key)
    return zeros_like(like) if g is None else shaped(as_tensor(g, like.dtype), value.data.shape)


def _drawing(block: Block) -> Node | None:
    """A node that draws random numbers, in the block or in one inside of it."""
    for node in block.nodes:
        inner = [_drawing(each) for each in node.op.blocks] if isinstance(node.op, Controlled) else []
        if node.op.random or any(inner):
            return next(filter(None, inner), node)
    return None


def _shape_of(value: Value) -> Value:
    return stack([as_tensor(n, dtypes.int64) for n in value.data.shape])._value


def _spec(value: Value) -> Spec:
    return Spec(tuple(value.data.shape), np.dtype(value.data.dtype))


def _agree(a: Shape, b: Shape) -> bool:
    return all(map(same, a, b))
