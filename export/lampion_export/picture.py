"""A picture of a graph: layers from top to bottom, with what is inside an If, a Loop or a Scan in boxes of their own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape

import onnx_ir as ir

from lampion_export.outline import bodies, op

CHARACTER, LINE, PAD, GAP, LAYER = 7.2, 16.0, 10.0, 24.0, 34.0
LONGEST = 28

STYLE = """
text { font: 12px ui-monospace, monospace; fill: #1c2430; }
.op rect { fill: #eef3fb; stroke: #5b7db1; } .end rect { fill: #fdf3dc; stroke: #b98d2f; }
.flow > rect { fill: #fff; stroke: #8a5bb1; stroke-width: 1.5; } .body > rect { fill: #f8f4fc; stroke: #c5add9; }
.small { fill: #66707f; font-size: 10px; } path { fill: none; stroke: #9aa5b4; }
"""

SCRIPT = """
const svg = document.querySelector('svg'), box = svg.viewBox.baseVal;
const at = e => [box.x + e.offsetX / svg.clientWidth * box.width, box.y + e.offsetY / svg.clientHeight * box.height];
svg.addEventListener('wheel', e => {
  e.preventDefault();
  const [x, y] = at(e), by = e.deltaY > 0 ? 1.15 : 1 / 1.15;
  box.x = x - (x - box.x) * by; box.y = y - (y - box.y) * by; box.width *= by; box.height *= by;
}, {passive: false});
svg.addEventListener('pointermove', e => {
  if (!(e.buttons & 1)) return;
  box.x -= e.movementX / svg.clientWidth * box.width; box.y -= e.movementY / svg.clientHeight * box.height;
});
"""


@dataclass
class Box:
    """A node, an input or an output, or a graph inside of a node, with its place in what surrounds it."""

    kind: str
    lines: list[str]
    hint: str = ""
    inner: list[Box] = field(default_factory=list)
    edges: list[tuple[Box, Box]] = field(default_factory=list)
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0


def svg(graph: ir.Graph, title: str) -> str:
    """The graph as an SVG document."""
    root = _graph_box(graph, title, outermost=True)
    size = f'viewBox="0 0 {root.width:.0f} {root.height:.0f}" width="{root.width:.0f}" height="{root.height:.0f}"'
    drawn = "\n".join(_drawn(root, 0, 0))
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<style>{STYLE}</style>\n{drawn}\n</svg>\n'


def html(graph: ir.Graph, title: str) -> str:
    """The same as a page that needs nothing else: drag to pan, wheel to zoom."""
    fit = "html, body { margin: 0; height: 100%; } svg { width: 100%; height: 100%; cursor: grab; }"
    head = f'<meta charset="utf-8"><title>{_text(title)}</title><style>{fit}</style>'
    return f"<!doctype html>\n{head}\n{svg(graph, title)}<script>{SCRIPT}</script>\n"


# --- what there is to draw ---


def _graph_box(graph: ir.Graph, title: str, *, outermost: bool = False) -> Box:
    box = Box("body", [title])
    makers: dict[ir.Value, Box] = {}
    for value in graph.inputs:
        makers[value] = Box("end", [_short(value.name), _type(value)], f"input {value.name}")
        box.inner.append(makers[value])
    for node in graph:
        drawn = _node_box(node)
        box.inner.append(drawn)
        sources = {id(makers[v]): makers[v] for v in _read(node) if v in makers}
        box.edges += [(source, drawn) for source in sources.values()]
        makers |= dict.fromkeys(node.outputs, drawn)
    for value in graph.outputs:
        end = Box("end", [_short(value.name), _type(value)], f"output {value.name}")
        box.inner.append(end)
        if value in makers:
            box.edges.append((makers[value], end))
    _arrange_layers(box)
    return box


def _node_box(node: ir.Node) -> Box:
    inside = [_graph_box(graph, name) for name, graph in bodies(node)]
    plain = [a for a in node.attributes.values() if isinstance(a, ir.Attr) and not _holds_graphs(a)]
    settings = [f"{a.name} = {_short(str(a.value), 80)}" for a in plain]
    sizes = [_size(v) for v in node.inputs if v is not None and v.const_value is not None and v.const_value.size > 1]
    hint = "\n".join(
        [f"{op(node)} {node.name or ''}", *settings, *(f"gives {v.name}: {_type(v)}" for v in node.outputs)]
    )
    box = Box("flow" if inside else "op", [_short(op(node)), *([" ".join(sizes)] if sizes else [])], hint, inside)
    if inside:
        _arrange_beside(box)
    else:
        box.width, box.height = _text_size(box)
    return box


def _read(node: ir.Node) -> Iterable[ir.Value]:
    """What a node reads, and what the graphs inside it read from outside."""
    yield from (v for v in node.inputs if v is not None)
    for _, graph in bodies(node):
        for inner in graph.all_nodes():
            yield from (v for v in inner.inputs if v is not None)
        yield from graph.outputs


# --- where it goes ---


def _arrange_layers(box: Box) -> None:
    """Every box one layer below the lowest that it reads from, and in its layer near the middle of those."""
    reads: dict[int, list[Box]] = {id(each): [] for each in box.inner}
    for source, target in box.edges:
        reads[id(target)].append(source)
    depth: dict[int, int] = {}
    layers: dict[int, list[Box]] = {}
    for each in box.inner:  # a graph's nodes are in an order in which they can be computed
        if not each.width:
            each.width, each.height = _text_size(each)
        depth[id(each)] = max((depth[id(source)] + 1 for source in reads[id(each)]), default=0)
        layers.setdefault(depth[id(each)], []).append(each)
    y = PAD + LINE + PAD
    for _, layer in sorted(layers.items()):
        middles = {id(each): _mean([s.x + s.width / 2 for s in reads[id(each)]]) for each in layer}
        layer.sort(key=lambda each: middles[id(each)])
        x = -sum(each.width + GAP for each in layer) / 2 + _mean(list(middles.values()))
        for each in layer:
            each.x, each.y = x, y
            x += each.width + GAP
        y += max(each.height for each in layer) + LAYER
    _close(box, y - LAYER)


def _arrange_beside(box: Box) -> None:
    x = 0.0
    for each in box.inner:
        each.x, each.y = x, PAD + LINE * len(box.lines) + PAD
        x += each.width + PAD
    _close(box, max(each.y + each.height for each in box.inner))


def _close(box: Box, bottom: float) -> None:
    """Draws the border around what is inside."""
    left = min((each.x for each in box.inner), default=0.0) - PAD
    for each in box.inner:
        each.x -= left
    right = max((each.x + each.width for each in box.inner), default=0.0)
    box.width, box.height = max(right + PAD, _text_size(box)[0]), bottom + PAD


# --- how it looks ---


def _drawn(box: Box, x: float, y: float) -> Iterable[str]:
    x, y = x + box.x, y + box.y
    yield f'<g class="{box.kind}"><title>{_text(box.hint or box.lines[0])}</title>'
    yield f'<rect x="{x:.1f}" y="{y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="5"/>'
    for i, line in enumerate(box.lines):
        small = ' class="small"' if i else ""
        yield f'<text x="{x + PAD:.1f}" y="{y + PAD + LINE * (i + 0.6):.1f}"{small}>{_text(line)}</text>'
    for source, target in box.edges:
        x0, y0 = x + source.x + source.width / 2, y + source.y + source.height
        x1, y1 = x + target.x + target.width / 2, y + target.y
        middle = (y0 + y1) / 2
        yield f'<path d="M{x0:.1f} {y0:.1f}C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}"/>'
    for each in box.inner:
        yield from _drawn(each, x, y)
    yield "</g>"


def _text(text: str) -> str:
    """Any text as XML has it, which knows no control characters."""
    return escape("".join(c if c.isprintable() or c == "\n" else "?" for c in text))


def _text_size(box: Box) -> tuple[float, float]:
    return max(len(line) for line in box.lines) * CHARACTER + 2 * PAD, LINE * len(box.lines) + PAD


def _short(text: str | None, longest: int = LONGEST) -> str:
    text = text or "?"
    return text if len(text) <= longest else text[: longest - 3] + "..."


def _type(value: ir.Value) -> str:
    kind = "?" if value.dtype is None else value.dtype.name.lower()
    return f"{kind} {_size(value)}"


def _size(value: ir.Value) -> str:
    shape = value.shape if value.shape is not None else value.const_value.shape if value.const_value else None
    return "[?]" if shape is None else f"[{', '.join(str(getattr(n, 'value', n) or '?') for n in shape)}]"


def _holds_graphs(attribute: ir.Attr) -> bool:
    return attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0
