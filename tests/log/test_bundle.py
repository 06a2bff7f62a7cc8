"""A bundle gives back the records it was given, keeps to its limits, and is refused when it is damaged."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from struct import Struct
from typing import Any

import lz4.block
import msgpack
import pytest
from crc32c import crc32c
from hypothesis import example, given
from hypothesis import strategies as st

from tankstreams.errors import RecordRefused, UnknownFormat
from tankstreams.log import bundle
from tankstreams.log.bundle import HEADER_BYTES, BadBundle
from tankstreams.log.limits import (
    BUNDLE_RECORDS_MAX,
    BUNDLE_UNPACKED_BYTES_MAX,
    INT64_MAX,
    INT64_MIN,
    RECORD_HEADERS_MAX,
)
from tankstreams.log.records import Headers, Records

Row = tuple[bytes | None, bytes | None, int, Headers]

DATA = st.one_of(st.none(), st.sampled_from([b"", b"same"]), st.binary(max_size=40))
TIMES = st.one_of(st.integers(1_700_000_000_000, 1_700_000_000_300), st.just(7), st.integers(-(1 << 62), (1 << 62) - 1))
HEADERS = st.one_of(st.just(()), st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=5)), max_size=3).map(tuple))
ROWS: st.SearchStrategy[list[Row]] = st.lists(st.tuples(DATA, DATA, TIMES, HEADERS), min_size=1, max_size=60)
SAME_ROWS: st.SearchStrategy[list[Row]] = st.builds(
    lambda row, count: [row] * count, st.tuples(DATA, DATA, TIMES, HEADERS), st.integers(1, 50)
)
HEADER = Struct("<2sBBIIIIIqqQQQIqI")
SMALL = bundle.encode([b"k", b"k", None], [b"one", None, b"three" * 20], [1_000, 1_000, 1_255], producer_id=9)


def columns(rows: Sequence[Row]) -> tuple[list[bytes | None], list[bytes | None], list[int], list[Headers]]:
    return [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows], [r[3] for r in rows]


def made(
    payload: bytes,
    count: int,
    *,
    flags: int = 0,
    last: int | None = None,
    largest: int = 0,
    unpacked: int | None = None,
) -> bytes:
    """Return a bundle of any payload, with sound checksums: what a client with a mistake could send."""
    size = len(payload)
    return (
        HEADER.pack(
            b"TB", 1, flags, size, size if unpacked is None else unpacked, crc32c(payload), count,
            max(count - 1, 0) if last is None else last, 0, largest, 0, 0, 0, 0, 0, 0,
        )
        + payload
    )  # fmt: skip


@given(st.one_of(ROWS, SAME_ROWS), st.booleans(), st.integers(0, (1 << 63) - 100))
def test_records_come_back_as_they_went_in(rows: list[Row], compress: bool, base_offset: int) -> None:
    """Whatever is null, equal or out of order; stamped, and with other bytes before it."""
    keys, values, times, headers = columns(rows)
    data = bundle.encode(keys, values, times, headers, compress=compress, producer_id=3, sequence=8)
    assert bundle.check(data).count == len(rows)
    head, payload = bundle.stamp(data, topic_id=5, partition=1, base_offset=base_offset, epoch=2, append_ms=99)
    stored = b"before" + head + bytes(payload)
    header = bundle.verify_header(stored, 6, 5, 1)
    assert (header.producer_id, header.sequence, header.epoch, header.append_ms) == (3, 8, 2, 99)
    assert (header.base_timestamp, header.max_timestamp) == (min(times), max(times))
    assert (header.total_length, header.next_offset) == (len(data), base_offset + len(rows))
    records = bundle.decode(stored, 6)
    assert records == Records(
        range(base_offset, base_offset + len(rows)), times, keys, values, headers if any(headers) else None
    )


@given(ROWS, st.data())
def test_sparse_bundles_keep_their_offsets(rows: list[Row], data: st.DataObject) -> None:
    """What is left of a bundle after its other records were dropped."""
    deltas = sorted(data.draw(st.lists(st.integers(0, 1 << 31), min_size=len(rows), max_size=len(rows), unique=True)))
    keys, values, times, headers = columns(rows)
    encoded = bundle.encode(keys, values, times, headers, offset_deltas=deltas)
    head, payload = bundle.stamp(encoded, topic_id=1, partition=0, base_offset=1000, epoch=1, append_ms=0)
    records = bundle.decode(head + bytes(payload))
    assert records.offsets == [1000 + delta for delta in deltas]
    assert bundle.read_header(head).next_offset == records.offsets[-1] + 1
    assert (records.keys, records.values, records.timestamps) == (keys, values, times)


@given(st.integers(0, 8 * len(SMALL) - 1), st.integers(0, 5), st.integers(0, 5))
def test_one_flipped_bit_is_always_seen(bit: int, topic_id: int, partition: int) -> None:
    """In the header by its checksum, in the payload by its own."""
    head, payload = bundle.stamp(SMALL, topic_id=topic_id, partition=partition, base_offset=7, epoch=1, append_ms=5)
    damaged = bytearray(head + bytes(payload))
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadBundle):
        bundle.verify_header(bytes(damaged), 0, topic_id, partition)
        bundle.decode(bytes(damaged))


def test_a_bundle_of_another_partition_is_seen() -> None:
    """Its header's checksum covers where it belongs."""
    head, _ = bundle.stamp(SMALL, topic_id=4, partition=2, base_offset=0, epoch=1, append_ms=0)
    bundle.verify_header(head, 0, 4, 2)
    for topic_id, partition in ((4, 1), (5, 2), (2, 4)):
        with pytest.raises(BadBundle, match="checksum"):
            bundle.verify_header(head, 0, topic_id, partition)


