"""Sounds: wav files, made mono and brought to the rate that the card names in `preprocessing.rate`."""

from __future__ import annotations

from typing import Any

import numpy as np

from lampion_edge import Session, TensorSpec
from lampion_server.datatypes import Array
from lampion_server.errors import BadRequestError
from lampion_server.settings import Settings
from lampion_server.tasks.task import Task
from lampion_server.tasks.wav import Samples, read_wav


def prepare(session: Session, sound: Any, settings: Settings) -> dict[str, Array]:
    """float32 [1, sample] or [1, 1, sample], as the model takes it, from the bytes of a wav file.

    A model of a fixed length gets silence after a shorter sound. Raises `BadRequestError`, also for a longer one.
    """
    (spec,) = session.inputs if len(session.inputs) == 1 else (None,)
    if spec is None or spec.dtype != "float32" or len(spec.shape) not in (2, 3):
        message = f"model {session.name} takes no sounds: expected one input, float32 [batch, sample]"
        raise BadRequestError(message, field="model", hint="send it tensors, to infer")
    samples, rate = read_wav(sound)
    mono = samples.mean(axis=1, dtype=np.float32)
    preprocessing = session.card.preprocessing
    wanted = preprocessing.extra.get("rate", rate) if preprocessing else rate
    row = _of_length(resampled(mono, rate, int(wanted)), spec)
    return {spec.name: row.reshape(1, *([1] * (len(spec.shape) - 2)), -1)}


def resampled(samples: Samples, have: int, want: int) -> Samples:
    """The sound at another rate: its spectrum, cut off or filled up with zeros, as scipy.signal.resample does it."""
    count = round(len(samples) * want / have)
    if have == want or not len(samples) or not count:
        return samples[:count]
    spectrum = np.fft.rfft(samples)[: min(len(samples), count) // 2 + 1]
    if min(len(samples), count) % 2 == 0:  # the highest frequency stands for two, of which one remains
        spectrum[-1] *= 2 if count < len(samples) else 0.5
    return (np.fft.irfft(spectrum, count) * (count / len(samples))).astype(np.float32)


def _of_length(samples: Samples, spec: TensorSpec) -> Samples:
    length = spec.shape[-1]
    if not len(samples):
        raise BadRequestError("the wav file holds no sound")
    if not isinstance(length, int):
        return samples
    if len(samples) > length:
        message = f"expected at most {length} samples, got {len(samples)} at the model's rate"
        raise BadRequestError(message, hint="send it in pieces")
    return np.pad(samples, (0, length - len(samples)))


SOUNDS = Task("sound", "sounds", prepare)
