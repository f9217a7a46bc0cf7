"""Spectrograms against `torch.stft`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import lampion
from lampion import transforms

SOUND = np.random.default_rng(0).standard_normal((2, 500)).astype(np.float32)


@pytest.mark.parametrize("pad_mode", ["reflect", "constant", "replicate", "circular"])
@pytest.mark.parametrize(("n_fft", "win_length", "hop"), [(64, 64, 32), (64, 41, 10), (51, 51, 13), (400, 320, 160)])
@pytest.mark.parametrize("center", [True, False])
def test_spectrogram_is_the_square_of_torchs_stft(
    pad_mode: str, n_fft: int, win_length: int, hop: int, center: bool
) -> None:
    settings: dict[str, Any] = {"center": center, "pad_mode": pad_mode}
    window = torch.hann_window(win_length)
    sound = torch.from_numpy(SOUND)
    want = torch.stft(sound, n_fft, hop, win_length, window, return_complex=True, **settings).abs().square().numpy()
    got = transforms.Spectrogram(n_fft, win_length, hop, **settings)(lampion.from_numpy(SOUND)).numpy()
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5 * want.max())
