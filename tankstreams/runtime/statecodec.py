"""The state codec: accumulators as the changelog has them.

Accumulators are nested tuples of built-in values whose shape the aggregation knows, so tuples are plain msgpack arrays
here and come back as tuples; that is several times quicker than the self-describing form, which must tell tuples from
lists. What can change (a user's list or dict) is inside a `Kept`, self-describing.
"""

from __future__ import annotations

import threading
from typing import Any, Final

import msgpack

from tankstreams.errors import DecodeError, EncodeError
from tankstreams.topology import selfdescribing
from tankstreams.topology.nodes import UNKNOWN
from tankstreams.topology.serde import Codec

__all__ = ["KEPT", "NATIVE", "STATE", "keep", "show"]

KEPT: Final = 20
"""The extension type of a value that can change; those of `selfdescribing` are below it."""

NATIVE: Final = frozenset({bool, int, float, str, bytes, type(None)})


def keep(value: Any) -> Any:
    """Return a form of a user's value that nobody else can change; raises `EncodeError` for an unknown class."""
    return value if type(value) in NATIVE else msgpack.ExtType(KEPT, selfdescribing.pack(value))


def show(kept: Any) -> Any:
    """Return what `keep` was given: the caller's own."""
    return selfdescribing.unpack(kept.data) if type(kept) is msgpack.ExtType else kept


def _default(value: Any) -> Any:
    if type(value) is int:  # beyond 64 bits
        return msgpack.ExtType(KEPT + 1, str(value).encode())
    raise EncodeError(f"{type(value).__name__} cannot be kept in state")


def _ext(code: int, data: bytes) -> Any:
    if code == KEPT:
        return msgpack.ExtType(code, data)
    if code == KEPT + 1:
        return int(data)
    raise DecodeError(f"it holds the extension type {code}, which this release does not know")


class _Packers(threading.local):
    """A packer for each thread: it must not be entered twice."""

    def __init__(self) -> None:
        self.pack = msgpack.Packer(use_bin_type=True, default=_default, autoreset=True).pack


_packers: Final = _Packers()


def _pack(accumulators: Any) -> bytes:
    return bytes(_packers.pack(accumulators))


def _unpack(data: bytes) -> Any:
    try:
        return msgpack.unpackb(data, raw=False, use_list=False, strict_map_key=False, ext_hook=_ext)
    except (ValueError, TypeError, RecursionError) as error:
        raise DecodeError(f"it is not the state of an aggregation: {error}") from error


STATE: Final = Codec(UNKNOWN, _pack, _unpack, accepts_none=True)
"""Encodes the accumulators of an aggregation, and gives them back as they were."""
