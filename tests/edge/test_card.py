from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lampion_edge import Card, CardError, Preprocessing, Resize, TensorSpec

ARCHITECTURE = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text()


def documented() -> dict[str, Any]:
    """The card in the architecture document, which is the contract."""
    (source,) = re.findall(r"```json\n(.*?)```", ARCHITECTURE, re.DOTALL)
    parsed: dict[str, Any] = json.loads(source)
    return parsed | {"checksum": "sha256:" + "0f" * 32}


def changed(path: str, value: object) -> str:
    """The documented card as JSON, with one value replaced."""
    whole = documented()
    *parents, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
    owner: Any = whole
    for part in parents:
        owner = owner[part]
    owner[last] = value
    return json.dumps(whole)


def test_documented_card_survives_a_round_trip() -> None:
    assert json.loads(Card.from_json(json.dumps(documented())).to_json()) == documented()


def test_documented_card_as_dataclasses() -> None:
    card = Card.from_json(json.dumps(documented()))
    assert card.inputs == (TensorSpec("image", "uint8", ("batch", 28, 28, 1), "photo"),)
    assert card.preprocessing is not None
    assert card.preprocessing.resize == Resize((28, 28), "stretch", "bilinear")
    assert Card.from_json(card.to_json()) == card


def test_lists_become_tuples() -> None:
    spec = TensorSpec("x", "int8", ["n", None])  # type: ignore[arg-type]
    assert spec == TensorSpec("x", "int8", ("n", None))
    assert str(spec) == "int8 [n, ?]"


def test_keys_of_a_newer_version_survive() -> None:
    whole = documented()
    owners = (whole, whole["inputs"][0], whole["preprocessing"], whole["preprocessing"]["resize"])
    for number, owner in enumerate(owners):
        owner["newer"] = {"n": number}
    card = Card.from_json(json.dumps(whole))
    assert card.extra == {"newer": {"n": 0}}
    assert json.loads(card.to_json()) == whole


def test_keys_are_in_the_order_of_the_schema() -> None:
    card = Card.tensor([], [])
    assert list(json.loads(card.to_json())) == list(documented())


def test_shortest_card() -> None:
    source = '{"schema": 1, "name": "m", "task": "tensor", "inputs": [], "outputs": []}'
    assert Card.from_json(source) == Card.tensor((), (), name="m")


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("schema", 2, "schema"),
        ("schema", "1", "schema"),
        ("name", None, "name"),
        ("task", "image_classification", "task"),
        ("inputs", {}, "inputs"),
        ("inputs.0", "image", "inputs[0]"),
        ("inputs.0.dtype", "float", "inputs[0].dtype"),
        ("inputs.0.shape", "batch", "inputs[0].shape"),
        ("inputs.0.shape.1", 2.5, "inputs[0].shape[1]"),
        ("inputs.0.shape.1", -1, "inputs[0].shape[1]"),
        ("inputs.0.shape.1", True, "inputs[0].shape[1]"),
        ("preprocessing", [], "preprocessing"),
        ("preprocessing.color", "BGR", "preprocessing.color"),
        ("preprocessing.orientation", "left", "preprocessing.orientation"),
        ("preprocessing.background", [0, 0], "preprocessing.background"),
        ("preprocessing.background.2", 256, "preprocessing.background[2]"),
        ("preprocessing.resize", 28, "preprocessing.resize"),
        ("preprocessing.resize.size", 28, "preprocessing.resize.size"),
        ("preprocessing.resize.size.0", 0, "preprocessing.resize.size[0]"),
        ("preprocessing.resize.size.0", 10**9, "preprocessing.resize.size[0]"),
        ("preprocessing.resize.rule", "fit", "preprocessing.resize.rule"),
        ("preprocessing.resize.interpolation", "area", "preprocessing.resize.interpolation"),
        ("preprocessing.crop", [1], "preprocessing.crop"),
        ("preprocessing.in_graph", [1], "preprocessing.in_graph[0]"),
        ("labels", ["a", 2], "labels[1]"),
        ("top_k", 0, "top_k"),
        ("training", [], "training"),
        ("metrics", None, "metrics"),
        ("quantization", "int8", "quantization"),
        ("licence", 1, "licence"),
        ("checksum", "md5:00", "checksum"),
    ],
)
def test_wrong_values_are_named(path: str, value: object, field: str) -> None:
    with pytest.raises(CardError) as raised:
        Card.from_json(changed(path, value))
    assert raised.value.field == field
    assert field in str(raised.value)


@pytest.mark.parametrize("key", ["schema", "name", "task", "inputs", "outputs"])
def test_missing_keys_are_named(key: str) -> None:
    whole = documented()
    del whole[key]
    with pytest.raises(CardError, match=f"{key} is missing"):
        Card.from_json(json.dumps(whole))


@pytest.mark.parametrize("source", ["", "{", "[]", "null", '{"schema": NaN}', "[" * 100_000, "9" * 5000])
def test_not_json(source: str) -> None:
    with pytest.raises(CardError):
        Card.from_json(source)


def test_a_newer_schema_says_what_to_do() -> None:
    with pytest.raises(CardError) as raised:
        Card.from_json(changed("schema", 2))
    assert "update lampion-edge" in (raised.value.hint or "")


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_what_json_cannot_hold_is_refused(card: Card, value: object) -> None:
    with pytest.raises(CardError, match="JSON"):
        replace(card, metrics={"accuracy": value}).to_json()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(path=st.sampled_from([*documented(), "inputs.0", "preprocessing.resize", "preprocessing.crop"]), value=_JSON)
def test_any_value_anywhere(path: str, value: object) -> None:
    try:
        card = Card.from_json(changed(path, value))
    except CardError:
        return
    assert Card.from_json(card.to_json()) == card


def test_defaults_are_not_shared() -> None:
    assert Card.tensor((), ()).metrics is not Card.tensor((), ()).metrics
    assert Preprocessing().extra is not Preprocessing().extra