@given(st.integers(0, len(SMALL) - 1))
def test_a_bundle_cut_short_is_seen(length: int) -> None:
    """At every byte, by the reader and by the log."""
    with pytest.raises(BadBundle):
        bundle.decode(SMALL[:length])
    with pytest.raises(RecordRefused):
        bundle.check(SMALL[:length])


@given(st.binary(max_size=200))
@example(b"TB\x01" + bytes(200))
def test_garbage_is_refused_with_our_own_errors(data: bytes) -> None:
    """Never with anything else, wherever it gets to."""
    for whole in (data, SMALL[: len(data) % HEADER_BYTES] + data, SMALL[:HEADER_BYTES] + data):
        with pytest.raises((BadBundle, UnknownFormat)):
            bundle.decode(whole)
        with pytest.raises((RecordRefused, UnknownFormat)):
            bundle.check(whole)


PACKABLE: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(INT64_MIN, INT64_MAX), st.floats(), st.text(max_size=3),
        st.binary(max_size=3), st.builds(msgpack.ExtType, st.integers(0, 20), st.binary(max_size=3)),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=2), inner, max_size=2)),
    max_leaves=20,
)  # fmt: skip


@given(st.lists(PACKABLE, min_size=4, max_size=5), st.integers(1, 3), st.sampled_from([0, bundle.SPARSE]))
def test_a_sound_checksum_over_nonsense_is_no_crash(payload: list[Any], count: int, flags: int) -> None:
    """A client with a mistake gets an error, or its readers get columns of the right length."""
    try:
        records = bundle.decode(made(msgpack.packb(payload), count, flags=flags))
    except BadBundle:
        return
    assert len(records) == len(records.timestamps) == len(records.keys) == len(records.values) == count
    assert all(type(time) is int for time in records.timestamps)
    assert all(type(offset) is int for offset in records.offsets)
    assert records.headers is None or len(records.headers) == count


@pytest.mark.parametrize("version, flags", [(0, 0), (2, 0), (255, 1), (1, bundle.ENCRYPTED), (1, 8), (1, 128)])
def test_other_versions_and_flags_are_refused(version: int, flags: int) -> None:
    """Never misread: this release cannot know what they mean, encryption included."""
    head = bytearray(SMALL)
    head[2:4] = version, flags | head[3]
    for call in (bundle.decode, bundle.check, bundle.read_header):
        with pytest.raises(UnknownFormat, match="this release knows version 1"):
            call(bytes(head))


def test_a_bundle_takes_so_many_records_and_no_more() -> None:
    """The limit itself is inside it."""
    full = [None] * BUNDLE_RECORDS_MAX
    assert len(bundle.decode(bundle.encode(full, full, range(BUNDLE_RECORDS_MAX)))) == BUNDLE_RECORDS_MAX
    with pytest.raises(RecordRefused, match="65537"):
        bundle.encode([*full, None], [*full, None], range(BUNDLE_RECORDS_MAX + 1))
    with pytest.raises(RecordRefused, match="not 0"):
        bundle.encode([], [], [])
    for count in (0, BUNDLE_RECORDS_MAX + 1):
        with pytest.raises(BadBundle, match="records"):
            bundle.decode(made(msgpack.packb([None] * 4), count))


