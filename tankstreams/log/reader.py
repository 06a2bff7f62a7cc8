"""Reading a partition: from an offset to columns, with damage as an answer and not as an exception."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from tankstreams.errors import DamagedBundle, DiskError, LogError, OffsetOutOfRange, UnknownFormat
from tankstreams.log.bundle import BadBundle, decode, read_header
from tankstreams.log.fetch import AtTime, Fetched, Start
from tankstreams.log.partition import PartitionFiles
from tankstreams.log.records import Records, TopicPartition

__all__ = ["View", "fetch_from", "resolve_start"]


@dataclass(frozen=True, slots=True)
class View:
    """A partition as it was at one moment.

    What lies below ``readable`` can be read. That is the high watermark, unless the partition lost records; ``error``
    says so, or that the whole log is read-only and perhaps holds more than it shows.
    """

    source: TopicPartition
    files: PartitionFiles
    log_start: int
    high_watermark: int
    readable: int
    idle_ms: int | None
    error: LogError | None


def resolve_start(view: View, start: Start) -> int:
    """Return the offset that ``start`` means; raises `LogError` when the disk fails a search by time."""
    match start:
        case "beginning":
            return view.log_start
        case "end":
            return view.high_watermark
        case AtTime(timestamp_ms):
            if view.readable <= view.log_start:
                return view.high_watermark
            try:
                found = view.files.offset_at_time(timestamp_ms, view.readable)
            except FileNotFoundError as error:
                raise DiskError(
                    f"A segment of {view.source} is missing ({error.filename}): look at the disk."
                ) from error
            return max(view.log_start, found)
        case int(offset):
            return offset


def fetch_from(view: View, start: Start, max_bytes: int) -> Fetched:
    """Return the records of whole bundles, from ``start`` on."""
    try:
        offset = resolve_start(view, start)
    except LogError as error:
        return _answer(view, [], view.log_start, error)
    if not view.log_start <= offset <= view.high_watermark:
        topic, partition = view.source
        bounds = OffsetOutOfRange(topic, partition, offset, view.log_start, view.high_watermark)
        return _answer(view, [], offset, bounds)
    if offset >= view.readable:
        hidden = offset < view.high_watermark or view.readable == view.high_watermark
        return _answer(view, [], offset, view.error if hidden else None)
    records: list[Records] = []
    try:
        bundles, following = view.files.read(offset, max_bytes, view.readable)
        if not bundles:
            offset = following  # nothing is kept up to there
        for data in bundles:
            found = _decoded(view, data, offset)
            records.append(found)
            offset = read_header(data).next_offset
    except LogError as error:
        return _answer(view, records, offset, error)
    return _answer(view, records, offset, None)


def _answer(view: View, records: list[Records], next_offset: int, error: LogError | None) -> Fetched:
    return Fetched(records, next_offset, view.log_start, view.high_watermark, view.idle_ms, error)


def _decoded(view: View, data: bytes | memoryview, offset: int) -> Records:
    """Return a bundle's records from ``offset`` on; raises `DamagedBundle`."""
    try:
        records = decode(data)
    except (BadBundle, UnknownFormat) as error:
        header = read_header(data)
        raise DamagedBundle(*view.source, max(offset, header.base_offset), header.next_offset, str(error)) from error
    skip = bisect_left(records.offsets, offset)
    if not skip:
        return records
    return Records(
        records.offsets[skip:],
        records.timestamps[skip:],
        records.keys[skip:],
        records.values[skip:],
        None if records.headers is None else records.headers[skip:],
    )
