"""Serdes: one public encoding a value, by its declared type; `docs/reference/encoding.md`.

bytes are raw, str is UTF-8, everything else JSON; another format rides in the type, ``Annotated[Flight, ts.msgpack]``.
What nobody declared crosses the topology's own topics in self-describing msgpack and leaves it encoded by its run-time
type. None is a null key or value wherever the type allows it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Annotated, Any, Final, Protocol, get_args, get_origin

import msgspec
from typing_extensions import TypeVar

from tankstreams.errors import ConfigError, DecodeError, EncodeError
from tankstreams.topology import selfdescribing
from tankstreams.topology.finite import check_finite, may_hold_floats, surely_finite
from tankstreams.topology.nodes import UNKNOWN
from tankstreams.topology.typeforms import (
    classes_of,
    foreign_class,
    optional,
    plain,
    show,
    tell_apart,
    texts_of,
    union_members,
)

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
        try:
            if self._classes is not None and type(value) not in self._classes:
                value = self._fit(value)
            data = self._encode(value)
        except EncodeError:
            raise
        except Exception as error:  # a serde or a model is the user's code: whatever it raises, it is this value
            name = type(value).__name__
            raise EncodeError(f"{name} cannot be written as {show(self.type)}: {_line(error)}") from error
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
        except DecodeError:
            raise
        except Exception as error:  # a serde or a model is the user's code: whatever it raises, it is this record
            raise DecodeError(f"it cannot be read as {show(self.type)}: {_line(error)}") from error

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
                # A StopIteration out of a user's serde ends the map early; the loop below says where.
                whole = len(out) == len(values)
                if whole and (not self._floats or b"null" not in b"".join(out) or surely_finite(values)):
                    return out
                out.clear()
        encode = self.encode
        try:
            out.extend(map(encode, values))
        except EncodeError as cause:
            raise ColumnError(len(out), cause, out) from cause
        return out

    def encode_exact(self, values: Sequence[Any]) -> list[bytes | None]:
        """Encode a column of which the caller knows that every value fits: nothing is checked."""
        return list(map(self._encode, values))

    def decode_column(self, column: Sequence[bytes | None]) -> list[Any]:
        """Decode a column; raises `ColumnError` at the first row that does not fit."""
        if self._raw and (self.accepts_none or None not in column):
            return column if isinstance(column, list) else list(column)
        out: list[Any] = []
        if None not in column:
            try:
                out.extend(map(self._decode, column))  # type: ignore[arg-type]
            except Exception:  # whatever it is, the loop below meets it again and says which row
                out.clear()
            if len(out) == len(column):
                return out
            out.clear()
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


def _line(error: Exception) -> str:
    """Return what an error says, in one line: pydantic's take several."""
    return " ".join(str(error).split()) or type(error).__name__


def _raw(data: bytes) -> bytes:
    return data


def _any_encoder(*, key: bool) -> Encode:
    """Return the public encoder by run-time type."""
    encode = _json_encoder(key=key)

    def by_run_time_type(value: Any) -> bytes:
        if isinstance(value, bytes):
            return value
        if isinstance(value, str):
            return str.encode(value)
        data = encode(value)
        if b"null" in data:
            check_finite(value)
        return data

    return by_run_time_type


def _json_encoder(*, key: bool) -> Encode:
    """Keys are sorted where they hold dicts or sets: equal keys must make equal bytes."""
    return msgspec.json.Encoder(order="deterministic" if key else None, enc_hook=_model_key if key else _model).encode


def _model(value: Any) -> msgspec.Raw:
    """Return the JSON of a pydantic model inside another value, without importing pydantic."""
    if not hasattr(value, "model_dump_json"):
        raise NotImplementedError(f"the class {type(value).__qualname__} has no encoding")
    return msgspec.Raw(value.model_dump_json(by_alias=True).encode())


def _model_key(value: Any) -> Any:
    """Return a pydantic model as dicts and lists, which the encoder sorts."""
    if not hasattr(value, "model_dump"):
        raise NotImplementedError(f"the class {type(value).__qualname__} has no encoding")
    return value.model_dump(mode="json", by_alias=True)


def _finite_json(value: Any) -> bytes:
    data = msgspec.json.encode(value, enc_hook=_model)
    if b"null" in data:
        check_finite(value)
    return data


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


