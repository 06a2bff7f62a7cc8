"""A Mermaid flowchart."""

from __future__ import annotations

from tankstreams.topology.describe.drawing import Box, Drawing

__all__ = ["to_mermaid"]


def to_mermaid(drawing: Drawing) -> str:
    """Return a flowchart: a subgraph a part, topics as stadiums, state as cylinders, record by record in amber."""
    lines = ["flowchart TD"]
    for number, (_, boxes) in enumerate(drawing.parts):
        lines.append(f'  subgraph part{number}["part {number}"]')
        lines += [f"    {_id(box)}{_shape(box)}" for box in boxes]
        lines.append("  end")
    by_ref = {box.ref: box for box in drawing.boxes()}
    for box in drawing.boxes():
        for place, parent in enumerate(box.parents):
            arrow = "-. looked up .->" if place and box.operation in ("join", "left_join") else "-->"
            lines.append(f"  {_id(by_ref[parent])} {arrow} {_id(box)}")
        if box.role == "w" and (box.id, "r") in by_ref:
            lines.append(f"  {_id(box)} ==> {_id(by_ref[box.id, 'r'])}")
    slow = [_id(box) for box in drawing.boxes() if box.one_by_one]
    if slow:
        lines += ["  classDef onebyone stroke:#d97706,stroke-width:3px", f"  class {','.join(slow)} onebyone"]
    return "\n".join(lines)


def _id(box: Box) -> str:
    return f"n{box.id}{box.role}"


def _shape(box: Box) -> str:
    label = box.name if box.kind not in ("source", "table", "sink", "repartition") else ", ".join(box.topics)
    text = f"{box.operation}: {label}".replace('"', "'")
    if box.changelog:
        text += f"<br/>state in {box.changelog}"
    if box.one_by_one:
        text += "<br/>record by record"
    if box.kind in ("state", "table"):
        return f'[("{text}")]'
    return f'(["{text}"])' if box.kind in ("source", "sink", "repartition") else f'["{text}"]'
