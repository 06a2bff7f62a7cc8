"""A table: the latest value of each key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal

from typing_extensions import TypeForm, TypeVar

from tankstreams.topology import nodes
from tankstreams.topology.graph import Graph
from tankstreams.topology.returns import MISSING, or_none

if TYPE_CHECKING:
    from tankstreams.topology.stream import Stream
    from tankstreams.topology.topic import Topic

__all__ = ["Table"]

Kc = TypeVar("Kc", covariant=True)
Vc = TypeVar("Vc", covariant=True)
K = TypeVar("K")
V = TypeVar("V")


class Table(Generic[Kc, Vc]):
    """The latest value of each key, kept in a store that survives restarts."""

    def __init__(self, graph: Graph, node: nodes.Node) -> None:
        self.graph = graph
        self.node = node

    def __repr__(self) -> str:
        return f"Table({self.node.name!r})"

    def to_stream(self, emit: Literal["updates"] = "updates") -> Stream[Kc, Vc | None]:
        """Return every change as a record; None means that the key was deleted."""
        from tankstreams.topology.stream import Stream

        node = self.graph.add(
            nodes.ToStream,
            "to_stream",
            (self.node,),
            name=None,
            key=self.node.key,
            value=or_none(self.node.value),
            emit=emit,
        )
        return Stream(self.graph, node)

    def to(
        self: Table[K, V],
        topic: Topic[K, V] | str,
        *,
        emit: Literal["updates"] = "updates",
        key: TypeForm[K] = MISSING,
        value: TypeForm[V] = MISSING,
    ) -> None:
        """Write every change to a topic; a deleted key is written with a null value."""
        stream: Stream[Any, Any] = self.to_stream(emit)
        if not isinstance(topic, str):
            key = topic.key if key is MISSING else key
            value = topic.value if value is MISSING else value
            self.graph.topics[topic.name] = topic
            topic = topic.name
        stream.to(topic, key=key, value=value if value is MISSING else or_none(value))
