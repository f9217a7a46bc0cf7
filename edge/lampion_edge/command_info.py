"""`info`: what a model file says of itself; onnxruntime is needed only for a file without a card."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any

from lampion_edge.card import METADATA_CARD, METADATA_GOLDEN, Card, Preprocessing
from lampion_edge.golden import Golden
from lampion_edge.model_file import ModelFile
from lampion_edge.session import Session
from lampion_edge.terminal import megabytes, table


def arguments(parser: ArgumentParser) -> None:
    """Declares what `info` takes."""
    parser.add_argument("model", metavar="MODEL", help="an .onnx file")
    parser.add_argument("--json", action="store_true", help="everything, with the whole card, as JSON")


def run(args: Namespace) -> int:
    """Shows the card and the file it lies in."""
    card, found = read(args.model)
    print(as_json(card, found) if args.json else table(rows(card, found), "<<"))
    return 0


def read(path: str) -> tuple[Card, dict[str, Any]]:
    """The card, the graph's own where the file has none, and what there is to say of the file around it."""
    file = ModelFile.open(path)
    stored = file.metadata.get(METADATA_CARD)
    card = Session(path).card if stored is None else Card.from_json(stored)
    return card, facts(file, card, path) | {"has_card": stored is not None}


def as_json(card: Card, found: Mapping[str, Any]) -> str:
    """Everything, with the whole card; null for a file without one."""
    facts = {key: value for key, value in found.items() if key != "has_card"}
    return json.dumps(facts | {"card": json.loads(card.to_json()) if found["has_card"] else None}, ensure_ascii=False)


def facts(file: ModelFile, card: Card, path: str) -> dict[str, Any]:
    """What there is to say of the file around the card."""
    golden = file.metadata.get(METADATA_GOLDEN)
    return {
        "file": path,
        "size": file.size,
        "weights": {path.name: path.stat().st_size for path in file.data_files},
        "opset": file.opsets,
        "ir_version": file.ir_version,
        "producer": file.producer,
        "checksum": file.checksum_state(card.checksum),
        "golden_samples": 0 if golden is None else len(Golden.from_json(golden).samples),
    }


def rows(card: Card, facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The lines to show, as (what, text); what the card leaves empty is left out."""
    opsets = ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in facts["opset"].items())
    shown = [
        ("name", f"{card.name}, version {card.version}"),
        ("task", card.task),
        ("description", card.description),
        *(("input", f"{spec.name}: {spec}  {spec.meaning}".rstrip()) for spec in card.inputs),
        *(("output", f"{spec.name}: {spec}  {spec.meaning}".rstrip()) for spec in card.outputs),
        ("preprocessing", _preprocessing(card.preprocessing) if card.preprocessing else ""),
        ("labels", _labels(card.labels)),
        ("metrics", _pairs(card.metrics)),
        ("training", _pairs(card.training)),
        ("quantization", _pairs(card.quantization or {})),
        ("licence", card.licence),
        ("file", f"{facts['file']}, {megabytes(facts['size'])}, opset {opsets}, IR {facts['ir_version']}"),
        *(("weights", f"{name}, {megabytes(size)}") for name, size in facts["weights"].items()),
        ("producer", facts["producer"]),
        ("checksum", facts["checksum"]),
        ("golden", f"{facts['golden_samples']} samples"),
    ]
    return [row for row in shown if row[1]]


def _preprocessing(preprocessing: Preprocessing) -> str:
    steps = [preprocessing.color]
    if resize := preprocessing.resize:
        steps.append(f"{resize.rule} to {resize.size[0]} x {resize.size[1]} ({resize.interpolation})")
    if preprocessing.crop:
        steps.append(f"crop {preprocessing.crop[0]} x {preprocessing.crop[1]}")
    if preprocessing.in_graph:
        steps.append("in the graph: " + ", ".join(str(step.get("op", "?")) for step in preprocessing.in_graph))
    return "; ".join(steps)


def _labels(labels: tuple[str, ...]) -> str:
    shown = ", ".join(labels[:5]) + (", ..." if len(labels) > 5 else "")
    return f"{len(labels)}: {shown}" if labels else ""


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())
