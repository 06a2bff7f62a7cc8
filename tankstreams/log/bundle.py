"""A bundle: records as columns behind a fixed header. The unit of storage and transfer; `docs/reference/bundle.md`.

The client encodes, the log stamps (offset, epoch, append time) and checks, the reader decodes. The log never opens
the payload.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from operator import lt, sub
from struct import Struct
from struct import error as StructError
from typing import Any, Final, NamedTuple

import lz4.block
import msgpack
from crc32c import crc32c

from tankstreams.errors import RecordRefused, UnknownFormat
from tankstreams.log.limits import (
    BUNDLE_RECORDS_MAX,
    BUNDLE_TARGET_BYTES,
    BUNDLE_UNPACKED_BYTES_MAX,
    INT64_MAX,
    INT64_MIN,
    RECORD_HEADERS_MAX,
)
from tankstreams.log.records import Headers, Records, column_bytes

__all__ = [
    "CODEC_LZ4",
    "HEADER_BYTES",
    "SPARSE",
    "BadBundle",
    "Header",
    "check",
    "decode",
    "encode",
    "read_header",
    "split",
    "stamp",
    "verify_header",
]

MAGIC: Final = b"TB"
VERSION: Final = 1
CODEC_LZ4: Final = 0b001
SPARSE: Final = 0b010
ENCRYPTED: Final = 0b100
KNOWN_FLAGS: Final = CODEC_LZ4 | SPARSE

LZ4_ACCELERATION: Final = 3
"""Measured on 100-byte JSON records: a quarter quicker than 1, the default, and as small within 3 %."""

_HEADER: Final = Struct("<2sBBIIIIIqqQQQIqI")
_BROKER: Final = Struct("<QIq")
_BROKER_AT: Final = 56
_PLACE: Final = Struct("<QI")
_CRC: Final = Struct("<I")
HEADER_BYTES: Final = _HEADER.size
_CHECKED_BYTES: Final = HEADER_BYTES - _CRC.size

PACKER_BYTES: Final = 4 << 20
"""A thread keeps its packer's buffer up to this size: two bundles of the size that columns are cut to."""


class _Packers(threading.local):
    """A packer for each thread: what it packed is compressed where it lies, and lz4 lets others run meanwhile."""

    def __init__(self) -> None:
        self.packer = msgpack.Packer(use_bin_type=True, autoreset=False)


_packers: Final = _Packers()


class BadBundle(ValueError):
    """Bytes that are not a whole, undamaged bundle; the message is one clause that says why."""


class Header(NamedTuple):
    """A bundle's header. Lengths are bytes, times epoch milliseconds; the last four fields are the log's."""

    magic: bytes
    version: int
    flags: int
    payload_length: int
    unpacked_length: int
    payload_crc: int
    count: int  # type: ignore[assignment]  # the field's name wins over tuple.count
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    sequence: int
    base_offset: int
    epoch: int
    append_ms: int
    header_crc: int

    @property
    def total_length(self) -> int:
        """Bytes of header and payload."""
        return HEADER_BYTES + self.payload_length

    @property
    def next_offset(self) -> int:
        """The offset after the bundle's last record."""
        return self.base_offset + self.last_offset_delta + 1


def encode(
    keys: Sequence[bytes | None],
    values: Sequence[bytes | None],
    timestamps: Sequence[int],
    headers: Sequence[Headers] | None = None,
    *,
    offset_deltas: Sequence[int] | None = None,
    producer_id: int = 0,
    sequence: int = 0,
    compress: bool = True,
    unpacked_bytes_max: int = BUNDLE_UNPACKED_BYTES_MAX,
) -> bytes:
    """Return one bundle of columns of equal length; the log's fields are zero.

    ``offset_deltas`` (increasing, from the base offset) make a sparse bundle. Raises `RecordRefused` when a limit is
    passed or a timestamp is outside 64 bits.
    """
    count = len(values)
    if not 0 < count <= BUNDLE_RECORDS_MAX:
        raise RecordRefused(f"A bundle holds 1 to {BUNDLE_RECORDS_MAX} records, not {count}: split the columns.")
    if len(keys) != count or len(timestamps) != count or (headers is not None and len(headers) != count):
        raise RecordRefused(f"The columns of a bundle must be equally long: {count} values came with other lengths.")
    base, largest, steps = _encode_times(timestamps)
    columns = [steps, _one_or_all(keys), _one_or_all(values), _encode_headers(headers)]
    flags, last = 0, count - 1
    if offset_deltas is not None:
        flags, last = SPARSE, offset_deltas[-1]
        columns.append(list(offset_deltas))
        if len(offset_deltas) != count or not _increasing(offset_deltas):
            raise RecordRefused("The offsets of a sparse bundle must increase, from 0 on, one for each record.")
    payload, unpacked = _pack(columns, unpacked_bytes_max, compress)
    if len(payload) < unpacked:
        flags |= CODEC_LZ4
    try:
        header = _HEADER.pack(
            MAGIC, VERSION, flags, len(payload), unpacked, crc32c(payload), count, last,
            base, largest, producer_id, sequence, 0, 0, 0, 0,
        )  # fmt: skip
    except StructError as error:
        raise RecordRefused(f"A number does not fit in the header of a bundle: {error}.") from error
    return header + payload


