"""What the clients of a simulated log know: what they sent, what was acknowledged, what they saw."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from tankstreams.log.commit import TaskState
from tankstreams.log.records import TopicPartition

Place: TypeAlias = tuple[int, int]
"""(topic id, partition)."""


@dataclass(eq=False)
class Sent:
    """A commit on its way: the values of each bundle, in order, and where its tasks would stand."""

    values: list[tuple[Place, list[bytes]]]
    numbers: dict[str, int]
    positions: dict[str, dict[TopicPartition, int]]


@dataclass
class Change:
    """A change of metadata on its way: a topic made or deleted, or tasks taken over."""

    created: dict[str, int] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    acquired: set[str] = field(default_factory=set)


@dataclass
class Ledger:
    """``acked`` holds the value at every offset that was acknowledged; it only grows, deleted topics apart.

    ``unknown`` are commits that nobody answered, in the order they were decided; ``change`` came after them.
    """

    acked: dict[Place, dict[int, bytes]] = field(default_factory=dict)
    topics: dict[str, int] = field(default_factory=dict)
    partitions: dict[int, int] = field(default_factory=dict)
    topic_ids: set[int] = field(default_factory=set)
    tasks: dict[str, TaskState] = field(default_factory=dict)
    epoch_last: int = 0
    unknown: list[Sent] = field(default_factory=list)
    change: Change = field(default_factory=Change)

    def created(self, name: str, topic_id: int, partitions: int) -> None:
        assert topic_id not in self.topic_ids, f"topic id {topic_id} was given twice"
        self.topic_ids.add(topic_id)
        self.topics[name] = topic_id
        self.partitions[topic_id] = partitions
        for partition in range(partitions):
            self.acked[topic_id, partition] = {}

    def deleted(self, name: str) -> None:
        topic_id = self.topics.pop(name)
        for partition in range(self.partitions.pop(topic_id)):
            del self.acked[topic_id, partition]
        for task, state in self.tasks.items():
            kept = {source: at for source, at in state.positions.items() if source.topic != name}
            self.tasks[task] = TaskState(state.epoch, state.number, kept)

    def committed(self, sent: Sent, offsets: tuple[int, ...]) -> None:
        """The log acknowledged a commit, its bundles at these offsets."""
        self.unknown.remove(sent)
        for (place, values), base in zip(sent.values, offsets, strict=True):
            known = self.acked[place]
            for offset, value in enumerate(values, base):
                assert offset not in known, f"offset {offset} of {place} was acknowledged twice"
                known[offset] = value
        self.numbered(sent)

    def numbered(self, sent: Sent) -> None:
        """The commit's tasks stand where it says."""
        for task, number in sent.numbers.items():
            before = self.tasks[task]
            new = {source: at for source, at in sent.positions[task].items() if source.topic in self.topics}
            self.tasks[task] = TaskState(before.epoch, number, {**before.positions, **new})

    def acquired(self, states: dict[str, TaskState]) -> None:
        for task, state in states.items():
            assert state.epoch > self.epoch_last, f"epoch {state.epoch} of {task} was given before"
            self.tasks[task] = state
        self.epoch_last = max(self.epoch_last, *(state.epoch for state in states.values()))

    def saw(self, found: dict[Place, list[bytes]]) -> None:
        """A reader sees nothing but what was acknowledged, in order."""
        for place, values in found.items():
            known = [self.acked[place][offset] for offset in range(len(self.acked[place]))]
            assert known[: len(values)] == values, f"a reader of {place} sees what was not acknowledged"

    def recovered(self, topics: dict[str, int], found: dict[Place, list[bytes]], tasks: dict[str, TaskState]) -> None:
        """Hold what a recovered log has against what is known; what nobody was told of is known from now on."""
        self._recovered_topics(topics)
        self._recovered_epochs(tasks)
        landed = self._landed(found, tasks)
        for sent in landed:
            self.numbered(sent)
        for place, values in found.items():
            known = self.acked[place]
            assert sorted(known) == list(range(len(known))), f"offsets of {place} have gaps: {sorted(known)}"
            for offset, value in known.items():
                assert offset < len(values), f"offset {offset} of {place} was acknowledged and is lost"
                assert values[offset] == value, f"offset {offset} of {place} holds another record"
            new = [value for sent in landed for at, column in sent.values if at == place for value in column]
            assert values[len(known) :] == new, f"{place} holds records that nobody sent, or not in order"
            self.acked[place] = dict(enumerate(values))
        for name, state in tasks.items():
            mine = self.tasks[name]
            assert state.number == mine.number, f"task {name} has number {state.number} and not {mine.number}"
            assert state.positions == mine.positions, f"task {name} has other positions"
        self.unknown.clear()
        self.change = Change()

    def taken_back(self, topics: dict[str, int], found: dict[Place, list[bytes]], tasks: dict[str, TaskState]) -> None:
        """As `recovered`, of a log that acknowledges before its sync: a power cut takes back the last commits only."""
        self._recovered_topics(topics)
        self._recovered_epochs(tasks)
        for place, kept in found.items():
            sent = [self.acked[place][offset] for offset in range(len(self.acked[place]))]
            sent += [value for one in self.unknown for at, column in one.values if at == place for value in column]
            assert kept == sent[: len(kept)], f"{place} holds records that nobody sent, or not in order"
            self.acked[place] = dict(enumerate(kept))
        self.tasks = dict(tasks)
        self.unknown.clear()
        self.change = Change()

    def _recovered_topics(self, topics: dict[str, int]) -> None:
        for name in list(self.topics):
            if topics.get(name) != self.topics[name]:
                assert name in self.change.deleted, f"topic {name} was acknowledged and is lost"
                self.deleted(name)
        for name, topic_id in topics.items():
            if name not in self.topics:
                assert name in self.change.created, f"topic {name} was deleted and is there"
                self.created(name, topic_id, self.change.created[name])

    def _recovered_epochs(self, tasks: dict[str, TaskState]) -> None:
        for name, known in self.tasks.items():
            assert name in tasks, f"task {name} was acknowledged and is lost"
            epoch = tasks[name].epoch
            if epoch != known.epoch:
                assert name in self.change.acquired and epoch > self.epoch_last, f"task {name} has epoch {epoch}"
                self.tasks[name] = TaskState(epoch, known.number, known.positions)
        for name in tasks.keys() - self.tasks.keys():
            assert name in self.change.acquired, f"task {name} was never taken"
            self.tasks[name] = TaskState(tasks[name].epoch)
        self.epoch_last = max([self.epoch_last, *(state.epoch for state in tasks.values())])

    def _landed(self, found: dict[Place, list[bytes]], tasks: dict[str, TaskState]) -> list[Sent]:
        """Return which of the unknown commits are there: each whole or not at all, and none without those before."""
        signs = [self._sign(sent, found, tasks) for sent in self.unknown]
        told = [sign for sign in signs if sign is not None]
        assert told == sorted(told, reverse=True), f"a later commit is there and an earlier one is not: {signs}"
        return [sent for sent, sign in zip(self.unknown, signs, strict=True) if sign]

    def _sign(self, sent: Sent, found: dict[Place, list[bytes]], tasks: dict[str, TaskState]) -> bool | None:
        signs = [value in found[place] for place, values in sent.values if place in found for value in values]
        signs += [tasks[task].number >= number for task, number in sent.numbers.items()]
        assert len(set(signs)) < 2, "a part of a commit is there and another is not"
        return signs[0] if signs else None
