"""Sound features against the formulas in float64 numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lampion
from lampion import transforms as T

Array = np.ndarray[Any, Any]

SOUND = np.random.default_rng(0).standard_normal((2, 3, 500)).astype(np.float32)
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {"n_fft": 64},
    "hop": {"n_fft": 64, "hop_length": 16},
    "narrow window": {"n_fft": 64, "win_length": 41, "hop_length": 10},
    "odd": {"n_fft": 51, "hop_length": 13},
    "not centred": {"n_fft": 64, "center": False},
    "constant": {"n_fft": 64, "pad_mode": "constant", "pad": 7},
    "magnitude": {"n_fft": 64, "power": 1.0},
    "cubed": {"n_fft": 64, "power": 3.0},
    "window norm": {"n_fft": 64, "win_length": 50, "normalized": True},
    "frame norm": {"n_fft": 64, "normalized": "frame_length"},
    "hamming": {"n_fft": 64, "window_fn": lampion.hamming_window, "wkwargs": {"alpha": 0.5, "beta": 0.5}},
    "both sides": {"n_fft": 16, "onesided": False},
}


def spectrogram(
    x: Array, n_fft: int, win_length: int | None = None, hop_length: int | None = None, pad: int = 0, power: float = 2.0,
    normalized: Any = False, center: bool = True, pad_mode: str = "reflect", onesided: bool = True, **window: Any,
) -> Array:  # fmt: skip
    width = win_length or n_fft
    weights = np.zeros(n_fft)  # hamming_window of 0.5 and 0.5 is hann's too
    left = (n_fft - width) // 2
    weights[left : left + width] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(width) / width)
    x = np.pad(x.astype(np.float64), [(0, 0)] * (x.ndim - 1) + [(pad, pad)])
    x = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(n_fft // 2, n_fft // 2)], mode=pad_mode) if center else x  # type: ignore[call-overload]
    frames = np.lib.stride_tricks.sliding_window_view(x, n_fft, -1)[..., :: hop_length or width // 2, :] * weights
    spectrum = np.abs((np.fft.rfft if onesided else np.fft.fft)(frames)).swapaxes(-1, -2)
    norm = {False: 1.0, True: np.sqrt((weights**2).sum()), "frame_length": np.sqrt(n_fft)}[normalized]
    return (spectrum / norm) ** power


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_spectrogram(settings: dict[str, Any]) -> None:
    want = spectrogram(SOUND, **settings)
    got = T.Spectrogram(**settings)(lampion.from_numpy(SOUND)).numpy()
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5 * want.max())
    alone = T.Spectrogram(**settings)(lampion.from_numpy(SOUND[0, 0])).numpy()
    np.testing.assert_allclose(alone, got[0, 0], rtol=1e-4, atol=1e-6 * want.max())


def bank(scale: str, norm: str | None, n_mels: int = 10, n_stft: int = 33, rate: int = 8000, low: float = 0.0) -> Array:
    """Triangles between corners that are equally far apart in mels, one by one."""

    def mel(f: float) -> float:
        if scale == "htk":
            return 2595 * np.log10(1 + f / 700)
        return f * 3 / 200 if f < 1000 else 15 + np.log(f / 1000) / (np.log(6.4) / 27)

    grid = np.linspace(0, rate / 2, 2_000_001)
    corners = np.interp(np.linspace(mel(low), mel(rate / 2), n_mels + 2), np.vectorize(mel)(grid[::100]), grid[::100])
    result = np.zeros((n_stft, n_mels))
    for i, (a, b, c) in enumerate(zip(corners, corners[1:], corners[2:], strict=False)):
        height = 2 / (c - a) if norm else 1.0
        result[:, i] = height * np.interp(np.linspace(0, rate / 2, n_stft), [a, b, c], [0, 1, 0])
    return result


@pytest.mark.parametrize("low", [0.0, 300.0])
@pytest.mark.parametrize("norm", [None, "slaney"])
@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_mel_scale(scale: str, norm: str | None, low: float) -> None:
    layer = T.MelScale(10, 8000, low, n_stft=33, norm=norm, mel_scale=scale)
    want = bank(scale, norm, low=low)
    np.testing.assert_allclose(layer.fb.numpy(), want, rtol=1e-3, atol=1e-4 * want.max())
    power = np.random.default_rng(1).random((2, 33, 4)).astype(np.float32)
    np.testing.assert_allclose(layer(lampion.from_numpy(power)).numpy(), layer.fb.numpy().T @ power, rtol=1e-5)


@pytest.mark.parametrize(("stype", "factor"), [("power", 10), ("magnitude", 20)])
def test_decibels(stype: str, factor: int) -> None:
    x = np.array([[1.0, 0.1, 0.0], [100.0, 1e-20, 1e-5]], np.float32)
    want = factor * np.log10(np.maximum(x.astype(np.float64), 1e-10))
    np.testing.assert_allclose(T.AmplitudeToDB(stype)(lampion.from_numpy(x)).numpy(), want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rank", [2, 3, 4, 5])
def test_top_db_is_below_the_largest_of_a_sample(rank: int) -> None:
    x = 10.0 ** np.random.default_rng(0).uniform(-8, 4, (2, 3, 2, 4, 5)[5 - rank :])
    want = 10 * np.log10(x)
    last_three = tuple(range(max(rank - 3, 0), rank))
    want = np.maximum(want, want.max(last_three, keepdims=True) - 30)
    np.testing.assert_allclose(T.AmplitudeToDB(top_db=30)(lampion.from_numpy(x)).numpy(), want, rtol=1e-6)


@pytest.mark.parametrize("log_mels", [False, True])
@pytest.mark.parametrize("norm", [None, "ortho"])
def test_mfcc(norm: str | None, log_mels: bool) -> None:
    layer = T.MFCC(8000, 5, norm=norm, log_mels=log_mels, melkwargs={"n_fft": 64, "n_mels": 10})
    mels = np.einsum("fm,...ft->...mt", bank("htk", None), spectrogram(SOUND, 64))
    loud = 10 * np.log10(np.maximum(mels, 1e-10))
    loud = np.log(mels + 1e-6) if log_mels else np.maximum(loud, loud.max((-3, -2, -1), keepdims=True) - 80)
    k, n = np.arange(5)[:, None], np.arange(10)
    dct = 2 * np.cos(np.pi * k * (2 * n + 1) / 20)
    dct *= 1 if norm is None else np.where(k == 0, np.sqrt(1 / 40), np.sqrt(1 / 20))
    got = layer(lampion.from_numpy(SOUND)).numpy()
    assert got.shape == (2, 3, 5, 16)
    np.testing.assert_allclose(got, dct @ loud, rtol=2e-3, atol=2e-2)


def test_keys_are_torchaudios() -> None:
    assert list(T.MFCC(melkwargs={"n_mels": 64}).state_dict()) == [
        "dct_mat", "MelSpectrogram.spectrogram.window", "MelSpectrogram.mel_scale.fb",
    ]  # fmt: skip


def test_gradients_reach_the_sound() -> None:
    x = lampion.from_numpy(SOUND[0, :1, :80].astype(np.float64)).requires_grad_()
    layer = T.MelSpectrogram(8000, 16, n_mels=4)
    for buffer in ("window", "waves"):
        setattr(layer.spectrogram, buffer, getattr(layer.spectrogram, buffer).double())
    layer.mel_scale.fb = layer.mel_scale.fb.double()
    assert lampion.autograd.gradcheck(layer, (x,))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.Spectrogram(64, 65), "win_length of 1 to n_fft, .* got 65, 64"),
        (lambda: T.Spectrogram(64, power=0), "for complex numbers use lampion.stft"),
        (lambda: T.Spectrogram(64, normalized="x"), "'frame_length', got 'x'"),
        (lambda: T.MelScale(f_min=9000), "0 <= f_min < f_max"),
        (lambda: T.MelScale(mel_scale="bark"), "'slaney', got .*'bark'"),
        (lambda: T.AmplitudeToDB("db"), "'power' or 'magnitude'"),
        (lambda: T.MFCC(n_mfcc=129), "at most 128 mels, got 2, 'ortho' and 129"),
    ],
)
def test_settings_that_do_not_fit_are_told(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
