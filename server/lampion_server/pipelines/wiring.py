"""What each step takes and gives, found out from the models it asks; a pipeline that doesn't fit them is refused here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lampion_edge import Card, ModelError, Preprocessing, TensorSpec
from lampion_server.described import Described
from lampion_server.errors import ServerError
from lampion_server.pipelines.declaration import Ask, Crop, Declaration, Step, Wire

Find = Callable[[str, str | None], Described]
# A picture that is cut: one a request, since each may have another number of boxes.
PICTURE = TensorSpec("picture", "uint8", (1, "height", "width", 3), "photo")


@dataclass
class Wiring:
    """A declaration beside its models: their cards by step, what every wire carries, the shapes of what is cut."""

    declaration: Declaration
    inputs: dict[str, TensorSpec] = field(default_factory=dict)
    steps: dict[str, dict[str, TensorSpec]] = field(default_factory=dict)
    cards: dict[str, Card] = field(default_factory=dict)
    images: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    def carried(self, wire: Wire, place: str) -> TensorSpec:
        """What comes over a wire to a place. Raises `ModelError` if the step has no such output."""
        if wire.step is None:
            return self.inputs[str(wire.output)]
        outputs = self.steps[wire.step]
        name = main_output(wire, list(outputs))
        if name not in outputs:
            has = ", ".join(outputs)
            raise ModelError(f"{place}: step {wire.step} has no output {wire.output!r}; it has {has}")
        return outputs[name]


def main_output(wire: Wire, outputs: Sequence[str]) -> str:
    """The name of the output that a wire means: the first one if it names none."""
    return wire.output or outputs[0]


def wire_up(declaration: Declaration, find: Find) -> Wiring:
    """The pipeline among the models that `find(name, version)` knows. Raises `ModelError` that names the step."""
    wiring = Wiring(declaration)
    models = {step.name: _found(step, find) for step in declaration.steps if isinstance(step, Ask)}
    for name in declaration.inputs:
        wiring.inputs[name] = _input(name, declaration, models)
    for step in declaration.steps:
        if isinstance(step, Ask):
            _ask(step, models[step.name], wiring)
        else:
            _crop(step, models, wiring)
    for name, wire in declaration.outputs.items():
        wiring.carried(wire, f"outputs.{name}")
    return wiring


def _found(step: Ask, find: Find) -> Described:
    try:
        model = find(step.model, step.version)
    except ServerError as error:
        raise ModelError(f"step {step.name}: {error}") from None
    names = [spec.name for spec in model.inputs]
    if set(step.inputs) != set(names):
        got = ", ".join(step.inputs) or "none"
        raise ModelError(f"step {step.name}: model {step.model} takes {', '.join(names)}, wired are {got}")
    return model


def _input(name: str, declaration: Declaration, models: Mapping[str, Described]) -> TensorSpec:
    """An input of the pipeline is what the first model behind it takes; one that is cut is a single picture."""
    wire, spec, cut = Wire(None, name), None, False
    for step in declaration.steps:
        if isinstance(step, Crop):
            cut = cut or step.picture == wire
            continue
        for taken in models[step.name].inputs:
            if step.inputs[taken.name] == wire:
                spec = spec or replace(taken, name=name)
    if spec is None and not cut:
        raise ModelError(f"inputs: no step takes {name!r}")
    if cut:
        spec = replace(spec, shape=(1, *spec.shape[1:])) if spec else replace(PICTURE, name=name)
    assert spec is not None
    return spec


def _ask(step: Ask, model: Described, wiring: Wiring) -> None:
    """Checks what comes in, and passes on what the model gives; axes are called what they are called before it."""
    axes: dict[str, int | str | None] = {}
    for spec in model.inputs:
        given = wiring.carried(step.inputs[spec.name], f"step {step.name}")
        if not _fits(spec, given, axes):
            wanted = f"input {spec.name} of model {step.model} is {spec}"
            raise ModelError(f"step {step.name}: {wanted}, {step.inputs[spec.name]} is {given}")
    wiring.cards[step.name] = model.card
    wiring.steps[step.name] = {
        spec.name: replace(spec, shape=tuple(axes.get(n, n) if isinstance(n, str) else n for n in spec.shape))
        for spec in model.outputs
    }


def _fits(wanted: TensorSpec, given: TensorSpec, axes: dict[str, int | str | None]) -> bool:
    if not wanted.shape or not given.shape:  # onnxruntime gives a scalar and a tensor of unknown rank the same shape
        return wanted.dtype == given.dtype
    for want, got in zip(wanted.shape, given.shape, strict=False):
        if isinstance(want, int) and isinstance(got, int) and want != got:
            return False
        if isinstance(want, str):
            axes.setdefault(want, got)
    return wanted.dtype == given.dtype and len(wanted.shape) == len(given.shape)


def _crop(step: Crop, models: Mapping[str, Described], wiring: Wiring) -> None:
    picture = wiring.carried(step.picture, f"step {step.name}")
    if picture.dtype != "uint8" or len(picture.shape) != 4 or picture.shape[3] not in (1, 3):
        wanted = "expected a picture to cut, uint8 [1, height, width, 1 or 3]"
        raise ModelError(f"step {step.name}: {wanted}, {step.picture} is {picture}")
    for wire in (step.boxes, step.scores):
        if wire:
            wiring.carried(wire, f"step {step.name}")
    tall, wide, deep = _image_wanted(step, wiring.declaration.steps, models)
    height, width = step.size or (tall, wide)
    channels = deep or picture.shape[3]
    if not isinstance(height, int) or not isinstance(width, int):
        hint = "since no model behind it has a fixed one"
        raise ModelError(f"step {step.name}: expected size = [height, width], {hint}")
    wiring.images[step.name] = height, width, int(channels)
    count: int | str = step.name if step.boxes else 1
    wiring.steps[step.name] = {
        "images": TensorSpec("images", "uint8", (count, height, width, channels), "photo"),
        "boxes": TensorSpec("boxes", "float32", (count, 4), "box"),
        "scores": TensorSpec("scores", "float32", (count,), "score"),
    }


def _image_wanted(step: Crop, steps: Sequence[Step], models: Mapping[str, Described]) -> list[int | None]:
    """Height, width and channels of what the first model takes that takes the images, None where it takes any."""
    for other in steps:
        if isinstance(other, Ask):
            for spec in models[other.name].inputs:
                wire = other.inputs[spec.name]
                if wire.step == step.name and wire.output in (None, "images") and len(spec.shape) == 4:
                    return [size if isinstance(size, int) else None for size in spec.shape[1:]]
    return [None, None, None]


# --- what the whole takes and gives ---


def card(wiring: Wiring) -> Card:
    """The pipeline's card: its task and preprocessing are those of what takes its only input."""
    declaration = wiring.declaration
    outputs = tuple(replace(wiring.carried(wire, name), name=name) for name, wire in declaration.outputs.items())
    task, preprocessing = _asked_as(wiring)
    return Card(
        declaration.name,
        task,
        tuple(wiring.inputs.values()),
        outputs,
        version=declaration.version,
        description=declaration.description,
        preprocessing=preprocessing,
    )


def _asked_as(wiring: Wiring) -> tuple[str, Preprocessing | None]:
    if len(wiring.inputs) != 1:
        return "tensor", None
    (spec,) = wiring.inputs.values()
    wire = Wire(None, spec.name)
    for step in wiring.declaration.steps:
        if isinstance(step, Ask) and wire in step.inputs.values():
            taken = wiring.cards[step.name]
            return taken.task, taken.preprocessing
    return "image-classification", Preprocessing("L" if spec.shape[3] == 1 else "RGB")