json: Final[Serde[Any]] = _Format("json", _finite_json, msgspec.json.decode)
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
    if type_ is UNKNOWN:
        return _SELF_DESCRIBING_KEY if key else _SELF_DESCRIBING
    return public_codec(type_, key=key)


_SELF_DESCRIBING: Final = Codec(UNKNOWN, selfdescribing.pack, selfdescribing.unpack, accepts_none=True)
_SELF_DESCRIBING_KEY: Final = Codec(UNKNOWN, selfdescribing.pack_key, selfdescribing.unpack, accepts_none=True)


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
                return _msgpack(type_, inner, key)
            if extra is json:
                return _json(type_, inner, key)
            if hasattr(extra, "encode") and hasattr(extra, "decode"):
                return Codec(type_, _checked(extra.encode), extra.decode, accepts_none=optional(inner)[1])
        bare = optional(plain(inner))[0]
        if bare is bytes or texts_of(bare):
            return _make_public(inner, key)
        if key:
            check_key_type(plain(inner))
        return _json(type_, type_, key)  # with what msgspec.Meta asks for
    bare, nullable = optional(plain(type_))
    bare = plain(bare)
    if bare is bytes:
        return Codec(type_, _raw, _raw, classes=frozenset({bytes}), accepts_none=nullable, canonical_identity=True)
    classes = texts_of(bare)
    if classes is not None:
        decode = bytes.decode if bare is str else _text_decoder(bare)
        encode = str.encode if bare is str or isinstance(bare, type) else _one_of(bare)
        return Codec(type_, encode, decode, classes=classes, accepts_none=nullable, canonical_identity=True)
    return _json(type_, plain(type_), key)


def _text_decoder(bare: Any) -> Decode:
    """Return the decoder of an enum of strs or of a Literal of strs."""
    return lambda data: msgspec.convert(data.decode(), bare)


def _one_of(literal: Any) -> Encode:
    """Return the encoder of a Literal of strs, that writes no other."""
    return lambda value: str.encode(msgspec.convert(value, literal))


def _checked(encode: Callable[[Any], Any]) -> Encode:
    """Hold a user's serde to its word: bytes, or None for a null."""

    def checked(value: Any) -> bytes:
        data = encode(value)
        if data is not None and type(data) is not bytes:
            raise EncodeError(f"a serde's encode must return bytes or None, and it returned {type(data).__name__}")
        return data  # type: ignore[return-value]  # None is a null

    return checked


def _msgpack(type_: Any, inner: Any, key: bool) -> Codec:
    try:
        decode: Decode = msgspec.msgpack.Decoder(optional(inner)[0]).decode
    except TypeError as error:
        raise ConfigError(f"{show(type_)} has no encoding: {error}.", key="value", value=type_) from error
    encode = msgspec.msgpack.Encoder(order="deterministic" if key else None).encode
    return _typed(type_, inner, encode, decode, floats=False)


def _json(type_: Any, inner: Any, key: bool) -> Codec:
    """JSON by msgspec; by pydantic for its models; unions of plain classes are told apart by their fields."""
    bare, _ = optional(inner)
    dataclasses = [member for member in union_members(bare) if member is not type(None)]
    encode = _json_encoder(key=key)
    adapter = _pydantic_adapter(bare)
    if adapter is not None:
        dump = partial(adapter.dump_json, by_alias=True)
        if key:
            sort = msgspec.json.Encoder(order="deterministic").encode
            as_json = partial(adapter.dump_python, mode="json", by_alias=True)
            return _typed(type_, inner, lambda value: sort(as_json(value)), adapter.validate_json, floats=True)
        return _typed(type_, inner, dump, adapter.validate_json, floats=may_hold_floats(bare))
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
    if "pydantic" not in sys.modules:
        return None
    import pydantic

    return pydantic.TypeAdapter(type_) if _holds(type_, pydantic.BaseModel) else None


def _holds(type_: Any, base: type) -> bool:
    """Return whether a subclass of ``base`` is named in the type, at any depth of its arguments."""
    if isinstance(type_, type) and get_origin(type_) is None:
        return issubclass(type_, base)
    return any(_holds(argument, base) for argument in get_args(type_))
