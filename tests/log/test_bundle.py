"""Bundles: what goes in comes out, and what is damaged is seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tankstreams.errors import RecordRefused, UnknownFormat
from tankstreams.log import bundle
from tankstreams.log.bundle import BadBundle
from tankstreams.log.limits import BUNDLE_RECORDS_MAX, INT64_MAX, INT64_MIN
from tankstreams.log.records import Records

GOLDEN = Path(__file__).parents[1] / "golden" / "bundle"

cells = st.none() | st.binary(max_size=12)
times = st.integers(INT64_MIN // 2, INT64_MAX // 2) | st.integers(1_700_000_000_000, 1_700_000_001_000)
header_sets = st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=5)), max_size=3).map(tuple)


@st.composite
def columns(draw: Any) -> tuple[list[Any], list[Any], list[int], list[Any] | None]:
    """Columns of equal length; some all the same, some all None, times in order or not."""
    count = draw(st.integers(1, 30))

    def column(values: Any) -> Any:
        return st.lists(values, min_size=count, max_size=count) | values.map(lambda value: [value] * count)

    stamps = draw(column(times))
    if draw(st.booleans()):
        stamps.sort()
    return draw(column(cells)), draw(column(cells)), stamps, draw(st.none() | column(header_sets))


def stamped(data: bytes, base_offset: int = 7) -> bytes:
    """Return a bundle as the log stores it."""
    head, payload = bundle.stamp(data, topic_id=3, partition=1, base_offset=base_offset, epoch=5, append_ms=99)
    return head + bytes(payload)


def same(records: Records, keys: Any, values: Any, stamps: Any, headers: Any) -> bool:
    """Whether records are these columns; no headers at all and headers that are all empty are the same."""
    expected = headers if headers is not None and any(headers) else None
    return (list(records.keys), list(records.values), list(records.timestamps), records.headers) == (
        keys,
        values,
        stamps,
        expected,
    )


@given(columns(), st.booleans())
def test_columns_come_out_as_they_went_in(given_columns: Any, compress: bool) -> None:
    """Encode, stamp, check and decode give the same columns; offsets count from the base offset."""
    keys, values, stamps, headers = given_columns
    data = stamped(bundle.encode(keys, values, stamps, headers, compress=compress))
    records = bundle.decode(data)
    assert same(records, keys, values, stamps, headers)
    assert records.offsets == range(7, 7 + len(values))
    header = bundle.verify_header(data, 0, 3, 1)
    assert (header.base_timestamp, header.max_timestamp) == (min(stamps), max(stamps))
    assert (header.base_offset, header.next_offset, header.epoch, header.append_ms) == (7, 7 + len(values), 5, 99)


@given(columns(), st.data())
def test_sparse_bundles_keep_their_offsets(given_columns: Any, data: Any) -> None:
    """A bundle with gaps has its offsets in a column of their own."""
    keys, values, stamps, headers = given_columns
    steps = data.draw(st.lists(st.integers(1, 9), min_size=len(values), max_size=len(values)))
    deltas = [sum(steps[:place]) for place in range(len(steps))]
    encoded = bundle.encode(keys, values, stamps, headers, offset_deltas=deltas)
    records = bundle.decode(stamped(encoded, 100))
    assert list(records.offsets) == [100 + delta for delta in deltas]
    assert same(records, keys, values, stamps, headers)


@given(columns(), st.data())
def test_f20_a_flipped_bit_is_seen(given_columns: Any, data: Any) -> None:
    """Any single bit of a stored bundle: the header's checksum or the payload's tells, or the bundle is refused."""
    keys, values, stamps, headers = given_columns
    good = stamped(bundle.encode(keys, values, stamps, headers))
    place = data.draw(st.integers(0, len(good) * 8 - 1))
    bad = bytearray(good)
    bad[place // 8] ^= 1 << place % 8
    with pytest.raises((BadBundle, UnknownFormat)):
        bundle.verify_header(bytes(bad), 0, 3, 1)
        bundle.decode(bytes(bad))


@given(columns(), st.data())
def test_f21_a_cut_bundle_is_seen(given_columns: Any, data: Any) -> None:
    """A bundle that ends early is an error, at every length."""
    keys, values, stamps, headers = given_columns
    good = stamped(bundle.encode(keys, values, stamps, headers))
    cut = good[: data.draw(st.integers(0, len(good) - 1))]
    with pytest.raises(BadBundle):
        bundle.decode(cut)


@given(st.binary(max_size=200))
def test_garbage_is_an_error_and_nothing_else(data: bytes) -> None:
    """Whatever the bytes are, only our own errors come."""
    with pytest.raises((BadBundle, UnknownFormat)):
        bundle.decode(data)


@given(st.binary(max_size=120), st.integers(1, 5), st.booleans())
def test_a_payload_of_garbage_is_an_error_and_nothing_else(payload: bytes, count: int, packed: bool) -> None:
    """A right checksum over a payload that no encoder made: an error, not an exception of msgpack or lz4."""
    flags = bundle.CODEC_LZ4 if packed else 0
    crc = bundle.crc32c(payload)
    head = bundle._HEADER.pack(
        b"TB", 1, flags, len(payload), len(payload), crc, count, count - 1, 0, 0, 0, 0, 0, 0, 0, 0
    )
    try:
        records = bundle.decode(head + payload)
    except BadBundle:
        return
    assert len(records) == count == len(records.keys) == len(records.values) == len(records.timestamps)


def test_f23_a_bundle_of_another_partition_is_seen() -> None:
    """The header's checksum knows topic and partition."""
    data = stamped(bundle.encode([None], [b"x"], [1]))
    for topic_id, partition in ((4, 1), (3, 2)):
        with pytest.raises(BadBundle, match="checksum"):
            bundle.verify_header(data, 0, topic_id, partition)


