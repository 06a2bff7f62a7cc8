"""A Graphviz digraph."""

from __future__ import annotations

from tankstreams.topology.describe.drawing import Box, Drawing

__all__ = ["to_dot"]

_SHAPES = {"source": "cds", "table": "cylinder", "state": "cylinder", "repartition": "cds", "sink": "cds"}


def to_dot(drawing: Drawing) -> str:
    """Return a digraph: a cluster a part, state as cylinders, record by record in amber."""
    lines = [f"digraph {_quoted(drawing.name)} {{", "  rankdir=TB; node [shape=box, fontname=Helvetica];"]
    for number, (_, boxes) in enumerate(drawing.parts):
        lines.append(f'  subgraph cluster_{number} {{ label="part {number}"; color=gray;')
        lines += [f"    n{box.id}{box.role} [{_attributes(box)}];" for box in boxes]
        lines.append("  }")
    refs = {box.ref for box in drawing.boxes()}
    for box in drawing.boxes():
        for place, parent in enumerate(box.parents):
            dashed = " [style=dashed, label=looked_up]" if place and box.operation in ("join", "left_join") else ""
            lines.append(f"  n{parent[0]}{parent[1]} -> n{box.id}{box.role}{dashed};")
        if box.role == "w" and (box.id, "r") in refs:
            lines.append(f"  n{box.id}w -> n{box.id}r [penwidth=2];")
    return "\n".join([*lines, "}"])


def _attributes(box: Box) -> str:
    label = f"{box.operation}: {', '.join(box.topics) or box.name}"
    if box.changelog:
        label += f"\nstate in {box.changelog}"
    if box.one_by_one:
        label += "\nrecord by record"
    attributes = [f"label={_quoted(label)}"]
    if box.kind in _SHAPES:
        attributes.append(f"shape={_SHAPES[box.kind]}")
    if box.one_by_one:
        attributes.append('color="#d97706", penwidth=2')
    return ", ".join(attributes)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
