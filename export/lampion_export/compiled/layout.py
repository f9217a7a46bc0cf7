"""Which inputs and outputs a step has as a graph, by name, and which of them lie side by side in memory."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from lampion.tape import Value
from lampion_export.compiled.flat import Joint
from lampion_export.compiled.slots import Part
from lampion_export.compiled.step import Step


@dataclass
class Place:
    """Parts that lie side by side, with the names under which a graph reads and writes them: all at once, or each."""

    name: str
    parts: list[Part]
    joint: Joint | None = None

    def inputs(self, step: Step) -> dict[str, Value]:
        """What the graph may read here."""
        whole = {} if self.joint is None else {self.name: self.joint.before}
        return whole | {f"{self.name}_{i}": step.numbers[id(p.names[0])][1] for i, p in enumerate(self.parts)}

    def outputs(self, step: Step) -> dict[str, Value]:
        """What the graph writes here; of parts that it leaves alone, what they were, if it writes others."""
        if not any(id(t) in step.written for part in self.parts for t in part.names):
            return {}
        after = [(step.written.get(id(p.names[0])) or step.numbers[id(p.names[0])])[1] for p in self.parts]
        if self.joint is not None and self.joint.after is not None and after == list(self.joint.pieces):
            return {f"next_{self.name}": self.joint.after}
        return {f"next_{self.name}_{i}": value for i, value in enumerate(after)}


def places(step: Step) -> list[Place]:
    """Where the state of a step lives: joints in one row each, equal Tensors in one place, all others by themselves."""
    rows: list[tuple[Joint | None, list[Part]]] = [(joint, [Part((t,)) for t in joint.names]) for joint in step.joints]
    rows += [(None, [Part(tuple(names), True)]) for names in step.equal]
    taken = {id(t) for _, parts in rows for part in parts for t in part.names}
    rows += [(None, [Part((t,))]) for key, (t, _) in step.numbers.items() if key not in taken]
    return [Place(f"state_{i}", parts, joint) for i, (joint, parts) in enumerate(rows)]


def ports(step: Step, all_places: list[Place]) -> tuple[dict[str, Value], dict[str, Value]]:
    """The inputs and outputs of the graph by name."""
    inputs = {f"argument_{i}": value for i, value in enumerate(step.arguments)}
    inputs |= {f"gradient_{i}": value for i, (_, value) in enumerate(step.gradients.values())}
    inputs |= {f"setting_{i}": value for i, (_, _, value) in enumerate(step.settings)}
    inputs |= {f"draw_{i}": value for i, (_, value) in enumerate(step.draws)}
    outputs = {f"result_{i}": value for i, value in enumerate(step.results)}
    outputs |= {f"changed_{i}": value for i, value in step.changed.items()}
    outputs |= {f"slope_{i}": value for i, value in step.slopes.items()}
    kept = [value for _, value in step.left.values() if value is not None]
    outputs |= {f"left_{i}": value for i, value in enumerate(kept)}
    for i, update in enumerate(step.updates):
        if not update.is_left(step.left):
            outputs |= {f"update_{i}_{j}": value for j, value in enumerate(update.gradients)}
    for place in all_places:
        inputs |= place.inputs(step)
        outputs |= place.outputs(step)
    return inputs, outputs


def is_used(place: Place, step: Step, inputs: Container[str]) -> bool:
    """Whether the graph, or an update after it, reads or writes anything there."""
    if any(name in inputs for name in place.inputs(step)) or place.outputs(step):
        return True
    updated = {id(t) for update in step.updates for t in update.changed()}
    return any(id(t) in updated for part in place.parts for t in part.names)
