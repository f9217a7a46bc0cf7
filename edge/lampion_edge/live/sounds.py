"""Sound as frames: windows that slide over a microphone, a wav file or a pipe, each ready for the model."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from lampion_edge.card import Card, TensorSpec
from lampion_edge.errors import InputError, SoundError
from lampion_edge.live.clock import Clock
from lampion_edge.live.frames import Camera, Frame
from lampion_edge.optional import optional
from lampion_edge.sound import rate, resampled
from lampion_edge.wav import Samples, read_wav

_STDIN = "-"
_FALLBACK = 1.0  # seconds of a window, where neither model nor card nor caller say
_BLOCKS = 50  # a second: how finely a file is handed out


@dataclass(frozen=True)
class Sliding:
    """Windows of `length` samples at `rate`, one every `hop` samples: both as the model counts."""

    rate: int
    length: int
    hop: int

    def over(self, blocks: Iterable[Samples], have: int) -> Iterator[Samples]:
        """Windows over float32 blocks at the rate `have`, each as soon as it is there, at the model's rate."""
        length, hop = (max(1, round(count * have / self.rate)) for count in (self.length, self.hop))
        kept, due = np.zeros(0, np.float32), length
        for block in blocks:
            kept = np.concatenate([kept, block])
            while len(kept) >= due:
                yield self._exact(resampled(kept[due - length : due], have, self.rate))
                due += hop
            spare = min(len(kept), max(0, due - length))
            kept, due = kept[spare:], due - spare

    def _exact(self, window: Samples) -> Samples:
        """One sample more or less, which rounding gives, is put right."""
        return np.pad(window, (0, max(0, self.length - len(window))))[: self.length]


def sliding(card: Card, spec: TensorSpec, window: float | None, hop: float | None, hertz: int | None) -> Sliding:
    """What the card asks for: its rate, and a window as long as the model's input, else `preprocessing.window` seconds.

    `window` and `hop` are seconds, half of the window by default; `hertz` is for a card that names no rate. Raises InputError.
    """
    wanted = rate(card) or hertz
    if wanted is None:
        raise InputError(f"model {card.name}: its card names no rate", field="rate", hint="say it: --rate 16000")
    size = spec.shape[-1] if spec.shape else None
    extra = card.preprocessing.extra if card.preprocessing else {}
    length = size if isinstance(size, int) else round((window or float(extra.get("window", _FALLBACK))) * wanted)
    if isinstance(size, int) and window is not None and round(window * wanted) != size:
        raise InputError(
            f"window: the model takes {size / wanted:.3g} s and nothing else, got {window:g}", field="window"
        )
    step = round(hop * wanted) if hop is not None else length // 2
    if not step > 0:
        raise InputError(f"hop: expected at least one sample, got {hop}", field="hop")
    return Sliding(wanted, length, step)


def find_sound(source: str | None, windows: Sliding, *, hertz: int | None, loop: bool) -> Camera:
    """The sound for what was typed: nothing or a device for a microphone, a wav file, or - for a pipe. Raises SoundError."""
    if source == _STDIN:
        return Pipe(sys.stdin.buffer, windows, hertz)
    if source is not None and (source.lower().endswith(".wav") or Path(source).is_file()):
        return WavFile(source, windows, loop)
    return Microphone(source, windows)


