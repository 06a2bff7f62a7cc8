"""Groups: heads, bundles, and what a checksum catches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tankstreams.log.bundle import HEADER_BYTES, stamp
from tankstreams.log.entry import CommitEntry, DeleteTopicEntry, Part
from tankstreams.log.group import (
    GROUP_TRAILER_MAGIC,
    GroupHead,
    group_buffers,
    placed_parts,
    read_head,
    verify_bundle,
)
from tests.log.helpers import bundle_of

FILE_ID = 0x1122334455667788


def stamped(*values: bytes, base_offset: int = 0) -> tuple[Part, bytes]:
    """Return a bundle as it stands in the journal, and its part."""
    data = bundle_of(*values)
    head, payload = stamp(data, topic_id=1, partition=0, base_offset=base_offset, epoch=1, append_ms=5)
    crc = int.from_bytes(head[-4:], "little")
    return Part(1, 0, base_offset, base_offset + len(values), len(data), crc, 0, 0), head + bytes(payload)


def group_of(*bundles: tuple[Part, bytes], first: int = 7, synced: int = 6) -> bytes:
    """Return the bytes of a group with one commit."""
    entry = CommitEntry(tuple(part for part, _ in bundles))
    return b"".join(group_buffers(FILE_ID, first, synced, [entry], [data for _, data in bundles]))


def head_of(data: bytes, position: int = 0, magic: bytes = b"TGRP", file_id: int | None = FILE_ID) -> GroupHead | None:
    return read_head(lambda at, length: data[at : at + length], position, file_id, magic)


def test_a_head_says_what_the_group_holds() -> None:
    """First and last sequence, what was synced, how long it is, where its bundles are."""
    bundles = [stamped(b"a"), stamped(b"b", b"c", base_offset=1)]
    data = group_of(*bundles)
    head = head_of(data)
    assert head is not None
    assert (head.first, head.last, head.synced, head.length) == (7, 7, 6, len(data))
    for placed, (part, bytes_) in zip(placed_parts(head, 0), bundles, strict=True):
        assert placed.part == part
        assert data[placed.position : placed.position + part.length] == bytes_
        assert verify_bundle(bytes_, part) is not None


def test_the_head_stands_again_behind_the_bundles() -> None:
    """Either copy tells everything."""
    data = group_of(stamped(b"a"))
    head = head_of(data)
    assert head is not None
    assert head_of(data, len(data) - head.head_bytes, GROUP_TRAILER_MAGIC) == head


@given(st.data())
def test_f20_a_flipped_bit_in_a_head_is_seen(data: st.DataObject) -> None:
    """Any bit of header, entries or checksum."""
    group = bytearray(group_of(stamped(b"a")))
    head = head_of(bytes(group))
    assert head is not None
    byte = data.draw(st.integers(0, head.head_bytes - 1))
    group[byte] ^= 1 << data.draw(st.integers(0, 7))
    assert head_of(bytes(group)) is None


@given(st.data())
def test_f20_a_flipped_bit_in_a_bundle_is_seen(data: st.DataObject) -> None:
    """Any bit of a bundle's header or payload."""
    part, stored = stamped(b"some value", b"another")
    flipped = bytearray(stored)
    flipped[data.draw(st.integers(0, len(stored) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert verify_bundle(bytes(flipped), part) is None


def test_f22_another_sound_bundle_in_its_place_is_seen() -> None:
    """A group that failed and was overwritten may leave a whole bundle of the same offsets behind."""
    part, _ = stamped(b"new")
    _, old = stamped(b"old")
    assert len(old) == part.length
    assert verify_bundle(old, part) is None


@given(st.integers(0, 400))
def test_f08_a_head_cut_anywhere_is_no_head(length: int) -> None:
    """A torn write ends at any byte."""
    data = group_of(stamped(b"a"))
    head = head_of(data)
    assert head is not None
    cut = data[: min(length, head.head_bytes - 1)]
    assert head_of(cut) is None


def test_f22_a_group_of_another_file_is_not_taken() -> None:
    """What a reused block of the disk held once is not this file's."""
    data = group_of(stamped(b"a"))
    assert head_of(data, file_id=FILE_ID + 1) is None
    assert head_of(data, file_id=None) is not None


def test_a_group_may_be_empty() -> None:
    """It says only what is synced."""
    head = head_of(b"".join(group_buffers(FILE_ID, 9, 8, (), ())))
    assert head is not None
    assert (head.first, head.last, head.synced, head.entries) == (9, 8, 8, ())


def test_bundles_are_not_copied_into_the_group() -> None:
    """The write path passes the producer's bytes on as they are."""
    payload = memoryview(bytes(HEADER_BYTES))
    buffers = group_buffers(FILE_ID, 1, 0, [DeleteTopicEntry(1)], [payload])
    assert buffers[1] is payload
