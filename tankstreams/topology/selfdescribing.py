"""Self-describing msgpack: values of undeclared type inside the topology, given back as they went in.

msgpack alone turns tuples into lists and knows no sets, decimals or times; extension types carry those. Used in
repartition and changelog topics only, never in topics that others read.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgpack

from tankstreams.errors import DecodeError, EncodeError

__all__ = ["pack", "pack_key", "unpack"]


def _pack_time(value: Any) -> bytes:
    """Return ISO 8601, with a mark where it is the second of two equal times at the end of summer time."""
    return bytes(value.isoformat() + ("!" if getattr(value, "fold", 0) else ""), "ascii")


def _read_time(cls: Any, data: bytes) -> Any:
    value = cls.fromisoformat(data.removesuffix(b"!").decode())
    return value.replace(fold=1) if data.endswith(b"!") else value


def _duration(value: dt.timedelta) -> bytes:
    return _nested([value.days, value.seconds, value.microseconds])


_KINDS: Final[dict[type, tuple[int, Callable[[Any], bytes], Callable[[bytes], Any]]]] = {
    tuple: (1, lambda value: _nested(list(value)), lambda data: tuple(unpack(data))),
    set: (2, lambda value: _nested(_ordered(value)), lambda data: set(unpack(data))),
    frozenset: (3, lambda value: _nested(_ordered(value)), lambda data: frozenset(unpack(data))),
    Decimal: (4, lambda value: bytes(str(value), "ascii"), lambda data: Decimal(data.decode())),
    dt.datetime: (5, _pack_time, lambda data: _read_time(dt.datetime, data)),
    dt.date: (6, _pack_time, lambda data: _read_time(dt.date, data)),
    dt.time: (7, _pack_time, lambda data: _read_time(dt.time, data)),
    dt.timedelta: (8, _duration, lambda data: dt.timedelta(*unpack(data))),
    UUID: (9, lambda value: value.bytes, lambda data: UUID(bytes=data)),
    int: (10, lambda value: _wide(value), lambda data: int.from_bytes(data, "big", signed=True)),
}
_READERS: Final = {code: read for code, _, read in _KINDS.values()}


def _wide(value: int) -> bytes:
    """Return an integer beyond 64 bits in two's complement."""
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def _ordered(value: Any) -> list[Any]:
    """Return a set's elements in the order of their bytes, so that equal sets make equal bytes."""
    return sorted(value, key=_nested)


def _default(value: Any) -> Any:
    kind = _KINDS.get(type(value))
    if kind is None:
        name = type(value).__qualname__
        raise EncodeError(
            f"a value of the class {name} has to cross to another task or into state, and its type is not declared"
            f" (add returns={name}, or annotate the function)"
        )
    code, write, _ = kind
    return msgpack.ExtType(code, write(value))


def _ext(code: int, data: bytes) -> Any:
    reader = _READERS.get(code)
    if reader is None:
        raise DecodeError(f"it holds the extension type {code}, which this release does not know")
    return reader(data)


def _nested(value: Any) -> bytes:
    """Pack with a packer of its own: one packer cannot be entered again from its default hook."""
    return bytes(msgpack.packb(value, use_bin_type=True, strict_types=True, default=_default))


class _Packers(threading.local):
    """A packer for each thread: the default hook is Python, and another thread may run in the midst of it."""

    def __init__(self) -> None:
        self.pack = msgpack.Packer(use_bin_type=True, strict_types=True, default=_default, autoreset=True).pack


_packers: Final = _Packers()


def pack(value: Any) -> bytes:
    """Return the bytes of a value made of built-in types; raises `EncodeError` for an instance of another class."""
    try:
        if type(value) is tuple:  # accumulators: the commonest by far
            inner = _packers.pack(list(value))
            size = len(inner)
            head = b"\xc7" + size.to_bytes(1, "big") if size < 256 else b"\xc9" + size.to_bytes(4, "big")
            return head + b"\x01" + bytes(inner)
        return bytes(_packers.pack(value))
    except (OverflowError, ValueError, TypeError, RecursionError) as error:
        raise EncodeError(f"it cannot be written: {error}") from error


def pack_key(value: Any) -> bytes:
    """Return the bytes of a key: as `pack`, with dicts in the order of their keys' bytes, so that equal keys agree."""
    return pack(value if type(value) in _ORDERLESS else _sorted(value))


_ORDERLESS: Final = frozenset({bytes, str, int, float, bool, type(None), dt.datetime, dt.date, Decimal, UUID})


def _sorted(value: Any) -> Any:
    if type(value) is dict:
        return {name: _sorted(value[name]) for name in sorted(value, key=_nested)}
    if type(value) is list or type(value) is tuple:
        return type(value)(map(_sorted, value))
    return value


def unpack(data: bytes) -> Any:
    """Return the value that `pack` was given; raises `DecodeError`."""
    try:
        return msgpack.unpackb(data, raw=False, strict_map_key=False, ext_hook=_ext)
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise DecodeError(f"it is not self-describing msgpack: {error}") from error
