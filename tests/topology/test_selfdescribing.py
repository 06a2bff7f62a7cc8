"""What nobody declared crosses the topology's own topics and is what it was."""

from __future__ import annotations

import datetime as dt
import math
import threading
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tankstreams.errors import DecodeError, EncodeError
from tankstreams.topology.selfdescribing import pack, pack_key, unpack
from tests.topology.values import Trip

ZONES = st.none() | st.builds(dt.timezone, st.integers(-23 * 60, 23 * 60).map(lambda m: dt.timedelta(minutes=m)))
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(1 << 200), 1 << 200), st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8"), max_size=6), st.binary(max_size=6), st.decimals(allow_nan=False),
    st.datetimes(timezones=ZONES), st.dates(), st.times(), st.timedeltas(), st.uuids(),
)  # fmt: skip
HASHABLE: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3), max_leaves=6
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    HASHABLE | st.sets(HASHABLE, max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(HASHABLE, inner, max_size=3)
    ),
    max_leaves=10,
)


def shape(value: Any) -> Any:
    """Return the value with the class of each part, so that True is not 1 nor a list a tuple."""
    if isinstance(value, dict):
        return dict, sorted((repr(shape(k)), repr(shape(v))) for k, v in value.items())
    if isinstance(value, (set, frozenset)):
        return type(value), sorted(repr(shape(item)) for item in value)
    if isinstance(value, (list, tuple)):
        return type(value), [shape(item) for item in value]
    return type(value), repr(value)


@given(VALUES)
def test_values_come_back_with_their_classes(value: Any) -> None:
    """Also as keys, where dicts come back in another order."""
    assert unpack(pack(value)) == value
    assert shape(unpack(pack(value))) == shape(value)
    assert shape(unpack(pack_key(value))) == shape(value)


def test_nan_is_kept() -> None:
    """Inside, nothing has to be JSON."""
    assert math.isnan(unpack(pack(math.nan))) and Decimal("NaN").compare(unpack(pack(Decimal("NaN")))).is_nan()


@pytest.mark.parametrize("value", [Trip("a", 1.0), (1, [Trip("a", 1.0)]), {"a": {(Trip, 1)}}, object()])
def test_an_instance_of_a_class_says_what_to_add(value: Any) -> None:
    """And leaves nothing behind for the next value."""
    with pytest.raises(EncodeError, match="add returns="):
        pack(value)
    assert unpack(pack((1, "a"))) == (1, "a")


def test_what_cannot_be_written_is_an_error_of_ours() -> None:
    """Endless and unpaired."""
    endless: list[Any] = []
    endless.append(endless)
    for value in (endless, "\ud800"):
        with pytest.raises(EncodeError):
            pack(value)


@given(st.binary(max_size=40))
def test_any_bytes_unpack_or_are_an_error(data: bytes) -> None:
    """Of ours, inside extensions too."""
    heads = [bytes([0xC7, len(data), code]) for code in range(12)]
    for whole in (data, *(head + data for head in heads)):
        try:
            unpack(whole)
        except DecodeError:
            continue


def test_threads_do_not_write_into_each_other() -> None:
    """Two topologies may run in one process."""
    values = [[(index, {index}, str(index) * 50)] * 20 for index in range(4)]
    wrong: list[Any] = []

    def work(value: Any) -> None:
        expected = pack(value)
        wrong.extend(1 for _ in range(300) if pack(value) != expected)

    threads = [threading.Thread(target=work, args=(value,)) for value in values]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
