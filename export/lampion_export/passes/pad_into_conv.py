"""Zeros padded around the spatial dims right before a Conv become the Conv's own padding."""

from __future__ import annotations

import onnx_ir as ir

from lampion_export.graph import known


class PadIntoConv(ir.passes.InPlacePass):
    """conv(pad(x, p), w, pads=q)  ->  conv(x, w, pads=p + q)"""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        changed = False
        for node in model.graph:
            pad = node.inputs[0].producer() if node.op_type == "Conv" and node.inputs[0] is not None else None
            extra = _zeros_around(pad) if pad is not None else None
            if pad is None or extra is None:
                continue
            own = node.attributes["pads"].as_ints()
            node.attributes["pads"] = ir.AttrInt64s("pads", [a + b for a, b in zip(own, extra, strict=True)])
            node.replace_input_with(0, pad.inputs[0])
            changed = True
        return ir.passes.PassResult(model, changed)


def _zeros_around(pad: ir.Node) -> list[int] | None:
    """Spatial (befores, afters) of a Pad that adds zeros to nothing but spatial dims."""
    if pad.op_type != "Pad" or pad.inputs[1] is None or "mode" in pad.attributes:
        return None
    pads = known(pad.inputs[1])
    value = known(pad.inputs[2]) if len(pad.inputs) > 2 and pad.inputs[2] is not None else None
    if pads is None or (value is not None and value.any()) or (pads < 0).any():
        return None
    rank = len(pads) // 2
    if pads[[0, 1, rank, rank + 1]].any():
        return None
    return [*pads[2:rank].tolist(), *pads[rank + 2 :].tolist()]
