"""One public encoding a value, by its declared type: round trips, refusals, and what null means."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tankstreams.errors import ConfigError, DecodeError, EncodeError
from tankstreams.topology.nodes import UNKNOWN
from tankstreams.topology.serde import (
    Codec,
    ColumnError,
    check_key_type,
    internal_codec,
    json,
    msgpack,
    public_codec,
)
from tests.topology.values import Order, Paid, Plane, Sent, Size, Trip, UserId

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
INTS = st.integers(-(1 << 63), (1 << 63) - 1)
TIMES = st.datetimes(timezones=st.just(UTC))
TRIPS = st.builds(Trip, TEXT, FLOATS, st.lists(INTS, max_size=3), st.none() | TIMES)
PAID = st.builds(Paid, TEXT, INTS)
SENT = st.builds(Sent, TEXT, TEXT, FLOATS)

TYPES: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "bytes": (bytes, st.binary(max_size=8)),
    "str": (str, TEXT),
    "int": (int, st.integers()),
    "large int": (int, st.integers(1 << 63, 1 << 100)),
    "float": (float, FLOATS),
    "bool": (bool, st.booleans()),
    "datetime": (datetime, TIMES),
    "naive datetime": (datetime, st.datetimes()),
    "list": (list[int], st.lists(INTS, max_size=4)),
    "tuple": (tuple[str, int], st.tuples(TEXT, INTS)),
    "dict": (dict[str, float], st.dictionaries(TEXT, FLOATS, max_size=3)),
    "set": (set[int], st.sets(INTS, max_size=4)),
    "dataclass": (Trip, TRIPS),
    "struct": (Sent, SENT),
    "typed dict": (Plane, st.fixed_dictionaries({"maker": TEXT, "seats": st.none() | INTS})),
    "pydantic": (Order, st.builds(Order, no=INTS, tags=st.dictionaries(TEXT, FLOATS, max_size=2))),
    "list of pydantic": (list[Order], st.lists(st.builds(Order, no=INTS), max_size=2)),
    "union": (Paid | Sent, PAID | SENT),
    "union with a scalar": (Paid | Sent | int, PAID | SENT | INTS),
    "optional": (Trip | None, st.none() | TRIPS),
    "enum of strs": (Size, st.sampled_from(Size)),
    "literal": (Literal["a", "b"], st.sampled_from(["a", "b"])),
    "new type": (UserId, TEXT),
    "annotated": (Annotated[str, "a remark"], TEXT),
    "msgpack": (Annotated[Trip, msgpack], TRIPS),
    "json": (Annotated[str, json], TEXT),
    "any": (Any, st.recursive(st.none() | INTS | FLOATS | TEXT, lambda inner: st.lists(inner, max_size=3))),
}


@pytest.mark.parametrize("name", TYPES)
@given(data=st.data())
def test_values_come_back_as_they_went_in(name: str, data: st.DataObject) -> None:
    """One by one and by the column, as a value and as a key, to the same class."""
    type_, strategy = TYPES[name]
    values = data.draw(st.lists(strategy, max_size=5))
    for key in (False, True):
        codec = public_codec(type_, key=key)
        encoded = codec.encode_column(values)
        assert encoded == [codec.encode(value) for value in values]
        if name == "any":  # its strs are written raw, as everywhere
            continue
        assert codec.decode_column(encoded) == [codec.decode(one) for one in encoded] == values
        assert list(map(type, codec.decode_column(encoded))) == list(map(type, values))
        if key or name != "set":  # the order of a set is no part of a value
            assert codec.encode_column(codec.decode_column(encoded)) == encoded


@pytest.mark.parametrize(
    "value, type_, data",
    [
        (b"\xff", bytes, b"\xff"),
        ("é", str, "é".encode()),
        (42, int, b"42"),
        (42.0, float, b"42.0"),
        (True, bool, b"true"),
        (Size.SMALL, Size, b"small"),
        (UserId("u"), UserId, b"u"),
        ([1, "a"], list[Any], b'[1,"a"]'),
        (None, str | None, None),
        (Paid("o", 5), Paid, b'{"order":"o","cents":5}'),
        (Order(no=3), Order, b'{"no":3,"tags":{}}'),
    ],
)
def test_a_value_has_one_encoding_typed_or_not(value: Any, type_: Any, data: bytes | None) -> None:
    """So a topic written without a type can be read with it, and keys meet."""
    for key in (False, True):
        assert public_codec(type_, key=key).encode(value) == data
        assert public_codec(UNKNOWN, key=key).encode(value) == data


def test_an_int_is_taken_for_a_float_and_written_as_one() -> None:
    """In a column as alone; a bool is neither."""
    codec = public_codec(float, key=False)
    assert codec.encode_column([42, 1.5]) == [b"42.0", b"1.5"]
    assert codec.decode(b"42") == 42.0 and type(codec.decode(b"42")) is float
    for type_ in (float, int):
        with pytest.raises(EncodeError, match=f"expected {type_.__name__}, got bool"):
            public_codec(type_, key=False).encode(True)
    with pytest.raises(EncodeError):
        codec.encode(10**400)


NOT_FINITE = st.sampled_from([math.nan, math.inf, -math.inf])
HOLDERS: list[Callable[[float], Any]] = [
    lambda x: x, lambda x: [1.0, [x]], lambda x: {"a": {"b": x}}, lambda x: (x,), lambda x: Trip("null", x),
    lambda x: Sent("a", "b", x), lambda x: [Trip("a", 1.0), Trip("a", x)],
    lambda x: {"deep": Order(no=1, tags={"t": x})},
    lambda x: Order(no=1, tags={"t": x}), lambda x: {x},
]  # fmt: skip


@pytest.mark.parametrize("hold", HOLDERS)
@given(number=NOT_FINITE)
def test_nan_and_infinities_are_refused_at_any_depth(hold: Callable[[float], Any], number: float) -> None:
    """JSON has none of them, and null would be another value."""
    value = hold(number)
    for type_ in (UNKNOWN, Any, type(value) if type(value) is not list else list[Any]):
        with pytest.raises(EncodeError):
            public_codec(type_, key=False).encode(value)
        with pytest.raises(ColumnError) as caught:
            public_codec(type_, key=False).encode_column([hold(1.0), value])
        assert caught.value.index == 1
    with pytest.raises(EncodeError):
        json.encode(value)


def test_the_word_null_and_real_nulls_are_no_nan() -> None:
    """They only make the check look."""
    assert public_codec(UNKNOWN, key=False).encode({"a": None, "b": "null"}) == b'{"a":null,"b":"null"}'
    assert public_codec(Trip, key=False).encode_column([Trip("null", 1.0)])[0] is not None


def test_numbers_that_a_format_cannot_hold_are_refused() -> None:
    """JSON takes integers of thousands of digits, msgpack 64 bits."""
    for type_, number in ((Annotated[int, msgpack], 1 << 64), (int, 10**5000)):
        with pytest.raises(EncodeError, match="cannot be written"):
            public_codec(type_, key=False).encode(number)


def test_msgpack_carries_nan() -> None:
    """The format has it."""
    codec = public_codec(Annotated[float, msgpack], key=False)
    assert math.isnan(codec.decode(codec.encode(math.nan)))


@pytest.mark.parametrize("type_", [str, int, Trip, Plane, Order, Paid | Sent, bytes])
def test_null_fits_only_a_type_that_has_none(type_: Any) -> None:
    """Else it is an error that says how to declare it."""
    codec = public_codec(type_, key=False)
    with pytest.raises(EncodeError, match="got None"):
        codec.encode(None)
    with pytest.raises(DecodeError, match=r"is null.*\| None"):
        codec.decode(None)
    optional = public_codec(type_ | None, key=False)
    assert optional.encode(None) is None and optional.decode(None) is None
    assert optional.decode_column([None]) == [None]


def test_a_column_fails_at_a_row_with_what_is_done() -> None:
    """So that the caller can go on behind it."""
    codec = public_codec(int, key=False)
    with pytest.raises(ColumnError) as caught:
        codec.decode_column([b"1", b"2", b"x", b"4", None])
    assert (caught.value.index, caught.value.done) == (2, [1, 2])
    assert isinstance(caught.value.cause, DecodeError)
    with pytest.raises(ColumnError) as caught:
        codec.encode_column([1, 2, 3, "4", 5])
    assert (caught.value.index, caught.value.done) == (3, [b"1", b"2", b"3"])
    assert str(caught.value.cause) == "expected int, got str"
    for column in ([b"1", None], [None]):
        with pytest.raises(ColumnError) as caught:
            codec.decode_column(column)
        assert caught.value.index == len(column) - 1


@pytest.mark.parametrize(
    "type_, value",
    [
        (Trip, {"origin": "JFK", "miles": 1.0}),
        (str, b"x"),
        (bytes, "x"),
        (Plane, Trip("a", 1.0)),
        (Paid | Sent, Trip("a", 1.0)),
        (int, 1.0),
        (list[int], (1,)),
        (Literal["a"], "b"),
        (Size, "small"),
    ],
)
def test_another_class_is_refused(type_: Any, value: Any) -> None:
    """Nobody finds a dict where a class was promised."""
    with pytest.raises(EncodeError):
        public_codec(type_, key=False).encode(value)


def test_fields_that_are_not_known_are_passed_over_and_missing_ones_said() -> None:
    """A writer may add fields; in one line, what is wrong."""
    codec = public_codec(Trip, key=False)
    assert codec.decode(b'{"origin":"JFK","miles":2,"new":[1]}') == Trip("JFK", 2.0)
    with pytest.raises(DecodeError, match="missing required field `miles`"):
        codec.decode(b'{"origin":"JFK"}')
    for type_, data in (
        (Trip, b"{"),
        (Order, b'{"no":"x","tags":5}'),
        (str, b"\xff"),
        (Size, b"tiny"),
        (Literal["a"], b"b"),
    ):
        with pytest.raises(DecodeError) as caught:
            public_codec(type_, key=False).decode(data)
        assert "\n" not in str(caught.value)


@dataclass
class Refund:
    order: str
    cents: int
    why: str = ""


def test_unions_that_cannot_be_told_apart_are_refused_when_built() -> None:
    """And those that can are, also by the most fields."""
    with pytest.raises(ConfigError, match="told apart"):
        public_codec(Paid | Refund, key=False)
    codec = public_codec(Paid | Sent, key=False)
    assert codec.decode(b'{"order":"o","cents":1}') == Paid("o", 1)
    with pytest.raises(DecodeError, match="fields"):
        codec.decode(b'{"order":"o"}')


def test_unions_of_tagged_structs_carry_their_tag() -> None:
    """What msgspec offers works as there."""

    class Cat(msgspec.Struct, tag=True):
        name: str

    class Dog(msgspec.Struct, tag=True):
        name: str

    codec = public_codec(Cat | Dog, key=False)
    assert codec.decode(codec.encode(Dog("Rex"))) == Dog("Rex")


@pytest.mark.parametrize("type_", [str | int, bytes | str, bytes | int | None, Annotated[str | int, "a remark"]])
def test_a_key_whose_bytes_could_mean_two_things_is_refused(type_: Any) -> None:
    """When the topology is built."""
    with pytest.raises(ConfigError, match="cannot be a key"):
        public_codec(type_, key=True)


@pytest.mark.parametrize("type_", [str, str | None, bytes | None, int | float, Annotated[str | int, json]])
def test_other_keys_are_taken(type_: Any) -> None:
    """None beside a str or bytes is a null key, and a format tells the rest apart."""
    check_key_type(type_)
    public_codec(type_, key=True)


@given(st.permutations(list("abcd")), st.permutations(list("abcd")))
def test_equal_keys_make_equal_bytes(one: list[str], other: list[str]) -> None:
    """Dicts and sets in any order, by any encoding; a key's bytes choose its partition and its row."""
    codecs = [public_codec(form, key=True) for form in (UNKNOWN, dict[str, Any], Annotated[dict[str, Any], msgpack])]
    for codec in [*codecs, internal_codec(UNKNOWN, key=True)]:
        assert codec.encode({name: {name} for name in one}) == codec.encode({name: {name} for name in other})
        nested = [codec.encode({"in": [dict.fromkeys(names, 1)]}) for names in (one, other)]
        assert nested[0] == nested[1]
    models = [
        public_codec(Order, key=True).encode(Order(no=1, tags=dict.fromkeys(names, 1.0))) for names in (one, other)
    ]
    assert models[0] == models[1]


