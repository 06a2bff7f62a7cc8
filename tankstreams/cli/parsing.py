"""Lines of input become records: the formats of ``tankstreams produce``."""

from __future__ import annotations

import base64
import binascii
import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from tankstreams.errors import EncodeError, RecordRefused, UsageError
from tankstreams.log.limits import INT64_MAX, INT64_MIN
from tankstreams.log.records import Headers
from tankstreams.topology.nodes import UNKNOWN
from tankstreams.topology.serde import public_codec
from tankstreams.topology.times import to_ms

__all__ = ["BadLine", "Fields", "Parsed", "csv_rows", "parser_of", "types_of"]

_KEY = public_codec(UNKNOWN, key=True)
_MISSING: Final = object()


class BadLine(RecordRefused):
    """A line of input that makes no record; the message is one clause without the line's number."""


class Parsed(NamedTuple):
    """One record; ``timestamp`` is epoch milliseconds, None for the time of producing."""

    key: bytes | None
    value: bytes | None
    timestamp: int | None = None
    headers: Headers = ()


Parse: TypeAlias = Callable[[Any], Parsed]


@dataclass(frozen=True, slots=True)
class Fields:
    """Which parts of the input are a record's key and time, and whether its value is dropped."""

    key: str | None = None
    key_separator: str | None = None
    timestamp: str | None = None
    tombstone: bool = False


def parser_of(format: str, fields: Fields) -> Parse:
    """Return the function that makes a record of a line (bytes without its end), or of a row of `csv_rows`."""
    match format:
        case "value":
            return _value_parser(fields)
        case "json" | "csv":
            return _object_parser(fields, is_row=format == "csv")
        case "record":
            if fields != Fields():
                raise UsageError(
                    "--format record carries key, time and value in the record: --key, --key-separator, --timestamp and"
                    " --tombstone do not go with it."
                )
            return _record
        case _:
            raise UsageError(f"--format takes value, json, csv or record, not {format!r}.")


def _value_parser(fields: Fields) -> Parse:
    if fields.key is not None or fields.timestamp is not None:
        raise UsageError("--key and --timestamp FIELD name a field: they need --format json or csv.")
    if fields.key_separator == "":
        raise UsageError("--key-separator must not be empty.")
    if fields.tombstone:
        return lambda line: Parsed(line, None)
    if fields.key_separator is None:
        return lambda line: Parsed(None, line)
    separator = fields.key_separator.encode()

    def split(line: bytes) -> Parsed:
        key, found, value = line.partition(separator)
        if not found:
            raise BadLine(f"it has no key separator {fields.key_separator!r}")
        return Parsed(key, value)

    return split


def _object_parser(fields: Fields, *, is_row: bool) -> Parse:
    if fields.key_separator is not None:
        raise UsageError("--key-separator goes with --format value: use --key FIELD.")
    if fields.tombstone and fields.key is None:
        raise UsageError("--tombstone needs a key to delete: name its field with --key.")

    def parse(given: Any) -> Parsed:
        data = given if is_row else _json(given)
        key = None if fields.key is None else _key(data, fields.key)
        time = None if fields.timestamp is None else _time(_field(data, fields.timestamp), fields.timestamp)
        value = None if fields.tombstone else msgspec.json.encode(data) if is_row else bytes(given).strip()
        return Parsed(key, value, time)

    return parse


