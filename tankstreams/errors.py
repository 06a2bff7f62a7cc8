"""Every error that tankstreams raises, in one tree.

::

    TankstreamsError
    ├── UsageError                  the caller asked for something that cannot be (exit code 2)
    │   ├── TopologyError           a topology built wrong; names the node and the user's file and line
    │   ├── ConfigError             an unknown configuration key or a bad value
    │   ├── InvalidTopicName        a topic name that breaks Kafka's rule
    │   └── MissingExtra            an optional dependency that is not installed
    ├── LogError                    the log refused or could not
    │   ├── TopicNotFound
    │   ├── TopicExists
    │   ├── PartitionNotFound
    │   ├── OffsetOutOfRange        carries the bounds
    │   ├── RecordRefused           a record or bundle over a limit, or not well formed
    │   ├── ProducerOutOfOrder      an idempotent producer's bundle that is not the next, nor a known retry
    │   ├── DamagedBundle           stored bytes that fail their check, with topic, partition and offsets
    │   ├── UnknownFormat           a version or flag that this release does not know
    │   ├── DamagedLog              metadata that cannot be trusted: the log is read-only until repaired
    │   ├── DirectoryLocked         another process owns the directory; carries its pid
    │   ├── DirectoryError          missing, read-only, not a log, a network file system
    │   ├── DiskFull
    │   ├── DiskError               the disk failed a read, a write or a sync
    │   ├── LogPoisoned             a sync failed earlier: reads go on, writes do not
    │   └── LogClosed
    └── RunError                    a topology that ran into something
        ├── DecodeError             a record that its declared type does not fit
        ├── EncodeError             a value that cannot be written as its declared type
        ├── ProcessingError         a user's function raised, or gave what it must not
        ├── StateMismatch           stored state or topics that the topology no longer fits
        └── FencedError             another worker owns these tasks now

One sentence each: what was expected, what came, what to do. What the sentence names is also an attribute.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "ConfigError",
    "DamagedBundle",
    "DamagedLog",
    "DecodeError",
    "DirectoryError",
    "DirectoryLocked",
    "DiskError",
    "DiskFull",
    "EncodeError",
    "FencedError",
    "InvalidTopicName",
    "LogClosed",
    "LogError",
    "LogPoisoned",
    "MissingExtra",
    "OffsetOutOfRange",
    "PartitionNotFound",
    "ProcessingError",
    "ProducerOutOfOrder",
    "RecordRefused",
    "RunError",
    "StateMismatch",
    "TankstreamsError",
    "TopicExists",
    "TopicNotFound",
    "TopologyError",
    "UnknownFormat",
    "UsageError",
]


class TankstreamsError(Exception):
    """The root of all errors that tankstreams raises on purpose."""


class UsageError(TankstreamsError):
    """The caller asked for something that cannot be."""


class TopologyError(UsageError):
    """A topology is built wrong.

    ``node`` is the node's name (or None before it has one) and ``where`` the user's ``file:line``.
    """

    def __init__(self, message: str, *, node: str | None = None, where: str | None = None) -> None:
        self.node = node
        self.where = where
        prefix = f"{where}: " if where else ""
        super().__init__(prefix + message)


class ConfigError(UsageError):
    """An unknown configuration key or a value that it does not take."""

    def __init__(self, message: str, *, key: str | None = None, value: object = None) -> None:
        self.key = key
        self.value = value
        super().__init__(message)


class InvalidTopicName(UsageError):
    """A topic name that breaks Kafka's rule (1 to 249 of ``[A-Za-z0-9._-]``, not ``.`` or ``..``)."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        super().__init__(f"{name!r} cannot name a topic: {reason}.")


