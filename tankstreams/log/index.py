"""A segment's sparse index: where to start reading for an offset or a time. A cache: lost or wrong, it is rebuilt.

An entry is (base offset of a bundle, its position, the largest timestamp of all bundles before it). On disk: a fixed
header with the length of the segment that it covers, the entries, a CRC of both. Not synced: after a crash it may be
missing, short or older than its segment, and what it does not cover is walked again.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from struct import Struct
from typing import Final

from crc32c import crc32c

from tankstreams.log.limits import INT64_MIN

__all__ = ["SegmentIndex"]

MAGIC: Final = b"TI"
VERSION: Final = 1
_HEADER: Final = Struct("<2sHIQQqq")
_CRC: Final = Struct("<I")


class SegmentIndex:
    """Entries up to ``covered`` bytes of the segment; ``next_offset`` and ``max_timestamp`` are as of there."""

    __slots__ = ("_before", "_interval", "_offsets", "_positions", "covered", "max_timestamp", "next_offset")

    def __init__(self, base_offset: int, interval_bytes: int) -> None:
        self._interval = interval_bytes
        self._offsets = array("q")
        self._positions = array("q")
        self._before = array("q")
        self.covered = 0
        self.next_offset = base_offset
        self.max_timestamp = INT64_MIN

    def add(self, base_offset: int, next_offset: int, length: int, max_timestamp: int) -> None:
        """A bundle of ``length`` bytes follows what is covered."""
        if not self._positions or self.covered - self._positions[-1] >= self._interval:
            # In this order: a reader in another thread finds a place in one of the others and then its position.
            self._positions.append(self.covered)
            self._offsets.append(base_offset)
            self._before.append(self.max_timestamp)
        self.covered += length
        self.next_offset = next_offset
        self.max_timestamp = max(self.max_timestamp, max_timestamp)

    def skip(self, length: int) -> None:
        """Cover bytes that cannot be read."""
        self.covered += length

    def position_of(self, offset: int) -> int:
        """Return the position of a bundle at or before the one that holds ``offset``."""
        place = bisect_right(self._offsets, offset) - 1
        return self._positions[place] if place >= 0 else 0

    def position_of_time(self, timestamp_ms: int) -> int:
        """Return a position before which every timestamp is below ``timestamp_ms``."""
        place = bisect_left(self._before, timestamp_ms) - 1
        return self._positions[place] if place >= 0 else 0

    def to_bytes(self) -> bytes:
        head = _HEADER.pack(
            MAGIC, VERSION, len(self._offsets), self.covered, self._interval, self.next_offset, self.max_timestamp
        )
        body = head + self._offsets.tobytes() + self._positions.tobytes() + self._before.tobytes()
        return body + _CRC.pack(crc32c(body))

    @classmethod
    def from_bytes(cls, data: bytes, base_offset: int, segment_bytes: int) -> SegmentIndex | None:
        """Return what `to_bytes` gave, None when it is damaged, another's or covers too much."""
        if len(data) < _HEADER.size + _CRC.size:
            return None
        magic, version, count, covered, interval, next_offset, max_timestamp = _HEADER.unpack_from(data)
        body = _HEADER.size + 24 * count
        if magic != MAGIC or version != VERSION or len(data) != body + _CRC.size:
            return None
        if _CRC.unpack_from(data, body)[0] != crc32c(data[:body]) or covered > segment_bytes:
            return None
        other = cls(base_offset, interval)
        for column, start in ((other._offsets, 0), (other._positions, 8), (other._before, 16)):
            column.frombytes(data[_HEADER.size + start * count : _HEADER.size + (start + 8) * count])
        if count and other._offsets[0] != base_offset:
            return None  # another segment's
        other.covered, other.next_offset, other.max_timestamp = covered, next_offset, max_timestamp
        return other
