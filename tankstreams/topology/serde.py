"""Serdes: one public encoding a value, by its declared type; `docs/reference/encoding.md`.

bytes are raw, str is UTF-8, everything else JSON; another format rides in the type, ``Annotated[Flight, ts.msgpack]``.
What nobody declared crosses the topology's own topics in self-describing msgpack and leaves it encoded by its run-time
type. None is a null key or value wherever the type allows it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Annotated, Any, Final, Protocol, get_args, get_origin

import msgspec
from typing_extensions import TypeVar

from tankstreams.errors import ConfigError, DecodeError, EncodeError
from tankstreams.topology import selfdescribing
from tankstreams.topology.finite import check_finite, may_hold_floats
from tankstreams.topology.nodes import UNKNOWN
from tankstreams.topology.typeforms import classes_of, foreign_class, optional, show, tell_apart, union_members

__all__ = [
    "Codec",
    "ColumnError",
    "Serde",
    "check_key_type",
    "internal_codec",
    "json",
    "msgpack",
    "public_codec",
]

V = TypeVar("V")
Encode = Callable[[Any], bytes]
Decode = Callable[[bytes], Any]


class Serde(Protocol[V]):
    """A format of one's own: give it in the type, ``Annotated[Flight, serde]``."""

    def encode(self, value: V) -> bytes | None: ...

    def decode(self, data: bytes | None) -> V: ...


class ColumnError(Exception):
    """Row ``index`` of a column failed with ``cause``; ``done`` are the results before it."""

    def __init__(self, index: int, cause: Exception, done: list[Any]) -> None:
        super().__init__(index, cause)
        self.index = index
        self.cause = cause
        self.done = done


class Codec:
    """Encodes and decodes values of one declared type, one at a time or by the column.

    ``canonical_identity`` says that decoding and encoding again gives the same bytes (bytes and str). Failures are
    `EncodeError` and `DecodeError` with one clause, from a column inside a `ColumnError`.
    """

    def __init__(
        self,
        type_: Any,
        encode: Encode,
        decode: Decode,
        *,
        classes: frozenset[type] | None = None,
        accepts_none: bool = False,
        canonical_identity: bool = False,
        floats: bool = False,
    ) -> None:
        self.type = type_
        self.accepts_none = accepts_none
        self.canonical_identity = canonical_identity
        self._encode = encode
        self._decode = decode
        self._classes = classes
        self._floats = floats
        self._raw = decode is _raw

    def __repr__(self) -> str:
        return f"Codec({show(self.type)})"

    def encode(self, value: Any) -> bytes | None:
        """Return the bytes of one value, None for None."""
        if value is None:
            if self.accepts_none:
                return None
            raise EncodeError(f"expected {show(self.type)}, got None")
        if self._classes is not None and type(value) not in self._classes:
            value = self._fit(value)
        try:
            data = self._encode(value)
        except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
            raise EncodeError(f"{type(value).__name__} cannot be written as {show(self.type)}: {error}") from error
        if self._floats and b"null" in data:
            check_finite(value)
        return data

    def decode(self, data: bytes | None) -> Any:
        """Return the value of some bytes, None for None."""
        if data is None:
            if self.accepts_none:
                return None
            raise DecodeError(
                f"it is null and its declared type is {show(self.type)} (declare {show(self.type)} | None)"
            )
        try:
            return self._decode(data)
        except (ValueError, TypeError, RecursionError, msgspec.MsgspecError) as error:
            raise DecodeError(f"it cannot be read as {show(self.type)}: {error}") from error

    def encode_column(self, values: Sequence[Any]) -> list[bytes | None]:
        """Encode a column; raises `ColumnError` at the first value that does not fit."""
        out: list[Any] = []
        fit = self._classes is None or self._classes.issuperset(set(map(type, values)))
        if fit and not (self._classes is None and type(None) in set(map(type, values))):
            try:
                out.extend(map(self._encode, values))
            except Exception:  # whatever it is, the loop below meets it again and says which row
                out.clear()
            else:
                if not self._floats or b"null" not in b"".join(out):
                    return out
                out.clear()
        encode = self.encode
        try:
            out.extend(map(encode, values))
        except EncodeError as cause:
            raise ColumnError(len(out), cause, out) from cause
        return out

    def decode_column(self, column: Sequence[bytes | None]) -> list[Any]:
        """Decode a column; raises `ColumnError` at the first row that does not fit."""
        if self._raw and (self.accepts_none or None not in column):
            return column if isinstance(column, list) else list(column)
        out: list[Any] = []
        if None not in column:
            try:
                out.extend(map(self._decode, column))  # type: ignore[arg-type]
                return out
            except (ValueError, TypeError, RecursionError, DecodeError, msgspec.MsgspecError):
                out.clear()  # once more, one by one, for the row and the reason
        try:
            out.extend(map(self.decode, column))
        except DecodeError as cause:
            raise ColumnError(len(out), cause, out) from cause
        return out

    def _fit(self, value: Any) -> Any:
        """Return a value whose class is not exactly the declared one: an int for a float, a subclass."""
        assert self._classes is not None
        if type(value) is int and float in self._classes and int not in self._classes:
            return float(value)
        if isinstance(value, tuple(self._classes)) and not isinstance(value, bool):
            return value
        raise EncodeError(f"expected {show(self.type)}, got {type(value).__name__}")


