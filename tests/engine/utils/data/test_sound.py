"""Wav files."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from lampion.utils.data import read_wav

EXTREMES = {
    1: [0, 64, 128, 255],
    2: [-(2**15), -1, 0, 2**15 - 1],
    3: [-(2**23), -1, 0, 2**23 - 1],
    4: [-(2**31), -1, 0, 2**30],
}


def write(path: Path, width: int, channels: int, samples: list[int], rate: int = 8000) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(b"".join(n.to_bytes(width, "little", signed=width > 1) for n in samples))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("width", EXTREMES)
def test_samples_are_fractions_of_the_largest(tmp_path: Path, width: int, channels: int) -> None:
    write(tmp_path / "x.wav", width, channels, EXTREMES[width])
    sound, rate = read_wav(tmp_path / "x.wav")
    zero, scale = (128, 128) if width == 1 else (0, 2 ** (8 * width - 1))
    want = (np.array(EXTREMES[width], np.float64) - zero) / scale
    assert (rate, sound.numpy().dtype) == (8000, np.float32)
    np.testing.assert_array_equal(sound.numpy(), want.astype(np.float32).reshape(-1, channels).T)
    assert sound.numpy().min() == -1


def test_a_file_cut_short_gives_its_whole_frames(tmp_path: Path) -> None:
    write(tmp_path / "x.wav", 2, 2, [1, 2, 3, 4])
    (tmp_path / "x.wav").write_bytes((tmp_path / "x.wav").read_bytes()[:-1])
    sound, _ = read_wav(tmp_path / "x.wav")
    assert sound.shape == (2, 1)


@pytest.mark.parametrize("data", [b"", b"RIFF", b"ID3 is no wav file at all", b"RIFF\x04\0\0\0WAVE"])
def test_other_files_are_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.wav").write_bytes(data)
    with pytest.raises(ValueError, match="is no wav file of 8, 16, 24 or 32 bit integers"):
        read_wav(tmp_path / "x.wav")
    with pytest.raises(FileNotFoundError):
        read_wav(tmp_path / "y.wav")
