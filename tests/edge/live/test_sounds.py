from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from edge.live.fakes import FakeClock
from edge.sounds import wav

from lampion_edge import Card, InputError, Preprocessing, SoundError, TensorSpec
from lampion_edge.live.sounds import Pipe, Sliding, find_sound, sliding
from lampion_edge.sound import resampled

Run = Callable[..., subprocess.CompletedProcess[str]]
RAMP = np.arange(100, dtype=np.float32) / 100


@pytest.mark.parametrize("block", [1, 3, 7, 40, 100])
@pytest.mark.parametrize(("length", "hop"), [(10, 5), (10, 10), (10, 13), (7, 1), (100, 1)])
def test_windows_do_not_depend_on_the_blocks(length: int, hop: int, block: int) -> None:
    blocks = [RAMP[at : at + block] for at in range(0, 100, block)]
    windows = list(Sliding(8000, length, hop).over(blocks, 8000))
    expected = [RAMP[at : at + length] for at in range(0, 100 - length + 1, hop)]
    np.testing.assert_array_equal(windows, expected)


def test_another_rate() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(44100) / 44100).astype(np.float32)
    windows = list(Sliding(8000, 800, 400).over([tone], 44100))
    assert {len(window) for window in windows} == {800}
    assert len(windows) == 19
    np.testing.assert_array_equal(windows[3], resampled(tone[3 * 2205 : 3 * 2205 + 4410], 44100, 8000))


def described(shape: tuple[Any, ...], **extra: Any) -> tuple[Card, TensorSpec]:
    spec = TensorSpec("x", "float32", shape)
    return Card("ear", "audio-classification", (spec,), (), preprocessing=Preprocessing(extra=extra)), spec


@pytest.mark.parametrize(
    ("shape", "extra", "options", "expected"),
    [
        (("batch", 8000), {"rate": 8000}, (None, None, None), (8000, 8000, 4000)),
        (("batch", "time"), {"rate": 8000}, (None, None, None), (8000, 8000, 4000)),
        (("batch", "time"), {"rate": 8000, "window": 2}, (None, 0.5, None), (8000, 16000, 4000)),
        (("batch", 1, "time"), {}, (0.5, None, 16000), (16000, 8000, 4000)),
    ],
)
def test_what_the_card_asks_for(shape: Any, extra: Any, options: Any, expected: tuple[int, int, int]) -> None:
    assert sliding(*described(shape, **extra), *options) == Sliding(*expected)


@pytest.mark.parametrize(
    ("shape", "extra", "options", "words"),
    [
        (("batch", "time"), {}, (None, None, None), "its card names no rate"),
        (("batch", 8000), {"rate": 8000}, (2.0, None, None), "window: the model takes 1 s and nothing else, got 2"),
        (("batch", 8000), {"rate": 8000}, (None, 1e-9, None), "hop: expected at least one sample"),
    ],
)
def test_wrong_windows(shape: Any, extra: Any, options: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        sliding(*described(shape, **extra), *options)


SECOND = Sliding(8000, 8000, 4000)


def test_a_file_at_its_own_pace(tmp_path: Path) -> None:
    sound = np.concatenate([np.full(8000, -0.5), np.full(8000, 0.5)])
    (tmp_path / "a.wav").write_bytes(wav(sound))
    frames = list(find_sound(str(tmp_path / "a.wav"), SECOND, hertz=None, loop=False).frames(FakeClock()))
    assert [frame.taken for frame in frames] == pytest.approx([1.0, 1.5, 2.0])
    assert [float(np.mean(frame.photo)) for frame in frames] == [-0.5, 0.0, 0.5]  # type: ignore[arg-type]
    looped = find_sound(str(tmp_path / "a.wav"), SECOND, hertz=None, loop=True).frames(FakeClock())
    assert [round(next(looped).taken, 6) for _ in range(6)] == [1, 1.5, 2, 2.5, 3, 3.5]


@pytest.mark.parametrize("stereo", [False, True])
def test_a_pipe(stereo: bool) -> None:
    sound = np.tile(np.repeat([[-0.5], [0.5]], 8000, 0), (1, 2 if stereo else 1))
    raw = wav(sound)
    for content, hertz in ((raw, None), (raw[44:], 8000)):
        if stereo and hertz:
            continue
        frames = list(Pipe(io.BytesIO(content), SECOND, hertz).frames(FakeClock()))
        assert [float(np.mean(frame.photo)) for frame in frames] == [-0.5, 0.0, 0.5]  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [wav(np.zeros(10), width=3), b"RIFF", b"RIFF    WAVEdata    "])