class Reversed:
    """A serde of a user."""

    def encode(self, value: Any) -> bytes | None:
        if value == "stop":
            raise StopIteration
        if value == "text":
            return value  # type: ignore[no-any-return]  # a mistake
        return bytes(reversed(value.encode()))

    def decode(self, data: bytes | None) -> Any:
        if data == b"key":
            raise KeyError("key")
        if data == b"stop":
            raise StopIteration
        return bytes(reversed(data or b"")).decode()


@pytest.mark.parametrize("bad, reason", [("stop", "StopIteration"), ("text", "returned str"), (5, "encode")])
def test_whatever_a_users_serde_raises_is_that_rows_error(bad: Any, reason: str) -> None:
    """StopIteration too, that would end a column early."""
    codec = public_codec(Annotated[str, Reversed()], key=False)
    assert codec.decode_column(codec.encode_column(["abc", "d"])) == ["abc", "d"]
    with pytest.raises(ColumnError) as caught:
        codec.encode_column(["ok", bad, "more"])
    assert caught.value.index == 1 and isinstance(caught.value.cause, EncodeError)
    assert reason in str(caught.value.cause)
    for data in (b"key", b"stop", b"\xff"):
        with pytest.raises(ColumnError) as caught:
            codec.decode_column([b"ok", data, b"more"])
        assert caught.value.index == 1 and isinstance(caught.value.cause, DecodeError)


@given(st.binary(max_size=30))
def test_any_bytes_decode_or_are_an_error(data: bytes) -> None:
    """Ours, whatever the type."""
    for type_, _ in TYPES.values():
        codec: Codec = public_codec(type_, key=False)
        try:
            codec.decode(data)
        except DecodeError:
            continue
