"""A graph in a few lines of text: how many of which ops, and what lies inside every If, Loop and Scan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import onnx_ir as ir

MOST = 8


def bodies(node: ir.Node) -> list[tuple[str, ir.Graph]]:
    """The graphs inside a node, by the name of the attribute that holds each: the branches of an If, the body of a Loop."""
    found: list[tuple[str, ir.Graph]] = []
    for name, attribute in node.attributes.items():
        if isinstance(attribute, ir.Attr) and attribute.type == ir.AttributeType.GRAPH:
            found.append((name, attribute.as_graph()))
        elif isinstance(attribute, ir.Attr) and attribute.type == ir.AttributeType.GRAPHS:
            found += [(f"{name} {i}", graph) for i, graph in enumerate(attribute.as_graphs())]
    return found


def outline(graph: ir.Graph, indent: str = "") -> Iterator[str]:
    """Lines: ops between control flow are counted, control flow is followed inside, one step further to the right."""
    plain: list[ir.Node] = []
    for node in graph:
        inside = bodies(node)
        if not inside:
            plain.append(node)
            continue
        if plain:
            yield indent + counted(plain)
            plain = []
        yield f"{indent}{op(node)} {node.name or ''}".rstrip()
        for name, body in inside:
            yield f"{indent}  {name}"
            yield from outline(body, indent + "    ")
    if plain or not len(graph):
        yield indent + counted(plain)


def counted(nodes: Iterable[ir.Node], most: int = MOST) -> str:
    """How many ops there are, and the most frequent kinds."""
    kinds = Counter(map(op, nodes))
    shown = [f"{name} {n}" for name, n in sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0]))]
    more = [f"{len(shown) - most} more kinds"] if len(shown) > most else []
    total = kinds.total()
    return f"{total} op{'s' * (total != 1)}: {', '.join(shown[:most] + more)}" if shown else "nothing"


def op(node: ir.Node) -> str:
    """The kind of a node, with its domain where that is not ONNX's own."""
    return f"{node.domain}.{node.op_type}" if node.domain else node.op_type
