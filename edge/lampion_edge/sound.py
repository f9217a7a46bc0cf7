"""Sound to array, as the card says: mono, at the rate in `preprocessing.rate`, of the length that the model takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lampion_edge.card import Card, TensorSpec
from lampion_edge.errors import InputError, SoundError
from lampion_edge.wav import Samples, read_wav

Sound = str | Path | bytes | bytearray | memoryview | np.ndarray[Any, Any]


MAX_SAMPLES = 50_000_000


def decode(sound: Sound, card: Card, spec: TensorSpec, *, max_samples: int = MAX_SAMPLES) -> Samples:
    """A sound as float32 [1, sample] or [1, 1, sample], as the input `spec` has it.

    The sound is a path, the bytes of a wav file, or float32 [sample] at the card's rate. A model of a fixed length gets
    silence after a shorter one. Raises SoundError, also for a longer one and for one of more than `max_samples` at the
    card's rate, and InputError if the model takes no sound.
    """
    if spec.dtype != "float32" or len(spec.shape) not in (2, 3):
        message = f"model {card.name} takes no sounds: expected one input, float32 [batch, sample]"
        raise InputError(message, field="model", hint="call session(x) with arrays, or send it tensors, to infer")
    if isinstance(sound, np.ndarray):
        mono = np.asarray(sound, np.float32).reshape(-1)
    else:
        samples, have = read_wav(_bytes(sound))
        want = rate(card) or have
        _check_length(len(samples) * want / have, max_samples)
        mono = resampled(samples.mean(axis=1, dtype=np.float32), have, want)
    return _of_length(mono, spec).reshape(1, *([1] * (len(spec.shape) - 2)), -1)


def rate(card: Card) -> int | None:
    """Samples a second that the model was trained on, where its card says so."""
    wanted = card.preprocessing.extra.get("rate") if card.preprocessing else None
    return int(wanted) if isinstance(wanted, (int, float)) else None


def _check_length(samples: float, most: int) -> None:
    """A file may claim a rate of 1 Hz, and be thousands of times longer at the model's."""
    if samples > most:
        raise SoundError(f"expected at most {most} samples at the model's rate, got {samples:.0f}")


def resampled(samples: Samples, have: int, want: int) -> Samples:
    """The sound at another rate: its spectrum, cut off or filled up with zeros, as scipy.signal.resample does it."""
    count = round(len(samples) * want / have)
    if have == want or not len(samples) or not count:
        return samples[:count]
    spectrum = np.fft.rfft(samples)[: min(len(samples), count) // 2 + 1]
    if min(len(samples), count) % 2 == 0:  # the highest frequency stands for two, of which one remains
        spectrum[-1] *= 2 if count < len(samples) else 0.5
    return (np.fft.irfft(spectrum, count) * (count / len(samples))).astype(np.float32)


def _bytes(sound: str | Path | bytes | bytearray | memoryview) -> bytes:
    if not isinstance(sound, (str, Path)):
        return bytes(sound)
    try:
        return Path(sound).read_bytes()
    except OSError as error:
        raise SoundError(f"{sound}: can't be read ({error.strerror})", hint="check the path of the sound") from None


def _of_length(samples: Samples, spec: TensorSpec) -> Samples:
    length = spec.shape[-1]
    if not len(samples):
        raise SoundError("the wav file holds no sound")
    if not isinstance(length, int):
        return samples
    if len(samples) > length:
        message = f"expected at most {length} samples, got {len(samples)} at the model's rate"
        raise SoundError(message, hint="send it in pieces; `lampion-edge listen` cuts it into windows")
    return np.pad(samples, (0, length - len(samples)))
