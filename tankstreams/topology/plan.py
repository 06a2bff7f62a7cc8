"""The plan: how a topology is cut into parts, and which nodes must run record by record.

A repartition topic is where a topology is cut: its node is the end of one part and the beginning of another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import networkx as nx

from tankstreams.topology import nodes

if TYPE_CHECKING:
    from tankstreams.topology.topology import Topology

__all__ = ["SubTopology", "record_by_record", "subtopologies"]

Vertex: TypeAlias = tuple[int, str]
"""A node at one end: ("w" where records come in, "r" where they leave; the same but for repartitions)."""


@dataclass(frozen=True, slots=True)
class SubTopology:
    """One part: ``name`` is its first declared input topic; ``nodes`` are ids in order of declaration.

    ``inputs`` maps each topic that it reads to the nodes that read it, in order of declaration; ``outputs`` are the
    topics that it can write: sinks, dead letters, repartitions (changelogs are the stores' own).
    """

    index: int
    name: str
    nodes: tuple[int, ...]
    inputs: Mapping[str, tuple[int, ...]]
    outputs: tuple[str, ...]


def _entrance(node: nodes.Node) -> Vertex:
    return (node.id, "w" if isinstance(node, nodes.Repartition) else "")


def _exit(node: nodes.Node) -> Vertex:
    return (node.id, "r" if isinstance(node, nodes.Repartition) else "")


def _cut_graph(topology: Topology) -> nx.MultiDiGraph[Vertex]:
    """Return the graph with every repartition node taken apart."""
    graph: nx.MultiDiGraph[Vertex] = nx.MultiDiGraph()
    for node in topology.nodes:
        graph.add_node(_entrance(node))
        graph.add_node(_exit(node))
        for parent in node.parents:
            graph.add_edge(_exit(topology.nodes[parent]), _entrance(node))
    return graph


def _reads(topology: Topology, vertex: Vertex) -> tuple[str, ...]:
    node = topology.nodes[vertex[0]]
    match node:
        case nodes.Source():
            return node.topics
        case nodes.TableSource():
            return (node.topic,)
        case nodes.Repartition() if vertex[1] == "r":
            return (topology.repartition_topic(node),)
        case _:
            return ()


def _writes(topology: Topology, vertex: Vertex) -> set[str]:
    node = topology.nodes[vertex[0]]
    topics: set[str] = set()
    if isinstance(node.on_error, nodes.DeadLetter):
        topics.add(node.on_error.topic)
    match node:
        case nodes.Sink():
            topics.update([node.topic] if isinstance(node.topic, str) else node.topics)
        case nodes.Repartition() if vertex[1] == "w":
            topics.add(topology.repartition_topic(node))
        case _:
            pass
    return topics


def subtopologies(topology: Topology) -> tuple[SubTopology, ...]:
    """Return the parts: what is connected after the cut, parts that read the same topic being one."""
    graph = _cut_graph(topology)
    joined: nx.Graph[Vertex] = nx.Graph(graph.to_undirected())
    readers: defaultdict[str, list[Vertex]] = defaultdict(list)
    for vertex in graph.nodes:
        for topic in _reads(topology, vertex):
            readers[topic].append(vertex)
    for group in readers.values():
        nx.add_path(joined, group)
    components = sorted((sorted(component) for component in nx.connected_components(joined)), key=_first)
    return tuple(_part(topology, index, vertices) for index, vertices in enumerate(components))


def _first(vertices: list[Vertex]) -> Vertex:
    return vertices[0]


def _part(topology: Topology, index: int, vertices: list[Vertex]) -> SubTopology:
    inputs: dict[str, list[int]] = {}
    for vertex in vertices:
        for topic in sorted(_reads(topology, vertex)):
            inputs.setdefault(topic, []).append(vertex[0])
    outputs = sorted(set().union(*(_writes(topology, vertex) for vertex in vertices)))
    return SubTopology(
        index,
        next(iter(inputs), ""),
        tuple(sorted({vertex[0] for vertex in vertices})),
        {topic: tuple(ids) for topic, ids in inputs.items()},
        tuple(outputs),
    )


def record_by_record(topology: Topology) -> frozenset[int]:
    """Return the ids of the nodes that run depth-first, one record at a time.

    A fork is a node with several children, or an input topic that several nodes read. Where something that can be
    seen is reachable from two of its branches (a node, a topic that is written, a store: a join is below its table),
    everything from the fork down to the last such meeting runs record by record.
    """
    graph = _cut_graph(topology)
    below = {vertex: {vertex, *nx.descendants(graph, vertex)} for vertex in graph.nodes}
    found: set[Vertex] = set()
    for vertex in graph.nodes:
        branches = [child for _, child in graph.out_edges(vertex)]
        if len(branches) > 1:
            found |= _region(topology, graph, below, branches, {vertex})
    readers: defaultdict[str, list[Vertex]] = defaultdict(list)
    for vertex in graph.nodes:
        for topic in _reads(topology, vertex):
            readers[topic].append(vertex)
    for branches in readers.values():
        if len(branches) > 1:
            found |= _region(topology, graph, below, branches, set())
    return frozenset(vertex[0] for vertex in found)


def _region(
    topology: Topology,
    graph: nx.MultiDiGraph[Vertex],
    below: Mapping[Vertex, set[Vertex]],
    branches: list[Vertex],
    fork: set[Vertex],
) -> set[Vertex]:
    """Return the vertices from a fork down to the last place where two of its branches meet."""
    reached = [below[branch] for branch in branches]
    inside = set().union(*reached) | fork
    meetings = {
        vertex
        for vertex in inside - fork
        if sum(1 for parent, _ in graph.in_edges(vertex) if parent in inside) > 1
        and sum(1 for branch in reached if vertex in branch) > 1
    }
    meetings |= _shared_writers(topology, reached)
    if not meetings:
        return set()
    return {vertex for vertex in inside if below[vertex] & meetings} | fork


def _shared_writers(topology: Topology, reached: Iterable[set[Vertex]]) -> set[Vertex]:
    """Return the vertices that write a topic which another vertex, in another branch, writes too."""
    writers: defaultdict[str, list[set[Vertex]]] = defaultdict(list)
    for branch in reached:
        mine: defaultdict[str, set[Vertex]] = defaultdict(set)
        for vertex in branch:
            for topic in _writes(topology, vertex):
                mine[topic].add(vertex)
        for topic, vertices in mine.items():
            writers[topic].append(vertices)
    shared: set[Vertex] = set()
    for groups in writers.values():
        every = set().union(*groups)
        if len(groups) > 1 and len(every) > 1:
            shared |= every
    return shared
