"""What every picture of a topology shows: boxes in parts, arrows between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tankstreams.topology import nodes
from tankstreams.topology.nodes import UNKNOWN
from tankstreams.topology.plan import SubTopology, record_by_record, subtopologies
from tankstreams.topology.typeforms import show

if TYPE_CHECKING:
    from tankstreams.topology.topology import Topology

__all__ = ["Box", "Drawing", "Kind"]

Kind = Literal["source", "table", "process", "state", "repartition", "sink"]


@dataclass(frozen=True, slots=True)
class Box:
    """One node as it is drawn in one part; a repartition is drawn in the part that writes and in the one that reads."""

    id: int
    role: Literal["", "w", "r"]
    kind: Kind
    operation: str
    name: str
    topics: tuple[str, ...]
    changelog: str | None
    one_by_one: bool
    named: bool
    key: str
    value: str
    where: str
    on_error: str
    parents: tuple[tuple[int, str], ...]
    note: str = ""

    @property
    def ref(self) -> tuple[int, str]:
        return self.id, self.role


@dataclass(frozen=True, slots=True)
class Drawing:
    """A topology ready to be drawn: its parts, each with its boxes in order of declaration."""

    name: str
    settings: str
    parts: tuple[tuple[SubTopology, tuple[Box, ...]], ...]
    generated: tuple[str, ...]

    @classmethod
    def of(cls, topology: Topology) -> Drawing:
        """Return the drawing of a topology."""
        one_by_one = record_by_record(topology)
        parts = tuple((part, _boxes(topology, part, one_by_one)) for part in subtopologies(topology))
        generated = tuple(
            node.name
            for node in topology.nodes
            if isinstance(node, nodes.Stateful | nodes.Repartition) and not node.named
        )
        settings = topology.settings
        text = f"on_error {_said(settings.on_error)}, commits every {settings.commit_interval_ms} ms"
        return cls(topology.name, text, parts, generated)

    def boxes(self) -> list[Box]:
        """Return the boxes of all parts."""
        return [box for _, boxes in self.parts for box in boxes]

    def children(self, box: Box) -> list[Box]:
        """Return the boxes that an arrow leads to, in order of declaration."""
        return [other for other in self.boxes() if box.ref in other.parents]


def _boxes(topology: Topology, part: SubTopology, one_by_one: frozenset[int]) -> tuple[Box, ...]:
    inside = set(part.nodes)
    boxes: list[Box] = []
    for id_ in part.nodes:
        node = topology.nodes[id_]
        reads = any(id_ in readers for readers in part.inputs.values())
        if isinstance(node, nodes.Repartition):
            if node.parents[0] in inside and _written_here(topology, part, node):
                boxes.append(_box(topology, node, "w", one_by_one))
            if reads:
                boxes.append(_box(topology, node, "r", one_by_one))
        else:
            boxes.append(_box(topology, node, "", one_by_one))
    return tuple(boxes)


def _written_here(topology: Topology, part: SubTopology, node: nodes.Repartition) -> bool:
    return topology.repartition_topic(node) in part.outputs


def _box(topology: Topology, node: nodes.Node, role: Literal["", "w", "r"], one_by_one: frozenset[int]) -> Box:
    kind, topics, note = _kind(topology, node)
    parents: tuple[tuple[int, str], ...] = ()
    if role != "r":
        parents = tuple(
            (parent, "r" if isinstance(topology.nodes[parent], nodes.Repartition) else "")
            for parent in dict.fromkeys(node.parents)
        )
    inherited = node.on_error == topology.settings.on_error
    return Box(
        id=node.id,
        role=role,
        kind=kind,
        operation=_operation(node),
        name=node.name,
        topics=topics,
        changelog=topology.changelog_topic(node) if isinstance(node, nodes.Stateful) else None,
        one_by_one=node.id in one_by_one,
        named=node.named,
        key=_shown(node.key),
        value=_shown(node.value),
        where=str(node.where),
        on_error="" if inherited else _said(node.on_error),
        parents=parents,
        note=note,
    )


def _kind(topology: Topology, node: nodes.Node) -> tuple[Kind, tuple[str, ...], str]:
    match node:
        case nodes.Source():
            return "source", node.topics, ""
        case nodes.TableSource():
            return "table", (node.topic,), ""
        case nodes.Repartition():
            count = f"{node.partitions} partitions" if node.partitions else ""
            return "repartition", (topology.repartition_topic(node),), count
        case nodes.Sink():
            routed = not isinstance(node.topic, str)
            return "sink", node.topics if routed else (str(node.topic),), "one of them, by value" if routed else ""
        case nodes.Aggregate():
            aggregations = ", ".join(agg.kind if name == "value" else f"{name}={agg.kind}" for name, agg in node.fields)
            return "state", (), aggregations
        case nodes.Stateful():
            return "state", (), ""
        case _:
            return "process", (), ""


_OPERATIONS = {
    nodes.Source: "stream",
    nodes.TableSource: "table",
    nodes.Filter: "filter",
    nodes.Map: "map",
    nodes.FlatMap: "flat_map",
    nodes.Peek: "peek",
    nodes.Foreach: "foreach",
    nodes.KeyBy: "key_by",
    nodes.MapRecord: "map_record",
    nodes.Split: "split",
    nodes.SplitOutput: "branch",
    nodes.Merge: "merge",
    nodes.Repartition: "repartition",
    nodes.Aggregate: "aggregate",
    nodes.ToTable: "to_table",
    nodes.ToStream: "to_stream",
    nodes.Sink: "to",
}


def _operation(node: nodes.Node) -> str:
    if isinstance(node, nodes.StreamTableJoin):
        return "left_join" if node.left else "join"
    return _OPERATIONS[type(node)]


def _shown(type_: object) -> str:
    return "?" if type_ is UNKNOWN else show(type_)


def _said(on_error: nodes.OnError) -> str:
    return f"dead letter to {on_error.topic}" if isinstance(on_error, nodes.DeadLetter) else on_error
