"""Self-describing msgpack: values of undeclared type inside the topology, given back as they went in.

msgpack alone turns tuples into lists and knows no sets, decimals or times; extension types carry those. Used in
repartition and changelog topics only, never in topics that others read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgpack

from tankstreams.errors import DecodeError, EncodeError

__all__ = ["pack", "unpack"]


def _pack_time(value: Any) -> bytes:
    return bytes(value.isoformat(), "ascii")


def _duration(value: dt.timedelta) -> bytes:
    return _nested([value.days, value.seconds, value.microseconds])


_KINDS: Final[dict[type, tuple[int, Callable[[Any], bytes], Callable[[bytes], Any]]]] = {
    tuple: (1, lambda value: _nested(list(value)), lambda data: tuple(unpack(data))),
    set: (2, lambda value: _nested(_ordered(value)), lambda data: set(unpack(data))),
    frozenset: (3, lambda value: _nested(_ordered(value)), lambda data: frozenset(unpack(data))),
    Decimal: (4, lambda value: bytes(str(value), "ascii"), lambda data: Decimal(data.decode())),
    dt.datetime: (5, _pack_time, lambda data: dt.datetime.fromisoformat(data.decode())),
    dt.date: (6, _pack_time, lambda data: dt.date.fromisoformat(data.decode())),
    dt.time: (7, _pack_time, lambda data: dt.time.fromisoformat(data.decode())),
    dt.timedelta: (8, _duration, lambda data: dt.timedelta(*unpack(data))),
    UUID: (9, lambda value: value.bytes, lambda data: UUID(bytes=data)),
    int: (10, lambda value: bytes(str(value), "ascii"), lambda data: int(data)),
}
_READERS: Final = {code: read for code, _, read in _KINDS.values()}


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


_packer = msgpack.Packer(use_bin_type=True, strict_types=True, default=_default, autoreset=True)


def pack(value: Any) -> bytes:
    """Return the bytes of a value made of built-in types; raises `EncodeError` for an instance of another class."""
    try:
        if type(value) is tuple:  # accumulators: the commonest by far
            inner = _packer.pack(list(value))
            size = len(inner)
            head = b"\xc7" + size.to_bytes(1, "big") if size < 256 else b"\xc9" + size.to_bytes(4, "big")
            return head + b"\x01" + bytes(inner)
        return bytes(_packer.pack(value))
    except (OverflowError, ValueError, TypeError, RecursionError) as error:
        _packer.reset()
        raise EncodeError(f"it cannot be written: {error}") from error
    except EncodeError:
        _packer.reset()
        raise


def unpack(data: bytes) -> Any:
    """Return the value that `pack` was given; raises `DecodeError`."""
    try:
        return msgpack.unpackb(data, raw=False, strict_map_key=False, ext_hook=_ext)
    except (ValueError, TypeError, RecursionError) as error:
        raise DecodeError(f"it is not self-describing msgpack: {error}") from error
