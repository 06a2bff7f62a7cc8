"""The journal and the checkpoint byte by byte: what was written once is read for ever, and written the same."""

from __future__ import annotations

from pathlib import Path

from tankstreams.log.bundle import decode, encode, stamp
from tankstreams.log.checkpoint import Checkpoint, Damage, pack_checkpoint, unpack_checkpoint
from tankstreams.log.entry import (
    AcquireEntry,
    CommitEntry,
    CreateTopicEntry,
    DeleteTopicEntry,
    Entry,
    LogStartEntry,
    Part,
    StartEntry,
    TaskPart,
)
from tankstreams.log.group import group_buffers, placed_parts
from tankstreams.log.journal import JournalHeader, pack_journal_header, read_journal_header
from tankstreams.log.journalscan import Sound, scan_file
from tankstreams.log.state import State
from tankstreams.testing.disk import SimulatedDisk

GOLDEN = Path(__file__).parent.parent / "golden" / "journal"
HEADER = JournalHeader(number=7, log_id=0x0123456789ABCDEF, file_id=0xFEDCBA9876543210, first=40)


def golden_groups() -> list[tuple[list[Entry], list[bytes]]]:
    """Return the entries and bundles of each group: every kind of entry, and an empty group."""
    data = encode([b"k", None], [b"one", b"two"], [1_000, 2_000], producer_id=9, sequence=3, compress=False)
    head, payload = stamp(data, topic_id=1, partition=2, base_offset=50, epoch=4, append_ms=1_700_000_000_123)
    crc = int.from_bytes(head[-4:], "little")
    commit = CommitEntry(
        (Part(1, 2, 50, 52, len(data), crc, 9, 3),), (TaskPart("group", "0_2", 11, 5, ((1, 0, 17), (1, 1, 0))),)
    )
    return [
        ([StartEntry(4, 1_700_000_000_000), CreateTopicEntry(1, "flights", 3, {"segment_bytes": 1 << 20})], []),
        ([AcquireEntry("group", (("0_2", 11), ("0_3", 12)))], []),
        ([commit], [head + bytes(payload)]),
        ([], []),
        ([LogStartEntry(1, 2, 51), DeleteTopicEntry(1)], []),
    ]


def golden_journal() -> bytes:
    """Return the bytes of the golden journal file."""
    pieces: list[bytes | memoryview] = [pack_journal_header(HEADER)]
    sequence = HEADER.first
    for entries, bundles in golden_groups():
        pieces += group_buffers(HEADER.file_id, sequence, sequence - 1, entries, bundles)
        sequence += len(entries)
    return b"".join(pieces)


def golden_checkpoint() -> Checkpoint:
    """Return the golden checkpoint: the state before the journal file's last group."""
    state = State()
    for entries, _ in golden_groups()[:-1]:
        for entry in entries:
            state.apply(entry)
    damage = {(1, 1): Damage(3, 8, "the journal lost offsets 3 to 8 (exclusive)")}
    return Checkpoint(HEADER.log_id, 7, 5, state.snapshot(), {(1, 2): ((0, 4000), (50, 131))}, damage)


def test_the_golden_journal_is_read() -> None:
    """Each group with its entries, its bundles sound and where they are said to be."""
    data = (GOLDEN / "entries.journal").read_bytes()
    disk = SimulatedDisk()
    file = disk.open("entries.journal", write=True, create=True)
    file.write_at(0, [data])
    assert read_journal_header(data) == HEADER
    scanned = list(scan_file(file, HEADER.number, HEADER.file_id, HEADER.first))
    groups = [item for item in scanned if isinstance(item, Sound) and not item.damaged]
    assert groups == scanned
    assert [list(group.head.entries) for group in groups] == [entries for entries, _ in golden_groups()]
    ((placed,),) = [list(placed_parts(group.head, group.position)) for group in groups if group.head.first == 43][:1]
    records = decode(data, placed.position)
    assert (list(records.offsets), records.values) == ([50, 51], [b"one", b"two"])


def test_the_golden_journal_is_written() -> None:
    """The same bytes."""
    assert golden_journal() == (GOLDEN / "entries.journal").read_bytes()


def test_the_golden_checkpoint_is_read_and_written() -> None:
    """One copy of it; the file holds two."""
    data = (GOLDEN / "checkpoint").read_bytes()
    found = unpack_checkpoint(data)
    assert found is not None
    assert State.restore(found.state).snapshot() == golden_checkpoint().state
    assert (found.log_id, found.journal, found.keep) == (HEADER.log_id, 7, 5)
    assert (found.segments, found.damage) == (golden_checkpoint().segments, golden_checkpoint().damage)
    assert pack_checkpoint(golden_checkpoint()) == data
