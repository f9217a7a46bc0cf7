"""`lampion info`: what lampion-edge shows, and the graph: as an outline, or as a picture."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from lampion_edge import command_info as edge
from lampion_edge.terminal import table

PICTURES = (".svg", ".html")


def arguments(parser: ArgumentParser) -> None:
    """Declares what `lampion info` takes."""
    edge.arguments(parser)
    parser.add_argument(
        "--picture", type=_picture, metavar="FILE", help="draw the graph into an .svg, or an .html to pan and zoom in"
    )


def run(args: Namespace) -> int:
    """Shows card, file and outline; with --picture it draws."""
    import onnx_ir as ir

    from lampion_export.outline import counted, outline
    from lampion_export.picture import html, svg
    from lampion_export.weights import parameters

    card, found = edge.read(args.model)
    model = ir.load(args.model)
    found |= {"parameters": parameters(model), "ops": sum(1 for _ in model.graph.all_nodes())}
    lines = list(outline(model.graph))
    if args.json:
        print(edge.as_json(card, found | {"outline": lines}))
    else:
        rows = [*edge.rows(card, found), ("parameters", f"{found['parameters']:,}")]
        rows += [("ops", counted(model.graph.all_nodes()))]
        if len(lines) > 1:
            rows += [("graph" if i == 0 else "", line) for i, line in enumerate(lines)]
        print(table(rows, "<<"))
    if args.picture is not None:
        draw = html if args.picture.suffix == ".html" else svg
        args.picture.write_text(draw(model.graph, card.name), encoding="utf-8")
        if not args.json:
            print(f"drew {args.picture}")
    return 0


def _picture(text: str) -> Path:
    path = Path(text)
    if path.suffix not in PICTURES:
        raise ArgumentTypeError(f"expected a file name that ends in {' or '.join(PICTURES)}, got {text!r}")
    return path