def test_pipes_of_something_else(content: bytes) -> None:
    with pytest.raises(SoundError, match="stdin: expected wav of 16-bit samples"):
        list(Pipe(io.BytesIO(content), SECOND, None).frames(FakeClock()))


def test_missing_files_and_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.wav").write_bytes(b"ID3")
    for name, words in (("nowhere.wav", "can't be read"), ("bad.wav", r"bad\.wav: expected a wav file")):
        with pytest.raises(SoundError, match=words):
            find_sound(str(tmp_path / name), SECOND, hertz=None, loop=False)
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(SoundError, match="a microphone needs sounddevice, which is not installed"):
        find_sound(None, SECOND, hertz=None, loop=False)


# --- sounddevice, which needs a sound card: a module of its shape ---


class PortAudioError(Exception):
    """sounddevice's own."""


class FakeStream:
    """A microphone that hears a ramp, and is unplugged after two seconds."""

    told: tuple[Any, ...] = ()

    def __init__(self, rate: int, **options: Any) -> None:
        FakeStream.told = (rate, options)
        self._at = 0

    def __enter__(self) -> FakeStream:
        return self

    def __exit__(self, *_: Any) -> None: ...

    def read(self, count: int) -> tuple[Any, bool]:
        if self._at >= 16000:
            raise PortAudioError("unplugged")
        self._at += count
        return np.full((count, 1), self._at, np.float32), False


def test_a_microphone(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("sounddevice")
    module.InputStream, module.PortAudioError = FakeStream, PortAudioError
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    frames = find_sound("1", SECOND, hertz=None, loop=False).frames(FakeClock())
    heard = [next(frames) for _ in range(3)]
    with pytest.raises(SoundError, match="the microphone can't be opened: unplugged"):
        next(frames)
    assert FakeStream.told == (8000, {"channels": 1, "dtype": "float32", "device": 1})
    assert [frame.photo[-1] for frame in heard] == [8000, 12000, 16000]  # type: ignore[index]


# --- the command ---


def test_the_command(lampion_edge_command: Run, sounds_path: Path, tmp_path: Path) -> None:
    sound = np.concatenate([np.full(12000, -0.5), np.full(12000, 0.5)])
    (tmp_path / "a.wav").write_bytes(wav(sound))
    options = ("--smooth", "1", "--hop", "0.25", "--keep", tmp_path / "kept", "--keep-below", "0.9")
    done = lampion_edge_command("listen", sounds_path, "--source", tmp_path / "a.wav", *options)
    assert done.returncode == 0, done.stderr
    events = [line.split()[1:3] for line in done.stdout.splitlines()]
    assert events == [["begin", "below"], ["end", "below"], ["begin", "above"]]
    assert done.stderr.startswith("frames: 9 came, ")


def test_the_command_on_a_pipe(lampion_edge_command: Run, sounds_path: Path) -> None:
    done = lampion_edge_command("listen", sounds_path, "--source", "-", "--smooth", "1", stdin=wav(np.full(8000, 0.5)))
    assert [line.split()[1:3] for line in done.stdout.splitlines()] == [["begin", "above"]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--source", "nowhere.wav"], "nowhere.wav: can't be read"),
        (["--source", "-", "--window", "3"], "window: the model takes 1 s and nothing else"),
    ],
)
def test_wrong_arguments(lampion_edge_command: Run, sounds_path: Path, arguments: list[str], words: str) -> None:
    done = lampion_edge_command("listen", sounds_path, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"lampion: error: {words}")


def test_a_model_that_looks(lampion_edge_command: Run, digits_path: Path) -> None:
    done = lampion_edge_command("listen", digits_path, "--source", "-")
    assert done.stderr.startswith("lampion: error: model 'digits': sounds need the task audio-classification")