def _raw(data: bytes) -> bytes:
    return data


def _any_encoder(*, key: bool) -> Encode:
    """Return the public encoder by run-time type."""
    encode = _json_encoder(key=key)

    def by_run_time_type(value: Any) -> bytes:
        kind = type(value)
        if kind is bytes:
            return value  # type: ignore[no-any-return]
        if kind is str:
            return value.encode()  # type: ignore[no-any-return]
        data = encode(value)
        if b"null" in data:
            check_finite(value)
        return data

    return by_run_time_type


def _json_encoder(*, key: bool) -> Encode:
    """Keys are sorted where they hold dicts or sets: equal keys must make equal bytes."""
    encode = msgspec.json.Encoder(order="deterministic" if key else None).encode

    def with_pydantic(value: Any) -> bytes:
        to_json = getattr(type(value), "model_dump_json", None)
        return value.model_dump_json().encode() if to_json is not None else encode(value)

    return encode if not _has_pydantic() else with_pydantic


def _has_pydantic() -> bool:
    import sys

    return "pydantic" in sys.modules


class _Format:
    """`json` and `msgpack`: formats to name in a type; by themselves, serdes for any value."""

    def __init__(self, name: str, encode: Encode, decode: Decode) -> None:
        self.name = name
        self._encode = encode
        self._decode = decode

    def __repr__(self) -> str:
        return f"ts.{self.name}"

    def encode(self, value: Any) -> bytes | None:
        return None if value is None else self._encode(value)

    def decode(self, data: bytes | None) -> Any:
        return None if data is None else self._decode(data)


json: Final[Serde[Any]] = _Format("json", msgspec.json.encode, msgspec.json.decode)
msgpack: Final[Serde[Any]] = _Format("msgpack", msgspec.msgpack.encode, msgspec.msgpack.decode)


def check_key_type(type_: Any) -> None:
    """Raise `ConfigError` for a key type whose bytes could mean two things."""
    if get_origin(type_) is Annotated:
        return
    members = union_members(type_)
    others = [member for member in members if member is not type(None)]
    if len(others) > 1 and (str in others or bytes in others):
        raise ConfigError(
            f"{show(type_)} cannot be a key: the bytes of a str or bytes could also be those of another member."
            " Use one type, or a str for all of them.",
            key="key",
            value=type_,
        )


