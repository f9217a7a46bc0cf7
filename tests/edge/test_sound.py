from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge.sounds import wav

from lampion_edge import InputError, Session, SoundError
from lampion_edge.sound import resampled


@pytest.mark.parametrize(("have", "want"), [(8000, 16000), (16000, 8000), (8000, 11025), (44100, 8000)])
def test_resampling_a_tone(have: int, want: int) -> None:
    def tone(rate: int) -> np.ndarray:
        return np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)

    np.testing.assert_allclose(resampled(tone(have), have, want), tone(want), atol=1e-3)


def test_resampling_keeps_the_highest_frequency() -> None:
    highest = np.tile(np.array([1, -1], np.float32), 4)
    up = resampled(highest, 1, 2)
    np.testing.assert_allclose(up[::2], highest, atol=1e-6)
    np.testing.assert_allclose(resampled(up, 2, 1), highest, atol=1e-6)


def test_a_session_hears(sounds_path: Path, tmp_path: Path) -> None:
    session = Session(sounds_path)
    stereo = wav(np.stack([np.full(4000, 0.5), np.zeros(4000)], 1), rate=16000)
    (tmp_path / "loud.wav").write_bytes(stereo)
    for sound in (stereo, tmp_path / "loud.wav", str(tmp_path / "loud.wav"), np.full(2000, 0.25, np.float32)):
        assert session.predict(sound, top=1).labels[0].name == "above"
    quiet = wav(np.full(100, -0.5))  # shorter than a window: silence follows
    assert session.prepare(quiet)["sound"].shape == (1, 8000)
    assert [p.labels[0].name for p in session.predict_many([quiet, stereo])] == ["below", "above"]


@pytest.mark.parametrize(
    ("sound", "words"),
    [
        (b"ID3", "expected a wav file"),
        ("nowhere.wav", "nowhere.wav: can't be read"),
        (wav(np.zeros(0)), "the wav file holds no sound"),
        (wav(np.zeros(8001)), "expected at most 8000 samples, got 8001 at the model's rate"),
    ],
)
def test_sounds_that_do_not_fit(sounds_path: Path, sound: Any, words: str) -> None:
    with pytest.raises(SoundError, match=words):
        Session(sounds_path).predict(sound)


def test_a_model_that_only_looks(digits_path: Path) -> None:
    from lampion_edge.sound import decode

    session = Session(digits_path)
    with pytest.raises(InputError, match="model digits takes no sounds"):
        decode(wav(np.zeros(10)), session.card, session.inputs[0])
