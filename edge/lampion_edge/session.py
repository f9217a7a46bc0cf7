"""`Session`: one model file, ready to run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import numpy as np

from lampion_edge import inputs as checks
from lampion_edge import labels as postprocess
from lampion_edge.beside import beside
from lampion_edge.card import METADATA_CARD, METADATA_GOLDEN, Card, Preprocessing, TensorSpec
from lampion_edge.errors import CardError, InputError, ModelError
from lampion_edge.labels import Label
from lampion_edge.model_file import ModelFile
from lampion_edge.opening import started
from lampion_edge.runtime import Runtime, Settings
from lampion_edge.threads import good_threads
from lampion_edge.tuning import find

if TYPE_CHECKING:  # photos and golden samples are imported by what uses them: a start without them is a third shorter
    from concurrent.futures import Future
    from pathlib import Path

    from lampion_edge.golden import Array, Golden
    from lampion_edge.image import Photo
    from lampion_edge.verification import Verification

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Prediction:
    """What a photo shows: labels, the most probable first, and milliseconds per stage (decode, run, total).

    Photos predicted in one batch share its `run`.
    """

    labels: list[Label]
    timings: dict[str, float]


class Session:
    """Runs the model in a file (a path, or its bytes), as its card says; safe to call from several threads.

    A folder that `lampion-edge update` keeps stands for the version that is current in it.

    `threads` work inside one operator (default: the fast cores this process may use), `inter_threads` on several
    operators at once. `spinning` lets threads that wait burn CPU until a call ends, `arena` keeps freed memory for the
    next call; `settings` are all of them at once. Where nothing is given, and `lampion-edge tune` measured
    this file on this board, what it found is used. The attribute `settings` says what is.

    Raises ModelError if the file is missing, no ONNX, refused by onnxruntime, or, with `verify_checksum`, if its graph
    is not the one the card was written for; CardError if the card is invalid or speaks of other inputs and outputs.

        session = Session("digits.onnx")
        scores = session(images)
        session.predict("photo.jpg").labels[0].name
    """

    def __init__(
        self,
        model: str | Path | bytes,
        *,
        threads: int | None = None,
        inter_threads: int = 1,
        spinning: bool = False,
        arena: bool = True,
        settings: Settings | None = None,
        verify_checksum: bool = True,
    ) -> None:
        if threads is not None and threads < 1:
            raise InputError(f"threads: expected 1 or more, got {threads}", field="threads")
        free = settings is None and (threads, inter_threads, spinning, arena) == (None, 1, False, True)
        given = settings or Settings(threads or good_threads(), inter_threads, spinning, arena)
        with started(model) as (file, self._confirm):
            tuned = find(file) if free and isinstance(file, (str, os.PathLike)) else None
            self.settings = tuned or given
            self._open(file, verify_checksum and not tuned)

    def _open(self, model: str | Path | bytes, verify_checksum: bool) -> None:
        name, source, file = _read(model)
        card = Card.from_json(file.metadata[METADATA_CARD]) if METADATA_CARD in file.metadata else None
        whole = None
        if card and card.checksum and verify_checksum:
            whole = _hashed(name, file, card.checksum)
        else:
            _ = file.data_files  # raises for weights outside the model's folder, which onnxruntime would read
        self._golden = file.metadata.get(METADATA_GOLDEN)
        del file  # its pages were read to be hashed; they needn't stay in memory beside what is loaded
        self._runtime = Runtime(source, name, self.settings, whole)
        self.inputs = _described(self._runtime.inputs, card.inputs if card else None, "inputs")
        self.outputs = _described(self._runtime.outputs, card.outputs if card else None, "outputs")
        self.card = card or Card.tensor(self.inputs, self.outputs, name=os.path.splitext(os.path.basename(name))[0])

    @property
    def threads(self) -> int:
        """How many threads work inside one operator."""
        return self.settings.threads

    @property
    def name(self) -> str:
        """The name on the card, or the file's without its suffix."""
        return self.card.name

    @property
    def golden(self) -> Golden | None:
        """The golden samples in the file, None without. Raises CardError if they can't be read."""
        if self._golden is None:
            return None
        from lampion_edge.golden import Golden

        return Golden.from_json(self._golden)

    # --- arrays ---

    def __call__(self, *arrays: object, **named: object) -> Array | tuple[Array, ...]:
        """Runs the model on arrays, in the order of `inputs` or by name; an array if it has one output, else a tuple.

        Raises InputError as `run` does.
        """
        outputs = tuple(self.run(checks.named(self.inputs, arrays, named)).values())
        return outputs[0] if len(outputs) == 1 else outputs

    def run(self, inputs: Mapping[str, object], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """Runs the model on arrays by name and gives its `outputs` (default: all) by name.

        Raises InputError for a wrong name, shape or dtype, RunError if the model fails while it computes.
        """
        known = [spec.name for spec in self.outputs]
        names = known if outputs is None else list(outputs)
        for name in names:
            if name not in known:
                raise InputError(f"unknown output {name!r}, expected {', '.join(map(repr, known))}", field=name)
        arrays = self._runtime.run(names, checks.checked(self.inputs, inputs))
        if confirm := self._confirm:  # a new version on a device: now it has shown that it works
            self._confirm = None
            confirm()
        return dict(zip(names, arrays, strict=True))

    def verify(self) -> Verification:
        """Replays the golden samples. Raises CardError if they can't be read."""
        from lampion_edge.verification import replay

        return replay(self.golden, self.run)

    # --- photos and sounds ---

    def prepare(self, photo: Photo, *, max_pixels: int | None = None) -> dict[str, Array]:
        """A photo as the input of `run`: uint8 [1, height, width, channel] by name; or a sound: float32 [1, sample].

        Raises ImageError, also for more than `max_pixels` (default 100 million), SoundError, and InputError if the model
        takes neither.
        """
        self._expect_classifier()
        if self.card.task == "audio-classification":
            from lampion_edge import sound

            return {self.inputs[0].name: sound.decode(photo, self.card, self.inputs[0])}
        from lampion_edge.image import MAX_PIXELS, decode

        pixels = decode(photo, self.card.preprocessing or Preprocessing(), max_pixels=max_pixels or MAX_PIXELS)
        return {self.inputs[0].name: pixels[None]}

    def labels_from(self, outputs: Mapping[str, Array], top: int | None = None) -> list[list[Label]]:
        """Labels from what `run` gave, for each row of the batch. Raises InputError."""
        self._expect_classifier()
        return postprocess.labels_from(self.card, outputs, top)

    def predict(self, photo: Photo, top: int | None = None) -> Prediction:
        """What one photo shows (see `decode` for what a photo may be), or what a wav file sounds like; `top` labels, the
        card's top_k by default.

        Raises ImageError for a bad photo, SoundError for a bad sound, InputError if the model takes neither.
        """
        return self.predict_many([photo], top)[0]

    def predict_many(self, photos: Sequence[Photo], top: int | None = None) -> list[Prediction]:
        """Like `predict`, for several photos in one batch, or in as many as the model's shape demands."""
        timed = [_timed(self.prepare, photo) for photo in photos]
        predictions: dict[int, Prediction] = {}
        for batch in _batches([prepared for prepared, _ in timed], self.inputs[0]):
            feeds = {name: np.concatenate([timed[index][0][name] for index in batch]) for name in timed[batch[0]][0]}
            outputs, run = _timed(self.run, feeds)
            rows, labelling = _timed(self.labels_from, outputs, top)
            for index, labels in zip(batch, rows, strict=True):
                decoding = timed[index][1]
                timings = {"decode": decoding, "run": run, "total": decoding + run + labelling}
                predictions[index] = Prediction(labels, timings)
        return [predictions[index] for index in range(len(photos))]

    def stream(self, photos: Iterable[Photo], top: int | None = None) -> Iterator[Prediction]:
        """Like `predict`, for photos as they come: while one runs, the next is decoded by another thread.

        Raises what `predict` raises, at the photo's turn; so does whatever `photos` itself raises.
        """
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1, "lampion-decode") as decoder:
            ahead: Future[tuple[dict[str, Array], float]] | None = None
            for photo in photos:
                ready, ahead = ahead, decoder.submit(_timed, self.prepare, photo)
                if ready:
                    yield self._predicted(*ready.result(), top)
            if ahead:
                yield self._predicted(*ahead.result(), top)

    def warm_up(self) -> float:
        """One call on a golden sample, or on made-up inputs; gives its milliseconds.

        The first call is slower than the others: memory is found, weights are read. Raises RunError.
        """
        from lampion_edge.samples import sample_inputs

        return _timed(self.run, sample_inputs(self))[1]

    def _predicted(self, inputs: Mapping[str, Array], decoding: float, top: int | None) -> Prediction:
        outputs, run = _timed(self.run, inputs)
        rows, labelling = _timed(self.labels_from, outputs, top)
        return Prediction(rows[0], {"decode": decoding, "run": run, "total": decoding + run + labelling})

    def _expect_classifier(self) -> None:
        self.expect("image-classification", "audio-classification")

    def expect(self, *tasks: str) -> None:
        """Raises InputError unless the card says one of these tasks."""
        if self.card.task not in tasks:
            what = {"image-classification": "photos", "audio-classification": "sounds"}
            raise InputError(
                f"model {self.name!r}: {' and '.join(what[task] for task in tasks)} need the task {' or '.join(tasks)}, "
                f"its card says {self.card.task}",
                hint="call session(x) or session.run({name: x}) with arrays instead",
            )


