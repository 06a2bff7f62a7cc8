"""The files of one partition: segments that are appended to, read and cut. Knows nothing of the journal."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Sequence

from tankstreams.errors import DamagedBundle
from tankstreams.log.bundle import BadBundle, Header, decode
from tankstreams.log.config import PartitionSettings
from tankstreams.log.disk import Disk, File
from tankstreams.log.segment import Found, Gap, Segment

__all__ = ["PartitionFiles"]


class PartitionFiles:
    """Segments of one partition, oldest first; touches no file until it must.

    One thread appends and rolls, one may sync meanwhile; others may read what lies below the high watermark that they
    pass. A reader opens files of its own, so that a roll or a deletion takes nothing from under it.
    """

    def __init__(
        self,
        directory: str,
        *,
        disk: Disk,
        topic: str,
        topic_id: int,
        partition: int,
        settings: PartitionSettings | None = None,
    ) -> None:
        self._directory = directory
        self._disk = disk
        self._topic = topic
        self._topic_id = topic_id
        self._partition = partition
        self._settings = settings or PartitionSettings()
        self._segments: list[Segment] = []
        self._active: File | None = None
        self._roll_next = False
        self._unsynced_data = False
        self._unsynced_names = False
        self._lock = threading.Lock()

    def view(self, rows: Sequence[tuple[int, int]]) -> None:
        """Read the segments that ``rows`` (base offset, bytes) name; nothing on disk changes."""
        self._segments = [self._segment(base, size) for base, size in rows]
        self._roll_next = True

    def load(self, rows: Sequence[tuple[int, int]]) -> None:
        """Cut the files back to ``rows``, never extend them, and delete files that they do not name.

        A file that is shorter than its row lost what it should hold: reads of that say so, and appends go to a new one.
        """
        self.view(rows)
        self._roll_next = False
        known = {name for segment in self._segments for name in _names(segment)}
        for name in self._disk.listdir(self._directory):
            if name not in known:
                self._disk.unlink(f"{self._directory}/{name}")
                self._unsynced_names = True
        if self._segments:
            self._segments[-1].drop_index()  # it may be of records that the crash took back
        for segment in self._segments:
            try:
                file = self._disk.open(segment.path, write=True)
            except FileNotFoundError:
                self._roll_next = True
                continue
            try:
                size = file.size()
                if size > segment.size:
                    file.truncate(segment.size)
                    self._unsynced_data = segment is self._segments[-1]
                elif size < segment.size:
                    self._roll_next = True
            finally:
                file.close()

    def _segment(self, base_offset: int, size: int) -> Segment:
        return Segment(
            self._directory,
            base_offset,
            size,
            disk=self._disk,
            topic_id=self._topic_id,
            partition=self._partition,
            interval=self._settings.index_interval_bytes,
        )

    def segments(self) -> list[tuple[int, int]]:
        """Return (base offset, bytes) of every segment, for a checkpoint."""
        return [(segment.base_offset, segment.size) for segment in self._segments]

    def append(self, buffers: Sequence[bytes | memoryview], header: Header) -> None:
        """Write a stamped bundle behind the last one, to the page cache; rolls to a new segment where one is full.

        Raises `DiskFull` or `DiskError`; then nothing was appended, and the same bundle may be tried again.
        """
        segments = self._segments
        last = segments[-1] if segments else None
        if (
            last is None
            or self._roll_next
            or last.size + header.total_length > max(self._settings.segment_bytes, header.total_length)
        ):
            last = self._roll(header.base_offset)
        if self._active is None:
            self._active = self._disk.open(last.path, write=True)
        self._active.write_at(last.size, buffers)
        self._unsynced_data = True
        last.appended(header)

    def _roll(self, base_offset: int) -> Segment:
        """Close the last segment, synced, and begin one at ``base_offset``."""
        self._close_active()
        if not self._segments:
            self._disk.makedirs(self._directory)
        else:
            self._segments[-1].save_index()
        segment = self._segment(base_offset, 0)
        self._active = self._disk.open(segment.path, write=True, create=True)
        self._active.truncate(0)
        self._unsynced_names = True
        self._roll_next = False
        if self._segments and self._segments[-1].base_offset == base_offset:
            self._segments.pop()  # an empty one, from an append that failed
        self._segments.append(segment)
        return segment

    def _close_active(self) -> None:
        """Close the file that is open for appends, synced."""
        with self._lock:
            unsynced, self._unsynced_data = self._unsynced_data, False
        if unsynced and self._active is None:
            self._active = self._disk.open(self._segments[-1].path, write=True)
        if self._active is None:
            return
        try:
            if unsynced:
                self._active.sync()
        # Raised again: it is not durable.
        except BaseException:
            self._unsynced_data = True
            raise
        self._active.close()
        self._active = None

    def rest(self) -> None:
        """Close the file that is open for appends, as it is; the next append opens it again."""
        if self._active is not None:
            self._active.close()
            self._active = None

    def sync(self) -> None:
        """Return when all that was appended, and the names of the files, are durable.

        May run in a thread of its own while another appends: what is appended meanwhile is for the next call.
        """
        with self._lock:
            path = self._segments[-1].path if self._unsynced_data and self._segments else None
            names = self._unsynced_names
            self._unsynced_data = self._unsynced_names = False
        try:
            if path is not None:
                file = self._disk.open(path, write=True)
                try:
                    file.sync()
                finally:
                    file.close()
            if names:
                self._disk.sync_dir(self._directory)
        # Raised again: whatever stopped the sync, this is not durable.
        except BaseException:
            self._unsynced_data, self._unsynced_names = True, self._unsynced_names or names
            raise

    def read(self, offset: int, max_bytes: int, up_to: int) -> tuple[list[bytes], int]:
        """Return whole stamped bundles from the one that holds ``offset``, and the offset that follows them.

        None at or above offset ``up_to``; about ``max_bytes`` in all, the first whatever its size. Raises
        `DamagedBundle` when the first one cannot be read, or is not there: nothing takes bundles out of a partition
        yet, so offsets have no holes, and a hole is a lost, stale or misplaced file.
        """
        bundles: list[bytes] = []
        taken = 0
        segments = list(self._segments)
        place = max(0, bisect_right(segments, offset, key=_base) - 1)
        for number in range(place, len(segments)):
            if segments[number].base_offset >= up_to or offset >= up_to:
                break
            following = segments[number + 1].base_offset if number + 1 < len(segments) else up_to
            read, whole = self._read_segment(segments[number], offset, max_bytes - taken, up_to, following, bundles)
            for data, header in read:
                bundles.append(data)
                taken += len(data)
                offset = header.next_offset
            if taken >= max_bytes or not whole:
                break
        return bundles, offset if bundles else max(offset, up_to)

    def _read_segment(
        self, segment: Segment, offset: int, max_bytes: int, up_to: int, following: int, before: list[bytes]
    ) -> tuple[list[tuple[bytes, Header]], bool]:
        """Return bundles of one segment, and whether they go to its end, so that the next segment's may follow.

        Damage after the first bundle just ends the list.
        """
        read: list[tuple[bytes, Header]] = []
        taken = 0
        expected = offset
        try:
            file = self._disk.open(segment.path)
        except FileNotFoundError:
            if before:
                return read, False
            raise self._damaged(offset, following, f"{segment.path} is missing") from None
        try:
            start = segment.index().position_of(offset) if offset > segment.base_offset else 0
            end = segment.size
            gap: Gap | None = None
            for found in segment.walk(start, end, file):
                if isinstance(found, Gap):
                    gap = found
                    continue
                header = found.header
                if header.next_offset <= offset:
                    gap = None
                    continue
                if header.base_offset > expected or (read and header.base_offset < expected):
                    if read or before:
                        return read, False
                    raise self._damaged(expected, min(header.base_offset, following), _why(gap))
                gap = None
                if (
                    header.base_offset >= up_to
                    or (read and taken + header.total_length > max_bytes)
                    or (before and not read and header.total_length > max_bytes)
                ):
                    return read, False
                read.append((file.read_at(found.position, header.total_length), header))
                taken += header.total_length
                expected = header.next_offset
                if expected >= up_to or taken >= max_bytes:
                    return read, False
            if expected < min(following, up_to):
                if read or before:
                    return read, False
                raise self._damaged(expected, min(following, up_to), _why(gap))
        finally:
            file.close()
        return read, True

    def _damaged(self, start: int, end: int, reason: str) -> DamagedBundle:
        return DamagedBundle(self._topic, self._partition, start, end, reason)

    def offset_at_time(self, timestamp_ms: int, up_to: int) -> int:
        """Return the offset of the first record at or after a time, ``up_to`` when there is none below it.

        Client timestamps may be out of order: the first record in offset order whose own timestamp is late enough.
        """
        for segment in list(self._segments):
            if segment.base_offset >= up_to:
                break
            index = segment.index()
            if index.max_timestamp < timestamp_ms:
                continue
            for found in segment.walk(index.position_of_time(timestamp_ms), segment.size):
                if not isinstance(found, Found) or found.header.max_timestamp < timestamp_ms:
                    continue
                if found.header.base_offset >= up_to:
                    return up_to
                return min(up_to, self._offset_in(segment, found, timestamp_ms))
        return up_to

    def _offset_in(self, segment: Segment, found: Found, timestamp_ms: int) -> int:
        file = self._disk.open(segment.path)
        try:
            records = decode(file.read_at(found.position, found.header.total_length))
        except BadBundle as error:
            header = found.header
            raise self._damaged(header.base_offset, header.next_offset, str(error)) from error
        finally:
            file.close()
        times = zip(records.offsets, records.timestamps, strict=True)
        return next((offset for offset, time in times if time >= timestamp_ms), found.header.next_offset)

    def size_bytes(self) -> int:
        """Return the bytes of all segments."""
        return sum(segment.size for segment in list(self._segments))

    def close(self) -> None:
        """Close the file that is open for appends, synced, and save its index: the log stops or is idle."""
        self._close_active()

    def delete(self) -> None:
        """Remove all files; the directory stays."""
        self.rest()
        for segment in self._segments:
            segment.delete()
        self._segments = []
        self._unsynced_data = self._unsynced_names = False


def _why(gap: Gap | None) -> str:
    return "the bundle with the first of them is not there" if gap is None else gap.reason


def _base(segment: Segment) -> int:
    return segment.base_offset


def _names(segment: Segment) -> tuple[str, str]:
    stem = segment.path.rpartition("/")[2].removesuffix(".log")
    return f"{stem}.log", f"{stem}.index"
