"""Records become lines of output: the formats of ``tankstreams consume``."""

from __future__ import annotations

import base64
import string
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from tankstreams.cli.times import iso
from tankstreams.errors import UsageError
from tankstreams.log.records import Headers, Records, TopicPartition

__all__ = ["Render", "Row", "renderer_of", "rows_of"]

FIELDS: Final = ("topic", "partition", "offset", "timestamp", "timestamp_ms", "key", "value", "headers")
"""What a template may name."""


class Row(NamedTuple):
    """One record with where it came from."""

    source: TopicPartition
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


Render: TypeAlias = Callable[[Row], bytes]
"""Gives the line of a record, without its end."""


def rows_of(source: TopicPartition, records: Records) -> Iterator[Row]:
    """Yield the records of a column one by one."""
    headers = records.headers or [()] * len(records)
    columns = zip(records.offsets, records.timestamps, records.keys, records.values, headers, strict=True)
    for offset, timestamp, key, value, pairs in columns:
        yield Row(source, offset, timestamp, key, value, pairs)


def renderer_of(format: str, *, width: int = 100) -> Render:
    """Return the renderer of a format; ``width`` is what a row of ``table`` may take. Raises `UsageError`."""
    match format:
        case "value":
            return lambda row: b"" if row.value is None else row.value
        case "record":
            return _record
        case "table":
            return lambda row: _table_row(row, width)
        case _ if "{" in format:
            return _template(format)
        case _:
            raise UsageError(
                f"--format takes value, record, table or a template such as '{{key}} {{value}}', not {format!r}."
            )


def _record(row: Row) -> bytes:
    out: dict[str, Any] = {
        "topic": row.source.topic,
        "partition": row.source.partition,
        "offset": row.offset,
        "timestamp": row.timestamp,
    }
    for name, data in (("key", row.key), ("value", row.value)):
        try:
            out[name] = None if data is None else data.decode()
        except UnicodeDecodeError:
            out[f"{name}_base64"] = base64.b64encode(data or b"").decode()
    try:
        out["headers"] = _named([(name, data.decode()) for name, data in row.headers])
    except UnicodeDecodeError:
        out["headers_base64"] = _named([(name, base64.b64encode(data).decode()) for name, data in row.headers])
    return msgspec.json.encode(out)


def _named(pairs: list[tuple[str, str]]) -> Any:
    """Return an object, or pairs where a name occurs more than once."""
    named = dict(pairs)
    return named if len(named) == len(pairs) else pairs


TABLE_HEADING: Final = f"{'partition':>9} {'offset':>10}  {'time':<24}  {'key':<24}  value"


def _table_row(row: Row, width: int) -> bytes:
    key = _cut(_shown(row.key), 24)
    line = f"{row.source.partition:>9} {row.offset:>10}  {iso(row.timestamp):<24}  {key:<24}  "
    return (line + _cut(_shown(row.value), max(20, width - len(line)))).encode()


def _shown(data: bytes | None) -> str:
    """Return data as a person can read it in one line; null where there is none."""
    if data is None:
        return "null"
    text = data.decode(errors="backslashreplace")
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _template(template: str) -> Render:
    text = template.replace("\\t", "\t").replace("\\n", "\n")
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise UsageError(f"The template {template!r} cannot be read ({error}): write {{{{ for a brace.") from error
    for _, name, spec, conversion in parts:
        if name is not None and (name not in FIELDS or spec or conversion):
            raise UsageError(f"The template names {{{name}}}: it may name {', '.join(FIELDS)}.")

    def render(row: Row) -> bytes:
        out = []
        for literal, name, _, _ in parts:
            out.append(literal.encode())
            if name is not None:
                out.append(_template_field(row, name))
        return b"".join(out)

    return render


def _template_field(row: Row, name: str) -> bytes:
    match name:
        case "key" | "value":
            data: bytes | None = getattr(row, name)
            return data or b""
        case "topic" | "partition":
            return str(getattr(row.source, name)).encode()
        case "timestamp":
            return iso(row.timestamp).encode()
        case "timestamp_ms":
            return str(row.timestamp).encode()
        case "headers":
            return b",".join(header.encode() + b"=" + data for header, data in row.headers)
        case _:
            return str(row.offset).encode()
