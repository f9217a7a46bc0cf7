"""Sounds: wav files, made mono and brought to the rate that the card names in `preprocessing.rate`."""

from __future__ import annotations

from typing import Any

import numpy as np

from lampion_edge.sound import decode
from lampion_server.datatypes import Array
from lampion_server.described import Described
from lampion_server.errors import BadRequestError
from lampion_server.settings import Settings
from lampion_server.tasks.task import Task


def prepare(session: Described, sound: Any, settings: Settings) -> dict[str, Array]:
    """float32 [1, sample] or [1, 1, sample], as the model takes it, from the bytes of a wav file.

    Raises `BadRequestError` for a model of several inputs, edge's `SoundError` and `InputError`.
    """
    if len(session.inputs) != 1:
        message = f"model {session.name} takes no sounds: expected one input, float32 [batch, sample]"
        raise BadRequestError(message, field="model", hint="send it tensors, to infer")
    (spec,) = session.inputs
    samples = decode(sound, session.card, spec, max_samples=settings.max_body_bytes // 4)
    if not np.isfinite(samples).all():
        raise BadRequestError("the wav file holds samples that are NaN or infinite")
    return {spec.name: samples}


SOUNDS = Task("sound", "sounds", prepare)
