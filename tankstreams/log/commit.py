"""A commit: appends to many partitions and the positions of many tasks, all or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from tankstreams.log.records import TopicPartition

__all__ = ["Append", "Commit", "CommitResult", "Committed", "Fenced", "TaskCommit", "TaskState"]


@dataclass(frozen=True, slots=True)
class Append:
    """One encoded bundle (``bundle.encode``) for one partition; the log fills in offset, epoch and append time."""

    topic: str
    partition: int
    bundle: bytes


@dataclass(frozen=True, slots=True)
class TaskCommit:
    """What one task commits: its epoch, its commit number (the stored one plus 1), its positions.

    ``positions`` maps an input partition to the next offset to read. Partitions that are not named keep theirs.
    """

    group: str
    task: str
    epoch: int
    number: int
    positions: Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Commit:
    """Appends and task positions that become visible together, in one synced group, or not at all."""

    appends: Sequence[Append] = ()
    tasks: Sequence[TaskCommit] = ()


@dataclass(frozen=True, slots=True)
class Committed:
    """The commit is durable (as the log's durability says) and visible; ``offsets`` are the base offsets, by append."""

    offsets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Fenced:
    """Nothing was written: ``tasks`` (names) have another epoch or another commit number than the commit named."""

    tasks: tuple[str, ...]


CommitResult: TypeAlias = Committed | Fenced


@dataclass(frozen=True, slots=True)
class TaskState:
    """What the log stores for a task of a group: its owner's epoch, the number of its last commit, its positions."""

    epoch: int = 0
    number: int = 0
    positions: Mapping[TopicPartition, int] = field(default_factory=dict)
