"""A record as user code sees it: typed key and value, time, headers, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic

from typing_extensions import TypeVar

from tankstreams.topology.times import Time, to_ms

__all__ = ["Record"]

Kc = TypeVar("Kc", covariant=True)
Vc = TypeVar("Vc", covariant=True)
K2 = TypeVar("K2")
V2 = TypeVar("V2")

SAME: Any = ...


@dataclass(frozen=True, slots=True)
class Record(Generic[Kc, Vc]):
    """One record. ``timestamp_ms`` is epoch milliseconds; ``topic``, ``partition`` and ``offset`` name its source."""

    key: Kc
    value: Vc
    timestamp_ms: int
    headers: Mapping[str, bytes] = field(default_factory=dict)
    topic: str = ""
    partition: int = 0
    offset: int = 0

    def replace(
        self, *, key: K2, value: V2, timestamp: Time = SAME, headers: Mapping[str, bytes] = SAME
    ) -> Record[K2, V2]:
        """Return a record with another key and value, and another time or headers where given.

        Raises ValueError for a naive datetime, TypeError for headers that are not str to bytes.
        """
        return Record(
            key,
            value,
            self.timestamp_ms if timestamp is SAME else to_ms(timestamp),
            self.headers if headers is SAME else _checked(headers),
            self.topic,
            self.partition,
            self.offset,
        )

    def with_value(self, value: V2) -> Record[Kc, V2]:
        """Return the same record with another value."""
        return Record(self.key, value, self.timestamp_ms, self.headers, self.topic, self.partition, self.offset)


def _checked(headers: Mapping[str, bytes]) -> dict[str, bytes]:
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, bytes):
            raise TypeError(f"headers map str to bytes, {name!r} maps to {type(value).__name__}")
    return dict(headers)
