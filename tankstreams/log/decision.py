"""Deciding: what a request means against a state. Nothing here does input or output, or changes the state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tankstreams.errors import (
    ConfigError,
    LogError,
    OffsetOutOfRange,
    PartitionNotFound,
    ProducerOutOfOrder,
    RecordRefused,
    TopicExists,
    TopicNotFound,
)
from tankstreams.log import bundle
from tankstreams.log.commit import Append, Commit, CommitResult, Committed, Fenced, TaskCommit, TaskState
from tankstreams.log.config import ConfigValue, check_config
from tankstreams.log.entry import (
    AcquireEntry,
    CommitEntry,
    CreateTopicEntry,
    DeleteTopicEntry,
    LogStartEntry,
    Part,
    TaskPart,
)
from tankstreams.log.limits import COMMIT_BYTES_MAX, INT64_MAX
from tankstreams.log.records import TopicPartition
from tankstreams.log.state import PartitionKey, Sent, State, TaskRecord, TopicState, extended
from tankstreams.log.topic import check_topic_name

__all__ = [
    "CommitDecision",
    "StampedBundle",
    "check_bundles",
    "decide_acquire",
    "decide_commit",
    "decide_create_topic",
    "decide_delete_topic",
    "decide_log_start",
    "find_partition",
    "find_topic",
    "task_state",
]

PARTITIONS_MAX: Final = 10_000
"""Partitions of one topic: each costs memory and, once written to, a directory."""


@dataclass(frozen=True, slots=True)
class StampedBundle:
    """A bundle with the log's fields filled in, for one partition."""

    key: PartitionKey
    head: bytes
    payload: memoryview


@dataclass(frozen=True, slots=True)
class CommitDecision:
    """What a commit comes to: the answer, and what is to be written for it (None: nothing)."""

    result: CommitResult
    entry: CommitEntry | None = None
    bundles: tuple[StampedBundle, ...] = ()


@dataclass(slots=True)
class _Draft:
    """A commit's appends as they are decided one after the other; the state itself is not changed."""

    next_offsets: dict[PartitionKey, int] = field(default_factory=dict)
    sent: dict[tuple[PartitionKey, int], Sent] = field(default_factory=dict)
    offsets: list[int] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    bundles: list[StampedBundle] = field(default_factory=list)


def check_bundles(appends: Sequence[Append]) -> list[bundle.Header]:
    """Return the headers of a commit's bundles, checked; needs no state. Raises `RecordRefused`, `UnknownFormat`."""
    headers = [bundle.check(append.bundle) for append in appends]
    size = sum(header.total_length for header in headers)
    if size > COMMIT_BYTES_MAX:
        raise RecordRefused(f"A commit has {size} bytes and {COMMIT_BYTES_MAX} are the limit: make it several.")
    return headers


def decide_commit(
    state: State,
    commit: Commit,
    headers: Sequence[bundle.Header],
    *,
    refused: Mapping[PartitionKey, LogError],
    now_ms: int,
) -> CommitDecision:
    """Decide a commit whose bundles have ``headers``; ``refused`` are the partitions that take no writes now.

    Raises `TopicNotFound`, `PartitionNotFound`, `ProducerOutOfOrder`, `RecordRefused`, or the error of a refused
    partition.
    """
    stale = _stale(state, commit.tasks)
    if stale:
        return CommitDecision(Fenced(stale))
    tasks = tuple(_task_part(state, task) for task in commit.tasks)
    draft = _Draft()
    for append, header in zip(commit.appends, headers, strict=True):
        _draft_append(state, draft, append, header, refused, now_ms)
    result = Committed(tuple(draft.offsets))
    if not draft.parts and not tasks:
        return CommitDecision(result)
    return CommitDecision(result, CommitEntry(tuple(draft.parts), tasks), tuple(draft.bundles))


def decide_create_topic(
    state: State, name: str, partitions: int, config: Mapping[str, ConfigValue]
) -> CreateTopicEntry:
    """Decide a new topic; raises `TopicExists`, `InvalidTopicName`, `ConfigError`."""
    check_topic_name(name)
    if not 0 < partitions <= PARTITIONS_MAX:
        raise ConfigError(
            f"A topic has 1 to {PARTITIONS_MAX} partitions, not {partitions}.", key="partitions", value=partitions
        )
    checked = check_config(config)
    if name in state.names:
        raise TopicExists(name)
    return CreateTopicEntry(state.topic_id_last + 1, name, partitions, checked)


def decide_delete_topic(state: State, name: str) -> DeleteTopicEntry:
    """Decide that a topic goes; raises `TopicNotFound`."""
    return DeleteTopicEntry(find_topic(state, name).id)


