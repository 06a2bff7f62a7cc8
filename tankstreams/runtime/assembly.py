"""Assembly: the tasks of a topology, made from its layout, with positions and state as the log has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tankstreams.errors import StateMismatch
from tankstreams.log.commit import TaskState
from tankstreams.log.records import Records, TopicPartition
from tankstreams.runtime.inputs import Input
from tankstreams.runtime.layout import Layout
from tankstreams.runtime.operators.stateful import AggregateOperator, TableOperator
from tankstreams.runtime.operators.wiring import Wired, Wiring
from tankstreams.runtime.output import Output
from tankstreams.runtime.task import Task
from tankstreams.topology import nodes
from tankstreams.topology.plan import SubTopology, record_by_record
from tankstreams.topology.topology import Topology

__all__ = ["Assembly", "Restoring"]


@dataclass(frozen=True, slots=True)
class Restoring:
    """A store to fill from its changelog partition: call ``put`` with the columns, in order."""

    changelog: TopicPartition
    put: Callable[[Records], None]


class Assembly:
    """Makes tasks. ``task_names(layout)`` are stable: the first declared input topic of the part, and the partition."""

    def __init__(self, topology: Topology, layout: Layout) -> None:
        self._topology = topology
        self._layout = layout
        self._one_by_one = record_by_record(topology)

    def names(self) -> list[str]:
        """Return the names of all tasks."""
        return [
            f"{part.name}/{partition}"
            for part, count in zip(self._layout.parts, self._layout.tasks, strict=True)
            for partition in range(count)
        ]

    def check(self, states: Mapping[str, TaskState]) -> None:
        """Raise `StateMismatch` when the log has positions for a topic that another task would go on with now."""
        owners = {
            source: f"{part.name}/{partition}"
            for part, count in zip(self._layout.parts, self._layout.tasks, strict=True)
            for partition in range(count)
            for source in self._sources(part, partition)
        }
        for name, state in states.items():
            for source in state.positions:
                if owners.get(source, name) != name:
                    raise StateMismatch(
                        f"{source} was read by task {name!r} of {self._topology.name!r} and would now be read by"
                        f" {owners[source]!r}, so its position and state would be lost: give the changed topology"
                        " another name, or put the sources back in their order."
                    )

    def make(self, states: Mapping[str, TaskState]) -> list[tuple[Task, list[Restoring]]]:
        """Make all tasks at the positions that ``states`` has, with empty stores and how to fill them."""
        made = []
        for part, count in zip(self._layout.parts, self._layout.tasks, strict=True):
            for partition in range(count):
                name = f"{part.name}/{partition}"
                made.append(self._make(part, partition, name, states.get(name, TaskState())))
        return made

    def _sources(self, part: SubTopology, partition: int) -> list[TopicPartition]:
        return [TopicPartition(topic, partition) for topic in part.inputs if partition < self._layout.partitions[topic]]

    def _make(self, part: SubTopology, partition: int, name: str, state: TaskState) -> tuple[Task, list[Restoring]]:
        topology, layout = self._topology, self._layout
        members = [topology.nodes[id_] for id_ in part.nodes]
        outputs = {
            topic: Output(
                topic,
                layout.partitions[topic],
                task=partition,
                fixed=layout.internal.get(topic, {}).get("cleanup_policy") == "compact",
            )
            for topic in sorted({*part.outputs, *_changelogs(topology, members)})
        }
        readers = frozenset(id_ for ids in part.inputs.values() for id_ in ids)
        wired = Wiring(members, readers, self._one_by_one, outputs, self._topic_of).wire()
        inputs = [
            Input(
                source,
                [wired.sources[id_] for id_ in part.inputs[source.topic]],
                state.positions.get(source, 0),
            )
            for source in self._sources(part, partition)
        ]
        task = Task(name, partition, inputs, wired, outputs, self._one_by_one)
        task.epoch, task.number = state.epoch, state.number
        return task, self._restoring(wired, partition)

    def _topic_of(self, node: nodes.Node) -> str:
        if isinstance(node, nodes.Repartition):
            return self._topology.repartition_topic(node)
        return self._topology.changelog_topic(node)

    def _restoring(self, wired: Wired, partition: int) -> list[Restoring]:
        restoring = []
        for id_, store in wired.stores.items():
            node = self._topology.nodes[id_]
            changelog = TopicPartition(self._topology.changelog_topic(node), partition)
            operator = AggregateOperator if isinstance(node, nodes.Aggregate) else TableOperator
            restoring.append(Restoring(changelog, lambda records, o=operator, s=store: o.restore(s, records)))  # type: ignore[misc]
        return restoring


def _changelogs(topology: Topology, members: Sequence[nodes.Node]) -> list[str]:
    return [topology.changelog_topic(node) for node in members if isinstance(node, nodes.Stateful)]
