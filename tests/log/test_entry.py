"""Entries and their bytes."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tankstreams.errors import UnknownFormat
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
    pack_entries,
    unpack_entries,
)

U32 = st.integers(0, (1 << 32) - 1)
U63 = st.integers(0, (1 << 63) - 1)
PARTS = st.tuples(U63, U32, U63, U63, U32, U32, U63, U63).map(Part._make)
POSITIONS = st.lists(st.tuples(U63, U32, U63), max_size=3).map(tuple)
TASKS = st.tuples(st.text(), st.text(), U63, U63, POSITIONS).map(TaskPart._make)
CONFIG = st.dictionaries(st.text(), st.one_of(st.text(), U63, st.floats(allow_nan=False)), max_size=3)
ENTRIES: st.SearchStrategy[Entry] = st.one_of(
    st.builds(CommitEntry, st.lists(PARTS, max_size=3).map(tuple), st.lists(TASKS, max_size=2).map(tuple)),
    st.builds(CreateTopicEntry, U63, st.text(), U32, CONFIG),
    st.builds(DeleteTopicEntry, U63),
    st.builds(AcquireEntry, st.text(), st.lists(st.tuples(st.text(), U63), max_size=3).map(tuple)),
    st.builds(StartEntry, U32, U63),
    st.builds(LogStartEntry, U63, U32, U63),
)


@given(st.lists(ENTRIES, max_size=5))
def test_entries_come_back_as_they_were(entries: list[Entry]) -> None:
    """What is packed is unpacked, types included."""
    assert unpack_entries(pack_entries(entries)) == entries


def test_f36_an_unknown_kind_of_entry_is_refused() -> None:
    """A journal of a later release is not misread."""
    with pytest.raises(UnknownFormat, match="kind 99 with 1 fields"):
        unpack_entries(msgpack.packb([[99, 1]]))


def test_f36_an_entry_with_another_number_of_fields_is_refused() -> None:
    """A later release may not add a field in secret."""
    with pytest.raises(UnknownFormat, match="kind 3 with 2 fields"):
        unpack_entries(msgpack.packb([[3, 1, 2]]))
