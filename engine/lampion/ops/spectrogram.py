"""The short-time Fourier transform and its inverse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lampion import dtypes
from lampion.ops.complex import view_as_real
from lampion.ops.create import arange, ones
from lampion.ops.fourier import fft, ifft, irfft, rfft
from lampion.ops.promote import as_tensor
from lampion.ops.shape import pad_constant

if TYPE_CHECKING:
    from lampion.tensor import Tensor

BORDERS = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}  # by numpy's names


def stft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Tensor | None = None,
    center: bool = True, pad_mode: str = "reflect", normalized: bool = False, onesided: bool | None = None,
    return_complex: bool | None = None,
) -> Tensor:  # fmt: skip
    """The transforms of windows of a signal [time] or [batch, time]: complex [..., frequencies, frames].

    Frame t is `n_fft` samples around t * hop_length (from there on unless `center`), times `window`. `onesided` (default for
    real signals) keeps n_fft // 2 + 1 frequencies; `normalized` divides by sqrt(n_fft). Without `return_complex` the last dim
    holds real and imaginary part. Raises RuntimeError for settings that don't fit each other.
    """
    if input.ndim not in (1, 2):
        raise RuntimeError(f"stft: expected [time] or [batch, time], got shape {list(input.shape)}")
    hop = n_fft // 4 if hop_length is None else hop_length
    window = _window("stft", input, n_fft, win_length, window)
    is_complex = input.dtype.is_complex or window.dtype.is_complex
    if return_complex is None and not is_complex:
        raise RuntimeError("stft: return_complex must be given for real inputs; True is what most want")
    signal = _centred(input, n_fft // 2, pad_mode) if center else input
    if not 0 < n_fft <= signal.shape[-1]:
        raise RuntimeError(f"stft: expected 0 < n_fft <= {signal.shape[-1]} samples, got {n_fft}")
    count = (signal.shape[-1] - n_fft) // hop + 1
    frames = signal[..., arange(count).unsqueeze(1) * hop + arange(n_fft)] * window
    half = not is_complex if onesided is None else onesided
    spectrum = (rfft if half else fft)(frames, norm="ortho" if normalized else None).transpose(-1, -2)
    return view_as_real(spectrum) if return_complex is False else spectrum


def istft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Tensor | None = None,
    center: bool = True, normalized: bool = False, onesided: bool | None = None, length: int | None = None,
    return_complex: bool = False,
) -> Tensor:  # fmt: skip
    """The signal whose `stft` is nearest to `input`, of `length` samples.

    Sums the windowed inverses of the frames and divides by the sum of squared windows (Griffin and Lim, IEEE Trans. ASSP 32
    (1984) 236-243). Raises RuntimeError where the windows leave a gap.
    """
    hop = n_fft // 4 if hop_length is None else hop_length
    window = _window("istft", input, n_fft, win_length, window)
    half = input.shape[-2] != n_fft if onesided is None else onesided
    if not input.dtype.is_complex or input.shape[-2] != (n_fft // 2 + 1 if half else n_fft):
        raise RuntimeError(
            f"istft: expected complex [..., {n_fft // 2 + 1 if half else n_fft}, frames], got {input.dtype} of shape "
            f"{list(input.shape)}"
        )
    norm = "ortho" if normalized else None
    spectrum = input.transpose(-1, -2)
    if half and return_complex:
        raise RuntimeError("istft: onesided spectra are of real signals; leave return_complex away")
    frames = (ifft(spectrum, norm=norm) if return_complex else irfft(spectrum, n_fft, norm=norm)) * window
    weights = (window * window).expand(frames.shape[-2:])
    start = n_fft // 2 if center else 0
    total = n_fft + hop * (frames.shape[-2] - 1)
    end = start + length if length is not None else total - start
    signal, weight = (_overlapped(x, hop, total)[..., start : min(end, total)] for x in (frames, weights))
    if float(weight.detach().abs().min()) < 1e-11:
        raise RuntimeError(
            "istft: the window leaves samples that no frame covers; use a smaller hop_length or a wider window"
        )
    return pad_constant(signal / weight, (0, max(end - total, 0)))


def _overlapped(frames: Tensor, hop: int, total: int) -> Tensor:
    """The sum of frames [..., count, n], each `hop` behind the one before."""
    count, n = frames.shape[-2:]
    places = (arange(count).unsqueeze(1) * hop + arange(n)).reshape(-1)
    flat = frames.reshape(*frames.shape[:-2], -1)
    silence = as_tensor(np.zeros((*flat.shape[:-1], total)), flat.dtype)
    return silence.index_add(-1, places, flat)


def _window(who: str, input: Tensor, n_fft: int, win_length: int | None, window: Tensor | None) -> Tensor:
    """The window in the middle of `n_fft` zeros."""
    width = n_fft if win_length is None else win_length
    if not 0 < width <= n_fft:
        raise RuntimeError(f"{who}: expected 0 < win_length <= n_fft, got {width} and {n_fft}")
    if window is not None and (window.ndim != 1 or window.shape[0] != width):
        raise RuntimeError(f"{who}: expected a window of {width} samples, got shape {list(window.shape)}")
    kind = dtypes.of(np.zeros(0, input.dtype.numpy).real.dtype)
    left = (n_fft - width) // 2
    return pad_constant(ones(width, dtype=kind) if window is None else window, (left, n_fft - width - left))


def _centred(x: Tensor, border: int, mode: str) -> Tensor:
    """`x` with `border` more samples on both sides."""
    if mode == "constant":
        return pad_constant(x, (border, border))
    if mode not in BORDERS:
        raise RuntimeError(f"stft: expected pad_mode constant, {', '.join(BORDERS)}, got {mode!r}")
    if mode == "reflect" and border >= x.shape[-1]:
        raise RuntimeError(f"stft: a border of {border} can't mirror {x.shape[-1]} samples; use pad_mode='constant'")
    places: Any = np.pad(np.arange(x.shape[-1]), border, mode=BORDERS[mode])  # type: ignore[call-overload]
    return x[..., as_tensor(places)]
