"""A picture holds every op once, inside the graph that holds it, and lays no box over another."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import onnx_ir as ir
import pytest
from foreign_models import branching, classifier

from lampion_export.picture import html, svg

SVG = "{http://www.w3.org/2000/svg}"


def parsed(path: Path) -> ElementTree.Element:
    return ElementTree.fromstring(svg(ir.load(path).graph, "a <title> & more\x00"))


def titles(element: ElementTree.Element, kind: str) -> list[str]:
    return [g.findtext(f"{SVG}title", "").split()[0] for g in element.iter(f"{SVG}g") if g.get("class") == kind]


def place(g: ElementTree.Element) -> tuple[float, float, float, float]:
    rect = g.find(f"{SVG}rect")
    assert rect is not None
    x, y, width, height = (float(rect.get(name, "nan")) for name in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


@pytest.mark.parametrize("make", [branching, classifier])
def test_nothing_lies_over_anything_else(make: object, tmp_path: Path) -> None:
    assert callable(make)
    boxes = 0
    for outer in parsed(make(tmp_path / "f.onnx")).iter(f"{SVG}g"):
        inner = [place(g) for g in outer.findall(f"{SVG}g")]
        left, top, right, bottom = place(outer)
        for i, (x0, y0, x1, y1) in enumerate(inner):
            boxes += 1
            assert left <= x0 <= x1 <= right
            assert top <= y0 <= y1 <= bottom
            for a0, b0, a1, b1 in inner[:i]:
                assert x1 <= a0 or a1 <= x0 or y1 <= b0 or b1 <= y0
    assert boxes > 6


def test_branches_are_boxes_inside_the_if(tmp_path: Path) -> None:
    picture = parsed(branching(tmp_path / "f.onnx"))
    (flow,) = (g for g in picture.iter(f"{SVG}g") if g.get("class") == "flow")
    assert titles(flow, "body") == ["then_branch", "else_branch"] or titles(flow, "body") == [
        "else_branch",
        "then_branch",
    ]
    assert sorted(titles(flow, "op")) == ["Mul", "Neg"]
    assert sorted(titles(picture, "op")) == ["And", "Greater", "Mul", "Neg", "ReduceSum"]
    assert titles(picture, "end").count("input") == 2


def test_a_page_is_made_of_nothing_that_a_name_could_break(tmp_path: Path) -> None:
    page = html(ir.load(branching(tmp_path / "f.onnx")).graph, "</title><script>alert(1)</script>")
    assert "<script>alert" not in page