def decide_log_start(state: State, source: TopicPartition, offset: int) -> LogStartEntry:
    """Decide that records below ``offset`` go; raises `OffsetOutOfRange`, `TopicNotFound`, `PartitionNotFound`."""
    key = find_partition(state, *source)
    row = state.topics[key[0]].partitions[key[1]]
    if not 0 <= offset <= row.next_offset:
        raise OffsetOutOfRange(*source, offset, row.log_start, row.next_offset)
    return LogStartEntry(*key, max(offset, row.log_start))


def decide_acquire(state: State, group: str, tasks: Sequence[str]) -> tuple[AcquireEntry, dict[str, TaskState]]:
    """Decide new owners: each task gets an epoch that no task ever had."""
    if not group or not all(tasks):
        raise ConfigError("A group and its tasks must have names that are not empty.", key="group", value=group)
    names = list(dict.fromkeys(tasks))
    acquired = tuple((name, state.task_epoch_last + 1 + index) for index, name in enumerate(names))
    owners = state.groups.get(group, {})
    states = {name: task_state(state, owners.get(name, TaskRecord(epoch)), epoch=epoch) for name, epoch in acquired}
    return AcquireEntry(group, acquired), states


def task_state(state: State, record: TaskRecord, *, epoch: int | None = None) -> TaskState:
    """Return what is stored for a task, with topics by name."""
    positions = {
        TopicPartition(state.topics[topic_id].name, partition): offset
        for (topic_id, partition), offset in record.positions.items()
    }
    return TaskState(record.epoch if epoch is None else epoch, record.number, positions)


def find_topic(state: State, name: str) -> TopicState:
    """Return a topic by name; raises `TopicNotFound`."""
    topic_id = state.names.get(name)
    if topic_id is None:
        raise TopicNotFound(name)
    return state.topics[topic_id]


def find_partition(state: State, name: str, partition: int) -> PartitionKey:
    """Return the key of a partition; raises `TopicNotFound`, `PartitionNotFound`."""
    topic = find_topic(state, name)
    if not 0 <= partition < len(topic.partitions):
        raise PartitionNotFound(name, partition, len(topic.partitions))
    return topic.id, partition


def _stale(state: State, tasks: Sequence[TaskCommit]) -> tuple[str, ...]:
    """Return the tasks that are not the caller's any more, or whose number is not the next."""
    if len({(task.group, task.task) for task in tasks}) < len(tasks):
        raise RecordRefused("A commit names a task twice: give each task's positions once.")
    stale = []
    for task in tasks:
        record = state.groups.get(task.group, {}).get(task.task)
        if record is None or record.epoch != task.epoch or record.number + 1 != task.number:
            stale.append(task.task)
    return tuple(stale)


def _task_part(state: State, task: TaskCommit) -> TaskPart:
    positions = []
    for source, offset in task.positions.items():
        if not 0 <= offset <= INT64_MAX:
            raise RecordRefused(f"Task {task.task} has position {offset} in {source}: an offset is 0 or more.")
        positions.append((*find_partition(state, source.topic, source.partition), offset))
    return TaskPart(task.group, task.task, task.epoch, task.number, tuple(positions))


def _draft_append(
    state: State,
    draft: _Draft,
    append: Append,
    header: bundle.Header,
    refused: Mapping[PartitionKey, LogError],
    now_ms: int,
) -> None:
    topic = find_topic(state, append.topic)
    key = find_partition(state, append.topic, append.partition)
    if key in refused:
        raise refused[key].with_traceback(None)
    partition = topic.partitions[append.partition]
    producer = header.producer_id
    if producer:
        sent = draft.sent.get((key, producer), partition.producers.get(producer, ()))
        stored = _stored_offset(sent, header, append)
        if stored is not None:
            draft.offsets.append(stored)
            return
    base = draft.next_offsets.get(key, partition.next_offset)
    next_offset = base + header.last_offset_delta + 1
    if next_offset > INT64_MAX:
        raise RecordRefused(f"{append.topic}[{append.partition}] has no offsets left after {base}.")
    head, payload = bundle.stamp(
        append.bundle, topic_id=key[0], partition=key[1], base_offset=base, epoch=state.epoch, append_ms=now_ms
    )
    crc = int.from_bytes(head[-4:], "little")
    draft.parts.append(Part(*key, base, next_offset, header.total_length, crc, producer, header.sequence))
    draft.bundles.append(StampedBundle(key, head, payload))
    draft.offsets.append(base)
    draft.next_offsets[key] = next_offset
    if producer:
        draft.sent[key, producer] = extended(sent, header.sequence, base)


def _stored_offset(sent: Sent, header: bundle.Header, append: Append) -> int | None:
    """Return the offset of a bundle that was sent before, None for the next one; raises `ProducerOutOfOrder`."""
    for sequence, offset in sent:
        if sequence == header.sequence:
            return offset
    expected = sent[-1][0] + 1 if sent else 0
    if header.sequence != expected:
        raise ProducerOutOfOrder(
            append.topic, append.partition, header.producer_id, header.sequence, expected if sent else None
        )
    return None