class WavFile:
    """A wav file at the pace of its sound, as a microphone would give it."""

    lasting = False

    def __init__(self, path: str, windows: Sliding, loop: bool) -> None:
        self._path, self._windows, self._loop = path, windows, loop
        try:
            samples, self._rate = read_wav(Path(path).read_bytes())
        except OSError as error:
            raise SoundError(f"{path}: can't be read ({error.strerror})", hint="check the path of the sound") from None
        except SoundError as error:
            raise SoundError(f"{path}: {error}", hint=error.hint) from None
        self._mono: Samples = samples.mean(axis=1, dtype=np.float32)

    def frames(self, clock: Clock) -> Iterator[Frame]:
        """A frame for each window, at the time when its last sample has been heard."""
        for window in self._windows.over(self._blocks(clock), self._rate):
            yield Frame(window, clock.now(), self._path)

    def _blocks(self, clock: Clock) -> Iterator[Samples]:
        start, heard, step = clock.now(), 0, max(1, self._rate // _BLOCKS)
        while len(self._mono):
            for at in range(0, len(self._mono), step):
                block = self._mono[at : at + step]
                heard += len(block)
                clock.sleep(start + heard / self._rate - clock.now())
                yield block
            if not self._loop:
                return


class Pipe:
    """Sound from a pipe as it comes: a wav stream, or bare 16-bit samples, little-endian, mono, at a rate that is given."""

    lasting = False

    def __init__(self, stream: IO[bytes], windows: Sliding, hertz: int | None) -> None:
        self._stream, self._windows, self._rate = stream, windows, hertz or windows.rate

    def frames(self, clock: Clock) -> Iterator[Frame]:
        """A frame for each window. Raises SoundError for a wav stream of another kind than 16-bit samples."""
        start, channels = self._stream.read(4), 1
        if start == b"RIFF":
            channels, self._rate = self._header()
            start = b""
        for window in self._windows.over(self._blocks(start, channels), self._rate):
            yield Frame(window, clock.now(), "stdin")

    def _blocks(self, start: bytes, channels: int) -> Iterator[Samples]:
        size = 2 * channels
        kept = start
        step = max(1, self._rate // _BLOCKS) * size
        while data := self._stream.read(step):
            kept += data
            whole = len(kept) // size * size
            samples = np.frombuffer(kept[:whole], "<i2").astype(np.float32) / 2**15
            kept = kept[whole:]
            yield samples.reshape(-1, channels).mean(axis=1, dtype=np.float32)

    def _header(self) -> tuple[int, int]:
        """Channels and rate, from the chunks before the data; `RIFF` has been read."""
        self._stream.read(8)
        form = b""
        while len(head := self._stream.read(8)) == 8:
            name, size = struct.unpack("<4sI", head)
            if name == b"data":
                break
            content = self._stream.read(size + size % 2)
            form = content if name == b"fmt " else form
        kind, channels, hertz, _, _, bits = struct.unpack_from("<HHIIHH", form) if len(form) >= 16 else (0,) * 6
        if kind not in (1, 0xFFFE) or bits != 16 or not channels or not hertz:
            raise SoundError("stdin: expected wav of 16-bit samples", hint="arecord -f S16_LE -r 16000 -c 1 -t wav")
        return channels, hertz


class Microphone:
    """The system's microphone, or another by its number or a part of its name, through sounddevice and PortAudio."""

    lasting = True

    def __init__(self, device: str | None, windows: Sliding) -> None:
        self._windows = windows
        self._device: int | str | None = int(device) if device is not None and device.isdecimal() else device
        hint = "pip install 'lampion-edge[audio]', apt install libportaudio2; or arecord ... | lampion-edge listen M --source -"
        self._library: Any = optional("sounddevice", "a microphone", hint, SoundError)

    def frames(self, clock: Clock) -> Iterator[Frame]:
        """A frame for each window. Raises SoundError if the microphone can't be opened."""
        hertz = self._windows.rate
        try:
            with self._library.InputStream(hertz, channels=1, dtype="float32", device=self._device) as stream:
                blocks = (stream.read(max(1, hertz // _BLOCKS))[0][:, 0] for _ in iter(int, 1))
                for window in self._windows.over(blocks, hertz):
                    yield Frame(window, clock.now(), "microphone")
        except (self._library.PortAudioError, ValueError) as error:
            hint = "python -m sounddevice lists the devices"
            raise SoundError(f"the microphone can't be opened: {error}", hint=hint) from None
