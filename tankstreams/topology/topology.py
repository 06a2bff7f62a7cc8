"""A topology: sources, processors and sinks as a DAG of frozen nodes. Built here, run by ``tankstreams.run``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import networkx as nx
from typing_extensions import TypeForm, TypeVar

from tankstreams.errors import ConfigError, TopologyError
from tankstreams.log.topic import check_topic_name
from tankstreams.topology import nodes
from tankstreams.topology.graph import Graph, Settled, caller
from tankstreams.topology.nodes import DeadLetter, Node, OnError, Repartition
from tankstreams.topology.returns import MISSING
from tankstreams.topology.stream import Stream
from tankstreams.topology.table import Table
from tankstreams.topology.times import Time
from tankstreams.topology.topic import Topic

__all__ = ["Settings", "Topology"]

Kd = TypeVar("Kd", default=bytes | None)
Vd = TypeVar("Vd", default=bytes)

PARTITIONS_MAX = 65_536


@dataclass(frozen=True, slots=True)
class Settings:
    """What `Topology` takes as keywords; overridden by ``TANKSTREAMS_*``, then by the command line."""

    on_error: OnError = "fail"
    commit_interval_ms: int = 100
    default_partitions: int = 4
    strict_names: bool = False

    def override(self, given: Mapping[str, str]) -> Settings:
        """Return these settings with others read from text; raises `ConfigError` for unknown keys and bad values."""
        known = {field.name for field in dataclasses.fields(self)}
        changes: dict[str, Any] = {}
        for key, text in given.items():
            if key not in known:
                raise ConfigError(
                    f"There is no setting {key!r}: the settings are {', '.join(sorted(known))}.", key=key, value=text
                )
            changes[key] = _read(key, text, getattr(self, key))
        return dataclasses.replace(self, **changes).checked()

    def checked(self) -> Settings:
        """Return these settings; raises `ConfigError` for a value out of its range."""
        if type(self.commit_interval_ms) is not int or not 0 <= self.commit_interval_ms <= 3_600_000:
            raise ConfigError(
                f"commit_interval_ms is 0 to 3600000 milliseconds, not {self.commit_interval_ms!r}.",
                key="commit_interval_ms",
                value=self.commit_interval_ms,
            )
        if type(self.default_partitions) is not int or not 1 <= self.default_partitions <= PARTITIONS_MAX:
            raise ConfigError(
                f"default_partitions is 1 to {PARTITIONS_MAX}, not {self.default_partitions!r}.",
                key="default_partitions",
                value=self.default_partitions,
            )
        if self.on_error not in ("fail", "skip") and not isinstance(self.on_error, DeadLetter):
            raise ConfigError(
                f'on_error is "fail", "skip" or ts.DeadLetter("topic"), not {self.on_error!r}.',
                key="on_error",
                value=self.on_error,
            )
        return self


def _read(key: str, text: str, example: Any) -> Any:
    if key == "on_error":
        return text if text in ("fail", "skip") else DeadLetter(check_topic_name(text.removeprefix("dead-letter:")))
    if isinstance(example, bool):
        if text.lower() in ("true", "1", "yes", "on", "false", "0", "no", "off"):
            return text.lower() in ("true", "1", "yes", "on")
        raise ConfigError(f"{key} is true or false, not {text!r}.", key=key, value=text)
    try:
        return int(text)
    except ValueError as error:
        raise ConfigError(f"{key} is a whole number, not {text!r}.", key=key, value=text) from error


class Topology:
    """A topology under construction; ``name`` is also the name of its consumer group and begins its own topics' names.

    ``on_error``: what happens to a record that a node cannot process: ``"fail"`` commits what came before it and stops,
    ``"skip"`` drops it at that node, ``DeadLetter("topic")`` writes it there. ``commit_interval_ms``: how long results
    may wait for a commit under load. ``default_partitions``: of topics that ``--create-topics`` creates.
    ``strict_names``: refuse state whose name was generated.

    Raises `InvalidTopicName`, `ConfigError`.

    >>> topology = Topology("wordcount")
    >>> lines = topology.stream("lines", value=str)
    >>> lines.flat_map(str.split).group_by(str.lower, name="by-word").count().to("counts")
    """

    def __init__(
        self,
        name: str,
        *,
        on_error: OnError = "fail",
        commit_interval_ms: int = 100,
        default_partitions: int = 4,
        strict_names: bool = False,
    ) -> None:
        self.name = check_topic_name(name)
        self.settings = Settings(on_error, commit_interval_ms, default_partitions, strict_names).checked()
        self._graph = Graph(name, on_error)

    def __repr__(self) -> str:
        return f"Topology({self.name!r})"

    def stream(
        self,
        topic: Topic[Kd, Vd] | str | Sequence[str],
        *,
        key: TypeForm[Kd] = MISSING,
        value: TypeForm[Vd] = MISSING,
        timestamp: Callable[[Vd], Time] | None = None,
        on_error: OnError | None = None,
    ) -> Stream[Kd, Vd]:
        """Read a topic, or several of the same types, as a stream.

        Without ``key=`` keys are bytes or None, without ``value=`` values are bytes. ``timestamp`` takes the event time
        from the value: an aware datetime or epoch milliseconds. A record that the types do not fit, nulls included, is
        an ``on_error`` case of this source.
        """
        names = [topic.name] if isinstance(topic, Topic) else [topic] if isinstance(topic, str) else list(topic)
        if not names:
            raise TopologyError("stream needs a topic to read.", where=str(caller()))
        key_type, value_type = self._types(topic, key, value)
        if timestamp is not None:
            self._graph.check_function(timestamp, "timestamp", 1)
        node = self._graph.add(
            nodes.Source,
            "-".join(map(check_topic_name, names)),
            (),
            name=None,
            key=key_type,
            value=value_type,
            on_error=on_error,
            topics=tuple(dict.fromkeys(names)),
            timestamp=timestamp,
        )
        return Stream(self._graph, node)

    def table(
        self,
        topic: Topic[Kd, Vd] | str,
        *,
        key: TypeForm[Kd] = MISSING,
        value: TypeForm[Vd] = MISSING,
        timestamp: Callable[[Vd], Time] | None = None,
        on_error: OnError | None = None,
    ) -> Table[Kd, Vd]:
        """Read a topic as a table: a record upserts its key, a null value deletes it, a null key is an error."""
        name = topic.name if isinstance(topic, Topic) else check_topic_name(topic)
        key_type, value_type = self._types(topic, key, value)
        if timestamp is not None:
            self._graph.check_function(timestamp, "timestamp", 1)
        node = self._graph.add(
            nodes.TableSource,
            name,
            (),
            name=None,
            settled=Settled(name, named=True),
            key=key_type,
            value=value_type,
            on_error=on_error,
            topic=name,
            timestamp=timestamp,
        )
        return Table(self._graph, node)

    def _types(self, topic: Any, key: Any, value: Any) -> tuple[Any, Any]:
        if isinstance(topic, Topic):
            self._graph.topics[topic.name] = topic
        declared = (topic.key, topic.value) if isinstance(topic, Topic) else (bytes | None, bytes)
        return declared[0] if key is MISSING else key, declared[1] if value is MISSING else value

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, by id: in order of declaration."""
        return tuple(self._graph.nodes)

    @property
    def graph(self) -> nx.DiGraph[int]:
        """The DAG over node ids, edges from parent to child; each node's data is at ``graph.nodes[id]["node"]``."""
        graph: nx.DiGraph[int] = nx.DiGraph()
        for node in self.nodes:
            graph.add_node(node.id, node=node)
            graph.add_edges_from((parent, node.id) for parent in node.parents)
        return graph

    @property
    def topics(self) -> Mapping[str, Topic[Any, Any]]:
        """The declared topics (`Topic`) that are read or written, by name."""
        return dict(self._graph.topics)

    def repartition_topic(self, node: Repartition) -> str:
        """Return the name of a repartition node's topic."""
        return f"{self.name}-{node.name.removesuffix('.repartition')}-repartition"

    def changelog_topic(self, node: Node) -> str:
        """Return the name of a store's changelog topic."""
        return f"{self.name}-{node.name}-changelog"

    def with_settings(self, settings: Settings) -> Topology:
        """Return this topology with other settings; nodes that had ``on_error`` from the topology take the new one."""
        other = Topology(self.name)
        other.settings = settings
        other._graph = self._graph
        if settings.on_error != self.settings.on_error:
            graph = Graph(self.name, settings.on_error)
            graph.inherited = set(self._graph.inherited)
            graph.topics = dict(self._graph.topics)
            graph.nodes = [
                dataclasses.replace(node, on_error=settings.on_error) if node.id in graph.inherited else node
                for node in self.nodes
            ]
            other._graph = graph
        return other

    def check(self) -> None:
        """Raise `TopologyError` for what can only be said when the topology is whole."""
        if not self.nodes:
            raise TopologyError(f"The topology {self.name!r} reads nothing: begin with {self.name}.stream(topic).")
        children: dict[int, list[Node]] = {node.id: [] for node in self.nodes}
        for node in self.nodes:
            for parent in node.parents:
                children[parent].append(node)
        for node in self.nodes:
            if not children[node.id]:
                self._check_leaf(node, children)
        if self.settings.strict_names:
            for node in self.nodes:
                if isinstance(node, nodes.Stateful | nodes.Repartition) and not node.named:
                    raise TopologyError(
                        f"strict_names is set and {node.name} has a generated name, which its state or topic would"
                        " carry: give name= where it is made.",
                        node=node.name,
                        where=str(node.where),
                    )

    def _check_leaf(self, node: Node, children: Mapping[int, Sequence[Node]]) -> None:
        match node:
            case nodes.Sink() | nodes.Foreach() | nodes.Peek():
                return
            case nodes.SplitOutput():
                siblings = children[node.parents[0]]
                if any(children[sibling.id] for sibling in siblings):
                    return
                reason = "no branch of it is used"
            case nodes.TableSource():
                reason = "the table is read and never used: join it, or remove it"
            case nodes.Stateful():
                reason = "the table is kept and never used: end it with .to(topic), or join it"
            case _:
                reason = "its result goes nowhere: end the chain with .to(topic) or .foreach(fn), or remove it"
        raise TopologyError(f"{node.name} leads nowhere: {reason}.", node=node.name, where=str(node.where))

    def describe(self, format: Literal["tree", "mermaid", "dot", "json"] = "tree") -> str:
        """Return the topology drawn as text: a tree, Mermaid, Graphviz dot, or JSON."""
        from tankstreams.topology.describe import describe

        return describe(self, format)
