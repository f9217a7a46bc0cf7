from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lampion_edge import Card, InputError, Label
from lampion_edge import TensorSpec as Spec
from lampion_edge.labels import labels_from, softmax


def outputs(*meanings: str) -> tuple[Spec, ...]:
    return tuple(Spec(f"y{index}", "float32", ("batch", 3), meaning) for index, meaning in enumerate(meanings))


def classifier(*meanings: str, labels: tuple[str, ...] = ("a", "b", "c")) -> Card:
    return Card("m", "image-classification", (), outputs(*meanings), labels=labels)


def test_logits_become_probabilities() -> None:
    ((first, second, third),) = labels_from(classifier("logits"), {"y0": np.array([[0, np.log(3), np.log(6)]])})
    assert [first.name, second.name, third.name] == ["c", "b", "a"]
    assert [first.index, second.index, third.index] == [2, 1, 0]
    np.testing.assert_allclose([first.probability, second.probability, third.probability], [0.6, 0.3, 0.1])


@pytest.mark.parametrize("meaning", ["probabilities", "score"])
def test_everything_else_stays_as_it_is(meaning: str) -> None:
    rows = labels_from(classifier(meaning), {"y0": np.array([[0.5, 0.25, 0.25], [0, 0, 1]])}, top=2)
    assert rows == [[Label("a", 0.5, 0), Label("b", 0.25, 1)], [Label("c", 1.0, 2), Label("a", 0.0, 0)]]


def test_top_is_the_cards_by_default() -> None:
    card = replace(classifier("logits"), top_k=1)
    scores = {"y0": np.zeros((1, 3))}
    assert [len(labels_from(card, scores, top)[0]) for top in (None, 2, 99)] == [1, 2, 3]


def test_the_output_that_means_classes_is_taken() -> None:
    card = classifier("embedding", "logits")
    assert labels_from(card, {"y0": np.zeros((1, 9)), "y1": np.array([[0, 9, 0]])})[0][0].name == "b"


def test_without_names_the_index_is_the_name() -> None:
    assert labels_from(classifier("logits", labels=()), {"y0": np.array([[0, 9]])})[0][0].name == "1"


def test_an_empty_batch() -> None:
    assert labels_from(classifier("logits"), {"y0": np.zeros((0, 3), np.float32)}) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"z": np.zeros((1, 3))}, "need the output 'y0', got z"),
        ({"y0": np.zeros(3)}, r"expected \[batch, 3\], got \[3\]"),
        ({"y0": np.zeros((1, 4))}, r"expected \[batch, 3\], got \[1, 4\]"),
        ({"y0": np.zeros((1, 3, 1))}, r"expected \[batch, 3\], got \[1, 3, 1\]"),
    ],
)
def test_errors(given: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(InputError, match=words):
        labels_from(classifier("logits"), given)


def test_softmax_of_large_numbers() -> None:
    np.testing.assert_allclose(softmax(np.array([[1e4, 1e4, -1e4]])), [[0.5, 0.5, 0]])
