"""The encodings byte by byte: what was written once is read for ever, and written the same."""

from __future__ import annotations

import json as standard_json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest

from tankstreams.topology.nodes import UNKNOWN
from tankstreams.topology.serde import internal_codec, json, msgpack, public_codec
from tests.topology.values import Order, Paid, Plane, Sent, Size, Trip, UserId

GOLDEN = Path(__file__).parent.parent / "golden" / "encoding.json"
AT = datetime(2013, 1, 1, 5, 15, tzinfo=UTC)

PUBLIC: dict[str, tuple[Any, Any]] = {
    "bytes": (bytes, b"\x00\xff"),
    "str": (str, "Zürich"),
    "enum of strs": (Size, Size.SMALL),
    "literal": (Literal["a", "b"], "a"),
    "new type": (UserId, "u-1"),
    "null": (str | None, None),
    "int": (int, -42),
    "float": (float, 42.0),
    "float, large": (float, 1e22),
    "bool": (bool, True),
    "datetime": (datetime, AT),
    "datetime, naive": (datetime, datetime(2013, 1, 1, 5, 15, 0, 5)),
    "datetime, other zone": (datetime, datetime(2013, 1, 1, tzinfo=timezone(timedelta(hours=-5)))),
    "timedelta": (timedelta, timedelta(minutes=90)),
    "decimal": (Decimal, Decimal("1.50")),
    "uuid": (UUID, UUID(int=1)),
    "list": (list[int], [1, 2]),
    "tuple": (tuple[str, int], ("a", 1)),
    "dict": (dict[str, float], {"b": 1.0, "a": 2.5}),
    "dataclass": (Trip, Trip("JFK", 1.0, [1], AT)),
    "dataclass with a null": (Trip, Trip("null", 0.5)),
    "struct": (Sent, Sent("o", "c")),
    "typed dict": (Plane, {"maker": "BOEING", "seats": None}),
    "pydantic": (Order, Order(no=7, tags={"x": 1.0})),
    "union": (Paid | Sent, Paid("o", 100)),
    "json str": (Annotated[str, json], "a"),
    "msgpack": (Annotated[Trip, msgpack], Trip("JFK", 1.0)),
}
KEYS: dict[str, tuple[Any, Any]] = {
    "dict": (dict[str, int], {"b": 1, "a": 2}),
    "set": (frozenset[str], frozenset("cab")),
    "dataclass": (Paid, Paid("o", 1)),
    "tuple": (tuple[str, int], ("a", 1)),
}
INTERNAL: dict[str, Any] = {
    "null inside": [None],
    "bool": True,
    "int": 5,
    "int beyond 64 bits": -(1 << 70),
    "float": 0.5,
    "str": "é",
    "bytes": b"\xff",
    "list": [1, "a"],
    "tuple": (1, ("a", b"b")),
    "tuple, long": tuple(range(300)),
    "dict": {"b": 1, 2: (3,)},
    "set": {3, 1, 2},
    "frozenset": frozenset({"b", "a"}),
    "decimal": Decimal("1.50"),
    "datetime": AT,
    "datetime, second of two": datetime(2013, 11, 3, 1, 30, fold=1),
    "date": date(2013, 1, 1),
    "time": time(5, 15),
    "timedelta": timedelta(days=-1, microseconds=5),
    "uuid": UUID(int=1),
}


def written() -> dict[str, dict[str, str | None]]:
    """Return every case's bytes: as text where they are ASCII, else as hexadecimal behind ``hex:``."""
    return {
        "public": {name: _text(public_codec(form, key=False).encode(value)) for name, (form, value) in PUBLIC.items()},
        "keys": {name: _text(public_codec(form, key=True).encode(value)) for name, (form, value) in KEYS.items()},
        "internal": {name: _text(internal_codec(UNKNOWN, key=False).encode(value)) for name, value in INTERNAL.items()},
    }


def _text(data: bytes | None) -> str | None:
    if data is None:
        return None
    return data.decode() if data.isascii() and data.decode().isprintable() else "hex:" + data.hex()


def _bytes(text: str | None) -> bytes | None:
    if text is None:
        return None
    return bytes.fromhex(text[4:]) if text.startswith("hex:") else text.encode()


def golden(part: str) -> dict[str, bytes | None]:
    """Return what the golden file holds of a part."""
    found = standard_json.loads(GOLDEN.read_text(encoding="utf-8"))[part]
    return {name: _bytes(text) for name, text in found.items()}


def test_the_golden_encodings_are_written() -> None:
    """The same bytes, and no case is missing on either side."""
    assert written() == standard_json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", PUBLIC)
def test_a_golden_value_is_read(name: str) -> None:
    """As its declared type."""
    form, value = PUBLIC[name]
    assert public_codec(form, key=False).decode(golden("public")[name]) == value


@pytest.mark.parametrize("name", KEYS)
def test_a_golden_key_is_read(name: str) -> None:
    """As its declared type."""
    form, value = KEYS[name]
    assert public_codec(form, key=True).decode(golden("keys")[name]) == value


@pytest.mark.parametrize("name", INTERNAL)
def test_a_golden_value_of_undeclared_type_is_read(name: str) -> None:
    """As it was, class included."""
    value = internal_codec(UNKNOWN, key=False).decode(golden("internal")[name])
    assert value == INTERNAL[name] and type(value) is type(INTERNAL[name])
    assert getattr(value, "fold", 0) == getattr(INTERNAL[name], "fold", 0)