def public_codec(type_: Any, *, key: bool) -> Codec:
    """Return the codec of the one public encoding of a type; raises `ConfigError` for a type that has none."""
    try:
        return _public(type_, key)
    except TypeError:  # a type form that cannot be hashed
        return _make_public(type_, key)


def internal_codec(type_: Any, *, key: bool) -> Codec:
    """Return the codec for the topology's own topics: the public one where the type is known."""
    return _SELF_DESCRIBING if type_ is UNKNOWN else public_codec(type_, key=key)


_SELF_DESCRIBING: Final = Codec(UNKNOWN, selfdescribing.pack, selfdescribing.unpack, accepts_none=True)


@lru_cache(maxsize=1024)
def _public(type_: Any, key: bool) -> Codec:
    return _make_public(type_, key)


def _make_public(type_: Any, key: bool) -> Codec:
    if key:
        check_key_type(type_)
    if type_ is UNKNOWN or type_ is Any:
        decode: Decode = _raw if type_ is UNKNOWN else msgspec.json.decode
        return Codec(type_, _any_encoder(key=key), decode, accepts_none=True)
    if get_origin(type_) is Annotated:
        inner, *extras = get_args(type_)
        for extra in extras:
            if extra is msgpack:
                decoder = msgspec.msgpack.Decoder(inner).decode
                return _typed(type_, inner, msgspec.msgpack.Encoder().encode, decoder, floats=False)
            if extra is json:
                return _make_public(inner, key)
            if hasattr(extra, "encode") and hasattr(extra, "decode"):
                return Codec(type_, extra.encode, extra.decode, accepts_none=optional(inner)[1])
        if not extras or all(not hasattr(extra, "encode") for extra in extras):
            return _json(type_, inner, key)
    bare, nullable = optional(type_)
    if bare is bytes:
        return Codec(type_, _raw, _raw, classes=frozenset({bytes}), accepts_none=nullable, canonical_identity=True)
    if bare is str:
        return Codec(
            type_,
            str.encode,
            bytes.decode,
            classes=frozenset({str}),
            accepts_none=nullable,
            canonical_identity=True,
        )
    return _json(type_, type_, key)


def _json(type_: Any, inner: Any, key: bool) -> Codec:
    """JSON by msgspec; by pydantic for its models; unions of plain classes are told apart by their fields."""
    bare, _ = optional(inner)
    dataclasses = [member for member in union_members(bare) if member is not type(None)]
    encode = _json_encoder(key=key)
    adapter = _pydantic_adapter(bare)
    if adapter is not None:
        return _typed(type_, inner, adapter.dump_json, adapter.validate_json, floats=may_hold_floats(bare))
    foreign = foreign_class(bare)
    if foreign is not None:
        raise ConfigError(
            f"{show(foreign)} has no encoding: use a dataclass, a msgspec.Struct, a TypedDict, a pydantic model or"
            " built-in types, or give a serde, Annotated[" + show(type_) + ", serde].",
            key="value",
            value=type_,
        )
    try:
        decode: Decode = msgspec.json.Decoder(bare).decode
    except TypeError as error:
        if len(dataclasses) < 2:
            raise ConfigError(f"{show(type_)} has no encoding: {error}.", key="value", value=type_) from error
        decode = tell_apart(dataclasses)
    return _typed(type_, inner, encode, decode, floats=may_hold_floats(bare))


def _typed(type_: Any, inner: Any, encode: Encode, decode: Decode, *, floats: bool) -> Codec:
    bare, nullable = optional(inner)
    classes = classes_of(bare)
    return Codec(type_, encode, decode, classes=classes, accepts_none=nullable, floats=floats)


def _pydantic_adapter(type_: Any) -> Any:
    """Return a TypeAdapter when a pydantic model is in the type, without importing pydantic for others."""
    if not _has_pydantic():
        return None
    import pydantic

    if not any(isinstance(member, type) and issubclass(member, pydantic.BaseModel) for member in union_members(type_)):
        return None
    return pydantic.TypeAdapter(type_)
