"""Producing: columns of values and keys become one commit of bundles, split over partitions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Protocol, TypeAlias, TypeVar

from tankstreams.errors import EncodeError, PartitionNotFound, RecordRefused
from tankstreams.log import bundle
from tankstreams.log.commit import Append, Commit, Committed
from tankstreams.log.core import LogCore
from tankstreams.log.partitioner import partition_of
from tankstreams.log.records import Headers, TopicPartition
from tankstreams.log.topic import TopicInfo

__all__ = [
    "HeadersLike",
    "Payload",
    "Produce",
    "Produced",
    "TypedTopic",
    "create_topic_on",
    "name_of",
    "produce_on",
    "sources_of",
]

Payload: TypeAlias = bytes | str | None
"""A key or a value as it is given: str is written as UTF-8, None is null (a value: a tombstone)."""

HeadersLike: TypeAlias = Mapping[str, bytes] | Sequence[tuple[str, bytes]]
"""The headers of one record, as a mapping, or as pairs where a name occurs more than once."""


T = TypeVar("T")


class TypedTopic(Protocol):
    """A topic that knows its types (`tankstreams.Topic`): what it encodes is what the log stores."""

    @property
    def name(self) -> str: ...

    @property
    def partitions(self) -> int | None: ...

    @property
    def config(self) -> Mapping[str, str | int]: ...

    def encode_keys(self, keys: Sequence[Any]) -> list[bytes | None]: ...

    def encode_values(self, values: Sequence[Any]) -> list[bytes | None]: ...


@dataclass(frozen=True, slots=True)
class Produced:
    """Acknowledged records: how many, and the offsets that they got, by partition number."""

    count: int
    offsets: Mapping[int, range] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Produce:
    """What a call of ``produce`` writes, in columns of equal length; keys and values are encoded already."""

    topic: str
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    timestamps: Sequence[int]
    headers: Sequence[Headers] | None
    partition: int | None

    @classmethod
    def of(
        cls,
        topic: str | TypedTopic,
        values: Iterable[Any],
        *,
        keys: Iterable[Any] | None = None,
        timestamps: Sequence[int] | int,
        headers: Sequence[HeadersLike] | HeadersLike | None = None,
        partition: int | None = None,
    ) -> Produce:
        """Check and encode what the user gave.

        ``timestamps`` and ``headers`` are one for all records, or one each. Raises `RecordRefused` when the columns
        differ in length or hold what cannot be encoded, `EncodeError` for what a declared type does not fit.
        """
        if isinstance(values, str | bytes):
            raise RecordRefused(
                f"values must be a list of values, not one {type(values).__name__}: write [{values[:20]!r}]."
            )
        given = list(values)
        given_keys = [None] * len(given) if keys is None else list(keys)
        if isinstance(topic, str):
            name = topic
            encoded, encoded_keys = _raw(given, "value"), _raw(given_keys, "key")
        else:
            name = topic.name
            try:
                encoded = topic.encode_values(given)
                # Without keys there is nothing to encode; null is for the log a key like any other.
                encoded_keys = list(given_keys) if keys is None else topic.encode_keys(given_keys)
            except EncodeError as error:
                raise EncodeError(f"A record for topic {name!r} was refused, none was written: {error}.") from error
        times = [timestamps] * len(given) if isinstance(timestamps, int) else list(timestamps)
        packed = _headers(headers, len(given))
        for what, column in (("keys", encoded_keys), ("timestamps", times), ("headers", packed)):
            if column is not None and len(column) != len(given):
                raise RecordRefused(f"{len(given)} values came with {len(column)} {what}: give one for each value.")
        return cls(name, encoded_keys, encoded, times, packed, partition)

    def commit(self, partitions: int, null_partition: int) -> Commit:
        """Return the appends for a topic of ``partitions`` partitions, each in as many bundles as the limits ask."""
        appends: list[Append] = []
        for partition, pick in self._places(partitions, null_partition).items():
            columns = bundle.split(
                _picked(self.keys, pick),
                _picked(self.values, pick),
                _picked(self.timestamps, pick),
                None if self.headers is None else _picked(self.headers, pick),
            )
            for keys, values, timestamps, headers in columns:
                appends.append(Append(self.topic, partition, bundle.encode(keys, values, timestamps, headers)))
        return Commit(appends)

    def _places(self, partitions: int, null_partition: int) -> dict[int, list[int] | None]:
        """Return for each partition that gets any records their indexes; None stands for all."""
        if self.partition is not None:
            if not 0 <= self.partition < partitions:
                raise PartitionNotFound(self.topic, self.partition, partitions)
            return {self.partition: None}
        if partitions == 1:
            return {0: None}
        places = partition_of(self.keys, partitions, null_partition % partitions)
        indexes: dict[int, list[int]] = {partition: [] for partition in sorted(set(places))}
        for index, partition in enumerate(places):
            indexes[partition].append(index)
        return {partition: pick if len(pick) < len(places) else None for partition, pick in indexes.items()}

    def produced(self, commit: Commit, committed: Committed) -> Produced:
        """Return what was acknowledged; one commit's bundles for a partition follow each other without a gap."""
        offsets: dict[int, range] = {}
        for append, base in zip(commit.appends, committed.offsets, strict=True):
            stop = base + bundle.read_header(append.bundle).count
            before = offsets.get(append.partition)
            offsets[append.partition] = range(base if before is None else before.start, stop)
        return Produced(len(self.values), offsets)


