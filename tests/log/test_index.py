"""The sparse index: where to start, and a cache that is never believed when it is wrong."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tankstreams.log.index import SegmentIndex

bundles = st.lists(
    st.tuples(st.integers(1, 50), st.integers(1, 500), st.integers(-1000, 1000)), min_size=1, max_size=60
)


def built(rows: list[tuple[int, int, int]], interval: int) -> tuple[SegmentIndex, list[tuple[int, int, int, int]]]:
    """Return an index over bundles (records, bytes, largest time), and where each lies."""
    index = SegmentIndex(100, interval)
    offset, position, placed = 100, 0, []
    for count, length, time in rows:
        index.add(offset, offset + count, length, time)
        placed.append((offset, offset + count, position, time))
        offset, position = offset + count, position + length
    return index, placed


@given(bundles, st.integers(1, 600), st.integers(0, 3000))
def test_a_search_begins_at_or_before_the_offset(rows: list[tuple[int, int, int]], interval: int, ahead: int) -> None:
    """The position is a bundle's, none before it holds the offset, and it is not further off than the interval."""
    index, placed = built(rows, interval)
    offset = 100 + ahead % (placed[-1][1] - 100)
    holder = next(position for start, end, position, _ in placed if start <= offset < end)
    found = index.position_of(offset)
    assert found in [position for _, _, position, _ in placed]
    assert found <= holder
    assert holder - found < interval + 500


@given(bundles, st.integers(1, 600), st.integers(-1100, 1100))
def test_a_search_by_time_misses_nothing(rows: list[tuple[int, int, int]], interval: int, time: int) -> None:
    """Every bundle before the position is too early, though times are out of order."""
    index, placed = built(rows, interval)
    found = index.position_of_time(time)
    assert all(largest < time for _, _, position, largest in placed if position < found)
    assert index.max_timestamp == max(largest for _, _, _, largest in placed)


@given(bundles, st.integers(1, 600), st.data())
def test_f20_f25_a_damaged_index_is_no_index(
    rows: list[tuple[int, int, int]], interval: int, data: st.DataObject
) -> None:
    """It comes back as it was; one flipped bit, a cut, or a segment that is shorter: None, so that it is rebuilt."""
    index, placed = built(rows, interval)
    stored = index.to_bytes()
    size = index.covered
    again = SegmentIndex.from_bytes(stored, 100, size)
    assert again is not None
    assert again.to_bytes() == stored
    assert SegmentIndex.from_bytes(stored, 100, size - 1) is None
    place = data.draw(st.integers(0, len(stored) * 8 - 1))
    flipped = bytearray(stored)
    flipped[place // 8] ^= 1 << place % 8
    assert SegmentIndex.from_bytes(bytes(flipped), 100, size) is None
    assert SegmentIndex.from_bytes(stored[: data.draw(st.integers(0, len(stored) - 1))], 100, size) is None
