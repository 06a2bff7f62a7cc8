"""The layout of a topology on a log: how many tasks, which topics with how many partitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tankstreams.errors import StateMismatch, TopologyError
from tankstreams.topology import nodes
from tankstreams.topology.plan import SubTopology, subtopologies
from tankstreams.topology.topology import Topology

__all__ = ["Layout", "external_topics", "lay_out"]


@dataclass(frozen=True, slots=True)
class Layout:
    """``parts`` with ``tasks[i]`` tasks each; ``partitions`` of every topic that is read or written.

    ``internal`` are the topics that the topology owns, with their configuration.
    """

    parts: tuple[SubTopology, ...]
    tasks: tuple[int, ...]
    partitions: Mapping[str, int]
    internal: Mapping[str, Mapping[str, str | int]]


def external_topics(topology: Topology) -> tuple[frozenset[str], frozenset[str]]:
    """Return the topics that the user must have: those read, and those written (sinks, dead letters)."""
    read: set[str] = set()
    written: set[str] = set()
    for node in topology.nodes:
        match node:
            case nodes.Source():
                read.update(node.topics)
            case nodes.TableSource():
                read.add(node.topic)
            case nodes.Sink():
                written.update([node.topic] if isinstance(node.topic, str) else node.topics)
            case _:
                pass
        if isinstance(node.on_error, nodes.DeadLetter):
            written.add(node.on_error.topic)
    return frozenset(read), frozenset(written)


def lay_out(topology: Topology, existing: Mapping[str, int]) -> Layout:
    """Work out tasks and partition counts. ``existing`` has the counts of the topics in the log.

    A task count is the largest partition count among what the part reads. A repartition topic has the count that the
    user asked for, else as many partitions as what it is joined with, else as many as the part that writes it has
    tasks. Raises `TopologyError` when joined topics differ in their counts, `StateMismatch` when an internal topic
    in the log has another count than it would get now.
    """
    parts = subtopologies(topology)
    partitions = {topic: existing[topic] for part in parts for topic in part.inputs if topic in existing}
    repartitions = {
        topology.repartition_topic(node): node for node in topology.nodes if isinstance(node, nodes.Repartition)
    }
    for topic, node in repartitions.items():
        partitions.pop(topic, None)
        if node.partitions is not None:
            partitions[topic] = node.partitions
    waiting = list(repartitions)
    while waiting:
        settled = [topic for topic in waiting if _settle(topology, parts, repartitions[topic], topic, partitions)]
        if not settled:  # a loop through repartition topics alone: the first takes the default, the rest follow
            partitions[waiting[0]] = topology.settings.default_partitions
            settled = waiting[:1]
        waiting = [topic for topic in waiting if topic not in settled]
    tasks = tuple(max(partitions[topic] for topic in part.inputs) for part in parts)
    for part in parts:
        _check_joins(topology, part, partitions)
    internal: dict[str, Mapping[str, str | int]] = {topic: {} for topic in repartitions}
    for part, count in zip(parts, tasks, strict=True):
        for id_ in part.nodes:
            owner = topology.nodes[id_]
            if isinstance(owner, nodes.Stateful):
                changelog = topology.changelog_topic(owner)
                partitions[changelog] = count
                internal[changelog] = {"cleanup_policy": "compact"}
    for topic in internal:
        if topic in existing and existing[topic] != partitions[topic]:
            raise StateMismatch(
                f"{topic!r} has {existing[topic]} partitions in this log and the topology now needs"
                f" {partitions[topic]}: keep the partition counts of its sources as they were, or run it under"
                " another topology name."
            )
    _, written = external_topics(topology)
    partitions.update({topic: existing[topic] for topic in written if topic in existing})
    return Layout(parts, tasks, partitions, internal)


def _settle(
    topology: Topology,
    parts: tuple[SubTopology, ...],
    node: nodes.Repartition,
    topic: str,
    partitions: dict[str, int],
) -> bool:
    """Set the count of a repartition topic if what decides it is known already."""
    if topic in partitions:
        return True
    reader = next(part for part in parts if topic in part.inputs)
    for group in _joined(topology, reader):
        if topic in group:
            known = [partitions[other] for other in group if other in partitions]
            if known:
                partitions[topic] = max(known)
                return True
    writer = next(part for part in parts if topic in part.outputs)
    if all(name in partitions for name in writer.inputs):
        partitions[topic] = max(partitions[name] for name in writer.inputs)
        return True
    return False


def _joined(topology: Topology, part: SubTopology) -> list[set[str]]:
    """Return, for each join of the part, the input topics that reach it."""
    groups = []
    for id_ in part.nodes:
        node = topology.nodes[id_]
        if isinstance(node, nodes.StreamTableJoin):
            groups.append({topic for parent in node.parents for topic in _inputs_of(topology, part, parent)})
    return groups


def _inputs_of(topology: Topology, part: SubTopology, id_: int) -> set[str]:
    """Return the input topics of the part from which a record can come to node ``id_``."""
    read = {topic for topic, readers in part.inputs.items() if id_ in readers}
    if read and isinstance(topology.nodes[id_], nodes.Repartition):
        return read
    for parent in topology.nodes[id_].parents:
        read |= _inputs_of(topology, part, parent)
    return read


def _check_joins(topology: Topology, part: SubTopology, partitions: Mapping[str, int]) -> None:
    for id_ in part.nodes:
        node = topology.nodes[id_]
        if not isinstance(node, nodes.StreamTableJoin):
            continue
        sides = [
            {topic: partitions[topic] for topic in sorted(_inputs_of(topology, part, parent))}
            for parent in node.parents
        ]
        if len(set(sides[0].values()) | set(sides[1].values())) > 1:
            stream, table = ({topic: count for topic, count in side.items()} for side in sides)
            counts = ", ".join(f"{topic!r} has {count}" for topic, count in {**stream, **table}.items())
            raise TopologyError(
                f"{node.name} joins topics that must have the same number of partitions, and {counts}:"
                f" put .repartition({max(table.values())}) before the join, or create them with equal counts.",
                node=node.name,
                where=str(node.where),
            )