def test_a_bundle_takes_so_many_bytes_and_no_more() -> None:
    """Counted unpacked, however well they compress; a topic may allow more."""
    big = [bytes(BUNDLE_UNPACKED_BYTES_MAX)]
    with pytest.raises(RecordRefused, match="split the columns"):
        bundle.encode([None], big, [0])
    data = bundle.encode([None], big, [0], unpacked_bytes_max=1 << 25)
    assert len(data) < 1 << 17
    with pytest.raises(RecordRefused, match="limit"):
        bundle.check(data)
    with pytest.raises(BadBundle, match="limit"):
        bundle.decode(data)
    assert bundle.check(data, unpacked_bytes_max=1 << 25).count == 1
    assert bundle.decode(data, unpacked_bytes_max=1 << 25).values == big


def test_a_payload_that_unpacks_to_another_length_is_refused() -> None:
    """More is a decompression bomb, less a mistake; neither is allocated beyond what the header claims."""
    payload = msgpack.packb([None, None, b"x" * 100_000, None])
    packed = lz4.block.compress(payload, store_size=False)
    assert bundle.decode(made(packed, 2, flags=1, unpacked=len(payload))).values == [b"x" * 100_000] * 2
    for claimed in (len(payload) - 1, len(payload) + 1, len(packed) + 1):
        with pytest.raises(BadBundle):
            bundle.decode(made(packed, 2, flags=1, unpacked=claimed))
    for claimed, flags in ((len(packed), 1), (len(payload), 0)):
        with pytest.raises(BadBundle, match="in this codec"):
            bundle.decode(made(packed, 2, flags=flags, unpacked=claimed))
    with pytest.raises(RecordRefused, match="in this codec"):
        bundle.check(made(payload, 1, unpacked=10))


def test_arrays_that_claim_to_be_long_are_not_made() -> None:
    """A hundred nested arrays of sixteen million elements would take ten gigabytes."""
    nested = b"\xdd\x00\xff\xff\xff" * 100 + bytes(BUNDLE_UNPACKED_BYTES_MAX - 4096)
    with pytest.raises(BadBundle, match="unpacked"):
        bundle.decode(made(nested, 1))


@pytest.mark.parametrize(
    "times",
    [[INT64_MAX + 1], [INT64_MIN - 1, 0], [0, 1 << 70], [1.5, 1.5], [0, 1.5], [0, 300, 300.5, 0], ["now"], [None, 1],
     [INT64_MIN, INT64_MAX]],
)  # fmt: skip
def test_times_that_are_no_64_bit_integers_are_refused(times: list[Any]) -> None:
    """When they are written, not when they are read."""
    with pytest.raises(RecordRefused, match=r"[Tt]imestamp"):
        bundle.encode([None] * len(times), [None] * len(times), times)


@given(st.lists(st.integers(INT64_MIN, INT64_MAX), min_size=1, max_size=20))
def test_any_64_bit_times_come_back_or_are_refused(times: list[int]) -> None:
    """Refused only when they are further apart than 64 bits."""
    none = [None] * len(times)
    try:
        data = bundle.encode(none, none, times)
    except RecordRefused:
        assert any(abs(one - other) > INT64_MAX for one in times for other in times)
        return
    assert bundle.decode(data).timestamps == times


def test_times_that_are_not_those_of_the_header_are_refused() -> None:
    """A search by time trusts the header."""

    def sent(column: Any, largest: int) -> bytes:
        return made(msgpack.packb([column, None, None, None]), 2, largest=largest)

    for column, largest in ((b"\x05", 5), ([0, 5], 5), ([5, -5], 5), (None, 0)):
        assert max(bundle.decode(sent(column, largest)).timestamps) == largest
        with pytest.raises(BadBundle, match="timestamps"):
            bundle.decode(sent(column, largest + 1))
    wrong: tuple[Any, ...] = ([1, 0], [0, -1], [0], [0, 0, 0], [], b"", b"\0\0", [0, 0.0], {}, "00")
    for bad in wrong:
        with pytest.raises(BadBundle):
            bundle.decode(sent(bad, 0))


@pytest.mark.parametrize("deltas", [[0], [0, 0], [1, 0], [-1, 3], [0, 1.5], [0, 1 << 32]])
def test_offsets_that_do_not_increase_are_refused(deltas: list[Any]) -> None:
    """By the writer, and by a reader that is given them."""
    with pytest.raises(RecordRefused):
        bundle.encode([None] * 2, [None] * 2, [0, 0], offset_deltas=deltas)
    if len(deltas) == 2 and isinstance(deltas[1], int) and 0 <= deltas[1] < 1 << 32:
        with pytest.raises(BadBundle):
            bundle.decode(made(msgpack.packb([None, None, None, None, deltas]), 2, flags=2, last=deltas[1]))


