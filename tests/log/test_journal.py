"""The journal: what is appended is scanned back, and damage is what it is and no more."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tankstreams.errors import DiskError, DiskFull
from tankstreams.log.entry import CommitEntry, DeleteTopicEntry
from tankstreams.log.journal import JOURNAL_HEADER_BYTES, Journal, journal_numbers, journal_path
from tankstreams.log.journalscan import Lost, Scanned, Sound, scan_file
from tankstreams.testing.disk import SimulatedDisk
from tests.log.helpers import overwrite
from tests.log.test_group import stamped


def new_journal(disk: SimulatedDisk) -> Journal:
    disk.makedirs("/j")
    journal = Journal("/j", disk=disk, log_id=5)
    journal.begin(1, 0)
    return journal


def scan(disk: SimulatedDisk, expected: int = 1, number: int = 1) -> list[Scanned]:
    return list(scan_file(disk.open(journal_path("/j", number)), number, None, expected))


def append_bundles(journal: Journal, *values: bytes) -> None:
    """Append a group of one commit for each value, and sync it."""
    made = [stamped(value) for value in values]
    journal.append([CommitEntry((part,)) for part, _ in made], [data for _, data in made])
    journal.sync()


def sound(scanned: Sequence[Scanned]) -> list[Sound]:
    return [item for item in scanned if isinstance(item, Sound)]


@given(st.lists(st.integers(0, 3), max_size=6))
def test_groups_come_back_in_order(sizes: list[int]) -> None:
    """Each with its sequences, and with what was synced before it."""
    disk = SimulatedDisk()
    journal = new_journal(disk)
    for size in sizes:
        append_bundles(journal, *[b"v"] * size)
    groups = sound(scan(disk))
    assert [len(group.head.entries) for group in groups] == sizes
    assert [group.head.first for group in groups] == [1 + sum(sizes[:index]) for index in range(len(sizes))]
    assert [group.head.synced for group in groups] == [sum(sizes[:index]) for index in range(len(sizes))]
    assert not any(group.damaged for group in groups)


def test_f24_one_lost_head_is_replaced_by_the_other() -> None:
    """Rot in the front head costs nothing, nor in the one behind."""
    disk = SimulatedDisk()
    journal = new_journal(disk)
    for value in (b"one", b"two", b"three"):
        append_bundles(journal, value)
    before = scan(disk)
    overwrite(disk, journal_path("/j", 1), sound(before)[1].position + 20, b"\xff\xff")
    assert scan(disk) == before
    overwrite(disk, journal_path("/j", 1), sound(before)[1].position - 6, b"\xff\xff")
    assert scan(disk) == before


def test_f24_with_both_heads_lost_the_sequences_between_are_lost_and_no_others() -> None:
    """The groups before and after are there."""
    disk = SimulatedDisk()
    journal = new_journal(disk)
    for value in (b"one", b"two", b"three"):
        append_bundles(journal, value)
    first, second, third = sound(scan(disk))
    overwrite(disk, journal_path("/j", 1), second.position, bytes(second.head.length))
    assert scan(disk) == [first, Lost(1, 2, 3), third]


def test_f20_rot_in_a_bundle_is_known_by_the_bundle() -> None:
    """The group's metadata and its other bundles hold."""
    disk = SimulatedDisk()
    append_bundles(new_journal(disk), b"one", b"two")
    (group,) = sound(scan(disk))
    end = group.position + group.head.length - group.head.head_bytes
    overwrite(disk, journal_path("/j", 1), end - 1, b"\xff")
    (damaged,) = sound(scan(disk))
    assert damaged.head == group.head
    assert [placed.part for placed in damaged.damaged] == [stamped(b"two")[0]]


