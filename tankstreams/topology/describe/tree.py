"""A tree of boxes for a terminal."""

from __future__ import annotations

from tankstreams.topology.describe.drawing import Box, Drawing

__all__ = ["to_tree"]

LEGEND = "○ stream  ◫ table  ▣ state  ⇉ repartition  ● sink  ↻ record by record, the rest in columns"
_SIGNS = {"source": "○", "table": "◫", "process": "·", "state": "▣", "repartition": "⇉", "sink": "●"}


def to_tree(drawing: Drawing) -> str:
    """Return the topology as an indented tree, a part at a time; what has two parents is drawn below the first."""
    lines = [f"{drawing.name}  ({drawing.settings})"]
    for number, (part, boxes) in enumerate(drawing.parts):
        lines.append("")
        inputs = ", ".join(part.inputs)
        lines.append(f"part {number}: one task for each partition of {inputs}")
        inside = {box.ref for box in boxes}
        drawn: set[tuple[int, str]] = set()
        for box in boxes:
            if not any(parent in inside for parent in box.parents):
                _draw(drawing, box, "", "", lines, drawn)
    lines += ["", LEGEND]
    if drawing.generated:
        lines.append(
            f"warning: generated names on state or repartitions ({', '.join(drawing.generated)}): give name= so that"
            " changing the topology cannot lose them"
        )
    return "\n".join(lines)


def _draw(drawing: Drawing, box: Box, lead: str, below: str, lines: list[str], drawn: set[tuple[int, str]]) -> None:
    if box.ref in drawn:
        lines.append(f"{lead}↳ {box.name} (above)")
        return
    drawn.add(box.ref)
    lines.append(lead + _line(box))
    children = drawing.children(box) if not (box.kind == "repartition" and box.role == "w") else []
    for place, child in enumerate(children):
        last = place == len(children) - 1
        if child.parents[0] != box.ref:
            looked_up = child.operation in ("join", "left_join")
            verb = "looked up by" if looked_up else "into"
            lines.append(f"{below}{'└' if last else '├'}╌ {verb} {child.name}")
            continue
        _draw(drawing, child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "), lines, drawn)


def _line(box: Box) -> str:
    sign = _SIGNS[box.kind] + ("↻" if box.one_by_one else "")
    match box.kind:
        case "source" | "table":
            text = f"{sign} {', '.join(box.topics)}: {box.operation} of {box.value} by {box.key}"
        case "repartition":
            text = f"{sign} {'to' if box.role == 'w' else 'from'} {box.topics[0]}"
        case "sink":
            text = f"{sign} to {', '.join(box.topics)}"
        case _:
            text = f"{sign} {box.operation} {box.name}"
    extras = [box.note, box.on_error and f"on_error {box.on_error}"]
    if box.changelog and box.kind in ("state", "table"):
        extras.append(f"state in {box.changelog}")
    shown = ", ".join(extra for extra in extras if extra)
    return f"{text}  [{shown}]" if shown else text
