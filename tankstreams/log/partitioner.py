"""The partition of a record: the checksum of its key's bytes, modulo the number of partitions."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

__all__ = ["partition_of"]


def partition_of(keys: Sequence[bytes | None], partitions: int, null_partition: int = 0) -> list[int]:
    """Return the partition number of each key, for a topic of ``partitions`` partitions.

    The rule is ``zlib.crc32(key) % partitions`` (librdkafka's partitioner ``consistent``): it depends on the key's
    bytes and the count alone, so that a stream meets its table whoever wrote it. A null key (None) goes to
    ``null_partition``; whoever writes chooses that, one batch after the other in turn.
    """
    if partitions == 1:
        return [0] * len(keys)
    if None in keys:
        return [null_partition if key is None else crc32(key) % partitions for key in keys]
    return [crc32(key) % partitions for key in keys if key is not None]