def produce_on(
    core: LogCore,
    topic: str | TypedTopic,
    values: Iterable[Any],
    *,
    keys: Iterable[Any] | None,
    timestamps: Sequence[int] | int | None,
    headers: Sequence[HeadersLike] | HeadersLike | None,
    partition: int | None,
    null_partition: int,
) -> Produced:
    """Write the columns in one commit and return when they are acknowledged; blocks.

    ``null_partition`` (modulo the partitions) takes the records without a key. No values: nothing is written.
    """
    times = core.clock.now_ms() if timestamps is None else timestamps
    produce = Produce.of(topic, values, keys=keys, timestamps=times, headers=headers, partition=partition)
    partitions = len(core.describe_topic(produce.topic).partitions)
    commit = produce.commit(partitions, null_partition) if produce.values else Commit()
    if not commit.appends:
        return Produced(0)
    result = core.settle(core.submit(commit))
    if not isinstance(result, Committed):  # a commit without tasks has nothing that could be fenced
        raise AssertionError(f"a produce was answered with {result}")
    return produce.produced(commit, result)


def create_topic_on(
    core: LogCore, topic: str | TypedTopic, partitions: int | None, config: Mapping[str, str | int] | None
) -> TopicInfo:
    """Create a topic as asked for, else as it is declared, and return it when it is durable; blocks."""
    declared, settings = (None, {}) if isinstance(topic, str) else (topic.partitions, topic.config)
    count = partitions if partitions is not None else declared or 1
    return core.settle(core.submit_create_topic(name_of(topic), count, settings if config is None else config))


def sources_of(core: LogCore, topic: str | TypedTopic, partitions: Sequence[int] | None) -> list[TopicPartition]:
    """Return the partitions of a topic, or those asked for; raises `TopicNotFound`, `PartitionNotFound`."""
    name = name_of(topic)
    count = len(core.describe_topic(name).partitions)
    wanted = range(count) if partitions is None else partitions
    for partition in wanted:
        if not 0 <= partition < count:
            raise PartitionNotFound(name, partition, count)
    return [TopicPartition(name, partition) for partition in wanted]


def name_of(topic: str | TypedTopic) -> str:
    """Return the topic's name."""
    return topic if isinstance(topic, str) else topic.name


def _picked(column: Sequence[T], pick: list[int] | None) -> Sequence[T]:
    """Return the elements at some indexes; None stands for all."""
    if pick is None:
        return column
    # One call in C for all of them; for a single index it would give the element itself.
    return itemgetter(*pick)(column) if len(pick) > 1 else [column[pick[0]]]


def _raw(column: list[Any], what: str) -> list[bytes | None]:
    """Encode bytes, str and None; refuse anything else, naming the first one."""
    types = set(map(type, column))
    if types <= {bytes, type(None)}:
        return column
    encoded: list[bytes | None] = []
    for index, item in enumerate(column):
        if item is None or isinstance(item, bytes):
            encoded.append(item)
        elif isinstance(item, str):
            encoded.append(_utf8(item, index, what))
        elif isinstance(item, bytearray | memoryview):
            encoded.append(bytes(item))
        else:
            raise RecordRefused(
                f"{what} {index} is of type {type(item).__name__}, expected bytes, str or None: pass a ts.Topic that"
                f" declares its {what} type to have it encoded."
            )
    return encoded


def _utf8(text: str, index: int, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise RecordRefused(f"{what} {index} is not valid text ({error.reason}): pass it as bytes.") from error


def _headers(headers: Sequence[HeadersLike] | HeadersLike | None, count: int) -> list[Headers] | None:
    """Return one tuple of pairs a record; None when there are no headers at all."""
    if not headers:
        return None
    if isinstance(headers, Mapping):
        return [tuple(headers.items())] * count
    if all(isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], str) for entry in headers):
        return [tuple(headers)] * count  # type: ignore[arg-type]  # pairs, as just checked: one set for all records
    return [
        tuple(entry.items()) if isinstance(entry, Mapping) else tuple(entry)  # type: ignore[arg-type]  # one set a record
        for entry in headers
    ]
