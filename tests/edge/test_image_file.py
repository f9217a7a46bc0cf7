from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from lampion_edge import ImageError, Preprocessing, Resize
from lampion_edge.image_file import draft, one_sentence, opened


def photo(kind: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (800, 600)).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "resize", "size"),
    [
        ("JPEG", Resize((28, 28)), (100, 75)),
        ("JPEG", Resize((28, 28), "contain"), (100, 75)),
        ("JPEG", Resize((70, 70), "shorter"), (200, 150)),
        ("JPEG", Resize((20, 140)), (400, 300)),
        ("JPEG", Resize((224, 224)), (800, 600)),
        ("JPEG", Resize((28, 28), interpolation="nearest"), (800, 600)),
        ("JPEG", None, (800, 600)),
        ("PNG", Resize((28, 28)), (800, 600)),
    ],
)
def test_draft_leaves_twice_what_is_asked(kind: str, resize: Resize | None, size: tuple[int, int]) -> None:
    with opened(photo(kind), "photo", 10**6) as image:
        draft(image, Preprocessing(resize=resize))
        image.load()
        assert image.size == size


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "p: too large for the memory of this machine"),
        (SyntaxError("line\n  break"), r"p: the PNG data is cut off or damaged \(line break\)"),
        (RecursionError(), "RecursionError"),
        (ImageError("said already"), "^said already$"),
    ],
)
def test_one_sentence(error: Any, words: str) -> None:
    with pytest.raises(ImageError, match=words), one_sentence("p", "PNG"):
        raise error


def test_ctrl_c_passes() -> None:
    with pytest.raises(KeyboardInterrupt), one_sentence("p"):
        raise KeyboardInterrupt