def test_f29_a_decompression_bomb_is_not_unpacked() -> None:
    """The unpacked length is checked before anything is allocated for it, and must be exact."""
    good = bundle.encode([None], [b"x" * 5000], [1])
    claims = bytearray(good)
    claims[8:12] = (1 << 31).to_bytes(4, "little")
    with pytest.raises(RecordRefused, match="limit"):
        bundle.check(bytes(claims))
    with pytest.raises(BadBundle, match="limit"):
        bundle.decode(bytes(claims))
    claims[8:12] = (100).to_bytes(4, "little")
    with pytest.raises(BadBundle):
        bundle.decode(bytes(claims))


def test_f36_another_version_or_flag_is_refused() -> None:
    """Unknown versions and flags are errors that say so, never misread."""
    good = bundle.encode([None], [b"x"], [1])
    for place, value in ((2, 2), (3, 0b100), (3, 0b1000)):
        other = bytearray(good)
        other[place] = value
        with pytest.raises(UnknownFormat, match="version"):
            bundle.check(bytes(other))


def test_limits_are_checked_when_encoding() -> None:
    """Too many records, too many bytes, times beyond 64 bits, columns of unequal length."""
    with pytest.raises(RecordRefused, match="1 to 65536"):
        bundle.encode([], [], [])
    too_many = BUNDLE_RECORDS_MAX + 1
    with pytest.raises(RecordRefused, match="split"):
        bundle.encode([None] * too_many, [None] * too_many, [0] * too_many)
    with pytest.raises(RecordRefused, match="max_record_bytes"):
        bundle.encode([None], [b"x" * 100], [1], unpacked_bytes_max=50)
    with pytest.raises(RecordRefused, match="64 bits"):
        bundle.encode([None], [b"x"], [1 << 63])
    with pytest.raises(RecordRefused, match="equally long"):
        bundle.encode([None], [b"x", b"y"], [1, 2])
    with pytest.raises(RecordRefused, match="bytes or None"):
        bundle.encode([None, None], [b"x", object()], [1, 2])  # type: ignore[list-item]


