"""NaN and infinities: JSON has neither, and msgspec would write null without a word."""

from __future__ import annotations

import dataclasses
import re
from math import isfinite
from typing import Any, Final

import msgspec

from tankstreams.errors import EncodeError
from tankstreams.topology.typeforms import union_members

__all__ = ["check_finite", "may_hold_floats", "surely_finite"]

_pack: Final = msgspec.msgpack.Encoder().encode
_ALL_ONES: Final = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]").search
_FLOATLESS: Final = (bytes, str, int, bool, type(None))


def may_hold_floats(type_: Any) -> bool:
    """Return False only when no value of the type can hold a float at any depth."""
    return not all(member in _FLOATLESS for member in union_members(type_))


def surely_finite(value: Any) -> bool:
    """Return True when no float in ``value`` is NaN or infinite; False says only that it may be so.

    In C, and so without looking at each field: msgpack writes them, with an exponent of all ones behind the mark.
    """
    try:
        return _ALL_ONES(_pack(value)) is None
    except (TypeError, ValueError, NotImplementedError, OverflowError, RecursionError, msgspec.MsgspecError):
        return False  # what msgpack does not know, a pydantic model say, is looked at field by field


def check_finite(value: Any) -> None:
    """Raise `EncodeError` when ``value`` holds a NaN or an infinity at any depth."""
    if surely_finite(value):
        return
    found = _find(value, "")
    if found is not None:
        path, number = found
        raise EncodeError(f"{number} cannot be written as JSON{f' (at {path})' if path else ''}: return None instead")


def _find(value: Any, path: str) -> tuple[str, float] | None:
    if isinstance(value, float):
        return None if isfinite(value) else (path, value)
    for name, item in _items(value):
        found = _find(item, f"{path}.{name}" if path else str(name))
        if found is not None:
            return found
    return None


def _items(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, dict):
        return [*value.items(), *((key, key) for key in value)]
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(enumerate(value))
    if isinstance(value, msgspec.Struct):
        return [(name, getattr(value, name)) for name in value.__struct_fields__]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    if hasattr(type(value), "model_fields"):
        return list(vars(value).items())
    return []