def _pack(columns: list[Any], unpacked_bytes_max: int, compress: bool) -> tuple[bytes, int]:
    """Return the payload, compressed if that is asked for and makes it smaller, and its length unpacked.

    The packed columns are not copied out of the packer first: that would cost as much as packing them.
    """
    packer = _packers.packer
    unpacked = 0
    try:
        packer.pack(columns)
        with packer.getbuffer() as packed:
            unpacked = len(packed)
            if unpacked > unpacked_bytes_max:
                raise RecordRefused(
                    f"The records need {unpacked} bytes unpacked and a bundle takes {unpacked_bytes_max}: split the"
                    " columns."
                )
            if compress:
                payload: bytes = lz4.block.compress(
                    packed, mode="fast", acceleration=LZ4_ACCELERATION, store_size=False
                )
                if len(payload) < unpacked:
                    return payload, unpacked
            return bytes(packed), unpacked
    except (TypeError, ValueError, OverflowError) as error:
        raise RecordRefused(f"Keys and values must be bytes or None: {error}.") from error
    finally:
        if unpacked > PACKER_BYTES:
            _packers.packer = msgpack.Packer(use_bin_type=True, autoreset=False)
        else:
            packer.reset()


def _encode_times(timestamps: Sequence[int]) -> tuple[int, int, Any]:
    """Return the lowest and the largest time, and the column: nil, steps of 0 to 255 as bytes, or any steps."""
    first = timestamps[0]
    if first == timestamps[-1] and timestamps.count(first) == len(timestamps):
        base = largest = first
        column: Any = None
    else:
        try:
            steps = list(map(sub, islice(timestamps, 1, None), timestamps))
            try:
                column = bytes(steps)
                base, largest = first, timestamps[-1]
            except ValueError:
                base, largest = min(timestamps), max(timestamps)
                column = [first - base, *steps]
                if type(sum(column)) is not int:  # one float among the steps makes their sum a float
                    raise TypeError("a float is among them") from None
        except TypeError as error:
            raise RecordRefused(f"Timestamps must be ints, milliseconds since 1970: {error}.") from error
    if type(base) is not int or type(largest) is not int:
        raise RecordRefused(f"Timestamps must be ints, milliseconds since 1970, not {type(base).__name__}.")
    if not INT64_MIN <= base <= largest <= INT64_MAX:
        raise RecordRefused(f"A timestamp must fit in 64 bits of milliseconds: {base} to {largest} came.")
    if type(column) is list and not INT64_MIN <= min(column) <= max(column) <= INT64_MAX:
        raise RecordRefused(f"Timestamps of one bundle must be within 64 bits of each other: {base} to {largest} came.")
    return base, largest, column


def _one_or_all(column: Sequence[bytes | None]) -> Any:
    """Return the one value that all records share, or the whole column."""
    first = column[0]
    if first == column[-1] and column.count(first) == len(column):
        return first
    return column if isinstance(column, (list, tuple)) else list(column)


def _encode_headers(headers: Sequence[Headers] | None) -> Any:
    """Return nil when no record has any, one element when all have the same, else one a record."""
    if headers is None or not any(headers):
        return None
    shared = headers.count(headers[0]) == len(headers)
    for pairs in headers[:1] if shared else headers:
        if len(pairs) > RECORD_HEADERS_MAX:
            raise RecordRefused(f"A record takes {RECORD_HEADERS_MAX} headers, not {len(pairs)}.")
        if not all(type(name) is str and type(value) is bytes for name, value in pairs):
            raise RecordRefused("The headers of a record must be pairs of a str and bytes.")
    return [[part for pair in pairs for part in pair] for pairs in (headers[:1] if shared else headers)]


def _increasing(deltas: Sequence[int]) -> bool:
    return {*map(type, deltas)} == {int} and deltas[0] >= 0 and all(map(lt, deltas, islice(deltas, 1, None)))


