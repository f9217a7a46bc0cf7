"""Every board computes what this machine computes: the genuine wheels for ARM on emulated processors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lampion_export.emulation.boards import BOARDS

Answers = tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]
NAMES = ("pi2", "pi3", "pi4", "pi5")


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def there(name: str, answers: Callable[[str], Answers]) -> Answers:
    return answers(name)


@pytest.fixture
def here(answers: Callable[[str], Answers]) -> Answers:
    return answers("here")


def test_what_it_is(name: str, there: Answers, here: Answers) -> None:
    board, facts = BOARDS[name], there[0]["facts"]
    assert facts["model"] == board.model
    assert facts["machine"] == {"arm64": "aarch64", "armhf": "armv7l"}[board.architecture]
    assert [core["max_clock"] for core in facts["cores"]] == [board.clock] * 4
    assert (facts["celsius"], facts["throttling"]) == (48.0, [[], []])
    assert facts["threads"] == (1 if name == "pi2" else here[0]["facts"]["threads"])
    assert facts["onnxruntime"] == ("1.21" if name == "pi2" else here[0]["facts"]["onnxruntime"])


def test_the_same_labels(there: Answers, here: Answers) -> None:
    for file, answered in here[0]["files"].items():
        got = there[0]["files"][file]
        names = [[label["name"] for label in labels] for labels in answered["labels"]]
        assert [[label["name"] for label in labels] for labels in got["labels"]] == names
        assert got["streamed"] == [labels[0] for labels in names]
        apart = [
            abs(label["probability"] - other["probability"])
            for labels, others in zip(got["labels"], answered["labels"], strict=True)
            for label, other in zip(labels, others, strict=True)
        ]
        assert max(apart) < 1e-4
        assert got["golden"][0] is True


def test_int8_files_answer_bit_for_bit(there: Answers, here: Answers) -> None:
    files = {key: value for key, value in here[1].items() if ".int8/" in key}
    assert len(files) == 5
    assert {key for key, value in files.items() if not np.array_equal(value, there[1][key])} == set()
    assert {file: got["golden"][1] for file, got in there[0]["files"].items() if "int8" in file} == {
        "digits.int8": 0.0,
        "efficientnet.int8": 0.0,
    }


def test_float_files_nearly_so(there: Answers, here: Answers) -> None:
    for key, value in here[1].items():
        if ".int8/" not in key:
            np.testing.assert_allclose(there[1][key], value, rtol=1e-4, atol=1e-4, err_msg=key)


def test_the_same_pixels(there: Answers, here: Answers) -> None:
    """A PNG is decoded and resized to the very same bytes with Pillow, without it, here and there; a JPEG nearly."""
    photo = here[1]["pillow/photo.png"]
    for got in (here[1]["alone/photo.png"], there[1]["alone/photo.png"], there[1]["pillow/photo.png"]):
        np.testing.assert_array_equal(got, photo)
    apart = there[1]["pillow/photo.jpg"].astype(int) - here[1]["pillow/photo.jpg"]
    assert np.abs(apart).max() <= 4


def test_the_same_errors(there: Answers, here: Answers) -> None:
    assert there[0]["errors"] == here[0]["errors"]
    assert "nothing was wrong" not in here[0]["errors"].values()
