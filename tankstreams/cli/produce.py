"""``tankstreams produce``: records from a file or a pipe into a topic."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final

import typer

from tankstreams.cli.options import JsonOption, LogOption, pairs
from tankstreams.cli.terminal import counted, is_terminal, print_json, say
from tankstreams.errors import LogError, UsageError
from tankstreams.log.address import DEFAULT_LOG

if TYPE_CHECKING:
    from tankstreams.cli.parsing import Fields, Parsed
    from tankstreams.log.sync import SyncLog

__all__ = ["produce_command"]

CHUNK_BYTES: Final = 1 << 20
"""What is read at a time at most; a pipe gives what it has, so what is typed is produced at once."""

CSV_ROWS: Final = 4096
"""Rows of CSV in one produce."""


def produce_command(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="The topic to write to.")],
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file to read; - is stdin.")] = "-",
    format: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="value|json|csv|record",
            help="value: each line is a value. json: each line is JSON. csv: a heading, then rows that become JSON"
            " objects. record: what consume --format record prints.",
        ),
    ] = "value",
    key: Annotated[
        str | None, typer.Option("--key", metavar="FIELD", help="The field that is the key (json, csv).")
    ] = None,
    key_separator: Annotated[
        str | None,
        typer.Option("--key-separator", metavar="TEXT", help="What ends the key in a line (value)."),
    ] = None,
    timestamp: Annotated[
        str | None,
        typer.Option("--timestamp", metavar="FIELD|TIME", help="The field that holds the time, or one time for all."),
    ] = None,
    partitions: Annotated[
        int | None,
        typer.Option("--partitions", min=1, help="Create the topic with so many if it is missing."),
    ] = None,
    types: Annotated[
        str | None,
        typer.Option("--types", metavar="FIELD=TYPE,…", help="Types of csv fields: str, int, float, bool, json."),
    ] = None,
    tombstone: Annotated[
        bool,
        typer.Option("--tombstone", help="Write null values, which delete keys from a table; a line is a key."),
    ] = False,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", metavar="KEY=VALUE", help="A header for every record."),
    ] = None,
    log: LogOption = DEFAULT_LOG,
    json: JsonOption = False,
) -> None:
    """Write records to a topic and say how many were acknowledged; exits with 0 only if all were.

    Example: [bold]cat words.txt | tankstreams produce lines --partitions 4[/bold]

    Example: [bold]tankstreams produce orders orders.csv --format csv --key id --types price=float[/bold]
    """
    import time

    from tankstreams.cli.parsing import Fields, types_of
    from tankstreams.cli.times import parse_time
    from tankstreams.log.sync import open_log_sync

    if types is not None and format != "csv":
        raise UsageError("--types goes with --format csv.")
    fixed_time = None if timestamp is None else parse_time(timestamp, time.time_ns() // 1_000_000)
    fields = Fields(key, key_separator, timestamp if fixed_time is None else None, tombstone)
    headers = tuple((name, text.encode()) for name, text in pairs(header, "--header").items())
    with _opened(file) as source, open_log_sync(log) as opened:
        if partitions is not None:
            _create(opened, topic, partitions)
        writer = _Writer(opened, topic, fixed_time, headers)
        with _progress(source) as writer.progress:
            _write_all(source, format, fields, types_of(types), writer)
    if json:
        print_json({"topic": topic, "produced": writer.count})
    else:
        say(f"Produced {counted(writer.count, 'record')} to {topic}.")


class _Writer:
    """Produces batches and counts what was acknowledged."""

    def __init__(
        self, log: SyncLog, topic: str, fixed_time: int | None, headers: tuple[tuple[str, bytes], ...]
    ) -> None:
        self._log = log
        self._topic = topic
        self._time = fixed_time
        self._headers = headers
        self.count = 0
        self.progress: Callable[[int], None] = lambda count: None
        log.describe_topic(topic)  # a missing topic is said before anything is read

    def write(self, batch: list[Parsed]) -> None:
        if not batch:
            return
        import time

        now = time.time_ns() // 1_000_000 if self._time is None else self._time
        headers = [record.headers + self._headers for record in batch]
        produced = self._log.produce(
            self._topic,
            [record.value for record in batch],
            keys=[record.key for record in batch],
            timestamps=[now if record.timestamp is None else record.timestamp for record in batch],
            headers=headers if any(headers) else None,
        )
        self.count += produced.count
        self.progress(self.count)


def _write_all(source: BinaryIO, format: str, fields: Fields, types: dict[str, str], writer: _Writer) -> None:
    """Produce everything; at a bad line what came before it is produced, then it is told."""
    from tankstreams.cli.parsing import BadLine, parser_of

    parse = parser_of(format, fields)
    batches = _csv_batches(source, types) if format == "csv" else _line_batches(source)
    for batch in batches:
        parsed: list[Parsed] = []
        for number, given in batch:
            try:
                if isinstance(given, BadLine):
                    raise given
                if format == "value" or given:  # an empty line is an empty value, and no JSON
                    parsed.append(parse(given))
            except BadLine as error:
                writer.write(parsed)
                before = counted(writer.count, "record")
                raise LogError(
                    f"Line {number} was refused: {error}; what came before it ({before}) was produced, nothing after it"
                    " was read."
                ) from error
        writer.write(parsed)


def _line_batches(source: BinaryIO) -> Iterator[list[tuple[int, Any]]]:
    """Yield (line number, line without its end) for the lines of each chunk that can be had at once."""
    number, rest = 1, b""
    read = getattr(source, "read1", source.read)
    while chunk := read(CHUNK_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        yield list(enumerate((line.removesuffix(b"\r") for line in lines), number))
        number += len(lines)
    if rest:
        yield [(number, rest.removesuffix(b"\r"))]


def _csv_batches(source: BinaryIO, types: dict[str, str]) -> Iterator[list[tuple[int, Any]]]:
    from itertools import islice

    from tankstreams.cli.parsing import csv_rows

    rows = csv_rows((line.decode("utf-8-sig") for line in source), types)
    while batch := list(islice(rows, CSV_ROWS)):
        yield [(number, row) for number, row in batch]


def _create(log: SyncLog, topic: str, partitions: int) -> None:
    existing = next((info for info in log.topics() if info.name == topic), None)
    if existing is None:
        log.create_topic(topic, partitions=partitions)
    elif len(existing.partitions) != partitions:
        raise UsageError(
            f"Topic {topic} has {len(existing.partitions)} partitions already, not {partitions}: leave out"
            " --partitions."
        )


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        source = open(file, "rb")
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror}): check its name.") from error
    with source:
        yield source


def _progress(source: BinaryIO) -> Any:
    """Return a context that gives a function to call with the count so far: a bar for a file, on a terminal."""
    if source is sys.stdin.buffer or not is_terminal(sys.stderr):
        return nullcontext(lambda count: None)
    from tankstreams.cli.progress import BytesProgress

    return BytesProgress(source, os.fstat(source.fileno()).st_size)