def test_gaps_need_the_sparse_flag() -> None:
    """Without it the last offset follows from the count."""
    with pytest.raises(BadBundle, match="offsets after the first"):
        bundle.read_header(made(msgpack.packb([None] * 4), 2, last=5))
    with pytest.raises(BadBundle, match="offsets after the first"):
        bundle.read_header(made(msgpack.packb([None] * 5), 2, last=0, flags=bundle.SPARSE))


@pytest.mark.parametrize(
    "headers, reason",
    [([(("a", "text"),)], "pairs"), ([((b"a", b"b"),)], "pairs"), ([(("a", None),)], "pairs"), ([(), ()], "long"),
     ([(("a", b""),) * (RECORD_HEADERS_MAX + 1)], "1024 headers")],
)  # fmt: skip
def test_headers_that_nobody_could_read_are_refused(headers: list[Any], reason: str) -> None:
    """They are pairs of a str and bytes, not too many, one tuple a record."""
    with pytest.raises(RecordRefused, match=reason):
        bundle.encode([None], [b""], [0], headers)


def test_the_most_headers_are_read_back() -> None:
    """The reader's limit is the writer's."""
    headers = [(("name", b"value"),) * RECORD_HEADERS_MAX]
    assert bundle.decode(bundle.encode([None], [b""], [0], headers)).headers == headers


def test_columns_of_other_lengths_are_refused() -> None:
    """Nothing is made up and nothing dropped."""
    for keys, values, times in (([None], [b""] * 2, [0, 0]), ([None] * 2, [b""] * 2, [0])):
        with pytest.raises(RecordRefused, match="equally long"):
            bundle.encode(keys, values, times)


def test_a_refused_bundle_leaves_nothing_behind() -> None:
    """The next one of the thread is sound, after too many bytes and after what cannot be packed."""
    refused: list[list[Any]] = [
        [b"x" * 5_000_000, object()],
        [b"x", "\ud800"],
        [b"x" * 9_000_000, b"y" * 9_000_000],
        [1 << 64, b""],
    ]
    for values in refused:
        with pytest.raises(RecordRefused):
            bundle.encode([None, b"k"], values, [0, 1])
        assert bundle.decode(SMALL).values == [b"one", None, b"three" * 20]
        assert (
            bundle.encode([b"k", b"k", None], [b"one", None, b"three" * 20], [1_000, 1_000, 1_255], producer_id=9)
            == SMALL
        )


def test_threads_encode_at_the_same_time() -> None:
    """Each with a packer of its own, as lz4 lets the others run."""
    wrong: list[bytes] = []

    def work(letter: bytes) -> None:
        values: list[bytes | None] = [letter * 300_000, letter]
        for _ in range(20):
            made = bundle.encode([None] * 2, values, [0, 1])
            wrong.extend([letter] if bundle.decode(made).values != values else [])

    threads = [threading.Thread(target=work, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_column_of_one_value_takes_the_room_of_one() -> None:
    """Null keys, one time, one key and the same headers cost nothing a record."""
    values = [b"%d" % number for number in range(1000)]
    bare = len(bundle.encode([None] * 1000, values, [5] * 1000, compress=False))
    shared = bundle.encode([b"key"] * 1000, values, [5] * 1000, [(("h", b"v"),)] * 1000, compress=False)
    assert len(shared) - bare < 20
    assert len(bundle.encode([None] * 1000, values, range(1000), compress=False)) - bare < 1010


def test_what_lz4_does_not_make_smaller_is_stored_as_it_is() -> None:
    """The flag says which."""
    assert not bundle.read_header(bundle.encode([None], [b"abc"], [0])).flags
    assert bundle.read_header(bundle.encode([None], [b"abc" * 1000], [0])).flags == bundle.CODEC_LZ4


@given(ROWS, st.integers(1, 200))
def test_split_keeps_every_record_in_order(rows: list[Row], target: int) -> None:
    """The pieces put together are the columns, and each of several records is within the target."""
    keys, values, times, headers = columns(rows)
    pieces = list(bundle.split(keys, values, times, headers, target_bytes=target))
    for place, column in enumerate((keys, values, times, headers)):
        assert [item for piece in pieces for item in piece[place] or ()] == column
    for piece_keys, piece_values, _, _ in pieces:
        size = sum(len(item) for item in (*piece_keys, *piece_values) if item)
        assert len(piece_values) == 1 or size <= target


def test_split_cuts_at_the_number_of_records() -> None:
    """Also records of no bytes."""
    none = [None] * (BUNDLE_RECORDS_MAX + 1)
    pieces = list(bundle.split(none, none, range(len(none))))
    assert len(pieces) > 1 and sum(len(piece[1]) for piece in pieces) == len(none)
    assert list(bundle.split([], [], [])) == []
