"""A segment: one file of stamped bundles, one behind the other, named after its first offset.

``docs/reference/segment.md``. A reader tells damage by the bundles' header checksums, which know topic and partition;
behind damage it looks for the next header that is right.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tankstreams.errors import UnknownFormat
from tankstreams.log.bundle import HEADER_BYTES, MAGIC, BadBundle, Header, verify_header
from tankstreams.log.disk import Disk, File
from tankstreams.log.index import SegmentIndex

__all__ = ["Found", "Gap", "Segment", "segment_name"]

WINDOW_BYTES: Final = 256 << 10
"""Bytes that a walk over bundle headers reads at once."""


def segment_name(base_offset: int) -> str:
    """Return the name of a segment's files without ending: twenty digits, so that names sort as offsets do."""
    return f"{base_offset:020d}"


@dataclass(frozen=True, slots=True)
class Found:
    """A bundle with a right header at ``position``."""

    position: int
    header: Header


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes from ``position`` up to ``end`` that hold no bundle with a right header."""

    position: int
    end: int
    reason: str


class Segment:
    """A segment of ``size`` bytes; the file may be longer after a crash, what lies beyond is not looked at."""

    def __init__(
        self, directory: str, base_offset: int, size: int, *, disk: Disk, topic_id: int, partition: int, interval: int
    ) -> None:
        self.base_offset = base_offset
        self.size = size
        self.path = f"{directory}/{segment_name(base_offset)}.log"
        self._index_path = f"{directory}/{segment_name(base_offset)}.index"
        self._disk = disk
        self._topic_id = topic_id
        self._partition = partition
        self._interval = interval
        self._lock = threading.Lock()
        self._index: SegmentIndex | None = None
        if size == 0:
            self._index = SegmentIndex(base_offset, interval)

    def appended(self, header: Header) -> None:
        """A bundle was written at the end."""
        if self._index is not None and self._index.covered == self.size:
            self._index.add(header.base_offset, header.next_offset, header.total_length, header.max_timestamp)
        self.size += header.total_length

    def index(self) -> SegmentIndex:
        """Return the index, loaded or rebuilt as far as the segment goes now."""
        with self._lock:  # two readers that both extend it would add bundles twice
            index = self._load_index() if self._index is None else self._index
            size = self.size
            if index.covered < size:
                for found in self.walk(index.covered, size):
                    if isinstance(found, Gap):
                        index.skip(found.end - found.position)
                    else:
                        header = found.header
                        index.add(header.base_offset, header.next_offset, header.total_length, header.max_timestamp)
            self._index = index
            return index

    def _load_index(self) -> SegmentIndex:
        try:
            file = self._disk.open(self._index_path)
        except FileNotFoundError:
            return SegmentIndex(self.base_offset, self._interval)
        try:
            data = file.read_at(0, file.size())
        finally:
            file.close()
        loaded = SegmentIndex.from_bytes(data, self.base_offset, self.size)
        return loaded or SegmentIndex(self.base_offset, self._interval)

    def save_index(self) -> None:
        """Write the index file, if the index is in memory."""
        if self._index is None:
            return
        file = self._disk.open(self._index_path, write=True, create=True)
        try:
            file.truncate(0)
            file.write_at(0, [self._index.to_bytes()])
        finally:
            file.close()

    def drop_index(self) -> None:
        """Forget the index, in memory and on disk: the file was cut."""
        self._index = None
        self._disk.unlink(self._index_path)

    def delete(self) -> None:
        """Remove the files."""
        self._disk.unlink(self.path)
        self._disk.unlink(self._index_path)

    def walk(self, position: int, end: int, file: File | None = None) -> Iterator[Found | Gap]:
        """Yield the bundles from ``position`` (where one begins) up to ``end``, and the gaps between them."""
        opened = file or self._disk.open(self.path)
        try:
            window = _Window(opened, end)
            while position < end:
                try:
                    header = verify_header(window.at(position, HEADER_BYTES), 0, self._topic_id, self._partition)
                    if position + header.total_length > end:
                        raise BadBundle("it is longer than what is left of its segment")
                except (BadBundle, UnknownFormat) as error:
                    resumed = self._next_header(window, position + 1, end)
                    yield Gap(position, resumed, str(error).rstrip("."))
                    position = resumed
                else:
                    yield Found(position, header)
                    position += header.total_length
        finally:
            if file is None:
                opened.close()

    def _next_header(self, window: _Window, position: int, end: int) -> int:
        """Return the position of the next right header, ``end`` when there is none."""
        while position < end:
            data = window.at(position, WINDOW_BYTES)
            start = 0
            while (place := data.find(MAGIC, start)) >= 0:
                try:
                    verify_header(window.at(position + place, HEADER_BYTES), 0, self._topic_id, self._partition)
                    return position + place
                except (BadBundle, UnknownFormat):
                    start = place + 1
            if len(data) < len(MAGIC):
                break
            position += max(1, len(data) - len(MAGIC) + 1)
        return end


class _Window:
    """Reads a file in large pieces for a walk of small steps."""

    def __init__(self, file: File, end: int) -> None:
        self._file = file
        self._end = end
        self._start = 0
        self._data = b""

    def at(self, position: int, length: int) -> bytes:
        """Return up to ``length`` bytes from ``position``, fewer at the end."""
        length = min(length, self._end - position)
        if not self._start <= position <= position + length <= self._start + len(self._data):
            self._start = position
            self._data = self._file.read_at(position, max(length, min(WINDOW_BYTES, self._end - position)))
        offset = position - self._start
        return self._data[offset : offset + length]
