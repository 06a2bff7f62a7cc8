"""The files of a partition: what is appended is read, and what is lost, stale or misplaced is never passed over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tankstreams.errors import DamagedBundle
from tankstreams.log import bundle
from tankstreams.log.config import PartitionSettings
from tankstreams.log.partition import PartitionFiles
from tankstreams.testing import SimulatedDisk

SETTINGS = PartitionSettings(segment_bytes=400, index_interval_bytes=128)


def files(disk: SimulatedDisk, settings: PartitionSettings = SETTINGS) -> PartitionFiles:
    return PartitionFiles("t/0", disk=disk, topic="t", topic_id=1, partition=0, settings=settings)


def filled(counts: list[int], times: list[int] | None = None) -> tuple[SimulatedDisk, PartitionFiles, int]:
    """Return a partition with a bundle of so many records for each count, in small segments; and its end."""
    disk = SimulatedDisk()
    partition, offset = files(disk), 0
    for place, count in enumerate(counts):
        values: list[bytes | None] = [b"%d" % number for number in range(offset, offset + count)]
        stamps = [(times or [])[place] if times else 1000 + offset] * count
        data = bundle.encode([None] * count, values, stamps)
        stamped = bundle.stamp(data, topic_id=1, partition=0, base_offset=offset, epoch=1, append_ms=5)
        partition.append(stamped, bundle.read_header(stamped[0]))
        offset += count
    partition.sync()
    return disk, partition, offset


def read_all(partition: PartitionFiles, offset: int, end: int, max_bytes: int) -> list[bytes | None]:
    """Read on and on, from ``offset`` to the end, and return the values from ``offset``."""
    found: list[bytes | None] = []
    while offset < end:
        bundles, following = partition.read(offset, max_bytes, end)
        for data in bundles:
            records = bundle.decode(data)
            found += [value for at, value in zip(records.offsets, records.values, strict=True) if at >= offset]
        assert following > offset
        offset = following
    return found


counts = st.lists(st.integers(1, 9), min_size=1, max_size=25)


@given(counts, st.integers(0, 300), st.sampled_from([1, 200, 500, 100_000]))
def test_every_record_is_read_from_any_offset(given_counts: list[int], ahead: int, max_bytes: int) -> None:
    """In order, whatever the size of a fetch, also by files that are loaded anew."""
    disk, partition, end = filled(given_counts)
    offset = ahead % end
    expected = [b"%d" % number for number in range(offset, end)]
    assert read_all(partition, offset, end, max_bytes) == expected
    again = files(disk)
    again.load(partition.segments())
    assert read_all(again, offset, end, max_bytes) == expected


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 50)), min_size=1, max_size=20), st.integers(0, 55))
def test_a_time_is_found_though_times_are_out_of_order(rows: list[tuple[int, int]], time: int) -> None:
    """The first record in offset order that is late enough, or the end."""
    _, partition, end = filled([count for count, _ in rows], [stamp for _, stamp in rows])
    stamps = [stamp for count, stamp in rows for _ in range(count)]
    expected = next((offset for offset, stamp in enumerate(stamps) if stamp >= time), end)
    assert partition.offset_at_time(time, end) == expected


def test_f07_loading_cuts_back_and_deletes_what_is_not_named() -> None:
    """What lies beyond a checkpoint is gone, a file is never extended."""
    disk, partition, _ = filled([5] * 12)
    rows = partition.segments()
    assert len(rows) > 2
    base, size = rows[1]
    kept = files(disk)
    kept.load([rows[0], (base, size // 2)])
    assert disk.listdir("t/0") == [f"{rows[0][0]:020d}.index", f"{rows[0][0]:020d}.log", f"{base:020d}.log"]
    assert len(disk.contents(f"t/0/{base:020d}.log")) == size // 2


def test_f20_f24_a_flipped_bit_hides_one_bundle_and_says_so() -> None:
    """Offsets of the damage; what lies before and after is read."""
    disk, partition, end = filled([4] * 12)
    disk.flip("t/0/00000000000000000000.log", 3, 1)
    fresh = files(disk)
    fresh.load(partition.segments())
    with pytest.raises(DamagedBundle) as raised:
        fresh.read(0, 10_000, end)
    assert (raised.value.base_offset, raised.value.next_offset) == (0, 4)
    assert read_all(fresh, 4, end, 10_000) == [b"%d" % number for number in range(4, end)]


def copied(disk: SimulatedDisk, source: str, target: str) -> None:
    """Copy the bytes of one file over another."""
    data = disk.contents(source)
    file = disk.open(target, write=True)
    file.truncate(0)
    file.write_at(0, [data])


def test_f23_swapped_and_duplicated_segments_are_never_data_in_the_wrong_place() -> None:
    """Each offset is read as what was written there, or is said to be damaged; none is passed over."""
    disk, partition, end = filled([3] * 16)
    bases = [base for base, _ in partition.segments()]
    copied(disk, f"t/0/{bases[2]:020d}.log", f"t/0/{bases[1]:020d}.log")
    disk.unlink(f"t/0/{bases[1]:020d}.index")
    disk.unlink(f"t/0/{bases[2]:020d}.index")
    fresh = files(disk)
    fresh.view(partition.segments())
    seen: dict[int, bytes | None] = {}
    lost: set[int] = set()
    offset = 0
    while offset < end:
        try:
            bundles, following = fresh.read(offset, 10_000, end)
        except DamagedBundle as damage:
            lost |= set(range(damage.base_offset, damage.next_offset))
            offset = damage.next_offset
            continue
        for data in bundles:
            records = bundle.decode(data)
            seen |= dict(zip(records.offsets, records.values, strict=True))
        offset = following
    assert set(range(end)) == seen.keys() | lost
    assert all(value == b"%d" % at for at, value in seen.items())
    assert set(range(bases[1], bases[2])) <= lost


def test_f23_the_index_of_another_segment_is_not_believed() -> None:
    """It is rebuilt: a cache that is wrong must not change what is read."""
    disk, partition, end = filled([3] * 16)
    first, second = (f"t/0/{base:020d}.index" for base, _ in partition.segments()[:2])
    copied(disk, second, first)
    fresh = files(disk)
    fresh.view(partition.segments())
    assert read_all(fresh, 1, end, 10_000) == [b"%d" % number for number in range(1, end)]
