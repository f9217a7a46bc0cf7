from __future__ import annotations

import numpy as np
import pytest
from edge.sounds import LOUD, floats, wav

from lampion_edge import SoundError
from lampion_edge.wav import read_wav


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2])
def test_pcm(width: int, channels: int) -> None:
    sent = np.stack([LOUD, -LOUD], 1)[:, :channels]
    samples, rate = read_wav(wav(sent, 44100, width))
    assert (samples.dtype, samples.shape, rate) == (np.float32, (800, channels), 44100)
    np.testing.assert_allclose(samples, sent, atol=2.0 ** (1 - 8 * width) + 1e-7)


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_floats(dtype: str, extensible: bool) -> None:
    samples, rate = read_wav(floats(LOUD.astype(dtype), extensible=extensible))
    assert rate == 8000
    np.testing.assert_array_equal(samples[:, 0], LOUD.astype(np.float32))


GOOD = wav(LOUD)
DAMAGED = [
    b"",
    b"RIFF",
    b"ID3 and so on",
    GOOD[:20],
    GOOD[:40],
    GOOD.replace(b"data", b"atad"),
    GOOD[:22] + b"\0\0" + GOOD[24:],  # no channels
    GOOD[:24] + b"\0\0\0\0" + GOOD[28:],  # no rate
    GOOD[:34] + b"\7\0" + GOOD[36:],  # 7 bits in blocks of 2 bytes
    GOOD[:20] + b"\6\0" + GOOD[22:],  # A-law
    GOOD[:20] + b"\3\0" + GOOD[22:],  # floats of 16 bits
]


@pytest.mark.parametrize("content", DAMAGED, ids=range(len(DAMAGED)))
def test_files_that_are_no_sound(content: bytes) -> None:
    with pytest.raises(SoundError):
        read_wav(content)


def test_a_coding_that_is_not_read_is_told_with_the_cure() -> None:
    adpcm = GOOD[:20] + b"\2\0" + GOOD[22:32] + b"\0\1\4\0" + GOOD[36:]  # 4 bits in blocks of 256 bytes
    with pytest.raises(
        SoundError, match="neither PCM of 8 to 32 bits nor floats: coding 2, 1 channels of 4 bits"
    ) as raised:
        read_wav(adpcm)
    assert "pcm_s16le" in (raised.value.hint or "")


def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes() -> None:
    samples, _ = read_wav(GOOD[:-801])
    assert len(samples) == 399