def _read(model: str | Path | bytes) -> tuple[str, str | bytes, ModelFile]:
    """What errors call the model, what onnxruntime loads, and the file's top level."""
    if isinstance(model, (str, os.PathLike)):
        return str(model), str(model), ModelFile.open(model)
    return "model", bytes(model), ModelFile.parse(model)


def _hashed(name: str, file: ModelFile, checksum: str) -> Callable[[], None]:
    """Has the graph hashed by another thread. What comes back raises ModelError for another checksum, or as `data_files`.

    While onnxruntime is imported no other thread gets to run Python, so what hashing needs of it comes before.
    """
    import hashlib  # noqa: F401

    state = beside(file.checksum_state, checksum)

    def expect_whole() -> None:
        if state() == "differs":
            raise ModelError(
                f"{name}: the graph is not the one its card describes ({checksum[:23]}...)",
                hint="the file is damaged or was changed after export: copy or export it again",
            )

    return expect_whole


def _described(
    specs: Sequence[TensorSpec], described: Sequence[TensorSpec] | None, field: str
) -> tuple[TensorSpec, ...]:
    """The graph's specs with the meanings from the card. Raises CardError if the two name different tensors."""
    if described is None:
        return tuple(specs)
    meanings = {spec.name: spec.meaning for spec in described}
    names = [spec.name for spec in specs]
    if sorted(names) != sorted(spec.name for spec in described):
        raise CardError(f"card: {field}: expected those of the graph, {names}, got {list(meanings)}", field=field)
    return tuple(replace(spec, meaning=meanings[spec.name]) for spec in specs)


def _batches(prepared: Sequence[Mapping[str, Array]], spec: TensorSpec) -> list[list[int]]:
    """Indices of the photos that can run together: of equal shape, and no more than a fixed batch size takes."""
    shapes: dict[tuple[int, ...], list[int]] = {}
    for index, inputs in enumerate(prepared):
        shapes.setdefault(inputs[spec.name].shape, []).append(index)
    fixed = spec.shape[0] if spec.shape and isinstance(spec.shape[0], int) else None
    size = fixed or max(1, len(prepared))
    return [group[start : start + size] for group in shapes.values() for start in range(0, len(group), size)]


def _timed(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T, float]:
    """What `work` gives, and the milliseconds it took."""
    start = perf_counter()
    result = work(*args, **kwargs)
    return result, (perf_counter() - start) * 1000
