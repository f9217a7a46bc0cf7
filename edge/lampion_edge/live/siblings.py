"""Cheaper ways of asking the same question, which a card may list: smaller pictures, smaller models."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lampion_edge.errors import CardError
from lampion_edge.session import Session


def cheaper(session: Session, folder: Path, threads: int | None) -> list[tuple[str, Session]]:
    """The session itself, then its card's `sizes` ([[160, 160], ...]), then its `siblings` (["small.onnx", ...]), by name.

    Siblings lie in the model's folder and know the same labels. Raises CardError.
    """
    return [(session.name, session), *_sizes(session), *_siblings(session, folder, threads)]


def _sizes(session: Session) -> Iterator[tuple[str, Session]]:
    listed = session.card.extra.get("sizes", [])
    preprocessing = session.card.preprocessing
    if not listed:
        return
    if (
        preprocessing is None
        or preprocessing.resize is None
        or any(isinstance(n, int) for n in session.inputs[0].shape[1:3])
    ):
        raise CardError("card: sizes: the model takes pictures of one size only", field="sizes")
    for size in listed:
        if not (isinstance(size, list) and len(size) == 2 and all(isinstance(n, int) and 0 < n <= 8192 for n in size)):
            raise CardError(f"card: sizes: expected [height, width], got {size!r:.40}", field="sizes")
        resize = replace(preprocessing.resize, size=(size[0], size[1]))
        smaller = copy.copy(session)  # the same weights
        smaller.card = replace(session.card, preprocessing=replace(preprocessing, resize=resize, crop=None))
        yield f"{session.name} at {size[1]} x {size[0]}", smaller


def _siblings(session: Session, folder: Path, threads: int | None) -> Iterator[tuple[str, Session]]:
    for name in session.card.extra.get("siblings", []):
        if not isinstance(name, str) or Path(name).name != name:
            raise CardError(
                f"card: siblings: expected the name of a file beside the model, got {name!r:.80}", field="siblings"
            )
        sibling = Session(folder / name, threads=threads)
        if sibling.card.labels != session.card.labels:
            raise CardError(f"card: siblings: {name} knows other labels than {session.name}", field="siblings")
        yield name, sibling