def test_a_column_of_one_value_is_stored_once() -> None:
    """Equal keys, values, times and headers cost as much for ten thousand records as for one."""
    one = bundle.encode([b"k"], [b"v"], [5], [(("h", b"1"),)], compress=False)
    many = bundle.encode([b"k"] * 10_000, [b"v"] * 10_000, [5] * 10_000, [(("h", b"1"),)] * 10_000, compress=False)
    assert len(one) == len(many)


def test_what_lz4_does_not_shrink_is_stored_as_it_is() -> None:
    """The codec flag is set only where it pays."""
    assert not bundle.read_header(bundle.encode([None], [bytes(range(60))], [1])).flags & bundle.CODEC_LZ4
    assert bundle.read_header(bundle.encode([None], [b"x" * 500], [1])).flags & bundle.CODEC_LZ4


@given(columns(), st.integers(1, 40))
def test_split_keeps_every_record_in_order(given_columns: Any, target_bytes: int) -> None:
    """The pieces put together are the columns; a piece above the target is one record."""
    keys, values, stamps, headers = given_columns
    pieces = list(bundle.split(keys, values, stamps, headers, target_bytes=target_bytes))
    joined: list[list[Any]] = [[], [], [], []]
    for piece in pieces:
        for column, part in zip(joined, piece, strict=True):
            column.extend(part or [])
        size = sum(len(cell or b"") for cell in (*piece[0], *piece[1]))
        assert len(piece[1]) == 1 or size <= target_bytes
    assert joined == [keys, values, stamps, headers or []]


CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "plain": (([b"k1", None, b""], [b"v1", b"", None], [1000, 1001, 1300]), {}),
    "one-value": (([b"k"] * 3, [None] * 3, [7, 7, 7]), {}),
    "headers": (([None, b"k"], [b"a", b"b"], [5, 3], [(("h", b"1"), ("h", b"2")), ()]), {}),
    "sparse": (([b"a", b"b"], [b"1", b"2"], [10, 20]), {"offset_deltas": [0, 9]}),
    "producer": (([None], [b"x"], [-1]), {"producer_id": 1 << 40, "sequence": 6}),
}


@pytest.mark.parametrize("name", CASES)
def test_golden_bytes_are_what_is_written(name: str) -> None:
    """An uncompressed bundle is byte for byte what this release first wrote."""
    arguments, keywords = CASES[name]
    assert stamped(bundle.encode(*arguments, compress=False, **keywords)) == (GOLDEN / f"{name}.bin").read_bytes()


@pytest.mark.parametrize("name", [*CASES, "compressed"])
def test_golden_bytes_are_read(name: str) -> None:
    """What this release first wrote is read for ever; what lz4 makes may differ, what it reads may not."""
    data = (GOLDEN / f"{name}.bin").read_bytes()
    assert bundle.verify_header(data, 0, 3, 1).total_length == len(data)
    if name == "compressed":
        assert bundle.decode(data).values == [b"x" * 500] * 1 + [b"y" * 500]
        return
    (keys, values, stamps, *rest), keywords = CASES[name]
    records = bundle.decode(data)
    assert same(records, keys, values, stamps, rest[0] if rest else None)
    assert list(records.offsets) == [7 + delta for delta in keywords.get("offset_deltas", range(len(values)))]


def test_the_worked_example_of_the_page_is_a_real_bundle() -> None:
    """The bytes in docs/reference/bundle.md decode to what the page says."""
    page = (Path(__file__).parents[2] / "docs/reference/bundle.md").read_text()
    block = page.split("```hex\n", 1)[1].split("```", 1)[0]
    data = bytes.fromhex("".join(line.split("#")[0] for line in block.splitlines()))
    records = bundle.decode(data)
    assert (list(records.offsets), records.keys, records.values) == ([7, 8, 9], [b"k1", None, b""], [b"v1", b"", None])
    assert list(records.timestamps) == [1000, 1001, 1300]
    assert data == (GOLDEN / "plain.bin").read_bytes()
