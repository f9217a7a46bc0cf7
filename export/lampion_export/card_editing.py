"""Other words on the card of a file that has one: the graph and the golden samples stay as they are, byte by byte."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir

from lampion_edge import METADATA_CARD, Card, ModelFile, Session
from lampion_export.card import FILLED_IN, complete_card
from lampion_export.errors import ExportError
from lampion_export.writing import replaced, writable


def set_card(path: str | Path, out: str | Path, fields: Mapping[str, Any]) -> Card:
    """Writes the model at `path` to `out` with `fields` changed on its card, and gives the new card.

    Raises ExportError for a file without a card, for wrong fields, and for weights beside the model that `out` would leave
    behind; ModelError for a graph that is not the one its card describes.
    """
    target, source = writable(Path(out)), Path(path)
    old = Session(source).card
    beside = ModelFile.open(source).data_files
    if beside and source.parent.resolve() != target.parent.resolve():
        raise ExportError(f"{out}: expected the folder of {source}, whose weights lie beside it in {beside[0].name}")
    proto = onnx.load(source, load_external_data=False)
    properties = {entry.key: entry.value for entry in proto.metadata_props}
    if METADATA_CARD not in properties:
        raise ExportError(f"{source}: has no card yet", hint=f"lampion card add {source} -o {out}")
    new = replace(_changed(old, fields, proto), checksum=old.checksum, extra=old.extra)
    onnx.helper.set_model_props(proto, properties | {METADATA_CARD: new.to_json()})
    data = proto.SerializeToString(deterministic=True)
    if ModelFile.parse(data).graph != ModelFile.open(source).graph:
        raise ExportError(f"{source}: its graph can't be kept as it is", hint="lampion card add makes a new file of it")
    replaced(target, data)
    return new


def _changed(old: Card, fields: Mapping[str, Any], proto: onnx.ModelProto) -> Card:
    """The card completed again from the graph, so that labels and meanings are checked as on export."""
    known = {
        key: value for key, value in json.loads(old.to_json()).items() if key not in FILLED_IN | {"schema", *old.extra}
    }
    meaning = {spec.name: spec.meaning for spec in (*old.inputs, *old.outputs)} | dict(fields.get("meaning", {}))
    graph = ir.from_proto(proto).graph
    return complete_card(known | dict(fields) | {"meaning": meaning}, old.name, graph, training={})