def _json(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadLine(f"it is not JSON ({error})") from error


def _field(data: Any, name: str) -> Any:
    found = data.get(name, _MISSING) if isinstance(data, Mapping) else _MISSING
    if found is _MISSING:
        raise BadLine(f"it has no field {name!r}")
    return found


def _key(data: Any, name: str) -> bytes | None:
    try:
        return _KEY.encode(_field(data, name))
    except EncodeError as error:
        raise BadLine(f"its field {name!r} cannot be a key ({error})") from error


def _time(value: Any, name: str) -> int:
    if type(value) is int and INT64_MIN <= value <= INT64_MAX:
        return value
    try:
        return to_ms(datetime.fromisoformat(value) if isinstance(value, str) else value)
    except (ValueError, TypeError) as error:
        raise BadLine(
            f"its {name} is not a time ({error}): expected epoch milliseconds, or ISO 8601 with a zone"
        ) from error


def _record(line: bytes) -> Parsed:
    data = _json(line)
    if not isinstance(data, dict):
        raise BadLine("it is not a JSON object as tankstreams consume --format record prints")
    if "value" not in data and "value_base64" not in data:
        raise BadLine("it has neither value nor value_base64 (null makes a tombstone)")
    time = data.get("timestamp")
    return Parsed(
        _part(data, "key"),
        _part(data, "value"),
        None if time is None else _time(time, "timestamp"),
        _headers(data),
    )


def _part(data: dict[str, Any], name: str) -> bytes | None:
    if f"{name}_base64" in data:
        return _base64(data[f"{name}_base64"], f"{name}_base64")
    text = data.get(name)
    if text is None:
        return None
    if not isinstance(text, str):
        raise BadLine(f"its {name} is not a text or null: a record's {name} is text even where it holds JSON")
    return text.encode()


def _headers(data: dict[str, Any]) -> Headers:
    in_base64 = "headers_base64" in data
    given = data["headers_base64" if in_base64 else "headers"] if in_base64 or "headers" in data else None
    if given is None:
        return ()
    pairs = list(given.items()) if isinstance(given, dict) else given
    try:
        return tuple(
            (str(name), _base64(text, "headers_base64") if in_base64 else text.encode()) for name, text in pairs
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise BadLine('its headers are not {"name": "text"} or [["name", "text"]]') from error


def _base64(text: Any, name: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise BadLine(f"its {name} is not base64") from error


_CONVERT: Final[Mapping[str, Callable[[str], Any]]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": lambda text: {"true": True, "false": False, "1": True, "0": False}[text.lower()],
    "json": msgspec.json.decode,
}


def types_of(text: str | None) -> dict[str, str]:
    """Split ``--types F=int,G=float``; raises `UsageError`."""
    types: dict[str, str] = {}
    for part in (text or "").split(",") if text else ():
        name, equals, kind = part.strip().partition("=")
        if not equals or kind not in _CONVERT:
            raise UsageError(f"--types takes FIELD=TYPE with a TYPE of {', '.join(_CONVERT)}, not {part!r}.")
        types[name] = kind
    return types


def csv_rows(lines: Iterator[str], types: Mapping[str, str]) -> Iterator[tuple[int, dict[str, Any] | BadLine]]:
    """Yield (line number, row) for each row under the heading line; a bad row is a `BadLine`.

    Fields are strings and null where empty; with a type they are converted, and ``str`` keeps an empty one.
    """
    reader = csv.reader(lines, strict=True)
    try:
        heading = next(reader)
    except StopIteration:
        return
    except (csv.Error, UnicodeDecodeError) as error:
        yield 1, BadLine(f"it is not CSV ({error})")
        return
    if len(set(heading)) < len(heading):
        raise UsageError(f"The heading has a field twice: {', '.join(heading)}.")
    unknown = [name for name in types if name not in heading]
    if unknown:
        raise UsageError(f"--types names {unknown[0]!r} and the heading has {', '.join(heading)}.")
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except (csv.Error, UnicodeDecodeError) as error:
            yield reader.line_num + isinstance(error, UnicodeDecodeError), BadLine(f"it is not CSV ({error})")
            return
        if row:
            yield reader.line_num, _typed_row(heading, row, types)


def _typed_row(heading: Sequence[str], row: Sequence[str], types: Mapping[str, str]) -> dict[str, Any] | BadLine:
    if len(row) != len(heading):
        return BadLine(f"it has {len(row)} fields and the heading {len(heading)}")
    typed: dict[str, Any] = {}
    for name, text in zip(heading, row, strict=True):
        kind = types.get(name)
        if text == "" and kind != "str":
            typed[name] = None
            continue
        try:
            typed[name] = text if kind is None else _CONVERT[kind](text)
        except (ValueError, KeyError):
            return BadLine(f"its {name} {text!r} is not {'JSON' if kind == 'json' else f'of type {kind}'}")
    return typed