@given(st.integers(1, 400))
def test_f08_a_torn_last_group_hides_nothing_before_it(cut: int) -> None:
    """Whatever byte the tear is at."""
    disk = SimulatedDisk()
    journal = new_journal(disk)
    append_bundles(journal, b"one")
    size = journal.size
    append_bundles(journal, b"two")
    file = disk.open(journal_path("/j", 1), write=True)
    file.truncate(max(size + 1, file.size() - cut))
    first, *rest = scan(disk)
    assert isinstance(first, Sound) and first.head.first == 1
    for item in rest:
        assert item == Lost(1, 2, None) or (isinstance(item, Sound) and item.head.first == 2)


def test_f09_zeros_at_the_end_are_lost_and_not_read() -> None:
    """A length that was made durable before its data."""
    disk = SimulatedDisk()
    append_bundles(new_journal(disk), b"one")
    file = disk.open(journal_path("/j", 1), write=True)
    file.truncate(file.size() + 10_000)
    assert scan(disk)[1:] == [Lost(1, 2, None)]


def test_a_group_longer_than_the_window_is_read_whole() -> None:
    """Bundles of megabytes, and damage behind them."""
    disk = SimulatedDisk()
    journal = new_journal(disk)
    big = bytes(range(256)) * 10_000
    for value in (big, b"x", big):
        append_bundles(journal, value)
    groups = sound(scan(disk))
    assert len(groups) == 3 and not any(group.damaged for group in groups)
    overwrite(disk, journal_path("/j", 1), groups[0].position + 1, b"\xff" * 100)
    assert [group.head.first for group in sound(scan(disk))] == [1, 2, 3]


@pytest.mark.parametrize("trouble", ["full", "fails"])
def test_f12_f14_a_failed_append_is_cut_back_durably(trouble: str) -> None:
    """Nothing of it is left, and the next group takes its place."""
    disk = SimulatedDisk()
    journal = new_journal(disk)
    append_bundles(journal, b"one")
    size = journal.size
    if trouble == "full":
        disk.capacity = disk.used_bytes() + 10
    else:
        disk.fail_writes = 1
    with pytest.raises((DiskFull, DiskError)):
        append_bundles(journal, b"lost")
    journal.cut()
    assert len(disk.contents(journal_path("/j", 1))) == size == journal.size
    disk.capacity = None
    append_bundles(journal, b"two")
    assert [group.head.first for group in sound(scan(disk.crash()))] == [1, 2]


def test_a_new_file_says_that_all_before_it_is_durable() -> None:
    """And the journal goes on in it."""
    disk = SimulatedDisk()
    journal = new_journal(disk)
    append_bundles(journal, b"one")
    assert not journal.recorded
    journal.begin(2, journal.last)
    assert journal.recorded
    append_bundles(journal, b"two")
    assert journal_numbers(disk, "/j") == [1, 2]
    assert [group.head.first for group in sound(scan(disk, 2, 2))] == [2]
    journal.delete_below(2)
    assert journal_numbers(disk, "/j") == [2]


def test_f12_a_new_file_that_cannot_be_made_leaves_the_old_one_in_use() -> None:
    """A full disk stops a checkpoint, not the journal."""
    disk = SimulatedDisk()
    journal = new_journal(disk)
    append_bundles(journal, b"one")
    disk.capacity = disk.used_bytes()
    with pytest.raises(DiskFull):
        journal.begin(2, journal.last)
    disk.capacity = None
    append_bundles(journal, b"two")
    assert journal_numbers(disk, "/j") == [1]
    assert len(sound(scan(disk))) == 2


def test_an_empty_group_records_what_is_synced() -> None:
    """After it the file alone tells rot from a torn write."""
    disk = SimulatedDisk()
    journal = new_journal(disk)
    journal.append([DeleteTopicEntry(1)], ())
    journal.sync()
    assert not journal.recorded
    journal.append((), ())
    assert journal.recorded
    assert sound(scan(disk))[-1].head.synced == 1


def test_the_header_takes_as_many_bytes_as_it_says() -> None:
    """A reader starts behind it."""
    disk = SimulatedDisk()
    assert new_journal(disk).size == JOURNAL_HEADER_BYTES
