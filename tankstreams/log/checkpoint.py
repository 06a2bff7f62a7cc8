"""The checkpoint: the log's metadata at one sequence, in one file, twice; `docs/reference/journal.md`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final, NamedTuple, TypeAlias

import msgpack
from crc32c import crc32c

from tankstreams.errors import DamagedLog, UnknownFormat
from tankstreams.log.disk import Disk
from tankstreams.log.state import PartitionKey

__all__ = [
    "Checkpoint",
    "Damage",
    "SegmentRows",
    "load_checkpoint",
    "pack_checkpoint",
    "save_checkpoint",
    "unpack_checkpoint",
]

MAGIC: Final = b"TANKCKPT"
VERSION: Final = 1
NAME: Final = "checkpoint"

_HEADER: Final = Struct("<8sHHIQ")
_CRC: Final = Struct("<I")

SegmentRows: TypeAlias = Mapping[PartitionKey, Sequence[tuple[int, int]]]
"""The segments of each partition that has any: (base offset, bytes)."""


class Damage(NamedTuple):
    """A partition that lost acknowledged records to rot in the journal.

    Readers get what is below ``readable``; what lies from there up to ``next`` (exclusive) waits for a repair.
    """

    readable: int
    next: int
    reason: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Metadata after one entry (``state`` is a `State.snapshot`) and the segments that hold all records up to it.

    Replay starts with journal file ``journal``; files from ``keep`` on stay, for a repair.
    """

    log_id: int
    journal: int
    keep: int
    state: Mapping[str, Any]
    segments: SegmentRows
    damage: Mapping[PartitionKey, Damage]


def pack_checkpoint(checkpoint: Checkpoint) -> bytes:
    """Return one copy of a checkpoint's bytes."""
    data: bytes = msgpack.packb(
        {
            "log_id": checkpoint.log_id,
            "journal": checkpoint.journal,
            "keep": checkpoint.keep,
            "state": checkpoint.state,
            "segments": [(*key, list(rows)) for key, rows in checkpoint.segments.items()],
            "damage": [(*key, *damage) for key, damage in checkpoint.damage.items()],
        },
        use_bin_type=True,
    )
    head = _HEADER.pack(MAGIC, VERSION, 0, 0, len(data))
    return head + data + _CRC.pack(crc32c(data, crc32c(head)))


def unpack_checkpoint(data: bytes) -> Checkpoint | None:
    """Return the checkpoint that ``data`` begins with, or None when it is damaged; raises `UnknownFormat`."""
    if len(data) < _HEADER.size:
        return None
    magic, version, _, _, length = _HEADER.unpack_from(data)
    end = _HEADER.size + length
    if magic != MAGIC or len(data) < end + _CRC.size or _CRC.unpack_from(data, end)[0] != crc32c(data[:end]):
        return None
    if version != VERSION:
        raise UnknownFormat(
            f"The checkpoint has version {version} and this release knows version {VERSION}: use the release that wrote"
            " it, or a later one."
        )
    found = msgpack.unpackb(data[_HEADER.size : end], raw=False, use_list=False, strict_map_key=False)
    return Checkpoint(
        log_id=found["log_id"],
        journal=found["journal"],
        keep=found["keep"],
        state=found["state"],
        segments={(topic, partition): rows for topic, partition, rows in found["segments"]},
        damage={(topic, partition): Damage(*rest) for topic, partition, *rest in found["damage"]},
    )


def save_checkpoint(disk: Disk, directory: str, checkpoint: Checkpoint) -> None:
    """Put ``checkpoint`` in the place of the one before, durably; a crash leaves one of the two, whole."""
    data = pack_checkpoint(checkpoint)
    new = f"{directory}/{NAME}.new"
    disk.unlink(new)
    file = disk.open(new, write=True, create=True)
    try:
        file.write_at(0, [data, data])
        file.sync()
    finally:
        file.close()
    disk.rename(new, f"{directory}/{NAME}")
    disk.sync_dir(directory)


def load_checkpoint(disk: Disk, directory: str) -> Checkpoint | None:
    """Return the checkpoint, from whichever copy is sound; None when there is no file. Raises `DamagedLog`."""
    path = f"{directory}/{NAME}"
    try:
        file = disk.open(path)
    except FileNotFoundError:
        return None
    try:
        data = file.read_at(0, file.size())
    finally:
        file.close()
    found = unpack_checkpoint(data) or unpack_checkpoint(data[len(data) // 2 :])
    if found is None:
        raise DamagedLog(
            f"Both copies in {path} are damaged, and without it the log's topics are not known: put the file back"
            " from a backup of this directory, or repair the log."
        )
    return found
