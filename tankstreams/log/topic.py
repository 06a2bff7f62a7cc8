"""A topic: its name, its partitions, its configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tankstreams.errors import InvalidTopicName

__all__ = ["TOPIC_NAME_LENGTH_MAX", "PartitionInfo", "TopicInfo", "check_topic_name"]

TOPIC_NAME_LENGTH_MAX = 249
"""Kafka's limit, in characters (``org.apache.kafka.common.internals.Topic``)."""

_NAME = re.compile(r"[A-Za-z0-9._-]+\Z")


def check_topic_name(name: str) -> str:
    """Return ``name`` if it follows Kafka's rule, else raise `InvalidTopicName`."""
    if not name:
        raise InvalidTopicName(name, "it is empty")
    if name in (".", ".."):
        raise InvalidTopicName(name, "'.' and '..' are taken by file systems")
    if len(name) > TOPIC_NAME_LENGTH_MAX:
        raise InvalidTopicName(name, f"it has {len(name)} characters, {TOPIC_NAME_LENGTH_MAX} at most are allowed")
    if not _NAME.match(name):
        raise InvalidTopicName(name, "only letters, digits, '.', '_' and '-' are allowed")
    return name


@dataclass(frozen=True, slots=True)
class PartitionInfo:
    """Bounds of one partition: ``log_start`` (first offset kept), ``high_watermark`` (next offset), stored bytes."""

    partition: int
    log_start: int
    high_watermark: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """A topic as `describe_topic` gives it; ``id`` is never reused, also not by a topic of the same name."""

    name: str
    id: int
    config: Mapping[str, str | int | float]
    partitions: tuple[PartitionInfo, ...]
