"""What differs between two model files: card, inputs and outputs, ops, weights, answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from lampion_edge import Card, EdgeError, Session
from lampion_export.outline import bodies, op
from lampion_export.samples import sample_inputs
from lampion_export.trace import Example
from lampion_export.verification import Array, distance
from lampion_export.weights import weights

# What follows from the rest, or says nothing about the model.
_UNSEEN = {"inputs", "outputs", "checksum"}


@dataclass(frozen=True)
class Difference:
    """What `diff` found; every part is empty where the two files agree.

    `card` holds (a, b) by field, `tensors` by input or output. `ops` are lines that begin with + (only in b), - (only in a)
    or ~ (other settings). `weights` has the largest absolute difference by name, or a text where they can't be subtracted;
    `answers` the same by output.
    """

    card: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    tensors: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    ops: list[str] = field(default_factory=list)
    weights: dict[str, float | str] = field(default_factory=dict)
    answers: dict[str, float | str] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not any(vars(self).values())

    def __str__(self) -> str:
        return "\n".join(_lines(self)) or "the same"


def diff(a: str | Path, b: str | Path) -> Difference:
    """Compares two model files; answers are compared on the golden samples of both and on random inputs.

    Raises ModelError or CardError for a file that can't be read.
    """
    sessions = Session(a, verify_checksum=False), Session(b, verify_checksum=False)
    models = ir.load(a), ir.load(b)
    return Difference(
        _cards(*(session.card for session in sessions)),
        _tensors(*sessions),
        _ops(*(list(_listed(model.graph)) for model in models)),
        _weights(*(weights(model) for model in models)),
        _answers(*sessions),
    )


def _cards(a: Card, b: Card) -> dict[str, tuple[Any, Any]]:
    fields = [json.loads(card.to_json()) for card in (a, b)]
    names = [name for name in fields[0] | fields[1] if name not in _UNSEEN]
    return _unequal({name: (fields[0].get(name), fields[1].get(name)) for name in names})


def _tensors(a: Session, b: Session) -> dict[str, tuple[str | None, str | None]]:
    left, right = (
        {
            f"{kind} {spec.name}": f"{spec} {spec.meaning}".rstrip()
            for kind, specs in (("input", session.inputs), ("output", session.outputs))
            for spec in specs
        }
        for session in (a, b)
    )
    return _unequal({name: (left.get(name), right.get(name)) for name in left | right})


def _unequal(pairs: dict[str, tuple[Any, Any]]) -> dict[str, tuple[Any, Any]]:
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


# --- ops ---


@dataclass(frozen=True)
class _Op:
    """A node by its kind and place; `about` survives an insertion elsewhere, `reads` is exact."""

    kind: str
    about: tuple[str, ...]
    reads: tuple[str, ...]


def _listed(graph: ir.Graph, where: str = "") -> Iterator[_Op]:
    """Every op in order. Names of values mean nothing, but for those that come from outside the graph."""
    places: dict[ir.Value, str] = {}
    for i, node in enumerate(graph):
        places |= {value: f"#{i}.{j}" for j, value in enumerate(node.outputs)}
        inside = bodies(node)
        held = {name.split()[0] for name, _ in inside}
        plain = [a for a in node.attributes.values() if isinstance(a, ir.Attr) and a.name not in held]
        settings = sorted(f"{a.name}={_setting(a)}" for a in plain)
        reads = tuple("none" if v is None else places.get(v, str(v.name)) for v in node.inputs)
        yield _Op(f"{where}{op(node)}", (*settings, *(f"of {_origin(v)}" for v in node.inputs)), reads)
        for name, body in inside:
            yield from _listed(body, f"{where}{op(node)}.{name}/")


def _origin(value: ir.Value | None) -> str:
    if value is None:
        return "nothing"
    maker = value.producer()
    if maker is not None:
        return maker.op_type
    return "a weight" if value.const_value is not None else str(value.name)


def _setting(attribute: ir.Attr) -> str:
    """Its value; numbers of a tensor are compared as weights."""
    if attribute.type == ir.AttributeType.TENSOR:
        tensor = attribute.as_tensor()
        return f"{tensor.dtype.name}{list(tensor.shape)}"
    return str(attribute.value)


def _ops(a: list[_Op], b: list[_Op]) -> list[str]:
    lines = []
    matcher = SequenceMatcher(None, [each.kind for each in a], [each.kind for each in b], autojunk=False)
    for tag, start, end, other, stop in matcher.get_opcodes():
        if tag == "equal":
            pairs = zip(a[start:end], b[other:stop], strict=True)
            lines += [_changed(before, after) for before, after in pairs if before.about != after.about]
            continue
        lines += [f"- {each.kind} {' '.join(each.about)}".rstrip() for each in a[start:end]]
        lines += [f"+ {each.kind} {' '.join(each.about)}".rstrip() for each in b[other:stop]]
    if lines:
        return lines
    return [
        f"~ {x.kind} reads {' '.join(x.reads)} -> {' '.join(y.reads)}"
        for x, y in zip(a, b, strict=True)
        if x.reads != y.reads
    ]


def _changed(before: _Op, after: _Op) -> str:
    gone, new = (
        " ".join(part for part in one.about if part not in other.about) or "(as by default)"
        for one, other in ((before, after), (after, before))
    )
    return f"~ {before.kind} {gone} -> {new}"


# --- numbers ---


def _weights(a: Mapping[str, ir.TensorProtocol], b: Mapping[str, ir.TensorProtocol]) -> dict[str, float | str]:
    arrays = [{name: tensor.numpy() for name, tensor in side.items()} for side in (a, b)]
    return _numbers(arrays[0], arrays[1])


def _numbers(a: Mapping[str, Array], b: Mapping[str, Array]) -> dict[str, float | str]:
    """How far arrays of the same name are apart; those that only one side has are told too."""
    found: dict[str, float | str] = {}
    for name in {**a, **b}:
        if name not in a or name not in b:
            found[name] = "only in the second" if name in b else "only in the first"
        elif (a[name].shape, a[name].dtype) != (b[name].shape, b[name].dtype):
            found[name] = f"{_shown(a[name])} -> {_shown(b[name])}"
        elif apart := _apart(a[name], b[name]):
            found[name] = apart
    return found


def _apart(a: Array, b: Array) -> float:
    if a.dtype.kind in "iu":
        a, b = a.astype(np.float64), b.astype(np.float64)
    return distance(a, b)


def _shown(array: Array) -> str:
    return f"{array.dtype} {list(array.shape)}"


def _answers(a: Session, b: Session) -> dict[str, float | str]:
    worst: dict[str, float | str] = {}
    for inputs in _questions(a, b):
        try:
            found = _numbers(a.run(inputs), b.run(inputs))
        except EdgeError as error:
            return {"(not compared)": str(error)}
        for name, apart in found.items():
            before = worst.get(name, 0.0)
            worst[name] = max(apart, before) if isinstance(apart, float) and isinstance(before, float) else apart
    return worst


def _questions(a: Session, b: Session) -> Iterator[Example]:
    """The golden samples of both, and random inputs."""
    for session in (a, b):
        if session.golden is not None:
            yield from (inputs for inputs, _ in session.golden.samples)
    yield sample_inputs(a, {})[0]


# --- as text ---


def _lines(found: Difference) -> Iterator[str]:
    for name, (before, after) in found.card.items():
        yield f"card     {name}: {_brief(before)} -> {_brief(after)}"
    for name, (was, is_now) in found.tensors.items():
        yield f"tensor   {name}: {was or 'none'} -> {is_now or 'none'}"
    yield from (f"op       {line}" for line in found.ops)
    for part, numbers in (("weight", found.weights), ("answer", found.answers)):
        for name, apart in numbers.items():
            yield f"{part:<8} {name}: {apart if isinstance(apart, str) else f'max difference {apart:.3g}'}"


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
