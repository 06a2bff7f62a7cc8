"""What the log knows apart from records: topics, offsets, producers, tasks, epochs. Changed by entries alone.

`State.apply` is the only place that changes a state, so that the state decided against, the state served and the state
recovered from the journal cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from tankstreams.log.entry import (
    AcquireEntry,
    CommitEntry,
    CreateTopicEntry,
    DeleteTopicEntry,
    Entry,
    LogStartEntry,
    Part,
    StartEntry,
    TaskPart,
)

__all__ = ["PartitionKey", "PartitionState", "State", "TaskRecord", "TopicState"]

PRODUCER_SEQUENCES_KEPT: Final = 5
"""Bundles of a producer that a partition remembers: as many may be sent again without being stored twice."""

PRODUCERS_KEPT_MAX: Final = 1_000
"""Producers that a partition remembers; the one that wrote least recently is forgotten first."""

PartitionKey: TypeAlias = tuple[int, int]
"""(topic id, partition)."""

Sent: TypeAlias = tuple[tuple[int, int], ...]
"""The last bundles of a producer in a partition: (sequence, base offset), oldest first."""


@dataclass(slots=True)
class PartitionState:
    """Offsets of a partition, and the producers that it remembers, the one that wrote last at the end."""

    log_start: int = 0
    next_offset: int = 0
    producers: dict[int, Sent] = field(default_factory=dict)


@dataclass(slots=True)
class TopicState:
    """A topic; ``config`` holds what was given when it was created."""

    id: int
    name: str
    config: Mapping[str, str | int | float]
    partitions: list[PartitionState]


@dataclass(slots=True)
class TaskRecord:
    """A task of a group: its owner's epoch, its last commit number, its positions."""

    epoch: int
    number: int = 0
    positions: dict[PartitionKey, int] = field(default_factory=dict)


class State:
    """The log's metadata after the entry with ``sequence``."""

    def __init__(self) -> None:
        self.sequence = 0
        self.epoch = 0
        self.topic_id_last = 0
        self.task_epoch_last = 0
        self.topics: dict[int, TopicState] = {}
        self.names: dict[str, int] = {}
        self.groups: dict[str, dict[str, TaskRecord]] = {}

    def apply(self, entry: Entry) -> None:
        """Change the state as ``entry`` says; it has the next sequence."""
        self.sequence += 1
        match entry:
            case CommitEntry(parts, tasks):
                for part in parts:
                    self._append(part)
                for task in tasks:
                    self._commit(task)
            case CreateTopicEntry(topic_id, name, partitions, config):
                blank = [PartitionState() for _ in range(partitions)]
                self.topics[topic_id] = TopicState(topic_id, name, dict(config), blank)
                self.names[name] = topic_id
                self.topic_id_last = max(self.topic_id_last, topic_id)
            case DeleteTopicEntry(topic_id):
                self._delete(topic_id)
            case AcquireEntry(group, acquired):
                owners = self.groups.setdefault(group, {})
                for name, epoch in acquired:
                    owners.setdefault(name, TaskRecord(epoch)).epoch = epoch
                    self.task_epoch_last = max(self.task_epoch_last, epoch)
            case StartEntry(epoch, _):
                self.epoch = epoch
            case LogStartEntry(topic_id, number, log_start):
                partition = self.partition((topic_id, number))
                if partition is not None:
                    partition.log_start = max(partition.log_start, log_start)

    def partition(self, key: PartitionKey) -> PartitionState | None:
        """Return a partition, or None when its topic is gone."""
        topic = self.topics.get(key[0])
        return None if topic is None else topic.partitions[key[1]]

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as plain values that share nothing with it."""
        return {
            "sequence": self.sequence,
            "epoch": self.epoch,
            "topic_id_last": self.topic_id_last,
            "task_epoch_last": self.task_epoch_last,
            "topics": [
                (
                    topic.id,
                    topic.name,
                    dict(topic.config),
                    [(p.log_start, p.next_offset, dict(p.producers)) for p in topic.partitions],
                )
                for topic in self.topics.values()
            ],
            "groups": {
                group: {
                    name: (task.epoch, task.number, [(*key, offset) for key, offset in task.positions.items()])
                    for name, task in tasks.items()
                }
                for group, tasks in self.groups.items()
            },
        }

    @classmethod
    def restore(cls, snapshot: Mapping[str, Any]) -> State:
        """Return the state that gave ``snapshot``."""
        state = cls()
        state.sequence = snapshot["sequence"]
        state.epoch = snapshot["epoch"]
        state.topic_id_last = snapshot["topic_id_last"]
        state.task_epoch_last = snapshot["task_epoch_last"]
        for topic_id, name, config, partitions in snapshot["topics"]:
            rows = [PartitionState(start, end, dict(producers)) for start, end, producers in partitions]
            state.topics[topic_id] = TopicState(topic_id, name, dict(config), rows)
            state.names[name] = topic_id
        for group, tasks in snapshot["groups"].items():
            state.groups[group] = {
                name: TaskRecord(epoch, number, {(topic, partition): at for topic, partition, at in positions})
                for name, (epoch, number, positions) in tasks.items()
            }
        return state

    def _append(self, part: Part) -> None:
        partition = self.partition((part.topic_id, part.partition))
        if partition is None:
            raise ValueError(f"an append to topic {part.topic_id}, which does not exist")
        partition.next_offset = part.next_offset
        if part.producer_id:
            producers = partition.producers
            sent = producers.pop(part.producer_id, ())
            producers[part.producer_id] = extended(sent, part.sequence, part.base_offset)
            if len(producers) > PRODUCERS_KEPT_MAX:
                del producers[next(iter(producers))]

    def _commit(self, task: TaskPart) -> None:
        record = self.groups[task.group][task.task]
        record.number = task.number
        for topic_id, partition, offset in task.positions:
            record.positions[topic_id, partition] = offset

    def _delete(self, topic_id: int) -> None:
        topic = self.topics.pop(topic_id)
        del self.names[topic.name]
        for tasks in self.groups.values():
            for record in tasks.values():
                for key in [key for key in record.positions if key[0] == topic_id]:
                    del record.positions[key]


def extended(sent: Sent, sequence: int, base_offset: int) -> Sent:
    """Return ``sent`` with one more bundle, and no more than are kept."""
    return (*sent[1 - PRODUCER_SEQUENCES_KEPT :], (sequence, base_offset))