def read_header(buffer: bytes | memoryview, position: int = 0) -> Header:
    """Unpack the header at ``position``; checks that it is there, known and within the limits, not its CRC.

    Raises `BadBundle`, or `UnknownFormat` for a version or flag of another release.
    """
    if len(buffer) - position < HEADER_BYTES:
        raise BadBundle(f"{len(buffer) - position} bytes are left and a header has {HEADER_BYTES}")
    header = Header._make(_HEADER.unpack_from(buffer, position))
    if header.magic != MAGIC:
        raise BadBundle(f"it starts with {header.magic!r} and not {MAGIC!r}")
    if header.version != VERSION or header.flags & ~KNOWN_FLAGS:
        raise UnknownFormat(
            f"A bundle has version {header.version} and flags {header.flags:#04x}; this release knows version {VERSION}"
            f" and flags up to {KNOWN_FLAGS:#04x}: use the release that wrote it, or a later one."
        )
    if not 0 < header.count <= BUNDLE_RECORDS_MAX:
        raise BadBundle(f"it claims {header.count} records and {BUNDLE_RECORDS_MAX} are the limit")
    dense = header.last_offset_delta == header.count - 1
    if not dense and (not header.flags & SPARSE or header.last_offset_delta < header.count):
        raise BadBundle(f"{header.count} records cannot end {header.last_offset_delta} offsets after the first")
    smaller = header.payload_length < header.unpacked_length
    if not smaller if header.flags & CODEC_LZ4 else header.payload_length != header.unpacked_length:
        raise BadBundle(f"{header.payload_length} bytes cannot be {header.unpacked_length} unpacked in this codec")
    return header


def verify_header(buffer: bytes | memoryview, position: int, topic_id: int, partition: int) -> Header:
    """`read_header`, and its CRC: a flipped, misplaced or foreign bundle raises `BadBundle`."""
    if len(buffer) - position < HEADER_BYTES:
        raise BadBundle(f"{len(buffer) - position} bytes are left and a header has {HEADER_BYTES}")
    stored: int
    (stored,) = _CRC.unpack_from(buffer, position + _CHECKED_BYTES)
    if crc32c(_PLACE.pack(topic_id, partition), crc32c(buffer[position : position + _CHECKED_BYTES])) != stored:
        raise BadBundle("its header does not match its checksum")
    return read_header(buffer, position)


def check(bundle: bytes, *, unpacked_bytes_max: int = BUNDLE_UNPACKED_BYTES_MAX) -> Header:
    """Check a bundle that a client sent, without opening it; raises `RecordRefused` or `UnknownFormat`."""
    try:
        header = read_header(bundle)
        if header.total_length != len(bundle):
            raise BadBundle(f"it claims {header.total_length} bytes and {len(bundle)} came")
        if header.unpacked_length > unpacked_bytes_max:
            raise BadBundle(f"it claims {header.unpacked_length} bytes unpacked and {unpacked_bytes_max} are the limit")
        if crc32c(memoryview(bundle)[HEADER_BYTES:]) != header.payload_crc:
            raise BadBundle("its payload does not match its checksum")
    except BadBundle as error:
        raise RecordRefused(f"A bundle was refused: {error}; nothing of it was stored.") from error
    return header


def stamp(
    bundle: bytes, *, topic_id: int, partition: int, base_offset: int, epoch: int, append_ms: int
) -> tuple[bytes, memoryview]:
    """Return the bundle's header with the log's fields and its CRC filled in, and its payload, untouched."""
    head = bytearray(bundle[:HEADER_BYTES])
    _BROKER.pack_into(head, _BROKER_AT, base_offset, epoch, append_ms)
    crc = crc32c(_PLACE.pack(topic_id, partition), crc32c(bytes(head[:_CHECKED_BYTES])))
    _CRC.pack_into(head, _CHECKED_BYTES, crc)
    return bytes(head), memoryview(bundle)[HEADER_BYTES:]


