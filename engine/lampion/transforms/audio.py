"""Features of sound as modules, with torchaudio's names and definitions: part of a model, and of its graph.

The short-time Fourier transform is one convolution with windowed cosines and sines, which every runtime has and which takes
any length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lampion.nn.functional import conv1d, pad
from lampion.nn.module import Module
from lampion.ops.analysis import log, log10
from lampion.ops.arithmetic import clamp, maximum, pow
from lampion.ops.create import new
from lampion.ops.matmul import matmul
from lampion.ops.reduce import amax
from lampion.ops.shape import pad_constant
from lampion.ops.windows import hann_window
from lampion.tensor import Tensor

Array = np.ndarray[Any, Any]


class Spectrogram(Module):
    """|STFT| ** power of [..., time]: [..., frequencies, frames], n_fft // 2 + 1 frequencies if `onesided`, else n_fft.

    A frame is `n_fft` samples every `hop_length` (half of `win_length` unless given), around the moment if `center`, times the
    window in their middle. `pad` zeros go on both ends first. `normalized` divides by the window's norm (True or "window") or
    by sqrt(n_fft) ("frame_length"). Raises ValueError for settings that don't fit.
    """

    def __init__(
        self, n_fft: int = 400, win_length: int | None = None, hop_length: int | None = None, pad: int = 0,
        window_fn: Callable[..., Tensor] = hann_window, power: float = 2.0, normalized: bool | str = False,
        wkwargs: Mapping[str, Any] | None = None, center: bool = True, pad_mode: str = "reflect", onesided: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.n_fft, self.win_length = n_fft, n_fft if win_length is None else win_length
        self.hop_length = self.win_length // 2 if hop_length is None else hop_length
        if not 0 < self.win_length <= n_fft or self.hop_length < 1 or not power:
            raise ValueError(
                f"Spectrogram: expected win_length of 1 to n_fft, hop_length of at least 1 and a power above 0, got "
                f"{self.win_length}, {n_fft}, {self.hop_length} and {power}; for complex numbers use lampion.stft"
            )
        if normalized not in (False, True, "window", "frame_length"):
            raise ValueError(
                f"Spectrogram: expected normalized False, True, 'window' or 'frame_length', got {normalized!r}"
            )
        self.pad, self.power, self.normalized, self.center, self.pad_mode = pad, power, normalized, center, pad_mode
        self.register_buffer("window", window_fn(self.win_length, **(wkwargs or {})))
        waves = _waves(n_fft, n_fft // 2 + 1 if onesided else n_fft)
        self.register_buffer("waves", new(waves.astype(self.window.dtype.numpy), False), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """float [..., time] -> [..., frequencies, frames]"""
        x = waveform.reshape(-1, 1, waveform.shape[-1])
        x = pad_constant(x, (self.pad, self.pad)) if self.pad else x
        x = pad(x, (self.n_fft // 2, self.n_fft // 2), mode=self.pad_mode) if self.center else x
        parts = conv1d(x, self.waves * self._window(), stride=self.hop_length)
        real, imaginary = parts.chunk(2, 1)
        squared = real * real + imaginary * imaginary
        if self.normalized:
            squared = squared / (self.n_fft if self.normalized == "frame_length" else (self.window**2).sum())
        result = squared if self.power == 2 else pow(squared, self.power / 2)
        return result.reshape(*waveform.shape[:-1], *result.shape[1:])

    def _window(self) -> Tensor:
        left = (self.n_fft - self.win_length) // 2
        return pad_constant(self.window, (left, self.n_fft - self.win_length - left))

    def extra_repr(self) -> str:
        return f"n_fft={self.n_fft}, win_length={self.win_length}, hop_length={self.hop_length}, power={self.power}"


class MelScale(Module):
    """Triangles of equal width on the mel scale: [..., n_stft, frames] to [..., n_mels, frames].

    `mel_scale` is "htk" or "slaney"; norm="slaney" gives every triangle the area 1. Raises ValueError for other settings.
    """

    def __init__(
        self, n_mels: int = 128, sample_rate: int = 16000, f_min: float = 0.0, f_max: float | None = None,
        n_stft: int = 201, norm: str | None = None, mel_scale: str = "htk",
    ) -> None:  # fmt: skip
        super().__init__()
        top = float(sample_rate // 2) if f_max is None else f_max
        if not 0 <= f_min < top or norm not in (None, "slaney") or mel_scale not in ("htk", "slaney"):
            raise ValueError(
                "MelScale: expected 0 <= f_min < f_max, norm None or 'slaney' and mel_scale 'htk' or 'slaney', got "
                f"{f_min}, {top}, {norm!r} and {mel_scale!r}"
            )
        bank = mel_filters(n_stft, f_min, top, n_mels, sample_rate, norm, mel_scale)
        self.register_buffer("fb", new(bank.astype(np.float32), False))

    def forward(self, specgram: Tensor) -> Tensor:
        """[..., n_stft, frames] -> [..., n_mels, frames]"""
        return matmul(self.fb.t(), specgram)


class MelSpectrogram(Module):
    """`MelScale` of `Spectrogram`: [..., time] to [..., n_mels, frames]. Settings as theirs."""

    def __init__(
        self, sample_rate: int = 16000, n_fft: int = 400, win_length: int | None = None, hop_length: int | None = None,
        f_min: float = 0.0, f_max: float | None = None, pad: int = 0, n_mels: int = 128,
        window_fn: Callable[..., Tensor] = hann_window, power: float = 2.0, normalized: bool | str = False,
        wkwargs: Mapping[str, Any] | None = None, center: bool = True, pad_mode: str = "reflect", norm: str | None = None,
        mel_scale: str = "htk",
    ) -> None:  # fmt: skip
        super().__init__()
        self.spectrogram = Spectrogram(
            n_fft, win_length, hop_length, pad, window_fn, power, normalized, wkwargs, center, pad_mode
        )
        self.mel_scale = MelScale(n_mels, sample_rate, f_min, f_max, n_fft // 2 + 1, norm, mel_scale)

    def forward(self, waveform: Tensor) -> Tensor:
        """float [..., time] -> [..., n_mels, frames]"""
        mels: Tensor = self.mel_scale(self.spectrogram(waveform))
        return mels


class AmplitudeToDB(Module):
    """10 log10 of a power, or 20 log10 of a magnitude, at least 1e-10.

    With `top_db` what lies further below the largest value of a sample [channel, frequency, frame] is lifted to there.
    """

    def __init__(self, stype: str = "power", top_db: float | None = None) -> None:
        super().__init__()
        if stype not in ("power", "magnitude") or (top_db is not None and top_db < 0):
            raise ValueError(
                f"AmplitudeToDB: expected 'power' or 'magnitude' and top_db of at least 0, got {stype!r}, {top_db}"
            )
        self.multiplier, self.top_db = 10.0 if stype == "power" else 20.0, top_db

    def forward(self, x: Tensor) -> Tensor:
        """[..., frequency, frame] -> the same shape, in decibels"""
        decibels = self.multiplier * log10(clamp(x, min=1e-10))
        if self.top_db is None:
            return decibels
        dims = tuple(range(max(x.ndim - 3, 0), x.ndim))
        return maximum(decibels, amax(decibels, dims, keepdim=True) - self.top_db)


class MFCC(Module):
    """The discrete cosine transform of a mel spectrogram in decibels: [..., time] to [..., n_mfcc, frames].

    With `log_mels` of its natural logarithm instead. `melkwargs` are MelSpectrogram's. Raises ValueError for more coefficients
    than mels.
    """

    def __init__(
        self, sample_rate: int = 16000, n_mfcc: int = 40, dct_type: int = 2, norm: str | None = "ortho",
        log_mels: bool = False, melkwargs: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.MelSpectrogram = MelSpectrogram(sample_rate=sample_rate, **(melkwargs or {}))
        self.amplitude_to_DB, self.log_mels = AmplitudeToDB("power", 80.0), log_mels
        n_mels = self.MelSpectrogram.mel_scale.fb.shape[1]
        if dct_type != 2 or norm not in (None, "ortho") or n_mfcc > n_mels:
            raise ValueError(
                f"MFCC: expected dct_type 2, norm None or 'ortho' and n_mfcc of at most {n_mels} mels, got {dct_type}, "
                f"{norm!r} and {n_mfcc}"
            )
        self.register_buffer("dct_mat", new(_cosines(n_mfcc, n_mels, norm).astype(np.float32), False))

    def forward(self, waveform: Tensor) -> Tensor:
        """float [..., time] -> [..., n_mfcc, frames]"""
        mels = self.MelSpectrogram(waveform)
        mels = log(mels + 1e-6) if self.log_mels else self.amplitude_to_DB(mels)
        return matmul(self.dct_mat.t(), mels)


# ---- tables ---------------------------------------------------------------------------------------------------------


def _waves(n_fft: int, count: int) -> Array:
    """Cosines, then negative sines, of `count` frequencies: float64 [2 count, 1, n_fft]."""
    turns = 2 * np.pi / n_fft * (np.outer(np.arange(count), np.arange(n_fft)) % n_fft)
    return np.concatenate([np.cos(turns), -np.sin(turns)])[:, None]


def mel_filters(
    n_freqs: int, f_min: float, f_max: float, n_mels: int, sample_rate: int, norm: str | None, mel_scale: str
) -> Array:
    """Triangles over `n_freqs` frequencies from 0 to half the rate: float64 [n_freqs, n_mels]."""
    frequencies = np.linspace(0, sample_rate // 2, n_freqs)
    low, high = _mel(np.array([f_min, f_max]), mel_scale)
    corners = _hertz(np.linspace(low, high, n_mels + 2), mel_scale)
    widths = np.diff(corners)
    apart = corners - frequencies[:, None]
    bank = np.maximum(0, np.minimum(-apart[:, :-2] / widths[:-1], apart[:, 2:] / widths[1:]))
    return bank * (2 / (corners[2:] - corners[:-2])) if norm == "slaney" else bank


def _mel(hertz: Array, scale: str) -> Array:
    """HTK's 2595 log10(1 + f / 700), or Slaney's Auditory Toolbox: linear to 1 kHz, then logarithmic."""
    if scale == "htk":
        return 2595 * np.log10(1 + hertz / 700)
    return np.where(hertz < 1000, 3 * hertz / 200, 15 + 27 * np.log(np.maximum(hertz, 1000) / 1000) / math.log(6.4))


def _hertz(mel: Array, scale: str) -> Array:
    """The inverse of `_mel`."""
    if scale == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    return np.where(mel < 15, 200 * mel / 3, 1000 * np.exp(math.log(6.4) * (mel - 15) / 27))


def _cosines(n_mfcc: int, n_mels: int, norm: str | None) -> Array:
    """The DCT of type 2: float64 [n_mels, n_mfcc]."""
    table = np.cos(np.pi / n_mels * np.outer(np.arange(n_mels) + 0.5, np.arange(n_mfcc)))
    if norm is None:
        return table * 2
    table[:, 0] /= math.sqrt(2)
    return table * math.sqrt(2 / n_mels)
