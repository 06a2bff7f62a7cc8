"""``tankstreams consume``: print the records of a topic, and those to come."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from tankstreams.cli.options import LogOption
from tankstreams.cli.terminal import is_terminal
from tankstreams.errors import UsageError
from tankstreams.log.address import DEFAULT_LOG

if TYPE_CHECKING:
    from tankstreams.log.fetch import Start

__all__ = ["consume_command"]


def consume_command(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="The topic to read.")],
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="beginning|end|OFFSET|TIME",
            help="Where to start; TIME is ISO 8601 with a zone, or -1h for an hour ago.",
        ),
    ] = "beginning",
    partition: Annotated[
        list[int] | None, typer.Option("--partition", "-p", help="Only this partition; may be given again.")
    ] = None,
    until_end: Annotated[
        bool,
        typer.Option("--until-end", "-e", help="Stop where the topic ends now, instead of following it."),
    ] = False,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=0, help="Stop after so many records.")] = None,
    format: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="value|record|table|TEMPLATE",
            help="value: the value and a newline. record: a JSON object a line, which produce --format record takes"
            " back without loss. table: columns to look at. TEMPLATE: such as '{key} {value}'.",
        ),
    ] = "value",
    log: LogOption = DEFAULT_LOG,
) -> None:
    """Print the records of a topic from the beginning, then those to come, until Ctrl-C.

    Example: [bold]tankstreams consume orders --until-end --format table[/bold]

    Example: [bold]tankstreams consume orders --from -1h --format '{timestamp} {key} {value}'[/bold]
    """
    import shutil

    from tankstreams.cli.rendering import TABLE_HEADING, renderer_of, rows_of
    from tankstreams.log.sync import open_log_sync

    width = shutil.get_terminal_size((160, 24)).columns if is_terminal() else 10_000
    render = renderer_of(format, width=width)
    begin = _start(start)
    out = sys.stdout.buffer
    with open_log_sync(log) as opened:
        reading = opened.read(topic, partitions=partition or None, start=begin, until_end=until_end)
        if format == "table" and is_terminal():
            print(TABLE_HEADING, flush=True)
        left = limit
        while left != 0:
            source_and_records = next(reading, None)
            if source_and_records is None:
                break
            lines = [render(row) for row in rows_of(*source_and_records)][:left]
            out.write(b"\n".join(lines) + b"\n")
            out.flush()
            left = None if left is None else left - len(lines)


def _start(text: str) -> Start:
    import time

    from tankstreams.cli.times import parse_time
    from tankstreams.log.fetch import AtTime

    if text == "beginning":
        return "beginning"
    if text == "end":
        return "end"
    if text.isdecimal():
        return int(text)
    at = parse_time(text, time.time_ns() // 1_000_000)
    if at is None:
        raise UsageError(
            f"--from takes beginning, end, an offset, a time in ISO 8601 with a zone, or -1h, not {text!r}."
        )
    return AtTime(at)
