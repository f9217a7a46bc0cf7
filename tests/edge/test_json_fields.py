from __future__ import annotations

import pytest

from lampion_edge import CardError
from lampion_edge.json_fields import Fields, Kind, choice, count, mapping, number, optional, sequence, text


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (text, ["", "a"], [1, None, ["a"]]),
        (number, [0, 1.5], [-1, "1", True, float("nan")]),
        (count(1, 3), [1, 3], [0, 4, 1.0, True, "2"]),
        (choice("a", "b"), ["a"], ["c", 1, None, ["a"]]),
        (mapping, [{}, {"a": 1}], [[], None, "a"]),
        (optional(text), [None, "a"], [1]),
        (sequence(text), [[], ["a"]], ["a", None, [1], {"a": 1}]),
        (sequence(text, 2), [["a", "b"]], [[], ["a"]]),
    ],
)
def test_kinds(kind: Kind[object], good: list[object], bad: list[object]) -> None:
    for value in good:
        kind(value, "path")
    for value in bad:
        with pytest.raises(CardError, match=r"^card: path"):
            kind(value, "path")


def test_take_leaves_what_nobody_knows() -> None:
    fields = Fields({"a": "x", "new": 1}, "part")
    assert (fields.take("a", text), fields.take("b", text, "default"), fields.left) == ("x", "default", {"new": 1})
    with pytest.raises(CardError, match=r"part\.c is missing") as raised:
        fields.take("c", text)
    assert raised.value.field == "part.c"


def test_long_values_are_cut() -> None:
    with pytest.raises(CardError) as raised:
        text(["x" * 1000], "path")
    assert len(str(raised.value)) < 120
