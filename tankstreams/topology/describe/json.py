"""A description for programs."""

from __future__ import annotations

import dataclasses
import json

from tankstreams.topology.describe.drawing import Drawing

__all__ = ["to_json"]


def to_json(drawing: Drawing) -> str:
    """Return a JSON object: name, parts with inputs, outputs and nodes, and the generated names."""
    parts = [
        {
            "index": part.index,
            "name": part.name,
            "inputs": list(part.inputs),
            "outputs": list(part.outputs),
            "nodes": [dataclasses.asdict(box) for box in boxes],
        }
        for part, boxes in drawing.parts
    ]
    return json.dumps(
        {"name": drawing.name, "parts": parts, "generated_names": list(drawing.generated)}, indent=2, ensure_ascii=False
    )
