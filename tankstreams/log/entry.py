"""Entries: the changes that the journal stores, and their bytes; `docs/reference/journal.md`.

An entry is metadata. The bundles of a commit travel beside it, in the order of its parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import msgpack

from tankstreams.errors import UnknownFormat

__all__ = [
    "AcquireEntry",
    "CommitEntry",
    "CreateTopicEntry",
    "DeleteTopicEntry",
    "Entry",
    "LogStartEntry",
    "Part",
    "StartEntry",
    "TaskPart",
    "pack_entries",
    "unpack_entries",
]

COMMIT: Final = 1
CREATE_TOPIC: Final = 2
DELETE_TOPIC: Final = 3
ACQUIRE: Final = 4
START: Final = 5
LOG_START: Final = 6


class Part(NamedTuple):
    """One bundle of a commit: where it goes, offsets (next is exclusive), bytes, header checksum, producer."""

    topic_id: int
    partition: int
    base_offset: int
    next_offset: int
    length: int
    header_crc: int
    producer_id: int
    sequence: int


class TaskPart(NamedTuple):
    """What a commit stores for one task; ``positions`` are (topic id, partition, next offset to read)."""

    group: str
    task: str
    epoch: int
    number: int
    positions: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class CommitEntry:
    """Bundles for many partitions and positions of many tasks."""

    parts: tuple[Part, ...]
    tasks: tuple[TaskPart, ...] = ()


@dataclass(frozen=True, slots=True)
class CreateTopicEntry:
    """A topic of ``partitions`` partitions; its id is used once, ever."""

    topic_id: int
    name: str
    partitions: int
    config: Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True)
class DeleteTopicEntry:
    """A topic, its records and the positions in it are gone."""

    topic_id: int


@dataclass(frozen=True, slots=True)
class AcquireEntry:
    """Tasks of a group get new epochs: (task, epoch), each epoch used once, ever."""

    group: str
    tasks: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class StartEntry:
    """The log was started and has a new epoch; ``started_ms`` is the wall clock then."""

    epoch: int
    started_ms: int


@dataclass(frozen=True, slots=True)
class LogStartEntry:
    """Records below ``log_start`` are no longer part of a partition."""

    topic_id: int
    partition: int
    log_start: int


Entry: TypeAlias = CommitEntry | CreateTopicEntry | DeleteTopicEntry | AcquireEntry | StartEntry | LogStartEntry

_pack = msgpack.Packer(use_bin_type=True, autoreset=True).pack


def pack_entries(entries: Sequence[Entry]) -> bytes:
    """Return the metadata of a group's entries: one msgpack array."""
    return bytes(_pack([_row(entry) for entry in entries]))


def unpack_entries(data: bytes) -> list[Entry]:
    """Return the entries of `pack_entries`; ``data`` has passed its checksum.

    Raises `UnknownFormat` for a kind of entry that this release does not know.
    """
    return [_entry(row) for row in msgpack.unpackb(data, raw=False, use_list=False, strict_map_key=False)]


def _row(entry: Entry) -> tuple[Any, ...]:
    match entry:
        case CommitEntry(parts, tasks):
            return COMMIT, parts, tasks
        case CreateTopicEntry(topic_id, name, partitions, config):
            return CREATE_TOPIC, topic_id, name, partitions, dict(config)
        case DeleteTopicEntry(topic_id):
            return DELETE_TOPIC, topic_id
        case AcquireEntry(group, tasks):
            return ACQUIRE, group, tasks
        case StartEntry(epoch, started_ms):
            return START, epoch, started_ms
        case LogStartEntry(topic_id, partition, log_start):
            return LOG_START, topic_id, partition, log_start


def _entry(row: tuple[Any, ...]) -> Entry:
    match row:
        case (int(kind), parts, tasks) if kind == COMMIT:
            return CommitEntry(tuple(map(Part._make, parts)), tuple(map(TaskPart._make, tasks)))
        case (int(kind), topic_id, name, partitions, config) if kind == CREATE_TOPIC:
            return CreateTopicEntry(topic_id, name, partitions, config)
        case (int(kind), topic_id) if kind == DELETE_TOPIC:
            return DeleteTopicEntry(topic_id)
        case (int(kind), group, tasks) if kind == ACQUIRE:
            return AcquireEntry(group, tasks)
        case (int(kind), epoch, started_ms) if kind == START:
            return StartEntry(epoch, started_ms)
        case (int(kind), topic_id, partition, log_start) if kind == LOG_START:
            return LogStartEntry(topic_id, partition, log_start)
    raise UnknownFormat(
        f"The journal holds an entry of kind {row[0]} with {len(row) - 1} fields, which this release does not know:"
        " use the release that wrote it, or a later one."
    )