def decode(
    bundle: bytes | memoryview, position: int = 0, *, unpacked_bytes_max: int = BUNDLE_UNPACKED_BYTES_MAX
) -> Records:
    """Return the records of the bundle at ``position``; raises `BadBundle` or `UnknownFormat`.

    Lengths and the payload's CRC are checked before anything is allocated for it.
    """
    header = read_header(bundle, position)
    end = position + header.total_length
    if end > len(bundle):
        raise BadBundle(f"{len(bundle) - position} of its {header.total_length} bytes are there")
    if header.unpacked_length > unpacked_bytes_max:
        raise BadBundle(f"it claims {header.unpacked_length} bytes unpacked and {unpacked_bytes_max} are the limit")
    payload: bytes | memoryview = memoryview(bundle)[position + HEADER_BYTES : end]
    if crc32c(payload) != header.payload_crc:
        raise BadBundle("its payload does not match its checksum")
    try:
        if header.flags & CODEC_LZ4:
            payload = lz4.block.decompress(payload, uncompressed_size=header.unpacked_length)
        if len(payload) != header.unpacked_length:
            raise BadBundle(f"it unpacks to {len(payload)} bytes and claims {header.unpacked_length}")
        columns = msgpack.unpackb(
            payload,
            raw=False,
            use_list=True,
            max_array_len=max(header.count, 2 * RECORD_HEADERS_MAX),
            max_map_len=0,
            max_ext_len=0,
        )
        return _records(header, columns)
    except (lz4.block.LZ4BlockError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise (
            error if isinstance(error, BadBundle) else BadBundle(f"its payload cannot be unpacked ({error})")
        ) from error


def _records(header: Header, columns: Any) -> Records:
    sparse = bool(header.flags & SPARSE)
    if not isinstance(columns, list) or len(columns) != (5 if sparse else 4):
        raise BadBundle("its payload does not hold the columns that its flags name")
    count, base = header.count, header.base_offset
    offsets: Sequence[int] = range(base, base + count)
    if sparse:
        deltas = columns[4]
        if not isinstance(deltas, list) or len(deltas) != count or deltas[-1] != header.last_offset_delta:
            raise BadBundle("its offsets column does not match its header")
        if not _increasing(deltas):
            raise BadBundle("its offsets do not increase")
        offsets = list(map(base.__add__, deltas))
    return Records(
        offsets,
        _decode_times(columns[0], header, count),
        _decode_column(columns[1], count),
        _decode_column(columns[2], count),
        _decode_headers(columns[3], count),
    )


def _decode_times(column: Any, header: Header, count: int) -> list[int]:
    base, largest = header.base_timestamp, header.max_timestamp
    if column is None:
        times, found = [base] * count, (base, base)
    elif type(column) is bytes:
        times = list(accumulate(column, initial=base))
        found = base, times[-1]
    else:
        times = list(accumulate(column, initial=base))[1:]
        if times and type(times[-1]) is not int:  # one float among the steps makes all after it floats
            raise BadBundle("its timestamps are not all integers")
        found = (min(times), max(times)) if times else (base, base)
    if len(times) != count or found != (base, largest):
        raise BadBundle(f"its timestamps ({len(times)} of {found[0]} to {found[1]}) are not those of its header")
    return times


def _decode_column(column: Any, count: int) -> list[bytes | None]:
    if column is None or type(column) is bytes:
        return [column] * count
    if type(column) is not list or len(column) != count:
        raise BadBundle(f"a column does not have the {count} records of its header")
    return column


def _decode_headers(column: Any, count: int) -> list[Headers] | None:
    if column is None:
        return None
    if type(column) is not list or len(column) not in (1, count) or {*map(type, column)} != {list}:
        raise BadBundle(f"its headers column does not have the {count} records of its header")
    headers = [tuple(zip(parts[::2], parts[1::2], strict=True)) for parts in column]
    if not all(type(name) is str and type(value) is bytes for pairs in headers for name, value in pairs):
        raise BadBundle("its headers are not pairs of a str and bytes")
    return headers * (count // len(headers))


def split(
    keys: Sequence[bytes | None],
    values: Sequence[bytes | None],
    timestamps: Sequence[int],
    headers: Sequence[Headers] | None = None,
    *,
    target_bytes: int = BUNDLE_TARGET_BYTES,
    size_bytes: int | None = None,
) -> Iterator[tuple[Sequence[bytes | None], Sequence[bytes | None], Sequence[int], Sequence[Headers] | None]]:
    """Cut columns into pieces that each make a bundle of about ``target_bytes``; a large record stands alone.

    ``size_bytes`` is the size of all keys and values, where the caller has counted it.
    """
    count = len(values)
    if count == 0:
        return
    size = column_bytes(values) + column_bytes(keys) if size_bytes is None else size_bytes
    if headers is not None:
        size += sum(len(name) + len(value) for pairs in headers for name, value in pairs)
    if count == 1 or (size <= target_bytes and count <= BUNDLE_RECORDS_MAX):
        yield keys, values, timestamps, headers
        return
    pieces = max(2, -(-size // target_bytes), -(-count // BUNDLE_RECORDS_MAX))
    step = max(1, count // pieces)
    for start in range(0, count, step):
        stop = start + step
        yield from split(
            keys[start:stop],
            values[start:stop],
            timestamps[start:stop],
            None if headers is None else headers[start:stop],
            target_bytes=target_bytes,
        )
