"""A group: what the journal writes and syncs as one; `docs/reference/journal.md`.

A group is a head, the bundles of its entries, and the head again under another magic. The head is checked by its own
checksum and names the checksum of each bundle's header, which covers the bundle's payload: nothing is summed twice,
and damage is known by the bundle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final, NamedTuple

from crc32c import crc32c

from tankstreams.errors import UnknownFormat
from tankstreams.log import bundle
from tankstreams.log.entry import CommitEntry, Entry, Part, pack_entries, unpack_entries

__all__ = [
    "GROUP_HEADER_BYTES",
    "GROUP_MAGIC",
    "GROUP_TRAILER_MAGIC",
    "GroupHead",
    "PlacedPart",
    "group_buffers",
    "placed_parts",
    "read_head",
    "verify_bundle",
]

GROUP_MAGIC: Final = b"TGRP"
GROUP_TRAILER_MAGIC: Final = b"TEND"
VERSION: Final = 1

_HEADER: Final = Struct("<4sHHQQIIQQ")
_CRC: Final = Struct("<I")
GROUP_HEADER_BYTES: Final = _HEADER.size + _CRC.size

HEAD_BYTES_MAX: Final = 256 << 20
"""Bytes of a group's metadata; a length beyond is damage and is not read."""


@dataclass(frozen=True, slots=True)
class GroupHead:
    """A group's metadata: sequences ``first`` to ``last``, ``length`` bytes in all, ``synced`` was known durable.

    ``head_bytes`` is the length of header and entries, before the bundles and again after them.
    """

    file_id: int
    first: int
    synced: int
    length: int
    head_bytes: int
    entries: tuple[Entry, ...]

    @property
    def last(self) -> int:
        """The sequence of the last entry; ``first - 1`` for an empty group."""
        return self.first + len(self.entries) - 1


class PlacedPart(NamedTuple):
    """A bundle and where it starts in its journal file."""

    position: int
    part: Part


def group_buffers(
    file_id: int, first: int, synced: int, entries: Sequence[Entry], bundles: Sequence[bytes | memoryview]
) -> list[bytes | memoryview]:
    """Return the bytes of a group as buffers to be written one after the other.

    ``bundles`` are the stamped bundles of the entries' parts, in order, each in one or more pieces.
    """
    data = pack_entries(entries)
    size = 2 * (GROUP_HEADER_BYTES + len(data)) + sum(map(len, bundles))
    head = [
        _HEADER.pack(magic, VERSION, 0, file_id, size, len(data), len(entries), first, synced)
        for magic in (GROUP_MAGIC, GROUP_TRAILER_MAGIC)
    ]
    front, back = (start + data + _CRC.pack(crc32c(data, crc32c(start))) for start in head)
    return [front, *bundles, back]


def read_head(
    read_at: Callable[[int, int], bytes], position: int, file_id: int | None, magic: bytes = GROUP_MAGIC
) -> GroupHead | None:
    """Return the head at ``position``, or None when there is no undamaged one of this file there.

    ``file_id`` None takes any file's. Raises `UnknownFormat` for a sound head of another version.
    """
    start = read_at(position, _HEADER.size)
    if len(start) < _HEADER.size:
        return None
    found, version, _, owner, length, size, count, first, synced = _HEADER.unpack(start)
    if found != magic or size > HEAD_BYTES_MAX or (file_id is not None and owner != file_id):
        return None
    rest = read_at(position + _HEADER.size, size + _CRC.size)
    if len(rest) < size + _CRC.size:
        return None
    data = rest[:size]
    if _CRC.unpack_from(rest, size)[0] != crc32c(data, crc32c(start)):
        return None
    if version != VERSION:
        raise UnknownFormat(
            f"The journal has version {version} and this release knows version {VERSION}: use the release that wrote"
            " it, or a later one."
        )
    entries = tuple(unpack_entries(data))
    if len(entries) != count:
        return None
    return GroupHead(owner, first, synced, length, GROUP_HEADER_BYTES + size, entries)


def placed_parts(head: GroupHead, position: int) -> Iterator[PlacedPart]:
    """Yield the bundles of a group that starts at ``position``, in order."""
    at = position + head.head_bytes
    for entry in head.entries:
        if isinstance(entry, CommitEntry):
            for part in entry.parts:
                yield PlacedPart(at, part)
                at += part.length


def verify_bundle(data: bytes, part: Part) -> bundle.Header | None:
    """Return the header of a stamped bundle that is the one ``part`` names, or None when it is damaged."""
    if len(data) != part.length:
        return None
    try:
        header = bundle.verify_header(data, 0, part.topic_id, part.partition)
    except (bundle.BadBundle, UnknownFormat):
        return None
    whole = header.total_length == part.length and header.header_crc == part.header_crc
    if not whole or crc32c(memoryview(data)[bundle.HEADER_BYTES :]) != header.payload_crc:
        return None
    return header
