"""Models of words: a Python loop over the letters of a word of any length, and greedy decoding until an end token."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lampion
from lampion import nn
from lampion.tensor import Tensor
from lampion_edge import Session
from lampion_export import export
from lampion_export.verification import allowance, distance

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from char_rnn import END, WORDS, CharRNN, Speller

LETTERS = "abcdefghijklmnopqrstuvwxyz"
LANGUAGES = 10


class LoopReader(nn.Module):
    """The scores of the languages of a word: its letters one by one, in a Python loop."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(len(LETTERS), 8)
        self.cell = nn.GRUCell(8, 16)
        self.head = nn.Linear(16, LANGUAGES)

    def forward(self, word: Tensor) -> Tensor:
        state = lampion.zeros(1, 16)
        for letter in word:
            state = self.cell(self.embed(letter.reshape(1)), state)
        return self.head(state[0])


class LayerReader(nn.Module):
    """The same with a recurrent layer, which is one op in the file."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(len(LETTERS), 8)
        self.lstm = nn.LSTM(8, 16)
        self.head = nn.Linear(16, LANGUAGES)

    def forward(self, word: Tensor) -> Tensor:
        states, _ = self.lstm(self.embed(word))
        return self.head(states[-1])


def encoded(word: str) -> np.ndarray[Any, Any]:
    return np.array([LETTERS.index(letter) for letter in word], np.int64)


@pytest.mark.parametrize(("make", "op"), [(LoopReader, "Loop"), (LayerReader, "LSTM")])
def test_words_of_every_length_have_the_languages_of_the_model(
    make: Callable[[], nn.Module], op: str, tmp_path: Path
) -> None:
    lampion.manual_seed(0)
    model = make()
    exported = export(
        model, {"word": encoded("capybara")}, tmp_path / "m.onnx", dynamic={"word": {0: "letters"}}, quiet=True
    )
    session = Session(exported.path)
    assert op.encode() in exported.path.read_bytes()
    words = sorted(WORDS.split(), key=len)
    words += [(words[-1] * 3)[:length] for length in range(1, 29)]
    assert {len(word) for word in words} == set(range(1, 29))
    for word in words:
        want = model(lampion.from_numpy(encoded(word))).detach().numpy()
        [got] = session.run({"word": encoded(word)}).values()
        assert distance(want, got) <= allowance(want, 1e-5, 1e-5), word


def test_greedy_decoding_with_an_end_token_is_one_file(tmp_path: Path) -> None:
    lampion.manual_seed(3)
    characters = [*LETTERS, END]
    model = CharRNN(len(characters), hidden=24)
    with lampion.no_grad():
        model.head.bias[-1] += 0.1  # so that some words end before the limit, untrained as it is
    speller = Speller(model, characters.index(END), limit=12)
    starts = [np.array([i], np.int64) for i in range(len(LETTERS))] + [encoded("ze"), encoded("horse")]
    exported = export(speller, {"start": starts[0]}, tmp_path / "m.onnx", dynamic={"start": {0: "given"}}, quiet=True)
    session = Session(exported.path)
    lengths = set()
    for start in starts:
        want = speller(lampion.from_numpy(start)).numpy()
        [got] = session.run({"start": start}).values()
        np.testing.assert_array_equal(got, want)
        lengths.add(len(got))
    assert len(lengths) > 2, lengths