class MissingExtra(UsageError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str, what: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(f"{what} needs {package}: install it with pip install 'tankstreams[{extra}]'.")


class LogError(TankstreamsError):
    """The log refused, or could not."""


class TopicNotFound(LogError):
    """No topic of this name in the log."""

    def __init__(self, topic: str, *, hint: str | None = None) -> None:
        self.topic = topic
        fix = hint or f"create it with tankstreams topic create {topic} --partitions 4"
        super().__init__(f"There is no topic {topic!r} in this log: {fix}.")


class TopicExists(LogError):
    """A topic of this name exists already."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        super().__init__(f"Topic {topic!r} exists already: choose another name, or pass --if-not-exists.")


class PartitionNotFound(LogError):
    """The topic has fewer partitions than the number asked for."""

    def __init__(self, topic: str, partition: int, partitions: int) -> None:
        self.topic = topic
        self.partition = partition
        self.partitions = partitions
        super().__init__(
            f"Topic {topic!r} has {partitions} partitions (0 to {partitions - 1}), there is no partition {partition}."
        )


class OffsetOutOfRange(LogError):
    """The offset lies outside what the partition holds; ``log_start`` and ``high_watermark`` are the bounds."""

    def __init__(self, topic: str, partition: int, offset: int, log_start: int, high_watermark: int) -> None:
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.log_start = log_start
        self.high_watermark = high_watermark
        super().__init__(
            f"Offset {offset} of {topic}[{partition}] is out of range: it holds {log_start} up to {high_watermark}"
            " (exclusive); start from one of these, or from beginning or end."
        )


class RecordRefused(LogError):
    """A record or a bundle that is over a limit or not well formed; nothing of it was stored."""


class ProducerOutOfOrder(LogError):
    """An idempotent producer sent a bundle that is not its next one, and not one of its last that are remembered.

    ``expected`` is the sequence that would be next, or None when the log knows nothing (any more) of this producer in
    this partition. Nothing was stored.
    """

    def __init__(self, topic: str, partition: int, producer_id: int, sequence: int, expected: int | None) -> None:
        self.topic = topic
        self.partition = partition
        self.producer_id = producer_id
        self.sequence = sequence
        self.expected = expected
        known = "the log knows nothing of it there" if expected is None else f"{expected} is its next"
        super().__init__(
            f"Producer {producer_id} sent bundle {sequence} to {topic}[{partition}] and {known}: whether it was stored"
            " before is not known; read the end of the partition, then go on with a new producer."
        )


class DamagedBundle(LogError):
    """Stored bytes that fail their check: offsets ``base_offset`` to ``next_offset`` (exclusive) cannot be read."""

    def __init__(self, topic: str, partition: int, base_offset: int, next_offset: int, reason: str) -> None:
        self.topic = topic
        self.partition = partition
        self.base_offset = base_offset
        self.next_offset = next_offset
        self.reason = reason
        super().__init__(
            f"{topic}[{partition}] is damaged from offset {base_offset} to {next_offset} (exclusive): {reason}."
            f" What lies before and after can be read: continue from offset {next_offset}."
        )


class UnknownFormat(LogError):
    """A version or a flag that this release does not know; it is refused, never misread."""


class DamagedLog(LogError):
    """The log's metadata cannot be trusted; the log is read-only until it is repaired."""


class DirectoryLocked(LogError):
    """Another process has the directory open; ``pid`` is its process id where it is known."""

    def __init__(self, path: str, pid: int | None, host: str | None = None) -> None:
        self.path = path
        self.pid = pid
        self.host = host
        owner = f"process {pid}" if pid is not None else "another process"
        if host:
            owner += f" on {host}"
        super().__init__(f"{path} is in use by {owner}: stop it first, or use another directory.")


class DirectoryError(LogError):
    """The directory is missing, cannot be written, or does not hold a log."""


class DiskFull(LogError):
    """No space is left; nothing of the refused write was stored, and writes go on when there is space."""


class DiskError(LogError):
    """The disk failed a read, a write or a sync."""


class LogPoisoned(LogError):
    """A sync failed: what the page cache holds can no longer be trusted, so no further write is accepted."""


class LogClosed(LogError):
    """The log was closed."""


class RunError(TankstreamsError):
    """A running topology met something that it cannot pass."""


class DecodeError(RunError):
    """Bytes that do not fit the declared type."""


class EncodeError(RunError):
    """A value that cannot be written as its declared type."""


class ProcessingError(RunError):
    """A record could not be processed at a node.

    ``node``, ``where`` (the user's ``file:line``), ``topic``, ``partition`` and ``offset`` say which; the cause is
    chained.
    """

    def __init__(
        self, reason: str, *, node: str, where: str, topic: str, partition: int, offset: int, advice: str | None = None
    ) -> None:
        self.reason = reason
        self.node = node
        self.where = where
        self.topic = topic
        self.partition = partition
        self.offset = offset
        fix = advice or (
            'mend it, or let such records pass with on_error="skip" or on_error=ts.DeadLetter("topic") on the topology'
        )
        super().__init__(
            f"{node} ({where}) failed on {topic}[{partition}] at offset {offset}: {reason}."
            f" Everything before it is committed: {fix}."
        )


class StateMismatch(RunError):
    """What the log holds for this topology no longer fits it; nothing was touched."""


class FencedError(RunError):
    """Another worker owns ``tasks`` now; what this one had not committed was dropped."""

    def __init__(self, tasks: Sequence[str]) -> None:
        self.tasks = tuple(tasks)
        super().__init__(f"Another worker has taken over {', '.join(self.tasks)}: this one stops.")
